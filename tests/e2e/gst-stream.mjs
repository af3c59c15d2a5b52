// SPDX-License-Identifier: LGPL-2.1-or-later
/** vsockenc and frameliftsrc with frameliftd beside them: every frame, in order, for 30 s; and a still screen. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { Tap, encoderPipeline, gstMissing, rateOf, sourcePipeline } from '../lib/gst.mjs';
import { checkStream, stats, temporaryFolder, until } from '../lib/programs.mjs';

const SECONDS = 30;
const FRAMES = SECONDS * 60;
/** Half of it: a busy machine with two cores may not encode 60 pictures a second. How fast it is, `make bench` says. */
const LEAST_RATE = 30;
/** Access units that come between the last one taken and the counters. */
const TAIL = 4;

const missing = gstMissing();

async function serve(t, scene) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const args = ['--display', `test:1920x1080@60,scene=${scene}`, '--listen', `unix:${path}`];
  const daemon = await Daemon.start([...args, '--token-file', join(folder, 'token')]);
  t.after(async () => assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stderr));
  const address = `unix:${path}`;
  await until('the display has a picture', async () => (await stats(address)).counters['capture.flushes'] > 0);
  const counters = async () => (await stats(address)).counters;
  return { folder, path, counters };
}

async function finish(tap) {
  assert.deepEqual(await tap.ended, { code: 0, signal: null }, `${tap.errors} ${tap.stderr}`);
  assert.deepEqual([tap.errors, tap.warnings, tap.stderr], [[], [], '']);
  return tap.units;
}

/** All decodable, at the scanout's size, its picture numbers never going back. */
async function checkPictures(file, count) {
  const { units } = await checkStream(file);
  assert.equal(units.length, count);
  const bad = units.filter((unit) => unit.error || unit.number === null || unit.width !== 1920 || unit.height !== 1080);
  assert.deepEqual(bad, []);
  const numbers = units.map((unit) => unit.number);
  numbers.slice(1).forEach((number, i) => assert.ok(number >= numbers[i], `${numbers[i]} → ${number}`));
  return new Set(numbers).size;
}

function checkOrder(units) {
  units.slice(1).forEach((unit, i) => assert.ok(unit.pts > units[i].pts, `pts ${units[i].pts} → ${unit.pts}`));
  assert.deepEqual(units.filter((unit) => unit.width !== 1920 || unit.height !== 1080), []);
  assert.ok(units[0].key && units[0].discont);
}

test('vsockenc, 60 frames a second at 1080p for 30 s: every request answered, in order', async (t) => {
  if (missing) return t.skip(missing);
  const { folder, path, counters } = await serve(t, 'cube,barcode');
  const output = join(folder, 'x.h264');
  const tap = new Tap(t, encoderPipeline(path, FRAMES), { output });
  const units = await finish(tap);
  assert.equal(units.length, FRAMES);
  checkOrder(units);
  // each answer has its own request's time: none is skipped, none comes twice
  units.forEach((unit, i) => assert.ok(Math.abs(unit.pts - units[0].pts - (i * 1e9) / 60) < 1000, `${i}: ${unit.pts}`));
  const { requests, answers, errors, lost, strays, malformed, connects } = tap.stats;
  assert.deepEqual([requests, answers, connects], [FRAMES, FRAMES, 1]);
  assert.deepEqual([errors, lost, strays, malformed], [0, 0, 0, 0]);
  assert.equal((await counters())['requests.answered'], FRAMES);

  const different = await checkPictures(output, FRAMES);
  t.diagnostic(`${rateOf(units).toFixed(1)} frames a second, ${different} different pictures`);
  assert.ok(rateOf(units) >= LEAST_RATE, `${rateOf(units)} a second`);
  assert.ok(different > FRAMES / 4, `${different} different pictures in ${FRAMES}`);
});

test('frameliftsrc, 60 frames a second at 1080p for 30 s: all that the hub publishes', async (t) => {
  if (missing) return t.skip(missing);
  const { folder, path, counters } = await serve(t, 'cube,barcode');
  const output = join(folder, 'x.h264');
  const tap = new Tap(t, sourcePipeline(path), { output, seconds: SECONDS });
  const units = await finish(tap);
  checkOrder(units);
  assert.deepEqual(units.slice(1).filter((unit) => unit.discont), [], 'no gap');
  const { overflows, strays, malformed, connects } = tap.stats;
  assert.deepEqual([overflows, strays, malformed, connects], [0, 0, 0, 1]);
  const known = await counters();
  assert.equal(known['subscriber.lagged'] ?? 0, 0);
  const [came, published] = [tap.stats.units - units.length, known['hub.units'] - units.length];
  assert.ok(came >= 0 && came <= TAIL && published >= came && published <= came + TAIL, `${came}, ${published} more`);

  const different = await checkPictures(output, units.length);
  t.diagnostic(`${rateOf(units).toFixed(1)} access units a second, ${different} different pictures`);
  assert.ok(different >= LEAST_RATE * SECONDS * 0.95, `${different} different pictures in ${SECONDS} s`);
});

test('a still screen through vsockenc: one answer a request, at most 64 bytes each once it is refined', async (t) => {
  if (missing) return t.skip(missing);
  const { folder, path } = await serve(t, 'idle,barcode');
  const output = join(folder, 'x.h264');
  const tap = new Tap(t, encoderPipeline(path, 180), { output });
  const units = await finish(tap);
  assert.deepEqual([units.length, tap.stats.requests, tap.stats.answers], [180, 180, 180]);
  const sizes = units.map((unit) => unit.size);
  t.diagnostic(`bytes: ${sizes.slice(0, 12)} …; at most ${Math.max(...sizes.slice(60))} of the last 120`);
  assert.deepEqual(units.slice(60).filter((unit) => unit.size > 64 || unit.key), []);
  assert.equal(await checkPictures(output, 180), 1);
});

test('F19: a still screen through frameliftsrc: silence, and nobody takes it for death', async (t) => {
  if (missing) return t.skip(missing);
  const { folder, path, counters } = await serve(t, 'idle,barcode');
  const output = join(folder, 'x.h264');
  const pipeline = sourcePipeline(path).replace('name=element', 'name=element timeout=1000');
  const tap = new Tap(t, pipeline, { output, seconds: 9 });
  await until('the picture is settled', async () => (await counters())['encode.repeats'] > 0);
  const [seen, encoded, began] = [tap.units.length, (await counters())['encode.total'], performance.now()];
  const units = await finish(tap);
  const silent = performance.now() - began;
  assert.ok(silent > 3000, `${silent} ms of silence are more than three times the time limit`);
  assert.ok(units.length <= seen + 1, `${units.length - seen} access units of a settled picture`);
  assert.equal((await counters())['encode.total'], encoded);
  checkOrder(units);
  assert.ok(units.at(-1).size <= 64, `the last is the repetition that ends it: ${units.at(-1).size} bytes`);
  const { connects, pings, pongs } = tap.stats;
  assert.ok(connects === 1 && pings >= 4 && pongs >= pings - 1, JSON.stringify(tap.stats));
  assert.equal(await checkPictures(output, units.length), 1);
});
