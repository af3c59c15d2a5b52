// SPDX-License-Identifier: LGPL-2.1-or-later
// What screen.c draws, for tests: positions and colours of everything, and a reader for its barcodes.

export const background = [0x20, 0x30, 0x40];
export const box = { top: 232, size: 96, color: [0xff, 0x80, 0x00], step: 8 };
export const barcode = { cell: 16, columns: 16, rows: 2, width: 256, height: 32 };

const colors = [
  0x000000, 0xffffff, 0xff0000, 0x00ff00, 0x0000ff, 0xffff00, 0x00ffff, 0xff00ff,
  0x808080, 0x404040, 0xc0c0c0, 0xc86432, 0x3264c8, 0x28a05a, 0xe0ac82, 0x800040,
];

/** The 64×64 patches: { x, y, size, color: [r, g, b] }; the same place at every mode. */
export const patches = colors.map((color, i) => ({
  x: 32 + (i % 8) * 72,
  y: 64 + Math.floor(i / 8) * 72,
  size: 64,
  color: [color >> 16, (color >> 8) & 255, color & 255],
}));

/** The same on another output: each has the colours in an order of its own. */
export const patchesOf = (output) => patches.map((patch, i) => ({ ...patch, color: patches[(i + output) % patches.length].color }));

/** The number in a barcode: which output, and which frame. */
export const readNumber = (number) => ({ output: number >> 20, frame: number & 0xfffff });

/** Where the box of frame n has its left edge. */
export function boxLeft(n, width) {
  const span = width - box.size;
  const at = (n * box.step) % (2 * span);
  return at <= span ? at : 2 * span - at;
}

/** Left upper corners of the four barcodes. */
export function barcodePlaces(width, height) {
  const [right, bottom] = [width - barcode.width, height - barcode.height];
  return [[0, 0], [right, 0], [0, bottom], [right, bottom]];
}

/**
 * Frame number of the barcode at left, top, or null when its check bits are wrong. luma(x, y) gives a pixel's brightness,
 * 0–255; cells are judged by their centres.
 */
export function readBarcode(luma, left = 0, top = 0) {
  let word = 0;
  for (let i = 0; i < 32; i++) {
    const x = left + (i % barcode.columns) * barcode.cell + barcode.cell / 2;
    const y = top + Math.floor(i / barcode.columns) * barcode.cell + barcode.cell / 2;
    word = word * 2 + (luma(x, y) > 127 ? 1 : 0);
  }
  const [n, check] = [Math.floor(word / 256), word % 256];
  return ((n ^ (n >> 8) ^ (n >> 16) ^ 0x5a) & 255) === check ? n : null;
}

/** luma() for packed RGB as screendump() gives it. */
export function lumaOfRgb({ width, rgb }) {
  return (x, y) => {
    const at = (y * width + x) * 3;
    return 0.2126 * rgb[at] + 0.7152 * rgb[at + 1] + 0.0722 * rgb[at + 2];
  };
}
