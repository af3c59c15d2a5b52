// SPDX-License-Identifier: LGPL-2.1-or-later
/** frameliftd with the test display, over HXFR: what comes out, to whom, and what it costs. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { CONFIG_REQ, FRAME_RESPONSE, HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, sleep, stats, until } from '../lib/programs.mjs';
import { UnitFlag, keyframeRequest, ping, unsubscribe } from '../../web/page/hxfr.js';

/** A daemon on the test display and a unix socket of its own. */
async function serve(t, display, ...more) {
  const folder = mkdtempSync(join(tmpdir(), 'framelift-stream-'));
  const path = join(folder, 's.sock');
  const args = ['--display', display, '--listen', `unix:${path}`, '--token-file', join(folder, 'token'), ...more];
  const daemon = await Daemon.start(args);
  t.after(async () => {
    const { code, signal } = daemon.child.exitCode === null ? await daemon.stop() : await daemon.exited;
    rmSync(folder, { recursive: true, force: true });
    assert.equal(signal ?? code, 0, `frameliftd ended badly:\n${daemon.stderr}`);
  });
  const address = `unix:${path}`;
  await until('the display runs', async () => {
    const known = await stats(address).catch(() => null);
    return known?.display.state === 'running' && known.scanouts.length > 0;
  });
  return { daemon, folder, path, address };
}

/** Refinements are over, and nothing more is encoded but keep-alives. */
const settled = (address) =>
  until('the picture is settled', async () => (await stats(address)).counters['encode.repeats'] > 0);

test('600 access units of a 1080p60 cube: all there, decodable, sharp, and browsers take them at once', async (t) => {
  const { address, folder } = await serve(t, 'test:1920x1080@60,scene=cube,barcode');
  const file = join(folder, 'cube.h264');
  const recorded = await framelift('record', address, '--frames', '600', '-o', file);
  assert.equal(recorded.code, 0, recorded.stderr);
  assert.match(recorded.stderr, /^600 access units/);
  assert.match(recorded.stderr, / 0 missing,/);
  t.diagnostic(recorded.stderr.trim());

  const { sps, units } = await checkStream(file, '--scene', ':1920x1080@60,scene=cube,barcode');
  assert.equal(units.length, 600);
  assert.deepEqual(units.filter((unit) => unit.error || unit.width !== 1920 || unit.height !== 1080), []);
  const psnr = units.map((unit) => unit.psnr).sort((a, b) => a - b);
  t.diagnostic(`PSNR of luma: least ${psnr[0]}, median ${psnr[300]} dB`);
  assert.ok(psnr[0] >= 38, `PSNR of luma goes down to ${psnr[0]} dB`);
  // on a starved machine a picture may be refined, or repeated, before the next one comes: never one that is older
  units.slice(1).forEach((unit, i) => assert.ok(unit.number >= units[i].number, `${units[i].number} → ${unit.number}`));
  assert.ok(new Set(units.map((unit) => unit.number)).size > 540, 'nearly all are pictures of their own');

  assert.equal(units.filter((unit) => unit.key).length, sps.length);
  for (const one of sps) {
    assert.equal(one.profile, 'constrained baseline');
    assert.ok(one.restriction && one.reorder === 0 && one.buffering <= one.references, JSON.stringify(one));
    assert.deepEqual([one.hasColour, one.fullRange, ...one.colour], [true, false, 1, 1, 1]);
  }
});

test('idle: a version 1 subscriber gets small keep-alives, and nothing else is encoded', async (t) => {
  const { path, address } = await serve(t, 'test:1280x720@60,scene=idle');
  const client = await HxfrClient.open(path);
  t.after(() => client.close());
  assert.equal((await client.subscribe()).success, true);
  const first = await client.waitFor((m) => m.type === FRAME_RESPONSE);
  assert.ok(first.key && first.whole);
  await settled(address);
  await sleep(300);

  const before = (await stats(address)).counters;
  const seen = client.units.length;
  await sleep(2000);
  const after = (await stats(address)).counters;
  const units = client.units.slice(seen);
  assert.ok(units.length >= 10 && units.length <= 24, `${units.length} keep-alives in 2 s`);
  assert.deepEqual(units.filter((unit) => unit.key || unit.data.length > 64).map((unit) => unit.data.length), []);
  const grown = (name) => (after[name] ?? 0) - (before[name] ?? 0);
  assert.equal(grown('encode.total'), grown('encode.keep-alives'));
  for (let i = 1; i < units.length; i++) assert.ok(units[i].ptsUs > units[i - 1].ptsUs, 'pts ascend');
});

test('idle: with a version 2 subscriber, or without any, nothing is encoded at all', async (t) => {
  const { path, address } = await serve(t, 'test:1280x720@60,scene=idle');
  await sleep(500);
  assert.equal((await stats(address)).counters['encode.total'] ?? 0, 0, 'encodes without a subscriber');

  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  await client.waitFor((m) => m.type === Type.UNIT && m.flags & UnitFlag.KEY);
  await settled(address);
  const { counters } = await stats(address);
  const heard = client.messages.length;
  await sleep(2500);
  assert.equal((await stats(address)).counters['encode.total'], counters['encode.total']);
  const beats = client.messages.slice(heard).filter((m) => m.type === Type.HEARTBEAT);
  assert.ok(beats.length >= 2, `${beats.length} heartbeats in 2.5 s`);

  // the last unit of a still picture says that it is final, and one came after the sharpest
  assert.ok(client.units.at(-1).flags & UnitFlag.SETTLED);
  client.send(unsubscribe(0));
  await until('the stream stops', async () => (await stats(address)).counters['hub.subscribers'] === 0);
});

test('F20: joiners begin with an IDR each, share one, and blur nobody', async (t) => {
  const { path, address } = await serve(t, 'test:1280x720@60,scene=idle');
  const clients = [];
  t.after(() => clients.forEach((client) => client.close()));
  const join = async () => {
    const client = await (await HxfrClient.open(path)).greet();
    clients.push(client);
    await client.subscribe();
    return client;
  };
  await join();
  await settled(address);
  const before = (await stats(address)).counters['encode.idr'];
  await Promise.all([join(), join(), join(), join()]);
  for (const client of clients) {
    const first = await client.waitFor((m) => m.type === Type.UNIT);
    assert.ok(first.flags & UnitFlag.KEY);
  }
  const made = (await stats(address)).counters['encode.idr'] - before;
  assert.ok(made >= 1 && made <= 2, `${made} IDRs for four joiners of one moment`);
  const blur = clients[0].units.at(-1);
  assert.ok(blur.qp <= 20, `a join on a still picture at QP ${blur.qp}`);
});

test('F07: a subscriber that stops reading delays nobody, costs little, and resumes with an IDR', async (t) => {
  const { path, address } = await serve(t, 'test:1280x720@20,scene=cube,barcode');
  const [good, lazy] = [await (await HxfrClient.open(path)).greet(), await (await HxfrClient.open(path)).greet()];
  t.after(() => [good, lazy].forEach((client) => client.close()));
  await Promise.all([good.subscribe(), lazy.subscribe()]);
  await lazy.waitFor((m) => m.type === Type.UNIT);

  lazy.socket.pause();
  const paused = lazy.units.length;
  const memory = (await stats(address)).process.max_rss_kb;
  await sleep(5000);
  const after = await stats(address);
  assert.ok(after.process.max_rss_kb - memory < 20000, `${after.process.max_rss_kb - memory} KB more`);
  assert.ok(after.counters['subscriber.lagged'] >= 1, 'the lag is counted');

  const sequences = good.units.map((unit) => unit.sequence);
  sequences.slice(1).forEach((sequence, i) => assert.equal(sequence, sequences[i] + 1, 'the other missed one'));
  assert.ok(sequences.length > 50, `${sequences.length} units in 5 s`);

  const resumedAt = good.units.at(-1).sequence;
  lazy.socket.resume();
  await lazy.waitFor((m) => m.type === Type.UNIT && m.sequence > resumedAt, 10000);
  const units = lazy.units.slice(paused);
  const gap = units.findIndex((unit, i) => i > 0 && unit.sequence !== units[i - 1].sequence + 1);
  assert.ok(gap > 0, 'it lost some');
  assert.ok(units[gap].flags & UnitFlag.KEY, 'what follows the gap is an IDR (F08)');
});

test('KEYFRAME_REQ gives an IDR, and a flood of them five a second at the most', async (t) => {
  const { path, address } = await serve(t, 'test:640x360@30,scene=drag');
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  await client.waitFor((m) => m.type === Type.UNIT);
  await sleep(300);
  const before = (await stats(address)).counters['encode.idr'];
  const began = performance.now();
  while (performance.now() - began < 2000) {
    client.send(keyframeRequest(0));
    await sleep(5);
  }
  await sleep(300);
  const made = (await stats(address)).counters['encode.idr'] - before;
  assert.ok(made >= 3 && made <= 12, `${made} IDRs in 2 s`);
});

test('a bit rate that is wished for is kept as a ceiling', async (t) => {
  const { path } = await serve(t, 'test:1280x720@30,scene=video');
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  const config = Buffer.alloc(28);
  config.writeUInt32LE(2000000, 8);
  client.send(message(CONFIG_REQ, 0, config));
  await sleep(3000);
  const from = client.units.length;
  await sleep(4000);
  const units = client.units.slice(from);
  const seconds = (units.at(-1).at - units[0].at) / 1000;
  const rate = (units.slice(1).reduce((sum, unit) => sum + unit.data.length, 0) * 8) / seconds;
  t.diagnostic(`${Math.round(rate / 1000)} kbit/s, ${(units.length / seconds).toFixed(1)} units a second`);
  assert.ok(rate < 2000000 * 1.3, `${Math.round(rate / 1000)} kbit/s of 2000`);
});

test('two scanouts, two pictures, each subscriber its own; an absent one is refused', async (t) => {
  const { path, folder, address } = await serve(t, 'test:640x360@30,scene=cube,barcode,scanouts=2');
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  const list = client.messages.find((m) => m.type === Type.SCANOUTS).scanouts;
  assert.deepEqual(list.map(({ id, width, height }) => [id, width, height]), [[0, 640, 360], [1, 640, 360]]);
  assert.equal((await client.subscribe(7)).success, false);
  await client.subscribe(1);
  const unit = await client.waitFor((m) => m.type === Type.UNIT);
  assert.equal(unit.session, 1);
  assert.equal((await stats(address)).scanouts[0].subscribers, 0);
  const file = join(folder, 'one.h264');
  const recorded = await framelift('record', address, '--scanout', '1', '--frames', '20', '-o', file);
  assert.equal(recorded.code, 0, recorded.stderr);
  assert.equal((await checkStream(file)).units.length, 20);
});

test('odd sizes are padded, and the true size is told', async (t) => {
  const { path, folder, address } = await serve(t, 'test:641x361@30,scene=cube,barcode');
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  const unit = await client.waitFor((m) => m.type === Type.UNIT);
  assert.deepEqual([unit.width, unit.height], [641, 361]);
  const file = join(folder, 'odd.h264');
  await framelift('record', address, '--frames', '10', '-o', file);
  const { units } = await checkStream(file);
  assert.deepEqual(units.filter((one) => one.error || one.width !== 642 || one.height !== 362), []);
});

test('PING is answered at once while a stream runs, and an unknown message harms nothing', async (t) => {
  const { path } = await serve(t, 'test:1280x720@60,scene=video');
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  await client.waitFor((m) => m.type === Type.UNIT);
  client.send(message(0xe7, 3, Buffer.alloc(100)));
  const error = await client.waitFor((m) => m.type === Type.ERROR);
  assert.deepEqual([error.code, error.session], [-1, 3]);
  const began = performance.now();
  client.send(ping(77));
  await client.waitFor((m) => m.type === Type.PONG && m.payload[0] === 77);
  assert.ok(performance.now() - began < 1000);
});

test('the null encoder serves without x264', async (t) => {
  const { path } = await serve(t, 'test:640x360@30,scene=cube', '--encoder', 'null');
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  await until('units come', () => client.units.length > 10);
  assert.ok(client.units.every((unit) => unit.data.length === 8));
});

test('probe of a good daemon: every hop with its time, a picture, exit 0', async (t) => {
  const { address } = await serve(t, 'test:640x360@30,scene=cube');
  const text = await framelift('probe', address);
  assert.equal(text.code, 0, text.stdout);
  for (const hop of ['connect', 'PING', 'version', 'SUBSCRIBE', 'first answer', 'stream', 'decode']) {
    assert.match(text.stdout, new RegExp(`^ok +${hop} +[0-9.]+ ms`, 'm'));
  }
  assert.match(text.stdout, /constrained baseline, level \d\.\d, reorder 0/);
  const json = JSON.parse((await framelift('probe', address, '--json')).stdout);
  assert.equal(json.picture, true);
  assert.equal(json.hops.length, 7);
});

test('1,000 connections that subscribe and leave cost no memory and no descriptors', async (t) => {
  const { path, address, daemon } = await serve(t, 'test:256x64@30,scene=cube', '--encoder', 'null');
  const { readdir, readFile } = await import('node:fs/promises');
  const pid = daemon.processOf('stream');
  const rss = async () => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))[1]);
  const descriptors = async () => (await readdir(`/proc/${pid}/fd`)).length;
  const cycle = async () => {
    const client = await HxfrClient.open(path);
    await client.subscribe();
    await client.waitFor((m) => m.type === FRAME_RESPONSE);
    client.close();
  };
  const rounds = async (count) => {
    for (let i = 0; i < count; i += 8) await Promise.all(Array.from({ length: 8 }, cycle));
    await until('all are gone', async () => (await stats(address)).counters['hub.subscribers'] === 0);
  };
  await rounds(200);
  const [memory, open] = [await rss(), await descriptors()];
  await rounds(800);
  t.diagnostic(`RSS ${memory} → ${await rss()} KB, descriptors ${open} → ${await descriptors()}`);
  assert.ok((await rss()) - memory < (process.env.FRAMELIFT_BUILD_DIR?.includes('asan') ? 60000 : 4000));
  assert.ok((await descriptors()) <= open + 1);
});
