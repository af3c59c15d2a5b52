// SPDX-License-Identifier: LGPL-2.1-or-later
/** Several outputs of a real guest on our own virtio-gpu: pictures, plugging, resizing, reboots, its driver's end. One VM. */

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, sleep, stats, until } from '../lib/programs.mjs';
import { BOOT_LIMIT_MS, Fixture, startVugpuVm, vugpuMissing } from '../lib/vm-daemon.mjs';
import { patchesOf, readNumber } from '../guest/screen.mjs';
import { ScanoutFlag, UnitFlag } from '../../web/page/hxfr.js';

const ENABLE_SCANOUT = 0x20;
const DISABLE_SCANOUT = 0x21;
const SCANOUT_RESP = 0x22;
const PING_MS = 3000;
/** More than q35 has below 4 GiB: two regions of guest memory, and Linux takes the upper one first. */
const MEMORY_MB = 3072;

const fixture = new Fixture();
let missing = null;
let host = null; // { vm, daemon, folder, path, address }

before(async () => {
  missing = await vugpuMissing();
  if (missing) return;
  const folder = await mkdtemp(join(tmpdir(), 'framelift-test-'));
  fixture.after(() => rm(folder, { recursive: true, force: true }));
  host = await startVugpuVm(fixture, folder, { display: ',outputs=2', outputs: 3, fps: 20, memory: MEMORY_MB });
});
after(() => fixture.end());

/** A version 2 client that lives as long as the test, or until it is closed. */
async function connect(t) {
  const client = await (await HxfrClient.open(host.path)).greet();
  const ping = setInterval(() => client.send(message(0x10, 0, Buffer.alloc(0))), PING_MS);
  t.after(() => {
    clearInterval(ping);
    client.close();
  });
  return client;
}

const words = (...values) => {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32LE(value >>> 0, i * 4));
  return bytes;
};

/** @returns {Promise<{ success: boolean, connector: string }>} */
async function enable(client, id, width, height, refresh = 60) {
  const from = client.messages.length;
  client.send(message(ENABLE_SCANOUT, 0, words(id, width, height, refresh)));
  const { wire } = await client.waitFor((m) => m.type === SCANOUT_RESP, 10000, from);
  assert.equal(wire.readUInt32LE(12), id);
  const connector = wire.subarray(20, 84).toString('latin1').replace(/\0.*$/s, '');
  return { success: wire.readUInt32LE(16) === 1, connector };
}

const disable = (client, id) => client.send(message(DISABLE_SCANOUT, 0, words(id)));

/** What the guest's kernel says: ['1280x720', 'disconnected', …], sizes are the preferred modes. */
async function guestOutputs() {
  const [, list] = await host.vm.ask('outputs', /^SCREEN outputs (.*)/);
  return list.split(' ').map((one) => one.replace(/^\d+=/, ''));
}

const untilGuestSees = (id, what) => until(`output ${id} is ${what} in the guest`, async () => (await guestOutputs())[id] === what);

async function scanout(id) {
  const client = await (await HxfrClient.open(host.path)).greet();
  const told = await client.waitFor((m) => m.type === Type.SCANOUTS);
  client.close();
  const one = told.scanouts.find((entry) => entry.id === id);
  return one && { ...one, connected: !!(one.flags & ScanoutFlag.CONNECTED), lit: !!(one.flags & ScanoutFlag.LIT) };
}

const light = (id, size) => host.vm.ask(`light ${id} ${size}`, new RegExp(`^SCREEN light ${id} ${size}$`));

/** Every picture of a recording is that output's, whole, and later than the one before. @returns frame numbers */
async function checkOutput(file, id, [width, height]) {
  const places = patchesOf(id);
  const points = places.flatMap(({ x, y, size }) => ['--point', `${x + size / 2},${y + size / 2}`]);
  const { units } = await checkStream(file, '--corners', ...points);
  for (const unit of units) {
    assert.deepEqual([unit.error, unit.width, unit.height], [undefined, width, height]);
    assert.ok(unit.number !== null && unit.corners.every((number) => number === unit.number), JSON.stringify(unit));
    assert.equal(readNumber(unit.number).output, id, `a picture of output ${readNumber(unit.number).output} on ${id}`);
    places.forEach(({ color }, i) =>
      color.forEach((value, c) => assert.ok(Math.abs(value - unit.points[i][c]) <= 4, `${unit.points[i]} for ${color}`)),
    );
  }
  const frames = units.map((unit) => readNumber(unit.number).frame);
  frames.slice(1).forEach((frame, i) => assert.ok(frame >= frames[i], `${frames[i]} → ${frame}`));
  return frames;
}

async function watch(id, size, frames = 60) {
  const file = join(host.folder, `${id}.h264`);
  const recorded = await framelift('record', host.address, '--scanout', `${id}`, '--frames', `${frames}`, '-o', file);
  assert.equal(recorded.code, 0, recorded.stderr);
  return checkOutput(file, id, size);
}

test('two outputs, two pictures, two subscribers: each sees its own', async (t) => {
  if (missing) return t.skip(missing);
  assert.deepEqual(await guestOutputs(), ['1280x720', '1280x720', 'disconnected']);
  await light(1, '800x600');
  await until('it is lit', async () => (await scanout(1)).lit);
  const seen = await Promise.all([watch(0, [1280, 720]), watch(1, [800, 600])]);
  for (const frames of seen) assert.ok(new Set(frames).size >= 30, `${new Set(frames).size} different pictures of 60`);
  // one client for both: units are told apart by their session
  const client = await connect(t);
  await client.subscribe(0);
  await client.subscribe(1);
  for (const [id, width] of [[0, 1280], [1, 800]]) {
    await client.waitFor((m) => m.type === Type.UNIT && m.session === id && m.flags & UnitFlag.KEY && m.width === width);
  }
  assert.ok(client.units.every((unit) => unit.width === (unit.session === 0 ? 1280 : 800)));
});

test('ENABLE_SCANOUT connects a third in the guest; it is lit, resized, and goes with DISABLE_SCANOUT', async (t) => {
  if (missing) return t.skip(missing);
  const client = await connect(t);
  assert.deepEqual(await enable(client, 2, 1024, 768), { success: true, connector: 'Virtual-3' });
  await untilGuestSees(2, '1024x768');
  await host.vm.ask('sh cat /sys/class/drm/card0-Virtual-3/status', /^connected/);
  await light(2, '1024x768');
  await until('it is lit', async () => (await scanout(2)).lit);
  await watch(2, [1024, 768], 30);

  await client.subscribe(2);
  await client.waitFor((m) => m.type === Type.UNIT && m.session === 2 && m.width === 1024);
  assert.ok((await enable(client, 2, 1366, 768)).success);
  await untilGuestSees(2, '1366x768');
  const from = client.messages.length;
  await light(2, '1366x768');
  const resized = await client.waitFor((m) => m.type === Type.UNIT && m.session === 2 && m.width === 1366, 20000, from);
  assert.ok(resized.flags & UnitFlag.KEY && resized.height === 768);
  await watch(2, [1366, 768], 30);
  await watch(0, [1280, 720], 30);

  disable(client, 2);
  await untilGuestSees(2, 'disconnected');
  await until('and the daemon says so', async () => !(await scanout(2)).connected);
  await host.vm.ask('dark 2', /^SCREEN dark 2/);
  await until('it is dark', async () => !(await scanout(2)).lit);
  assert.ok((await scanout(0)).lit && (await scanout(1)).lit);
});

test('F16: an output goes with the connection that asked for it; scanout 0 and nonsense are refused', async (t) => {
  if (missing) return t.skip(missing);
  const client = await connect(t);
  const other = await connect(t);
  const outputs = [[0, 800, 600], [16, 800, 600], [0xffffffff, 800, 600]];
  const sizes = [[2, 0, 0], [2, 0xffffffff, 9], [2, 9000, 5000]];
  for (const [id, width, height] of [...outputs, ...sizes]) {
    assert.deepEqual(await enable(client, id, width, height), { success: false, connector: '' }, `${id} ${width}x${height}`);
  }
  assert.deepEqual(await guestOutputs(), ['1280x720', '1280x720', 'disconnected']);
  assert.ok((await enable(client, 2, 800, 600)).success);
  await untilGuestSees(2, '800x600');
  disable(other, 2); // not its own
  other.send(message(0x10, 7, Buffer.alloc(0)));
  await other.waitFor((m) => m.type === 0x11 && m.session === 7);
  await sleep(500); // for the guest to hear of it, if it were told
  assert.equal((await guestOutputs())[2], '800x600');
  assert.deepEqual(await enable(other, 2, 1024, 768), { success: false, connector: '' }, "another's output");
  client.close();
  await untilGuestSees(2, 'disconnected');
  assert.equal((await scanout(2)).connected, false);
  await until('it can be had again', async () => (await enable(other, 2, 800, 600)).success);
  await untilGuestSees(2, '800x600');
  const beyond = await enable(other, 3, 800, 600); // QEMU was given max_outputs=3
  assert.deepEqual(beyond, { success: false, connector: '' }, 'an output that the device does not have');
});

test('a guest that reboots with three outputs lit (F11): two are connected again, the picture comes back', async (t) => {
  if (missing) return t.skip(missing);
  const client = await connect(t);
  assert.ok((await enable(client, 2, 1024, 768)).success);
  await untilGuestSees(2, '1024x768');
  await light(2, '1024x768');
  await client.subscribe(0);
  await client.subscribe(1);
  await until('all are lit', async () => (await stats(host.address)).scanouts.filter((one) => one.lit).length === 3);
  const [lines, from] = [host.vm.serialLines.length, client.messages.length];
  host.vm.send('reboot');
  await host.vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS, { from: lines });
  // what the device was told at run time does not outlive its reset
  assert.deepEqual(await guestOutputs(), ['1280x720', '1280x720', 'disconnected']);
  // the text console lights what is connected
  await until('two are lit', async () => (await stats(host.address)).scanouts.map((one) => one.lit).join() === 'true,true,false');
  await light(1, '1024x768');
  const seen = (id, width) => (m) => m.type === Type.UNIT && m.session === id && m.width === width && m.flags & UnitFlag.KEY;
  await client.waitFor(seen(0, 1280), 20000, from);
  await client.waitFor(seen(1, 1024), 20000, from);
  await Promise.all([watch(0, [1280, 720]), watch(1, [1024, 768])]);
  const { counters } = await stats(host.address);
  assert.equal(counters['vugpu.refused'] ?? 0, 0, 'nothing that Linux asks for is refused');
  // the reset ended the first one's claim: what another connects now does not go with it (F16)
  const other = await connect(t);
  assert.ok((await enable(other, 2, 800, 600)).success);
  await untilGuestSees(2, '800x600');
  client.close();
  await sleep(500);
  assert.equal((await guestOutputs())[2], '800x600');
});

test("the guest's driver is unbound and bound again: the picture comes back", async (t) => {
  if (missing) return t.skip(missing);
  const { vm } = host;
  const client = await connect(t);
  await client.subscribe(0);
  await client.waitFor((m) => m.type === Type.UNIT);
  for (let round = 0; round < 3; round++) {
    await vm.ask('quit', /^SCREEN exit 0/);
    const driver = '/sys/bus/virtio/drivers/virtio_gpu';
    await vm.ask(`sh cd ${driver} && ls -d virtio* >/tmp/gpu && cat /tmp/gpu >unbind`, /^SH exit 0/, 20000);
    await until('it is dark', async () => !(await scanout(0)).lit);
    await vm.ask(`sh cd ${driver} && cat /tmp/gpu >bind`, /^SH exit 0/, 20000);
    const from = client.messages.length;
    await vm.ask('screen', /^SCREEN up/);
    await client.waitFor((m) => m.type === Type.UNIT && m.width === 1280 && m.flags & UnitFlag.KEY, 20000, from);
    await watch(0, [1280, 720], 30);
  }
});
