// SPDX-License-Identifier: LGPL-2.1-or-later
/** The fake daemon's video: how it is drawn, and how its file falls apart into access units. */

import { readFileSync } from 'node:fs';

import { NalType, nalUnits } from '../../web/page/sps.js';

export const WIDTH = 320;
export const HEIGHT = 240;
export const RATE = 30;
export const FRAMES = 240;

const CELL = 16;
const CELLS_PER_ROW = 16;
const BLACK = 16;
const WHITE = 235;
const GROUND = { y: 90, u: 150, v: 110 };
const BOX = { y: 170, u: 100, v: 160, size: 48, top: 128 };

/** The check byte of a barcode. @param {number} n */
export const barcodeCheck = (n) => (n ^ (n >> 8) ^ (n >> 16) ^ 0x5a) & 0xff;

/** Where the box of picture `n` is. */
export const boxLeft = (n) => (n * 4) % (WIDTH - BOX.size);

function fill(plane, stride, { left, top, width, height }, value) {
  for (let y = top; y < top + height; y++) {
    plane.fill(value, y * stride + left, y * stride + left + width);
  }
}

/** @param {number} n @returns {Uint8Array} picture `n` as planar YUV 4:2:0, BT.709 limited */
export function drawFrame(n) {
  const frame = new Uint8Array((WIDTH * HEIGHT * 3) / 2);
  const luma = frame.subarray(0, WIDTH * HEIGHT).fill(GROUND.y);
  const u = frame.subarray(WIDTH * HEIGHT, (WIDTH * HEIGHT * 5) / 4).fill(GROUND.u);
  const v = frame.subarray((WIDTH * HEIGHT * 5) / 4).fill(GROUND.v);
  const box = { left: boxLeft(n), top: BOX.top, width: BOX.size, height: BOX.size };
  const half = Object.fromEntries(Object.entries(box).map(([key, value]) => [key, value / 2]));
  fill(luma, WIDTH, box, BOX.y);
  fill(u, WIDTH / 2, half, BOX.u);
  fill(v, WIDTH / 2, half, BOX.v);
  const bits = n * 256 + barcodeCheck(n);
  for (let cell = 0; cell < 32; cell++) {
    const left = (cell % CELLS_PER_ROW) * CELL;
    const top = Math.floor(cell / CELLS_PER_ROW) * CELL;
    const one = Math.floor(bits / 2 ** (31 - cell)) % 2;
    fill(luma, WIDTH, { left, top, width: CELL, height: CELL }, one ? WHITE : BLACK);
    fill(u, WIDTH / 2, { left: left / 2, top: top / 2, width: CELL / 2, height: CELL / 2 }, 128);
    fill(v, WIDTH / 2, { left: left / 2, top: top / 2, width: CELL / 2, height: CELL / 2 }, 128);
  }
  return frame;
}

/** BT.709 limited to sRGB bytes. */
function rgb({ y, u, v }) {
  const luma = ((y - 16) * 255) / 219;
  const [cb, cr] = [((u - 128) * 255) / 224, ((v - 128) * 255) / 224];
  const values = [luma + 1.5748 * cr, luma - 0.1873 * cb - 0.4681 * cr, luma + 1.8556 * cb];
  return values.map((value) => Math.round(Math.min(255, Math.max(0, value))));
}

/** Colours to expect on the canvas, [r, g, b]. */
export const COLOURS = { ground: rgb(GROUND), box: rgb(BOX) };
/** Where the box's middle is. @param {number} n @returns {[number, number]} x, y */
export const boxMiddle = (n) => [boxLeft(n) + BOX.size / 2, BOX.top + BOX.size / 2];

/**
 * The stream's access units, start codes included; one slice each.
 * @returns {{ key: boolean, data: Uint8Array }[]}
 */
export function accessUnits() {
  const file = new Uint8Array(readFileSync(new URL('../data/page-stream.h264', import.meta.url)));
  const units = [];
  let parts = [];
  for (const nal of nalUnits(file)) {
    const type = nal[0] & 0x1f;
    parts.push(Buffer.from([0, 0, 0, 1]), nal);
    if (type === NalType.SLICE || type === NalType.IDR) {
      units.push({ key: type === NalType.IDR, data: new Uint8Array(Buffer.concat(parts)) });
      parts = [];
    }
  }
  return units;
}
