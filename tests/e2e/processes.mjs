// SPDX-License-Identifier: LGPL-2.1-or-later
/** Parent, display and stream: what becomes of the others when one of them is killed, stopped or ended. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';

import { built } from '../lib/build.mjs';
import { Daemon } from '../lib/daemon.mjs';
import { HxfrClient, Type } from '../lib/hxfr-client.mjs';
import { run, sleep, stats, temporaryFolder, until } from '../lib/programs.mjs';
import { guestMissing, newQemuMissing, startVm } from '../lib/qemu.mjs';
import { BOOT_LIMIT_MS } from '../lib/vm-daemon.mjs';
import { UnitFlag } from '../../web/page/hxfr.js';

const KILLS = 20;
/** A picture after the stream process was killed (F21); the machine may be doing something else as well. */
const PICTURE_LIMIT_MS = 1000;

async function serve(t, display, ...more) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const address = `unix:${path}`;
  const args = ['--display', display, '--listen', address, '--token-file', join(folder, 'token'), ...more];
  const daemon = await Daemon.start(args);
  daemon.mayCrash = true;
  t.after(() => daemon.child.exitCode ?? daemon.stop());
  await until('it serves', () => stats(address).catch(() => null));
  return { daemon, folder, path, address };
}

const isGone = (pid) => {
  try {
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return true;
  }
};

/** Connects until it works, as viewers do, and waits for an IDR. @returns {Promise<HxfrClient>} */
async function watch(path) {
  for (;;) {
    const client = await HxfrClient.open(path);
    try {
      await client.greet();
      assert.ok((await client.subscribe()).success, 'the scanout is known from the first moment on');
      await client.waitFor((m) => m.type === Type.UNIT && m.flags & UnitFlag.KEY, 5000);
      return client;
    } catch (error) {
      client.close();
      if (!/connection closed/.test(error.message)) throw error;
    }
  }
}

/** Kills the stream process again and again; a viewer comes back each time. @returns {Promise<number[]>} milliseconds */
async function killStreams(daemon, path, { client, count = KILLS, pauseMs = 250 }) {
  const waits = [];
  for (let i = 0; i < count; i++) {
    const old = await until('there is a stream process', () => daemon.processOf('stream'));
    await sleep(pauseMs);
    const began = performance.now();
    process.kill(old, 'SIGKILL');
    await until('the viewer sees its end', () => client.closed);
    client = await watch(path);
    waits.push(Math.round(performance.now() - began));
    assert.notEqual(daemon.processOf('stream'), old);
  }
  client.close();
  return waits;
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

test('the stream process killed 20 times under load: display untouched, a picture within a second (F21)', async (t) => {
  const { daemon, path, address } = await serve(t, 'test:1280x720@60,scene=cube,barcode');
  const display = daemon.processOf('display');
  const flushes = async () => (await stats(address)).counters['capture.flushes'] ?? 0;
  const [before, began] = [await flushes(), performance.now()];
  const waits = await killStreams(daemon, path, { client: await watch(path) });
  const seconds = (performance.now() - began) / 1000;
  const shown = (await flushes()) - before;
  t.diagnostic(`picture after ${median(waits)} ms (median), ${Math.max(...waits)} (most); ${(shown / seconds).toFixed(1)} flushes a second`);
  assert.equal(daemon.processOf('display'), display);
  assert.ok(waits.filter((wait) => wait > PICTURE_LIMIT_MS).length <= KILLS / 10, `${waits} ms`);
  assert.ok(shown >= seconds * 30, `${shown} flushes in ${seconds} s`);
  assert.equal((await stats(address)).counters['processes.stream-restarts'], KILLS);
  assert.match(daemon.stderr, /the stream process was ended by signal 9 \(Killed\); starting it again/);
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});

test("a guest's drawing does not notice that the stream process is killed (F06)", async (t) => {
  const missing = (await guestMissing('screen')) ?? (await newQemuMissing());
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const socket = join(folder, 'gpu');
  const { daemon, path, address } = await serve(t, `vugpu:${socket},size=1280x720`);
  const vm = await startVm({ run: 'screen', mode: '1280x720', vugpu: socket });
  t.after(() => vm.quit());
  await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
  await until('the guest is on the screen', async () => (await stats(address)).scanouts.some((one) => one.lit));
  const client = await watch(path);
  const flips = (from) =>
    vm.serialLines.slice(from).map((line) => /^SCREEN flips (\d+)/.exec(line)?.[1]).filter(Boolean).map(Number);
  const settled = vm.serialLines.length;
  await until('some seconds of flips', () => flips(settled).length >= 6);
  const calm = median(flips(settled).slice(1));
  const from = vm.serialLines.length;
  const waits = await killStreams(daemon, path, { client });
  await until('a second of flips', () => flips(from).length >= 6);
  const under = flips(from).slice(1);
  t.diagnostic(`flips a second: ${calm} before, ${median(under)} while it was killed (${under}); pictures after ${waits} ms`);
  assert.ok(under.every((count) => count > 0), `${under} flips a second`);
  assert.ok(median(under) >= calm / 2, `${under} flips a second, ${calm} before`);
  assert.ok(waits.filter((wait) => wait > PICTURE_LIMIT_MS).length <= KILLS / 10, `${waits} ms`);
});

test('a stopped stream process costs the display nothing, and goes on where it was', async (t) => {
  const { daemon, path, address } = await serve(t, 'test:640x360@60,scene=cube,barcode');
  const client = await watch(path);
  const [stream, display] = [daemon.processOf('stream'), daemon.processOf('display')];
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${display}/status`, 'utf8'))[1]);
  await sleep(500);
  const before = memory();
  process.kill(stream, 'SIGSTOP');
  await sleep(5000);
  const after = memory();
  const seen = client.units.length;
  process.kill(stream, 'SIGCONT');
  await until('it moves again', () => client.units.length > seen + 30);
  t.diagnostic(`the display's memory: ${before} → ${after} KB`);
  assert.ok(after - before < 2000, `${after - before} KB more`);
  assert.equal(daemon.processOf('stream'), stream);
  const { counters } = await stats(address);
  assert.ok(counters['capture.flushes'] >= 150, `${counters['capture.flushes']} flushes`);
  client.close();
});

test('the display process killed: viewers stay, are told, and see its successor', async (t) => {
  const { daemon, path, address } = await serve(t, 'test:640x360@60,scene=cube,barcode');
  const client = await watch(path);
  const [stream, display] = [daemon.processOf('stream'), daemon.processOf('display')];
  const from = client.messages.length;
  process.kill(display, 'SIGKILL');
  const lost = await client.waitFor((m) => m.type === Type.STATE && m.state === 2, 5000, from);
  assert.match(lost.text, /the process that reads the VM's display has ended/);
  await client.waitFor((m) => m.type === Type.STATE && m.state === 1, 5000, from);
  const again = client.messages.length;
  const key = await client.waitFor((m) => m.type === Type.UNIT && m.flags & UnitFlag.KEY, 5000, from);
  assert.equal(key.width, 640);
  await until('it moves', () => client.units.length > again + 20);
  assert.equal(daemon.processOf('stream'), stream);
  assert.notEqual(daemon.processOf('display'), display);
  assert.equal((await stats(address)).counters['processes.display-restarts'], 1);
  client.close();
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null });
});

test('whatever ends the parent, nobody outlives it', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGKILL']) {
    const { daemon } = await serve(t, 'test:256x64,scene=idle');
    const pids = [daemon.processOf('display'), daemon.processOf('stream')];
    assert.ok(pids.every(Boolean));
    const result = await daemon.stop(signal);
    assert.deepEqual(result, signal === 'SIGKILL' ? { code: null, signal } : { code: 0, signal: null }, signal);
    await until(`nobody is left after ${signal}`, () => pids.every(isGone), 5000);
  }
});

test('a stream process that ends at once is not started in a loop', async (t) => {
  const { daemon, address } = await serve(t, 'test:256x64,scene=idle');
  const limit = Date.now() + 3000;
  let kills = 0;
  while (Date.now() < limit) {
    const pid = daemon.processOf('stream');
    if (pid) {
      process.kill(pid, 'SIGKILL');
      kills++;
    }
    await sleep(5);
  }
  t.diagnostic(`${kills} ends in 3 s`);
  assert.ok(kills <= 60, `${kills} starts in 3 s`); // 5 s apart in the end: tests/unit/host-process has the numbers
  await until('it serves again', () => stats(address).catch(() => null));
});

test('a child started by hand says what it is', async (t) => {
  const options = ['--display', 'test', '--listen', `unix:${join(await temporaryFolder(t), 's')}`];
  const child = spawn(built('host/frameliftd'), options, { argv0: 'frameliftd-stream' });
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  const [code] = await once(child, 'close');
  assert.equal(code, 1);
  assert.match(stderr, /frameliftd-stream is a part of frameliftd and started by it/);
});

test('as a vhost-user back-end: --print-capabilities, and a bad --fd in one line', async () => {
  const capabilities = await run('host/frameliftd', ['--print-capabilities', '--whatever']);
  assert.equal(capabilities.code, 0);
  assert.equal(JSON.parse(capabilities.stdout).type, 'gpu');
  const bad = await run('host/frameliftd', ['--fd', '77', '--listen', 'unix:/tmp/never']);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /descriptor 77 is not open/);
});
