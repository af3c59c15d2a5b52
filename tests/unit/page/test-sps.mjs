// SPDX-License-Identifier: LGPL-2.1-or-later
/** web/page/sps.js: start codes, and sequence parameter sets as encoders write them and as liars would. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { inspect, nalUnits, parseSps } from '../../../web/page/sps.js';
import { accessUnits } from '../../lib/page-stream.mjs';

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, 'hex'));
const split = (hex) => [...nalUnits(bytes(hex))].map((nal) => Buffer.from(nal).toString('hex'));

// By x264, with what each is about.
const REAL = {
  baseline1080: '6742c028d900780227e5c044000003000400000300f03c60c920',
  main720: '674d401feca02802dd8088000003000800000301e078c18cb0',
  high1366: '67640020acd94056061e6f0110000003001000000303c0f1831960',
  high444: '67f4001e919b281485fc7cf80880000003008000001e078b16cb',
  interlaced: '67640028acd94078044fde0220000003002000000783e2c5b2c0',
  high422: '677a001fbcd940d83de6f0110000030001000003003c0f183196',
};

/** Writes bits as an encoder would; the test's own SPS are made with it. */
class BitWriter {
  text = '';
  u(count, value) {
    this.text += value.toString(2).padStart(count, '0');
    return this;
  }
  ue(value) {
    const code = (value + 1).toString(2);
    this.text += '0'.repeat(code.length - 1) + code;
    return this;
  }
  se(value) {
    return this.ue(value > 0 ? 2 * value - 1 : -2 * value);
  }
  nal() {
    const padded = `${this.text}1`.padEnd(Math.ceil((this.text.length + 1) / 8) * 8, '0');
    return Uint8Array.from([0x67, ...padded.match(/.{8}/g).map((octet) => parseInt(octet, 2))]);
  }
}
const baseline = () => new BitWriter().u(8, 66).u(8, 0xc0).u(8, 40).ue(0).ue(0);

test('start codes of three and four bytes, zeros between units, nothing before the first', () => {
  assert.deepEqual(split('0000000167640000000168ee000001654188'), ['6764', '68ee', '654188']);
  assert.deepEqual(split('000001650000000000014100'), ['65', '41']);
  assert.deepEqual(split('aabb00000141'), ['41']);
});

test('no start code, nothing after one, and nothing at all', () => {
  assert.deepEqual(split(''), []);
  assert.deepEqual(split('6500010203'), []);
  assert.deepEqual(split('000001'), []);
  assert.deepEqual(split('0001'), []);
});

test('inspect finds parameter sets and IDR, and stops at the first slice', () => {
  const [first, second] = accessUnits();
  const found = inspect(first.data);
  assert.deepEqual([found.idr, found.pps, parseSps(found.sps).width], [true, true, 320]);
  const next = inspect(second.data);
  assert.deepEqual([next.idr, next.pps, next.sps], [false, false, null]);
  assert.equal(inspect(bytes('00000141aa0000016742c028')).sps, null);
});

test('codec strings and sizes of real streams', () => {
  const seen = Object.entries(REAL).map(([name, hex]) => {
    const { codec, width, height, codedWidth, codedHeight } = parseSps(bytes(hex));
    return [name, codec, width, height, codedWidth, codedHeight].join(' ');
  });
  assert.deepEqual(seen, [
    'baseline1080 avc1.42C028 1920 1080 1920 1088',
    'main720 avc1.4D401F 1280 720 1280 720',
    'high1366 avc1.640020 1366 768 1376 768',
    'high444 avc1.F4001E 642 362 656 368',
    'interlaced avc1.640028 1920 1080 1920 1088',
    'high422 avc1.7A001F 854 480 864 480',
  ]);
});

test('cropping from all four sides counts in chroma samples', () => {
  const nal = baseline().ue(2).ue(1).u(1, 0).ue(9).ue(9).u(1, 1).u(1, 1).u(1, 1).ue(1).ue(2).ue(3).ue(4).u(1, 0).nal();
  const { crop, width, height } = parseSps(nal);
  assert.deepEqual(crop, { left: 2, right: 4, top: 6, bottom: 8 });
  assert.deepEqual([width, height], [154, 146]);
});

test('an order cycle and scaling lists are read past', () => {
  const cycle = baseline().ue(1).u(1, 0).se(-3).se(2).ue(2).se(5).se(-5).ue(1).u(1, 0).ue(4).ue(4);
  assert.equal(parseSps(cycle.u(1, 1).u(1, 1).u(1, 0).u(1, 0).nal()).width, 80);
  const high = new BitWriter().u(8, 100).u(8, 0).u(8, 40).ue(0).ue(1).ue(0).ue(0).u(1, 0).u(1, 1);
  // The first list: 8, then the flat rest; the second ends itself at once; the others are not there.
  high.u(1, 1).se(0).se(-8).u(1, 1).se(-8).u(6, 0);
  high.ue(0).ue(2).ue(1).u(1, 0).ue(6).ue(7).u(1, 1).u(1, 1).u(1, 0).u(1, 0);
  const { width, height } = parseSps(high.nal());
  assert.deepEqual([width, height], [112, 128]);
});

test('every SPS cut short before its size is a RangeError with words', () => {
  for (const hex of Object.values(REAL)) {
    for (let size = 0; size < 8; size++) {
      assert.throws(() => parseSps(bytes(hex).subarray(0, size)), RangeError);
    }
  }
});

test('what is no SPS, or longer than any, is refused', () => {
  assert.throws(() => parseSps(bytes('68ee3c80aabb')), /no sequence parameter set/);
  assert.throws(() => parseSps(new Uint8Array(2000).fill(0x67)), /no sequence parameter set/);
});

test('impossible numbers are refused: macroblocks, cropping, cycles, codes', () => {
  const size = (wide, high) => baseline().ue(2).ue(1).u(1, 0).ue(wide).ue(high).u(1, 1).u(1, 1);
  assert.throws(() => parseSps(size(1055, 9).u(1, 0).nal()), /macroblocks/);
  assert.throws(() => parseSps(size(9, 2 ** 31 - 3).u(1, 0).nal()), /macroblocks/);
  assert.throws(() => parseSps(size(9, 9).u(1, 1).ue(40).ue(40).ue(0).ue(0).nal()), /crops all/);
  assert.throws(() => parseSps(baseline().ue(1).u(1, 0).se(0).se(0).ue(256).nal()), /order cycle/);
  assert.throws(() => parseSps(baseline().ue(3).nal()), /order type/);
  assert.throws(() => parseSps(baseline().u(33, 0).u(1, 1).nal()), /impossible number|cut short/);
});

test('random changes to real SPS give a size or a RangeError', () => {
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 0x7fffffff) % below;
  for (let i = 0; i < 20000; i++) {
    const nal = bytes(Object.values(REAL)[i % 6]);
    nal[1 + random(nal.length - 1)] = random(256);
    nal[1 + random(nal.length - 1)] ^= 1 << random(8);
    try {
      const { width, height } = parseSps(nal);
      assert.ok(width > 0 && height > 0 && width <= 16880 && height <= 33760);
    } catch (error) {
      assert.ok(error instanceof RangeError, error.stack);
    }
  }
});
