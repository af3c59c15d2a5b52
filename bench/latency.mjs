// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * make bench, last part: from a guest's pixel to the browser's canvas, through a real VM at 720p and 60 flips a second,
 * on our own virtio-gpu and on QEMU's D-Bus display. The guest says by its own clock when it began to write a frame with
 * a number in it; the page, at each animation frame, which number its canvas shows. The guest's clock is asked for over
 * the serial line again and again, and the quickest answer taken: it is known to half of that answer's time (clock_ms).
 * The canvas is looked at when the browser draws, so up to 16.7 ms of each figure are the wait for that.
 * Prints a row for each display, and writes build/bench/latency.json: an array of { display, frames, p50_ms, p90_ms,
 * p99_ms, most_ms, clock_ms, other_cpu }. other_cpu: processors that everything on the machine used, this included.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { launch, openPage, waitForAdvance, waitForLabel } from '../tests/lib/browser.mjs';
import { buildDir } from '../tests/lib/build.mjs';
import { sleep } from '../tests/lib/programs.mjs';
import { accelerator, guestMissing } from '../tests/lib/qemu.mjs';
import { Fixture, startVmAndDaemon, startVugpuVm, vugpuMissing } from '../tests/lib/vm-daemon.mjs';

const SECONDS = Number(process.env.SECONDS ?? 30);
const STAMP_EVERY = 6;
const CLOCK_TRIES = 40;
const [MODE, ARGS] = ['1280x720', ['--http', '127.0.0.1:0']];

const now = () => performance.timeOrigin + performance.now();

/** What the guest's clock (ms) lacks to ours, and how well that is known. */
async function compareClocks(vm) {
  let best = { offset: 0, error: Infinity };
  for (let i = 0; i < CLOCK_TRIES; i++) {
    const asked = now();
    const [, nanoseconds] = await vm.ask('clock', /^SCREEN clock (\d+)/);
    const error = (now() - asked) / 2;
    if (error < best.error) best = { offset: asked + error - Number(nanoseconds) / 1e6, error };
    await sleep(20);
  }
  return best;
}

/** In the page: the moment at which each number was first on the canvas. */
function watchCanvas() {
  const cell = 16;
  const [wide, high] = [16 * cell, 2 * cell];
  const screen = document.getElementById('screen');
  const context = new OffscreenCanvas(wide, high).getContext('2d', { willReadFrequently: true });
  window.firstSeen = {};
  const look = () => {
    context.drawImage(screen, 0, 0, wide, high, 0, 0, wide, high);
    const { data } = context.getImageData(0, 0, wide, high);
    let bits = 0;
    for (let i = 0; i < 32; i++) {
      const at = (Math.floor(i / 16) * cell + cell / 2) * wide + (i % 16) * cell + cell / 2;
      bits = bits * 2 + (data[at * 4 + 1] > 127 ? 1 : 0);
    }
    const number = Math.floor(bits / 256);
    if (((number ^ (number >> 8) ^ (number >> 16) ^ 0x5a) & 0xff) === bits % 256) {
      window.firstSeen[number] ??= performance.timeOrigin + performance.now();
    }
    requestAnimationFrame(look);
  };
  look();
}

function machineTicks() {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1).map(Number);
  return ticks.reduce((sum, one) => sum + one, 0) - ticks[3] - ticks[4];
}

async function measure(display, { vm, daemon }, browser) {
  const page = await openPage(browser, daemon.address);
  await waitForLabel(page, /^Live/, 20000);
  await waitForAdvance(page, 60, 20000);
  const clock = await compareClocks(vm);
  await page.evaluate(watchCanvas);
  const from = vm.serialLines.length;
  vm.send(`stamps ${STAMP_EVERY}`);
  const [ticks, began] = [machineTicks(), now()];
  await sleep(SECONDS * 1000);
  const busy = ((machineTicks() - ticks) * 10) / (now() - began);
  const seen = await page.evaluate(() => window.firstSeen);
  await page.context().close();
  const numbers = Object.keys(seen).map(Number).sort((a, b) => a - b);
  const delays = vm.serialLines.slice(from).flatMap((line) => {
    const [, frame, nanoseconds] = /^SCREEN stamp (\d+) (\d+)/.exec(line) ?? [];
    // a frame that was never drawn is there with the first newer one that was
    const shown = frame && numbers.find((number) => number >= Number(frame));
    return shown === undefined || !frame ? [] : [seen[shown] - (Number(nanoseconds) / 1e6 + clock.offset)];
  });
  delays.sort((a, b) => a - b);
  const at = (part) => Number(delays[Math.min(delays.length - 1, Math.floor(delays.length * part))].toFixed(1));
  return {
    ...{ display, frames: delays.length, p50_ms: at(0.5), p90_ms: at(0.9), p99_ms: at(0.99), most_ms: at(1) },
    ...{ clock_ms: Number(clock.error.toFixed(2)), other_cpu: Number(busy.toFixed(2)) },
  };
}

const DISPLAYS = {
  vugpu: (fixture, folder) => startVugpuVm(fixture, folder, { mode: MODE, args: ARGS, fps: 60 }),
  'qemu-dbus': (fixture, folder) => startVmAndDaemon(fixture, folder, { mode: MODE, args: ARGS, fps: 60 }),
};

const rows = [];
const browser = await launch();
for (const [display, start] of Object.entries(DISPLAYS)) {
  const missing = display === 'vugpu' ? await vugpuMissing() : await guestMissing('screen');
  if (missing) {
    console.log(`guest to canvas, ${display}: not measured, ${missing}`);
    continue;
  }
  const folder = mkdtempSync(join(tmpdir(), 'framelift-bench-'));
  const fixture = new Fixture();
  try {
    rows.push(await measure(display, await start(fixture, folder), browser));
  } finally {
    await fixture.end();
    rmSync(folder, { recursive: true, force: true });
  }
}
await browser.close();
if (rows.length > 0) {
  const machine = `${cpus().length} × ${cpus()[0].model.trim()}`;
  console.log(`\nguest pixel to canvas (${await accelerator()}), ${MODE}, ${SECONDS} s each; ${machine}; ${new Date().toISOString()}`);
  console.table(rows);
  mkdirSync(join(buildDir, 'bench'), { recursive: true });
  writeFileSync(join(buildDir, 'bench/latency.json'), JSON.stringify(rows, null, 1));
}
