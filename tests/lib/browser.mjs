// SPDX-License-Identifier: LGPL-2.1-or-later
/** Debian's Chromium, headless, and what tests want to know of the page in it. */

import { createRequire } from 'node:module';

// By require, so that NODE_PATH may say where it is.
const { chromium } = createRequire(import.meta.url)('playwright-core');

const EXECUTABLE = process.env.FRAMELIFT_CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** @param {string[]} [flags] more of them @returns {Promise<import('playwright-core').Browser>} the caller closes it */
export function launch(flags = []) {
  return chromium.launch({ executablePath: EXECUTABLE, headless: true, args: [...FLAGS, ...flags] });
}

/**
 * A page in a context (cookies) of its own; close it with `page.context().close()`. What it logs and throws gathers in
 * `page.complaints`.
 * @param {import('playwright-core').Browser} browser
 * @param {string} address
 * @param {{ before?: Function, viewport?: object, colorScheme?: string }} [options] `before(page)` runs before it loads
 */
export async function openPage(browser, address, { before, viewport = { width: 1280, height: 720 }, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`${error}`));
  page.on('console', (line) => line.type() === 'error' && page.complaints.push(line.text()));
  await before?.(page);
  await page.goto(address);
  return page;
}

/** What the page says of itself: the label of its state. */
export const stateLabel = (page) => page.evaluate(() => document.getElementById('status-label').textContent);

/** Waits for a label. @param {RegExp} pattern @throws with the label that stood there, when the time is over */
export async function waitForLabel(page, pattern, timeout = 10000) {
  const matches = ([source, flags]) =>
    new RegExp(source, flags).test(document.getElementById('status-label').textContent);
  try {
    await page.waitForFunction(matches, [pattern.source, pattern.flags], { timeout, polling: 50 });
  } catch {
    throw new Error(`the page says "${await stateLabel(page)}" and not ${pattern}; ${page.complaints.join('; ')}`);
  }
}

/**
 * The frame number in the picture on the canvas.
 * @returns {Promise<number | null>} null where the check bits do not agree, or nothing is there
 */
export function readBarcode(page) {
  return page.evaluate(() => {
    const cell = 16;
    const [wide, high] = [16 * cell, 2 * cell];
    const screen = document.getElementById('screen');
    if (screen.width < wide || screen.height < high) {
      return null;
    }
    const context = new OffscreenCanvas(wide, high).getContext('2d', { willReadFrequently: true });
    context.drawImage(screen, 0, 0, wide, high, 0, 0, wide, high);
    const { data } = context.getImageData(0, 0, wide, high);
    let bits = 0;
    for (let i = 0; i < 32; i++) {
      const x = (i % 16) * cell + cell / 2;
      const y = Math.floor(i / 16) * cell + cell / 2;
      bits = bits * 2 + (data[(y * wide + x) * 4 + 1] > 127 ? 1 : 0);
    }
    const number = Math.floor(bits / 256);
    return ((number ^ (number >> 8) ^ (number >> 16) ^ 0x5a) & 0xff) === bits % 256 ? number : null;
  });
}

/** Waits until the barcode has gone on by `by` pictures. @returns {Promise<number[]>} first and last number */
export async function waitForAdvance(page, by = 5, timeout = 10000) {
  const limit = Date.now() + timeout;
  let first = null;
  while (Date.now() < limit) {
    const number = await readBarcode(page);
    first ??= number;
    if (number !== null && first !== null && Math.abs(number - first) >= by) {
      return [first, number];
    }
    await page.waitForTimeout(20);
  }
  throw new Error(`the picture's number stays at ${first}; the page says "${await stateLabel(page)}"`);
}

/** The canvas's own pixels as a PNG, whatever the window's size. @returns {Promise<Buffer>} */
export async function canvasPng(page) {
  const url = await page.evaluate(async () => {
    const screen = document.getElementById('screen');
    const copy = new OffscreenCanvas(screen.width, screen.height);
    copy.getContext('2d').drawImage(screen, 0, 0);
    const bytes = new Uint8Array(await (await copy.convertToBlob()).arrayBuffer());
    let text = '';
    bytes.forEach((byte) => (text += String.fromCharCode(byte)));
    return btoa(text);
  });
  return Buffer.from(url, 'base64');
}

/** Single pixels of the canvas. @param {number[][]} points [x, y] @returns {Promise<number[][]>} [r, g, b] */
export function canvasColours(page, points) {
  return page.evaluate((places) => {
    const screen = document.getElementById('screen');
    const context = new OffscreenCanvas(screen.width, screen.height).getContext('2d', { willReadFrequently: true });
    context.drawImage(screen, 0, 0);
    return places.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)]);
  }, points);
}

/**
 * Compares two PNG pictures of the same size, in the browser: it has the decoder.
 * @param {import('playwright-core').Page} page any page; it is not changed
 * @param {Buffer} a @param {Buffer} b
 * @returns {Promise<{ width: number, height: number, mean: number, worst: number, over: number }>} differences of a
 *   channel, 0 to 255; over: the share of pixels with one above 24
 */
export function comparePictures(page, a, b) {
  return page.evaluate(
    async (encoded) => {
      const pixels = async (text) => {
        const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
        const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
        const { width, height } = bitmap;
        const context = new OffscreenCanvas(width, height).getContext('2d');
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(0, 0, width, height);
      };
      const [one, two] = [await pixels(encoded[0]), await pixels(encoded[1])];
      if (one.width !== two.width || one.height !== two.height) {
        throw new Error(`${one.width} × ${one.height} against ${two.width} × ${two.height}`);
      }
      const result = { width: one.width, height: one.height, mean: 0, worst: 0, over: 0 };
      for (let i = 0; i < one.data.length; i += 4) {
        const apart = [0, 1, 2].map((c) => Math.abs(one.data[i + c] - two.data[i + c]));
        const most = Math.max(...apart);
        result.mean += apart[0] + apart[1] + apart[2];
        result.worst = Math.max(result.worst, most);
        result.over += most > 24 ? 1 : 0;
      }
      const count = one.width * one.height;
      return { ...result, mean: result.mean / (3 * count), over: result.over / count };
    },
    [a.toString('base64'), b.toString('base64')],
  );
}
