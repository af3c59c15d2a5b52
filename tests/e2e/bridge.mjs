// SPDX-License-Identifier: LGPL-2.1-or-later
/** framelift-bridge: a pipeline for all viewers, in Chromium and over HXFR; and every way in which it can fail. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { UnitFlag } from '../../web/page/hxfr.js';
import { canvasPng, launch, openPage, waitForAdvance, waitForLabel } from '../lib/browser.mjs';
import { built } from '../lib/build.mjs';
import { Daemon } from '../lib/daemon.mjs';
import { gstEnvironment } from '../lib/gst.mjs';
import { CONFIG_REQ, HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { run, sleep, stats, temporaryFolder, until } from '../lib/programs.mjs';

const PROGRAM = 'guest/bridge/framelift-bridge';
const RAW = 'videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1';
const SMALL = 'videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=30/1';
/** Debian's own, of a package that building the tests needs anyway. */
const ENCODER = ['--encoder', 'openh264enc'];
const LOST = 2;
/** The state machine's intervals for tests, milliseconds: guest/bridge/options.h. */
const QUICK = 'back-off=1,back-off-max=20,first=500,decodable=1500';

const missing = existsSync(built(PROGRAM)) ? null : 'this build has no framelift-bridge (GStreamer is missing)';

let browser;
before(async () => {
  if (!missing) browser = await launch();
});
after(() => browser?.close());

/** A bridge that ends with the test, in order. */
async function startBridge(t, args, { hooks, listen = [] } = {}) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'bridge');
  const doors = ['--http', '127.0.0.1:0', '--listen', `unix:${path}`, ...listen, '--token-file', join(folder, 'token')];
  // GStreamer's leaks are told apart by whole stacks
  const more = { GST_PLUGIN_PATH: '', ASAN_OPTIONS: `${process.env.ASAN_OPTIONS ?? ''}:fast_unwind_on_malloc=0` };
  const env = gstEnvironment({ ...more, ...(hooks ? { FRAMELIFT_BRIDGE_TEST: hooks } : {}) });
  const bridge = await Daemon.start([...doors, ...args], { program: PROGRAM, env });
  t.after(async () => assert.deepEqual(await bridge.stop(), { code: 0, signal: null }, bridge.stderr));
  const address = `unix:${path}`;
  const counters = async () => (await stats(address)).counters;
  const display = async () => (await stats(address)).display;
  return { bridge, folder, path, counters, display };
}

async function view(t, path) {
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe();
  return client;
}

const isUnit = (m) => m.type === Type.UNIT;
const isKey = (unit) => (unit.flags & UnitFlag.KEY) !== 0;
const saysLost = (pattern) => (m) => m.type === Type.STATE && m.state === LOST && pattern.test(m.text);

async function open(t, address) {
  const page = await openPage(browser, address);
  t.after(() => page.context().close());
  return page;
}

/** The picture on the canvas is another one after a while. */
async function waitForMotion(page) {
  const first = await canvasPng(page);
  await until('the picture moves', async () => !(await canvasPng(page)).equals(first), 10000);
}

test('raw video in Chromium: an encoder is chosen and named, the page is live, the picture moves', async (t) => {
  if (missing) return t.skip(missing);
  const { bridge, counters } = await startBridge(t, ['--source', RAW]);
  const page = await open(t, bridge.address);
  await waitForLabel(page, /^Live$/, 30000);
  await waitForMotion(page);
  assert.deepEqual(await page.evaluate(() => window.framelift.picture), { width: 640, height: 360 });
  assert.deepEqual(page.complaints, []);
  const known = await counters();
  const chosen = Object.keys(known).filter((name) => name.startsWith('bridge.encoder.'));
  assert.equal(chosen.length, 1, `${chosen}`);
  const line = bridge.stderr.split('\n').filter((words) => / chose /.test(words));
  assert.equal(line.length, 1, bridge.stderr);
  assert.match(line[0], new RegExp(`chose ${chosen[0].slice('bridge.encoder.'.length)} \\(vsockenc: `));
  t.diagnostic(line[0]);
  assert.deepEqual([known['bridge.starts'], known['bridge.ups'], known['bridge.failures'] ?? 0], [1, 1, 0]);
});

test('two viewers share one pipeline; it stops after the last, not at once, and not when one comes back', async (t) => {
  if (missing) return t.skip(missing);
  const { path, counters } = await startBridge(t, ['--source', RAW, ...ENCODER, '--idle-stop', '2']);
  assert.equal((await counters())['bridge.starts'] ?? 0, 0, 'nothing runs before the first');
  const one = await view(t, path);
  await one.waitFor(isUnit, 20000);
  const two = await view(t, path);
  const first = await two.waitFor(isUnit);
  assert.ok(isKey(one.units[0]) && isKey(first), 'each begins with an IDR');
  one.close();
  two.close();
  await until('both have left', async () => (await counters())['hub.subscribers'] === 0);
  const three = await view(t, path);
  assert.ok(isKey(await three.waitFor(isUnit)));
  assert.deepEqual([(await counters())['bridge.starts'], (await counters())['bridge.idle-stops'] ?? 0], [1, 0]);
  three.close();
  await until('it stops', async () => (await counters())['bridge.idle-stops'] === 1);
  const four = await view(t, path);
  assert.ok(isKey(await four.waitFor(isUnit, 20000)));
  const known = await counters();
  assert.deepEqual([known['bridge.starts'], known['bridge.ups'], known['bridge.encoder.openh264enc']], [2, 2, 1]);
});

test('a keyframe that a viewer asks for comes out of the pipeline', async (t) => {
  if (missing) return t.skip(missing);
  const { path } = await startBridge(t, ['--source', RAW, ...ENCODER]);
  const one = await view(t, path);
  await until('pictures come', () => one.units.length > 10);
  const seen = one.units.length;
  await sleep(300); // no IDR within 200 ms of the last
  await view(t, path);
  await until('an IDR comes for the other one', () => one.units.slice(seen).some(isKey));
  const sequences = one.units.map((unit) => Number(unit.sequence));
  sequences.slice(1).forEach((number, i) => assert.equal(number, sequences[i] + 1));
});

test('a subscription is passed on; the daemon dies and comes back, and it is live again by itself', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const socket = `unix:${join(folder, 's')}`;
  const display = ['--display', 'test:640x400@30,scene=drag,barcode', '--listen', socket];
  const args = [...display, '--token-file', join(folder, 't')];
  let daemon = await Daemon.start(args);
  t.after(() => daemon.stop());
  const { bridge, counters } = await startBridge(t, ['--subscribe', socket]);
  const page = await open(t, bridge.address);
  await waitForLabel(page, /^Live$/, 20000);
  await waitForAdvance(page, 10);
  await daemon.stop('SIGKILL');
  daemon = await Daemon.start(args);
  await waitForAdvance(page, 10, 30000);
  await waitForLabel(page, /^Live$/);
  assert.equal((await counters())['bridge.starts'], 1, 'frameliftsrc did it by itself');
});

test('vsockenc as the encoder: the host makes the stream, by its own daemon', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const socket = join(folder, 's');
  const display = ['--display', 'test:320x240@10,scene=idle', '--listen', `unix:${socket}`];
  const daemon = await Daemon.start([...display, '--token-file', join(folder, 't')]);
  t.after(() => daemon.stop());
  const encoder = `vsockenc socket-path=${socket} upload=auto`;
  const { path, counters } = await startBridge(t, ['--source', RAW, '--encoder', encoder]);
  const client = await view(t, path);
  await until('pictures come', () => client.units.length > 10, 30000);
  assert.ok(isKey(client.units[0]));
  assert.deepEqual([client.units[0].width, client.units[0].height], [640, 360], 'the pipeline\'s, not the scanout\'s');
  assert.equal((await counters())['bridge.encoder.vsockenc'], 1);
  assert.ok((await stats(`unix:${socket}`)).counters['requests.answered'] > 10);
});

/** Mean size of the next 30 access units, bytes. */
async function sizeFromNow(client) {
  const from = client.units.length;
  await until('30 more come', () => client.units.length >= from + 30, 30000);
  return client.units.slice(from, from + 30).reduce((sum, unit) => sum + unit.wire.length / 30, 0);
}

test('a viewer wishes for fewer bits, and the encoder makes fewer', async (t) => {
  if (missing) return t.skip(missing);
  const noise = 'videotestsrc is-live=true pattern=snow ! video/x-raw,width=320,height=240,framerate=15/1';
  const { path } = await startBridge(t, ['--source', noise, ...ENCODER, '--bitrate', '6000']);
  const client = await view(t, path);
  await until('pictures come', () => client.units.length > 15, 30000);
  const before = await sizeFromNow(client);
  const config = Buffer.alloc(28);
  config.writeUInt32LE(500000, 8);
  client.send(message(CONFIG_REQ, 0, config));
  await sizeFromNow(client); // its rate control takes its time
  const after = await sizeFromNow(client);
  t.diagnostic(`${Math.round(before)} → ${Math.round(after)} bytes`);
  // noise of this size does not get smaller than two fifths, with the coarsest quantiser that there is
  assert.ok(after < before * 0.7, `${before} → ${after}`);
});

test('whoever has no token, or a wrong one, sees nothing', async (t) => {
  if (missing) return t.skip(missing);
  const { bridge, counters } = await startBridge(t, ['--source', RAW], { listen: ['--listen', 'tcp:127.0.0.1:0'] });
  const page = await open(t, `${bridge.origin}/#token=${'0'.repeat(32)}`);
  await waitForLabel(page, /^Wrong access token$/);
  const port = Number(/listening on tcp:127\.0\.0\.1:(\d+)/.exec(bridge.stderr)[1]);
  const { code, stderr } = await run('cli/framelift', ['stats', `tcp:127.0.0.1:${port}`]);
  assert.equal(code, 1);
  assert.match(stderr, /token/);
  assert.equal((await counters())['bridge.starts'] ?? 0, 0);
});

/** Pipelines that never show anything, and what viewers are told. */
const BROKEN = [
  ['errors at once', ['--pipeline', 'filesrc location=/proc/self/mem/no'], /filesrc\d+: /],
  ['is no pipeline', ['--pipeline', 'nosuchelement ! fakesink name=x'], /no element "nosuchelement"/],
  ['stalls', ['--pipeline', 'appsrc is-live=true caps=video/x-h264,stream-format=byte-stream'], /nothing comes out/],
  ['ends at once', ['--pipeline', 'fakesrc num-buffers=0'], /h264parse\d+: No valid frames|come to its end/],
  ['gives zeros', ['--pipeline', 'fakesrc is-live=true sizetype=fixed sizemax=5000 filltype=zero'], /./],
  ['names an encoder that is not there', ['--source', RAW, '--encoder', 'nosuchenc'], /no encoder works here/],
];

for (const [what, args, pattern] of BROKEN) {
  test(`F15: a pipeline that ${what}: viewers are told, it is given up, and only a SUBSCRIBE revives it`, async (t) => {
    if (missing) return t.skip(missing);
    const { path, counters, display } = await startBridge(t, args, { hooks: `${QUICK},tries=3` });
    const client = await view(t, path);
    await client.waitFor(saysLost(/^gave up after 3 tries: /), 20000);
    const texts = client.messages.filter(saysLost(/./)).map((m) => m.text);
    assert.ok(texts.every((text) => pattern.test(text)), texts.join('\n'));
    assert.ok(texts.some((text) => /next try in .* \(1 of 3 failed\)/.test(text)), texts.join('\n'));
    assert.equal(client.units.length, 0);
    assert.equal((await counters())['bridge.starts'], 3);
    await sleep(1000);
    assert.equal((await counters())['bridge.starts'], 3, 'and nothing happens by itself');
    assert.match((await display()).text, /^gave up/);
    await view(t, path); // beside the first one
    await until('it was tried again', async () => (await counters())['bridge.starts'] === 6);
    await until('and given up', async () => (await counters())['bridge.given-up'] === 2);
    t.diagnostic(texts.at(-1));
  });
}

test('F15: random bytes are no stream: told, and given up', async (t) => {
  if (missing) return t.skip(missing);
  const file = join(await temporaryFolder(t), 'noise');
  await writeFile(file, randomBytes(1 << 20));
  const { path } = await startBridge(t, ['--pipeline', `filesrc location=${file}`], { hooks: `${QUICK},tries=3` });
  const client = await view(t, path);
  await client.waitFor(saysLost(/^gave up after 3 tries: /), 20000);
  assert.equal(client.units.length, 0);
});

test('F15: an encoder that dies again and again: up, lost, up, never given up, each time from an IDR on', async (t) => {
  if (missing) return t.skip(missing);
  const args = ['--source', `${SMALL} ! identity error-after=30`, ...ENCODER];
  const { path, counters } = await startBridge(t, args, { hooks: QUICK });
  const client = await view(t, path);
  await until('it was up five times', async () => (await counters())['bridge.ups'] >= 5, 60000);
  const texts = client.messages.filter(saysLost(/./)).map((m) => m.text);
  assert.ok(texts.every((text) => /identity\d+: Failed after iterations/.test(text)), texts.join('\n'));
  assert.ok(texts.every((text) => !/gave up/.test(text)), texts.join('\n'));
  const keys = client.units.filter(isKey).length;
  assert.ok(keys >= 4, `${keys} IDRs`);
});

test('F15: given up, the page says so, and a click brings the picture back when its source is there', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const socket = `unix:${join(folder, 's')}`;
  const { bridge, counters } = await startBridge(t, ['--subscribe', socket], { hooks: `${QUICK},tries=2` });
  const page = await open(t, bridge.address);
  await waitForLabel(page, /^Gave up/, 20000);
  const display = 'test:640x400@30,scene=drag,barcode';
  const daemon = await Daemon.start(['--display', display, '--listen', socket, '--token-file', join(folder, 't')]);
  t.after(() => daemon.stop());
  await sleep(1000);
  assert.equal((await counters())['bridge.starts'], 2);
  await page.getByRole('button', { name: 'Reconnect' }).click();
  await waitForLabel(page, /^Live$/, 20000);
  await waitForAdvance(page, 5);
});

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const tasks = (pid) => readdirSync(`/proc/${pid}/task`).length;
const residentKb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/** [what, arguments, cycles]: the first ones are for what is loaded and kept once. */
const CYCLES = [
  ['1,000 pipelines that fail at once', ['--pipeline', 'fakesrc num-buffers=5'], 1000],
  ['200 encoders that die', ['--source', `${SMALL} ! identity error-after=2`, ...ENCODER], 200],
];

for (const [what, args, count] of CYCLES) {
  test(`F15: ${what}: memory, threads and descriptors stay as they are`, async (t) => {
    if (missing) return t.skip(missing);
    const hooks = 'back-off=1,back-off-max=1,tries=1000000';
    const { bridge, path, counters } = await startBridge(t, args, { hooks });
    await view(t, path);
    const cycles = async () => (await counters())['bridge.failures'] ?? 0;
    const warm = count / 4;
    await until('it is warm', async () => (await cycles()) >= warm, 120000);
    const look = () => [residentKb(bridge.pid), descriptors(bridge.pid), tasks(bridge.pid)];
    const from = look();
    await until('all are over', async () => (await cycles()) >= count + warm, 240000);
    const to = look();
    t.diagnostic(`${await cycles()} cycles; memory KB, descriptors, threads: ${from} → ${to}`);
    const most = process.env.FRAMELIFT_BUILD_DIR?.includes('asan') ? 60000 : 4096;
    assert.ok(to[0] - from[0] < most, `${to[0] - from[0]} KB more`);
    assert.ok(to[1] - from[1] <= 8, `${to[1] - from[1]} descriptors more`);
    assert.ok(to[2] - from[2] <= 8, `${to[2] - from[2]} threads more`);
  });
}

/** [command line, words of the complaint] */
const WRONG = [
  ['--source x', /nothing to serve/],
  ['--http 127.0.0.1:0 --source x --pipeline y', /give one of them/],
  ['--http 127.0.0.1:0 --capture window', /number of a PipeWire node/],
];

test('wrong usage: status 2, and what would be right', async (t) => {
  if (missing) return t.skip(missing);
  for (const [line, words] of WRONG) {
    const { code, stderr } = await run(PROGRAM, line.split(' '));
    assert.equal(code, 2, line);
    assert.match(stderr, words);
  }
});
