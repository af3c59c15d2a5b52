// SPDX-License-Identifier: LGPL-2.1-or-later
/** FRAME_REQUEST: the scanout's picture, pixels that come along, unknown resources; one answer each, in order. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { CONFIG_REQ, FRAME_RESPONSE, HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, stats, temporaryFolder, until } from '../lib/programs.mjs';

const FORMATS = { BGRX: 0x34325258, BGRA: 0x34325241, RGBX: 0x34324258, RGBA: 0x34324241, NV12: 0x3231564e };

/** A FRAME_REQUEST; `pixels` sets the flag. */
function frameRequest({ session = 1, resource = 0, width = 64, height = 64, format = FORMATS.BGRX, stride = width * 4,
                        pts = 0n, force = false, pixels = null }) {
  const fixed = Buffer.alloc(44);
  [resource, width, height, format, stride].forEach((value, i) => fixed.writeUInt32LE(value >>> 0, i * 4));
  fixed.writeBigInt64LE(BigInt(pts), 20);
  fixed[36] = force ? 1 : 0;
  const bytes = Buffer.from(message(0x01, session, pixels ? Buffer.concat([fixed, pixels]) : fixed));
  if (pixels) bytes[5] = 1;
  return bytes;
}

const isAnswer = (m) => m.type === FRAME_RESPONSE || m.type === Type.ERROR;
const answers = (client) => client.messages.filter(isAnswer);
/** pts as it was sent: an i64 right behind the header. */
const ptsOf = (response) => response.wire.readBigInt64LE(12);

async function serve(t, display = 'test:640x360@30,scene=idle') {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const daemon = await Daemon.start(['--display', display, '--listen', `unix:${path}`, '--token-file', join(folder, 'token')]);
  t.after(async () => assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stderr));
  const address = `unix:${path}`;
  await until('the display has a picture', async () => (await stats(address)).counters['capture.flushes'] > 0);
  const client = await HxfrClient.open(path);
  t.after(() => client.close());
  return { client, folder, path, address };
}

async function ask(client, request) {
  const from = client.messages.length;
  client.send(frameRequest(request));
  return client.waitFor(isAnswer, 10000, from);
}

test('resource 0: the scanout, at its own size, with the pts untouched', async (t) => {
  const { client, folder } = await serve(t);
  const first = await ask(client, { width: 1920, height: 1080, pts: 123456789012n });
  assert.equal(first.type, FRAME_RESPONSE);
  assert.ok(first.key && first.whole);
  assert.deepEqual([ptsOf(first), first.session], [123456789012n, 1]);
  // a still source: it is refined, and then each answer is a few bytes
  const units = [first.data];
  for (let i = 1; i < 30; i++) units.push((await ask(client, { pts: -i })).data);
  t.diagnostic(`${units.map((unit) => unit.length)}`);
  assert.ok(units.slice(-20).every((unit) => unit.length <= 64), `${units.map((unit) => unit.length)}`);
  const forced = await ask(client, { force: true });
  assert.ok(forced.key);
  units.push(forced.data);
  const file = join(folder, 'x.h264');
  await writeFile(file, Buffer.concat(units));
  const checked = await checkStream(file, '--scene', ':640x360@30,scene=idle,barcode');
  assert.equal(checked.units.length, 31);
  assert.deepEqual(checked.units.filter((unit) => unit.error || unit.width !== 640), []);
});

test('resource ids mean nothing here: -2, in order with the others, and the connection lives', async (t) => {
  const { client } = await serve(t);
  for (let i = 0; i < 40; i++) client.send(frameRequest({ resource: i % 2 ? 77 : 0, pts: i }));
  await until('all are answered', () => answers(client).length === 40);
  answers(client).forEach((answer, i) => {
    if (i % 2) assert.deepEqual([answer.type, answer.code, answer.session], [Type.ERROR, -2, 1]);
    else assert.deepEqual([answer.type, ptsOf(answer)], [FRAME_RESPONSE, BigInt(i)]);
  });
});

test('pixels that come along are what is encoded, in every format', async (t) => {
  const { client, folder } = await serve(t);
  const [width, height] = [128, 96];
  const [red, green, blue] = [200, 100, 50];
  const packed = (order) => {
    const pixels = Buffer.alloc(width * height * 4, 255);
    for (let i = 0; i < pixels.length; i += 4) order.forEach((value, k) => (pixels[i + k] = value));
    return pixels;
  };
  const bgr = packed([blue, green, red]);
  const rgb = packed([red, green, blue]);
  const [y, u, v] = [117, 96, 174]; // BT.709 limited of the same colour
  const nv12 = Buffer.concat([Buffer.alloc(width * height, y), Buffer.alloc((width * height) / 2).map((_, i) => (i % 2 ? v : u))]);
  const cases = { BGRX: bgr, BGRA: bgr, RGBX: rgb, RGBA: rgb, NV12: nv12 };
  let session = 1;
  for (const [name, pixels] of Object.entries(cases)) {
    const stride = name === 'NV12' ? width : width * 4;
    const answer = await ask(client, { session: session++, width, height, format: FORMATS[name], stride, pixels });
    assert.equal(answer.type, FRAME_RESPONSE, `${name}: ${answer.text}`);
    const file = join(folder, `${name}.h264`);
    await writeFile(file, answer.data);
    const [unit] = (await checkStream(file, '--point', '64,48', '--point', '3,90')).units;
    assert.deepEqual([unit.width, unit.height], [width, height]);
    for (const point of unit.points) {
      [red, green, blue].forEach((value, i) => assert.ok(Math.abs(point[i] - value) <= 3, `${name}: ${point}`));
    }
  }
});

test('what lies in a request is ERROR -1, and nothing else happens', async (t) => {
  const { client } = await serve(t);
  const pixels = Buffer.alloc(64 * 64 * 4);
  const lies = [
    { width: 65, pixels }, // more than came
    { width: 63, pixels }, // fewer
    { stride: 100, pixels },
    { stride: 0xffffffff, pixels },
    { width: 0, pixels },
    { height: 0xffffffff, pixels },
    { width: 9000, height: 1, stride: 36000, pixels: Buffer.alloc(36000) },
    { format: 0, pixels },
    { width: 63, height: 64, stride: 64, format: FORMATS.NV12, pixels: Buffer.alloc(64 * 96) },
  ];
  for (const lie of lies) assert.equal((await ask(client, lie)).code, -1, JSON.stringify({ ...lie, pixels: 0 }));
  const short = Buffer.from(message(0x01, 1, Buffer.alloc(43)));
  const from = client.messages.length;
  client.send(short);
  assert.equal((await client.waitFor(isAnswer, 5000, from)).code, -1);
  assert.equal((await ask(client, {})).type, FRAME_RESPONSE);
});

test('sessions: 8 of a VM, each with an encoder of its own; a subscription is none', async (t) => {
  const { client, path, address } = await serve(t);
  for (let session = 1; session <= 8; session++) {
    const answer = await ask(client, { session });
    assert.ok(answer.key && answer.session === session);
  }
  const ninth = await ask(client, { session: 9 });
  assert.deepEqual([ninth.code, ninth.session], [-6, 9]);
  await client.subscribe(0);
  client.messages.length = 0;
  assert.match((await ask(client, { session: 0 }).then((m) => (m.type === Type.ERROR ? m : client.waitFor((n) => n.type === Type.ERROR)))).text, /subscription/);
  client.close();
  await until('its sessions are gone', async () => (await stats(address)).counters['requests.sessions'] === 0);
  const next = await HxfrClient.open(path);
  t.after(() => next.close());
  assert.ok((await ask(next, {})).key);
});

test('F05: a peer that leaves with answers in the encoder disturbs nobody', async (t) => {
  const { path, address } = await serve(t);
  const pixels = Buffer.alloc(1280 * 720 * 4);
  for (let i = 0; i < 20; i++) {
    const client = await HxfrClient.open(path);
    for (let k = 0; k < 6; k++) client.send(frameRequest({ width: 1280, height: 720, pixels, pts: k }));
    await new Promise((resolve) => client.socket.end(resolve));
    client.close();
  }
  await until('all are gone', async () => (await stats(address)).counters['requests.sessions'] === 0);
  assert.equal((await framelift('probe', address)).code, 0);
});

test('a flood of requests is answered one by one; the bit rate of a session can be set', async (t) => {
  const { client } = await serve(t, 'test:640x360@60,scene=cube');
  const config = Buffer.alloc(28);
  config.writeUInt32LE(500000, 8);
  client.send(message(CONFIG_REQ, 1, config));
  const before = answers(client).length;
  for (let i = 0; i < 300; i++) client.send(frameRequest({ pts: i }));
  await until('all are answered', () => answers(client).length === before + 300, 30000);
  answers(client).slice(before).forEach((answer, i) => assert.equal(ptsOf(answer), BigInt(i)));
});

test('probe --request: a picture by request', async (t) => {
  const { address } = await serve(t);
  const good = await framelift('probe', address, '--request');
  assert.equal(good.code, 0, good.stdout);
  assert.match(good.stdout, /^ok +FRAME_REQUEST.*resource 0/m);
  const gone = await framelift('probe', address, '--request', '--resource', '5');
  assert.equal(gone.code, 1);
  assert.match(gone.stdout, /ERROR -2 \(resource not found\)/);
});
