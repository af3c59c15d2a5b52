// SPDX-License-Identifier: LGPL-2.1-or-later
/** web/page/hxfr.js: what it writes, what it reads, and the host that lies. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { hostMessages } from '../../lib/fake-daemon.mjs';
import * as hxfr from '../../../web/page/hxfr.js';

const hex = (bytes) => Buffer.from(bytes).toString('hex');
/** An ArrayBuffer of exactly these bytes, as a WebSocket gives it. */
const buffer = (bytes) => Uint8Array.from(bytes).buffer;
const parse = (bytes) => hxfr.parse(buffer(bytes));
const rejects = (bytes, pattern) =>
  assert.throws(() => parse(bytes), (error) => error instanceof hxfr.ProtocolError && pattern.test(error.message));

const aUnit = (changes = {}) =>
  hostMessages.unit(3, { sequence: 7, ptsNs: 5_000_000_123, flags: 1, data: Buffer.from([0, 0, 1, 0x65]), ...changes });
const samples = {
  WELCOME: hostMessages.welcome('Büro'),
  SCANOUTS: hostMessages.scanouts([{ id: 0, width: 1279, height: 721, flags: 3, name: 'Virtual-1' }]),
  STATE: hostMessages.state(2, 'QEMU has exited'),
  SUBSCRIBE_RESP: hostMessages.subscribeResp(5, true),
  HEARTBEAT: hostMessages.heartbeat(1, 99),
  UNIT: aUnit(),
};

test('what the page sends is the protocol byte for byte', () => {
  assert.equal(hex(hxfr.subscribe(2)), '48584652300002000400000002000000');
  assert.equal(hex(hxfr.unsubscribe(2)), '485846528600020000000000');
  assert.equal(hex(hxfr.keyframeRequest(1)), '485846520300010000000000');
  assert.equal(hex(hxfr.ping(0x01020304)), '48584652100000000400000004030201');
  assert.equal(hex(hxfr.hello('ab')), '48584652800000000e000000' + '020000000000000000000200' + '6162');
});

test('WELCOME, SCANOUTS, STATE and SUBSCRIBE_RESP are read', () => {
  const welcome = parse(samples.WELCOME);
  assert.deepEqual([welcome.version, welcome.heartbeatMs, welcome.name], [2, 1000, 'Büro']);
  const [scanout] = parse(samples.SCANOUTS).scanouts;
  assert.deepEqual(scanout, { id: 0, width: 1279, height: 721, refreshMhz: 60000, flags: 3, name: 'Virtual-1' });
  const state = parse(samples.STATE);
  assert.deepEqual([state.state, state.text], [2, 'QEMU has exited']);
  const response = parse(samples.SUBSCRIBE_RESP);
  assert.deepEqual([response.scanout, response.success], [5, true]);
});

test('UNIT is read: durations, size, and the access unit to the end', () => {
  const unit = parse(samples.UNIT);
  assert.equal(unit.session, 3);
  assert.deepEqual([unit.sequence, unit.ptsUs, unit.flags, unit.qp], [7, 5_000_000, 1, 23]);
  const stages = [unit.captureUs, unit.queueUs, unit.convertUs, unit.encodeUs, unit.sendUs];
  assert.deepEqual(stages, [400, 300, 900, 4200, 80]);
  assert.equal(hex(unit.data), '00000165');
});

test('rectangles between UNIT and its access unit are skipped', () => {
  const bytes = Buffer.from(aUnit({ data: Buffer.concat([Buffer.alloc(16), Buffer.from([0, 0, 1, 0x41])]) }));
  bytes.writeUInt16LE(2, 12 + 48);
  assert.equal(hex(parse(bytes).data), '00000141');
});

test('a type that the page does not know is no error, and neither is one that only a host reads', () => {
  assert.equal(parse(hxfr.message(0xe0, 4, new Uint8Array(9))).type, 0xe0);
  assert.equal(parse(hxfr.message(0x02, 4, new Uint8Array(9))).type, 0x02);
});

test('a message that grew at its end in a later revision is read', () => {
  const longer = Buffer.concat([samples.HEARTBEAT, Buffer.alloc(8)]);
  longer.writeUInt32LE(24, 8);
  assert.equal(parse(longer).sequence, 99);
});

test('every message that is cut short anywhere is refused', () => {
  for (const [name, whole] of Object.entries(samples)) {
    // An access unit may be of any length, so UNIT is cut within its fixed part.
    const most = name === 'UNIT' ? 12 + 56 : whole.length;
    for (let size = 0; size < most; size++) {
      rejects(whole.subarray(0, size), /shorter than a header|says/);
      if (size >= 12) {
        const honest = Buffer.from(whole.subarray(0, size));
        honest.writeUInt32LE(size - 12, 8);
        rejects(honest, /too short/);
      }
    }
  }
});

test('a foreign magic is refused', () => {
  rejects(Buffer.from('RFB 003.008\n'), /does not begin with HXFR/);
  rejects([], /shorter than a header/);
});

test('a payload size that is not that of the WebSocket message is refused', () => {
  const bytes = Buffer.from(samples.STATE);
  bytes.writeUInt32LE(bytes.length - 11, 8);
  rejects(bytes, /STATE says 24 bytes and has 23/);
});

test('a payload size beyond the limit of its type is refused before anything else', () => {
  for (const [type, size] of [[hxfr.Type.UNIT, 0xffffffff], [hxfr.Type.PONG, 65], [hxfr.Type.STATE, 1 << 20]]) {
    const bytes = Buffer.from(hxfr.message(type, 0));
    bytes.writeUInt32LE(size, 8);
    rejects(bytes, /more than the limit/);
  }
});

test('counts that lie are refused: scanouts, rectangles, names, texts', () => {
  const scanouts = Buffer.from(samples.SCANOUTS);
  scanouts.writeUInt16LE(17, 12);
  rejects(scanouts, /lists 17/);
  scanouts.writeUInt16LE(16, 12);
  rejects(scanouts, /too short/);
  const unit = Buffer.from(samples.UNIT);
  unit.writeUInt16LE(65, 12 + 48);
  rejects(unit, /65 rectangles/);
  unit.writeUInt16LE(64, 12 + 48);
  rejects(unit, /too short/);
  const welcome = Buffer.from(samples.WELCOME);
  welcome.writeUInt16LE(129, 12 + 12);
  rejects(welcome, /name of 129/);
  const state = Buffer.from(samples.STATE);
  state.writeUInt32LE(0xffffffff, 12 + 4);
  rejects(state, /too short/);
});

test('impossible sizes, sequence numbers and ids are refused', () => {
  rejects(aUnit({ width: 0 }), /impossible size/);
  rejects(aUnit({ height: 8193 }), /impossible size/);
  rejects(aUnit({ sequence: 2n ** 63n }), /impossible sequence/);
  rejects(hostMessages.scanouts([{ id: 65536, width: 1, height: 1, flags: 0 }]), /impossible id/);
});

test('texts come without control characters, and cut at a NUL; bad UTF-8 does not throw', () => {
  assert.equal(parse(hostMessages.state(2, 'a\u0007b\nc')).text, 'a b c');
  assert.equal(parse(hostMessages.state(2, 'a\0b')).text, 'a');
  const bytes = Buffer.from(hostMessages.state(2, 'ab'));
  bytes[bytes.length - 1] = 0xff;
  assert.equal(parse(bytes).text, 'a\ufffd');
});

test('random bytes are read or refused, and nothing else', () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 0x7fffffff) & 0xff;
  for (let i = 0; i < 20000; i++) {
    const names = Object.values(samples);
    const bytes = Buffer.from(names[i % names.length]);
    bytes[4 + (random() % (bytes.length - 4))] = random();
    bytes[12 + (random() % (bytes.length - 12))] = random();
    try {
      parse(bytes);
    } catch (error) {
      assert.ok(error instanceof hxfr.ProtocolError, error.stack);
    }
  }
});

test('a PONG is matched by its number; a foreign payload has none', () => {
  assert.equal(hxfr.pongNumber(parse(hxfr.message(hxfr.Type.PONG, 0, hxfr.ping(77).subarray(12)))), 77);
  assert.equal(hxfr.pongNumber(parse(hxfr.message(hxfr.Type.PONG, 0))), null);
});
