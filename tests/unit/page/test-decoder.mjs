// SPDX-License-Identifier: LGPL-2.1-or-later
/** web/page/decoder.js with a decoder that the test commands: what is dropped, and when an IDR is asked for. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Decoder } from '../../../web/page/decoder.js';
import { accessUnits } from '../../lib/page-stream.mjs';

const units = accessUnits();
const KEY = units[0].data;
const DELTA = units[1].data;

class FakeVideoDecoder {
  static made = [];
  constructor(callbacks) {
    Object.assign(this, callbacks, { state: 'unconfigured', chunks: [], decodeQueueSize: 0, configs: [] });
    FakeVideoDecoder.made.push(this);
  }
  configure(config) {
    this.state = 'configured';
    this.configs.push(config);
  }
  decode(chunk) {
    this.chunks.push(chunk);
  }
  close() {
    this.state = 'closed';
  }
  /** Gives out the picture of chunk `index`. */
  give(index = this.chunks.length - 1) {
    const frame = { timestamp: this.chunks[index].timestamp, closed: 0, close: () => frame.closed++ };
    this.output(frame);
    return frame;
  }
}

function makeRig() {
  FakeVideoDecoder.made = [];
  const rig = { time: 0, pictures: [], asked: 0, unsupported: [] };
  rig.decoder = new Decoder({
    VideoDecoder: FakeVideoDecoder,
    EncodedVideoChunk: class {
      constructor(init) {
        Object.assign(this, init);
      }
    },
    now: () => rig.time,
    onPicture: (frame, timing) => rig.pictures.push({ frame, timing }),
    onKeyWanted: () => rig.asked++,
    onUnsupported: (words) => rig.unsupported.push(words),
  });
  let sequence = 0;
  rig.push = (data, changes = {}) => {
    sequence = changes.sequence ?? sequence + 1;
    rig.time += 16;
    rig.decoder.push({ sequence, ptsUs: sequence * 16667, data: data.slice(), ...changes });
  };
  rig.made = FakeVideoDecoder.made;
  rig.inner = () => rig.made.at(-1);
  return rig;
}

test('the configuration comes from the SPS, for low latency and without a demand for hardware', () => {
  const rig = makeRig();
  rig.push(KEY);
  assert.deepEqual(rig.inner().configs, [{ codec: 'avc1.42C01E', optimizeForLatency: true }]);
});

test('chunks have type, rising timestamps and a duration', () => {
  const rig = makeRig();
  rig.push(KEY);
  rig.push(DELTA);
  rig.push(DELTA, { ptsUs: 33334 });
  const [first, second, third] = rig.inner().chunks;
  assert.deepEqual([first.type, second.type], ['key', 'delta']);
  assert.deepEqual([first.timestamp, second.timestamp, third.timestamp], [16667, 33334, 33335]);
  assert.deepEqual([first.duration, second.duration, third.duration], [16667, 16667, 1]);
});

test('nothing is decoded before the first IDR; it is asked for after a second, once a second (F20)', () => {
  const rig = makeRig();
  for (let i = 0; i < 60; i++) {
    rig.push(DELTA);
  }
  assert.equal(rig.asked, 0);
  for (let i = 0; i < 125; i++) {
    rig.push(DELTA);
  }
  assert.equal(rig.asked, 2);
  assert.equal(rig.made.length, 0);
  rig.push(KEY);
  assert.equal(rig.inner().chunks.length, 1);
});

test('after a gap everything waits for an IDR (F08)', () => {
  const rig = makeRig();
  rig.time = 2000;
  rig.push(KEY);
  rig.push(DELTA);
  rig.push(DELTA, { sequence: 9 });
  rig.push(DELTA);
  assert.equal(rig.asked, 1);
  assert.deepEqual([rig.decoder.counts.gaps, rig.decoder.counts.dropped], [6, 2]);
  rig.push(KEY);
  rig.push(DELTA);
  assert.equal(rig.inner().chunks.length, 2);
});

test('a gap that ends in an IDR costs nothing: the host skipped for us', () => {
  const rig = makeRig();
  rig.push(KEY);
  rig.push(KEY, { sequence: 20 });
  assert.deepEqual([rig.asked, rig.decoder.counts.dropped, rig.inner().chunks.length], [0, 0, 2]);
});

test('a queue of more than 8 is thrown away, and an IDR asked for (F22)', () => {
  const rig = makeRig();
  rig.time = 2000;
  rig.push(KEY);
  const slow = rig.inner();
  slow.decodeQueueSize = 9;
  rig.push(DELTA);
  assert.equal(slow.state, 'closed');
  assert.deepEqual([rig.asked, rig.decoder.counts.backlogs, rig.decoder.counts.dropped], [1, 1, 1]);
  rig.push(DELTA);
  rig.push(KEY);
  assert.equal(rig.made.length, 2);
  assert.equal(rig.inner().chunks.length, 1);
});

test('a decoder that gives nothing out is behind as well, whatever its queue says', () => {
  const rig = makeRig();
  rig.push(KEY);
  for (let i = 0; i < 40; i++) {
    rig.push(DELTA);
  }
  assert.equal(rig.decoder.counts.backlogs, 1);
  assert.ok(rig.decoder.inFlight.size <= 31);
});

test('an IDR that comes into a backlog is decoded at once, by a new decoder', () => {
  const rig = makeRig();
  rig.push(KEY);
  rig.inner().decodeQueueSize = 9;
  rig.push(KEY);
  assert.deepEqual([rig.made.length, rig.inner().chunks.length, rig.decoder.counts.dropped], [2, 1, 0]);
});

test('a request for an IDR is repeated though the host is silent', () => {
  const rig = makeRig();
  rig.push(KEY);
  rig.inner().error(new Error('broken'));
  rig.time += 5000;
  rig.decoder.tick();
  rig.time += 500;
  rig.decoder.tick();
  assert.equal(rig.asked, 1);
  rig.time += 500;
  rig.decoder.tick();
  assert.equal(rig.asked, 2);
});

test('an error makes a new decoder at the next IDR, the second in a row one in software', () => {
  const rig = makeRig();
  for (let i = 0; i < 3; i++) {
    rig.push(KEY);
    rig.inner().error(new Error('broken'));
  }
  assert.deepEqual(
    rig.made.map(({ configs }) => configs[0].hardwareAcceleration),
    [undefined, undefined, 'prefer-software'],
  );
  rig.push(KEY);
  rig.inner().give();
  assert.equal(rig.decoder.errorsInARow, 0);
});

test('after five errors in a row it says so, and asks the host less often', () => {
  const rig = makeRig();
  rig.time = 20000;
  for (let i = 0; i < 5; i++) {
    rig.push(KEY);
    rig.inner().error(new Error('broken'));
  }
  assert.equal(rig.unsupported.length, 1);
  assert.match(rig.unsupported[0], /avc1\.42C01E: broken/);
  const before = rig.asked;
  for (let i = 0; i < 38; i++) {
    rig.time += 250;
    rig.decoder.tick();
  }
  assert.equal(rig.asked, before);
});

test('a codec that the browser refuses is said once, and costs the host no IDR', () => {
  const rig = makeRig();
  rig.time = 20000;
  rig.push(KEY);
  rig.inner().error(Object.assign(new Error('no such codec'), { name: 'NotSupportedError' }));
  for (let i = 0; i < 100; i++) {
    rig.push(i % 30 ? DELTA : KEY);
  }
  assert.deepEqual([rig.unsupported.length, rig.asked, rig.made.length], [1, 0, 1]);
});

test('late pictures and errors of an older decoder are closed and ignored', () => {
  const rig = makeRig();
  rig.push(KEY);
  const old = rig.inner();
  rig.decoder.restart();
  const frame = old.give();
  old.error(new Error('late'));
  assert.deepEqual([frame.closed, rig.pictures.length, rig.decoder.counts.errors], [1, 0, 0]);
});

test('timings are forgotten with their pictures, also where the decoder swallowed some', () => {
  const rig = makeRig();
  rig.push(KEY);
  rig.push(DELTA);
  rig.push(DELTA);
  rig.time += 5;
  rig.inner().give(1);
  assert.deepEqual([...rig.decoder.inFlight.keys()], [3 * 16667]);
  assert.equal(rig.pictures[0].timing.decodeMs, 21);
  assert.equal(rig.pictures[0].timing.unit.data, null);
});

test('an IDR with a broken SPS, or garbage, never reaches the decoder', () => {
  const rig = makeRig();
  rig.push(Uint8Array.from([0, 0, 1, 0x67, 66, 0, 0, 1, 0x65, 0x88]));
  rig.push(Uint8Array.from([1, 2, 3]));
  rig.push(new Uint8Array(0));
  assert.equal(rig.made.length, 0);
  assert.equal(rig.decoder.counts.dropped, 3);
});

test('a new size is configured anew', () => {
  const rig = makeRig();
  rig.push(KEY);
  const sps = Buffer.from('0000000167640020acd94056061e6f0110000003001000000303c0f18319600000016588', 'hex');
  rig.push(Uint8Array.from(sps));
  assert.deepEqual(
    rig.inner().configs.map(({ codec }) => codec),
    ['avc1.42C01E', 'avc1.640020'],
  );
});
