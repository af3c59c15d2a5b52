// SPDX-License-Identifier: LGPL-2.1-or-later
/** Requests: the scanout's picture, pixels that come along, whole or as tiles, fingerprints, unknown resources; one answer
 * each, in order. */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { CONFIG_REQ, FRAME_RESPONSE, HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, stats, temporaryFolder, until } from '../lib/programs.mjs';

const HEADER_SIZE = 12;
const [REQUEST_FINGERPRINT, REQUEST_TILES, PIXELS_WANTED, REQUEST_SCANOUT] = [0x98, 0x99, 0x9a, 0x9b];
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

/** FRAME_REQUEST's fixed part as the others begin with it. */
const fixedPart = (frame) => frameRequest({ stride: 0, ...frame }).subarray(HEADER_SIZE);

/** REQUEST_FINGERPRINT of `places`: [x, y, 0xrrggbb] each. */
function fingerprint({ session = 1, scanout = 0, places, ...frame }) {
  const rest = Buffer.alloc(4 + places.length * 8);
  rest.writeUInt16LE(scanout, 0);
  rest.writeUInt16LE(places.length, 2);
  places.forEach(([x, y, pixel], i) => {
    rest.writeUInt16LE(x, 4 + i * 8);
    rest.writeUInt16LE(y, 6 + i * 8);
    rest.writeUInt32LE(pixel, 8 + i * 8);
  });
  return message(REQUEST_FINGERPRINT, session, Buffer.concat([fixedPart(frame), rest]));
}

/** REQUEST_TILES of `rects`: [x, y, width, height] each. */
function tiles({ session = 1, picture, base = 0, rects = [], pixels = Buffer.alloc(0), ...frame }) {
  const rest = Buffer.alloc(12 + rects.length * 8);
  rest.writeUInt32LE(picture, 0);
  rest.writeUInt32LE(base, 4);
  rest.writeUInt16LE(rects.length, 8);
  rects.flat().forEach((value, i) => rest.writeUInt16LE(value, 12 + i * 2));
  return message(REQUEST_TILES, session, Buffer.concat([fixedPart(frame), rest, pixels]));
}

const isAnswer = (m) => [FRAME_RESPONSE, PIXELS_WANTED, Type.ERROR].includes(m.type);
const answers = (client) => client.messages.filter(isAnswer);
/** pts as it was sent: an i64 right behind the header. */
const ptsOf = (response) => response.wire.readBigInt64LE(12);

async function serve(t, display = 'test:640x360@30,scene=idle', ...more) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const daemon = await Daemon.start(['--display', display, '--listen', `unix:${path}`, '--token-file', join(folder, 'token'), ...more]);
  t.after(async () => assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stderr));
  const address = `unix:${path}`;
  await until('the display has a picture', async () => (await stats(address)).counters['capture.flushes'] > 0);
  const client = await HxfrClient.open(path);
  t.after(() => client.close());
  return { client, daemon, folder, path, address };
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

test('the log tells the way of a request: asked, the fallback, answered', async (t) => {
  const { client, daemon } = await serve(t, undefined, '--verbose');
  const answer = await ask(client, { width: 640, height: 360, pts: 4711n });
  const lines = await until('both are logged', () => {
    const found = daemon.stderr.split('\n').filter((line) => line.includes('pts=4711'));
    return found.length >= 3 && found;
  });
  assert.match(lines[0], /session 1: request for resource 0, 640x360, pts=4711/);
  assert.match(lines[1], /falling back to scanout 0, pts=4711/);
  assert.match(lines[2], new RegExp(`session 1: answer of ${answer.data.length} bytes, pts=4711, key frame`));
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

/** The next answer to what is sent. */
async function say(client, bytes) {
  const from = client.messages.length;
  client.send(bytes);
  return client.waitFor(isAnswer, 10000, from);
}

const reasonOf = (wanted) => [wanted.type, wanted.wire.readUInt32LE(HEADER_SIZE + 8)];

test('tiles and fingerprints, byte by byte as docs/protocol.md has them', async (t) => {
  const { client, folder } = await serve(t);
  await client.greet();
  const features = client.messages.find((m) => m.type === Type.WELCOME).wire.readUInt32LE(HEADER_SIZE + 4);
  assert.equal(features & 0b11111, 0b11110);
  const frame = { width: 640, height: 360 };
  const places = [[0, 0, 0x123456], [639, 359, 0xabcdef]];
  // F27: of the scanout's size, and another picture; and what is behind it waits for its pixels
  client.send(fingerprint({ ...frame, places, pts: 1n }));
  client.send(fingerprint({ ...frame, places, pts: 2n }));
  await until('both are answered', () => answers(client).length === 2);
  const [first, second] = answers(client);
  assert.deepEqual([reasonOf(first), ptsOf(first)], [[PIXELS_WANTED, 3], 1n]);
  assert.deepEqual([reasonOf(second), ptsOf(second)], [[PIXELS_WANTED, 4], 2n]);
  const colour = (width, height, value) => Buffer.alloc(width * height * 4, Buffer.from([...value, 255]));
  const units = [];
  const all = { rects: [[0, 0, 640, 360]], pixels: colour(640, 360, [50, 100, 200]) };
  const whole = await say(client, tiles({ ...frame, picture: 7, ...all, pts: 1n }));
  assert.ok(whole.type === FRAME_RESPONSE && whole.key && ptsOf(whole) === 1n, whole.text);
  units.push(whole.data);
  const rects = [[100, 100, 64, 40], [400, 200, 30, 70]];
  const pixels = Buffer.concat([colour(64, 40, [200, 100, 50]), colour(30, 70, [20, 180, 20])]);
  const part = await say(client, tiles({ ...frame, picture: 8, base: 7, rects, pixels, pts: 2n }));
  assert.ok(part.type === FRAME_RESPONSE && !part.key && ptsOf(part) === 2n, part.text);
  units.push(part.data);
  const file = join(folder, 'tiles.h264');
  await writeFile(file, Buffer.concat(units));
  const checked = await checkStream(file, '--point', '130,120', '--point', '415,240', '--point', '300,20');
  const expected = [[50, 100, 200], [20, 180, 20], [200, 100, 50]];
  checked.units[1].points.forEach((point, i) => {
    expected[i].forEach((value, k) => assert.ok(Math.abs(point[k] - value) <= 12, `${i}: ${point}`));
  });
  assert.deepEqual(reasonOf(await say(client, tiles({ ...frame, picture: 9, base: 7 }))), [PIXELS_WANTED, 5]);
  assert.deepEqual(reasonOf(await say(client, tiles({ ...frame, picture: 9, base: 8, width: 638 }))), [PIXELS_WANTED, 5]);
  // still: a few bytes
  let size;
  for (let picture = 9; picture < 40; picture++) {
    size = (await say(client, tiles({ ...frame, picture, base: picture - 1 }))).data.length;
  }
  assert.ok(size <= 64, `${size}`);
  // nothing is shown on scanout 5, and scanout 0 has another size
  assert.deepEqual(reasonOf(await say(client, fingerprint({ ...frame, scanout: 5, places }))), [PIXELS_WANTED, 1]);
  await say(client, tiles({ ...frame, picture: 40, base: 39 }));
  const narrower = fingerprint({ width: 639, height: 360, places: [places[0]] });
  assert.deepEqual(reasonOf(await say(client, narrower)), [PIXELS_WANTED, 2]);
});

test('F24: tiles and fingerprints that lie are ERROR -1', async (t) => {
  const { client } = await serve(t);
  await client.greet();
  const frame = { width: 64, height: 64 };
  const lies = [
    tiles({ ...frame, picture: 0 }),
    tiles({ ...frame, picture: 1, rects: [[0, 0, 4, 4]], pixels: Buffer.alloc(63) }),
    tiles({ ...frame, picture: 1, rects: [[0, 0, 4, 4]], pixels: Buffer.alloc(65) }),
    tiles({ ...frame, picture: 1, rects: [[61, 0, 4, 4]], pixels: Buffer.alloc(64) }),
    tiles({ ...frame, picture: 1, rects: [[0, 0, 0, 4]] }),
    tiles({ width: 8192, height: 4320, picture: 1 }),
    tiles({ ...frame, format: FORMATS.NV12, picture: 1, rects: [[1, 0, 2, 2]], pixels: Buffer.alloc(6) }),
    tiles({ ...frame, picture: 1, rects: Array(8705).fill([0, 0, 1, 1]), pixels: Buffer.alloc(8705 * 4) }),
    fingerprint({ ...frame, places: [] }),
    fingerprint({ ...frame, places: [[64, 0, 0]] }),
    fingerprint({ ...frame, scanout: 16, places: [[0, 0, 0]] }),
    message(REQUEST_SCANOUT, 1, Buffer.from([16, 0, 0, 0])),
    message(REQUEST_SCANOUT, 1, Buffer.from([1, 0, 0])),
  ];
  for (const [i, lie] of lies.entries()) assert.equal((await say(client, lie)).code, -1, `${i}`);
  assert.equal((await say(client, tiles({ ...frame, picture: 1 }))).type, FRAME_RESPONSE);
});

test('resource 0 is the scanout that the session was told, in that session alone', async (t) => {
  const { client, folder } = await serve(t, 'test:640x360@30,scene=idle,scanouts=2');
  await client.greet();
  client.send(message(REQUEST_SCANOUT, 2, Buffer.from([1, 0, 0, 0])));
  client.send(message(REQUEST_SCANOUT, 3, Buffer.from([9, 0, 0, 0])));
  const pictures = [];
  for (const session of [1, 2]) {
    const answer = await until('it is lit', async () => {
      const got = await ask(client, { session });
      return got.type === FRAME_RESPONSE && got;
    });
    const file = join(folder, `${session}.h264`);
    await writeFile(file, answer.data);
    const [unit] = (await checkStream(file, '--point', '20,20', '--point', '320,340')).units;
    pictures.push(unit.points.flat());
  }
  const distance = pictures[0].reduce((sum, value, i) => sum + Math.abs(value - pictures[1][i]), 0);
  assert.ok(distance > 30, `${pictures.map(String)}`);
  assert.equal((await ask(client, { session: 3 })).code, -2); // there is no such scanout
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
