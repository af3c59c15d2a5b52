// SPDX-License-Identifier: LGPL-2.1-or-later
/** F04: requests for resources that a real guest frees meanwhile. Meant for a daemon with sanitizers. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { FRAME_RESPONSE, HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, sleep, stats, temporaryFolder, until } from '../lib/programs.mjs';
import { BOOT_LIMIT_MS, Fixture, startVugpuVm, vugpuMissing } from '../lib/vm-daemon.mjs';

const XRGB8888 = 0x34325258;
const [WIDTH, HEIGHT] = [128, 128]; // of the resources that are freed
const HOLD = 8; // resources that the guest has at a time
const FREES = 10000;
const BETWEEN = 4; // frees that are under way at a time; HOLD or more would make the guest's answers all the work
const RACE_LIMIT_MS = 240000;

const fixture = new Fixture();
let missing = null;
let host = null; // { vm, daemon, path, address, socket }

before(async () => {
  missing = await vugpuMissing();
  if (missing) return;
  const folder = await mkdtemp(join(tmpdir(), 'framelift-test-'));
  fixture.after(() => rm(folder, { recursive: true, force: true }));
  host = await startVugpuVm(fixture, folder, { port: true, fps: 10 });
  host.socket = await host.vm.openPort();
});
after(() => fixture.end());

function frameRequest({ resource, width = WIDTH, height = HEIGHT, stride = width * 4, pts = 0, session = 1 }) {
  const fixed = Buffer.alloc(44);
  [resource, width, height, XRGB8888, stride].forEach((value, i) => fixed.writeUInt32LE(value >>> 0, i * 4));
  fixed.writeBigInt64LE(BigInt(pts), 20);
  return message(0x01, session, fixed);
}

const ptsOf = (response) => Number(response.wire.readBigInt64LE(12));

/** Takes answers apart as they come, because there are tens of thousands: nothing is kept but the pictures. */
class Requester {
  asked = 0;
  answered = 0;
  gone = 0; // ERROR -2
  units = [];
  others = []; // what no request may be answered with
  #expected = []; // pts of what is not answered yet, in order

  constructor(client) {
    this.client = client;
    const take = client.take.bind(client);
    client.take = (bytes) => {
      take(bytes);
      for (const one of client.messages.splice(0)) this.#judge(one);
    };
    client.socket.removeAllListeners('data').on('data', (bytes) => client.take(bytes));
  }

  #judge(one) {
    const pts = this.#expected.shift();
    const answered = one.type === FRAME_RESPONSE ? ptsOf(one) : '-';
    this.answered++;
    if (one.type === Type.ERROR && one.code === -2 && one.session === 1) this.gone++;
    else if (one.type === FRAME_RESPONSE && one.session === 1 && answered === pts) this.units.push(one.data);
    else this.others.push(`${one.type} ${one.code ?? ''} ${one.text ?? ''} pts ${answered} for ${pts}`);
  }

  ask(resource, size = {}) {
    this.#expected.push(this.asked);
    this.client.send(frameRequest({ resource, pts: this.asked++, ...size }));
  }

  get waiting() {
    return this.#expected.length;
  }
}

/** The guest frees a resource for each byte, and tells of those that it makes: asks for them before, while and after. */
async function race({ vm, socket, path }, t) {
  const requester = new Requester(await HxfrClient.open(path));
  t.after(() => requester.client.close());
  let [created, ordered] = [0, 0];
  let pending = Buffer.alloc(0);
  const recent = [];
  const order = () => {
    if (ordered === FREES) return;
    ordered++;
    socket.write('f');
  };
  const onCreated = (id) => {
    created++;
    recent.push(id);
    if (recent.length > HOLD + BETWEEN) recent.shift();
    // now one that is new, now one that is being freed, now one that may be gone
    if (requester.waiting < 32) requester.ask(recent[Math.floor(Math.random() * recent.length)]);
    if (created < HOLD) return;
    if (created === HOLD) for (let i = 0; i < BETWEEN; i++) order();
    else order();
  };
  socket.on('data', (bytes) => {
    pending = Buffer.concat([pending, bytes]);
    for (; pending.length >= 4; pending = pending.subarray(4)) onCreated(pending.readUInt32LE(0));
  });
  await vm.ask(`sh churn --size ${WIDTH}x${HEIGHT} --hold ${HOLD} &`, /^CHURN up/);
  const limit = Date.now() + RACE_LIMIT_MS;
  while (created < HOLD + FREES || requester.waiting > 0) {
    if (Date.now() > limit) throw new Error(`${created} created, ${requester.waiting} requests wait`);
    if (requester.client.closed) throw new Error('the daemon closed the connection');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  socket.write('q');
  const [, freed] = await vm.waitForLine(/^CHURN freed (\d+)/);
  return { requester, freed: Number(freed) };
}

test(`F04: ${FREES} resources are freed while requests for them run; each answer is a frame or -2`, async (t) => {
  if (missing) return t.skip(missing);
  const began = performance.now();
  const { requester, freed } = await race(host, t);
  const seconds = (performance.now() - began) / 1000;
  const outcome = `${requester.units.length} frames, ${requester.gone} times -2`;
  t.diagnostic(`${freed} freed, ${requester.asked} requests: ${outcome}; ${seconds.toFixed(1)} s`);
  assert.equal(freed, FREES);
  assert.deepEqual(requester.others, []);
  assert.equal(requester.answered, requester.asked);
  assert.ok(requester.asked >= FREES / 2, `${requester.asked} requests`);
  assert.ok(requester.units.length >= 500 && requester.gone >= 500, 'both outcomes are met');
  const file = join(host.folder, 'race.h264');
  await writeFile(file, Buffer.concat(requester.units));
  const { units } = await checkStream(file, '--point', '10,10', '--point', '120,120');
  const bad = units.filter((unit) => unit.error || unit.width !== WIDTH || unit.height !== HEIGHT);
  assert.equal(bad.length, 0, JSON.stringify(bad[0]));
  assert.equal(units.length, requester.units.length);
  // each was of one grey: what is read is one resource, not a freed one's pages
  const mixed = units.filter(({ points }) => points[0].some((value, i) => Math.abs(value - points[1][i]) > 6));
  assert.equal(mixed.length, 0, JSON.stringify(mixed[0]));
});

test('F04: unknown ids and absurd sizes are -2, truncated requests -1; frames come before and after', async (t) => {
  if (missing) return t.skip(missing);
  const { path, address } = host;
  const client = await HxfrClient.open(path);
  t.after(() => client.close());
  const ask = async (bytes) => {
    const from = client.messages.length;
    client.send(bytes);
    return client.waitFor((m) => m.type === Type.ERROR || m.type === FRAME_RESPONSE, 10000, from);
  };
  // the screen's own buffers: some of the first ids
  const shown = [];
  for (let id = 1; id <= 8; id++) {
    const answer = await ask(frameRequest({ resource: id, width: 1280, height: 720 }));
    if (answer.type === FRAME_RESPONSE) shown.push(id);
    else assert.equal(answer.code, -2);
  }
  assert.ok(shown.length > 0, 'the guest’s screen can be read by its id');
  const [resource] = shown;
  for (const id of [999999, 0x7fffffff, 0x80000000, 0xffffffff]) {
    assert.equal((await ask(frameRequest({ resource: id }))).code, -2);
  }
  const sizes = [
    ...[[0, 0], [0, 720], [1280, 0], [1281, 720], [1280, 721], [8192, 4320]],
    ...[[65536, 65536], [0xffffffff, 0xffffffff], [0xffffffff, 1], [1, 0x80000000]],
  ];
  for (const [width, height] of sizes) {
    assert.equal((await ask(frameRequest({ resource, width, height }))).code, -2, `${width}x${height}`);
  }
  // the stride is the resource's own, whatever a peer says
  for (const stride of [0, 1, 0xffffffff]) {
    assert.equal((await ask(frameRequest({ resource, width: 1280, height: 720, stride }))).type, FRAME_RESPONSE, `${stride}`);
  }
  for (const size of [0, 1, 4, 20, 43]) assert.equal((await ask(message(0x01, 1, Buffer.alloc(size, 1)))).code, -1, `${size}`);
  assert.equal((await ask(frameRequest({ resource, width: 1280, height: 720 }))).type, FRAME_RESPONSE);
  // cut off in the middle, and gone: the daemon goes on
  for (const size of [1, 11, 12, 13, 55]) {
    const cut = await HxfrClient.open(path);
    cut.send(frameRequest({ resource }).subarray(0, size));
    await new Promise((resolve) => cut.socket.end(resolve));
    cut.close();
  }
  assert.equal((await framelift('probe', address)).code, 0);
});

/** Asks for the screen's buffers, and for such as may be made next, until told to end. @returns {() => Promise<Requester>} */
async function keepAsking(t, path) {
  const requester = new Requester(await HxfrClient.open(path));
  t.after(() => requester.client.close());
  let id = 0;
  const timer = setInterval(() => {
    while (requester.waiting < 16) requester.ask((id++ % 12) + 1, { width: 640, height: 384 });
  }, 2);
  return async () => {
    clearInterval(timer);
    const limit = Date.now() + 10000;
    while (requester.waiting > 0 && Date.now() < limit) await sleep(10);
    assert.equal(requester.waiting, 0, 'each request has its answer');
    assert.deepEqual(requester.others, []);
    return requester;
  };
}

test('F04, F11: the guest reboots, all its resources at once, while they are read', async (t) => {
  if (missing) return t.skip(missing);
  const { vm, path } = host;
  const end = await keepAsking(t, path);
  await sleep(500);
  const lines = vm.serialLines.length;
  vm.send('reboot');
  await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS, { from: lines });
  await sleep(500);
  const { units, gone } = await end();
  t.diagnostic(`${units.length} frames, ${gone} times -2`);
  assert.ok(units.length > 0 && gone > 0);
});

test('the screen was shown all the time, and is still', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const file = join(folder, 'x.h264');
  assert.equal((await framelift('record', host.address, '--frames', '20', '-o', file)).code, 0);
  const { units } = await checkStream(file, '--corners');
  for (const unit of units) assert.ok(unit.number !== null && unit.corners.every((n) => n === unit.number));
  const { counters } = await stats(host.address);
  t.diagnostic(`refused commands: ${counters['vugpu.refused'] ?? 0}, no pixels: ${counters['vugpu.no-pixels'] ?? 0}`);
  assert.equal(counters['vugpu.refused'] ?? 0, 0, 'nothing that Linux asks for is refused');
});

test('F04: QEMU is killed while its memory is read', async (t) => {
  if (missing) return t.skip(missing);
  const { vm, path, address } = host;
  const end = await keepAsking(t, path);
  await sleep(500);
  vm.killNow();
  await vm.exited;
  await until('it is told', async () => (await stats(address)).display.state === 'lost');
  const { units, gone } = await end();
  t.diagnostic(`${units.length} frames, ${gone} times -2`);
  assert.ok(units.length > 0 && gone > 0);
});
