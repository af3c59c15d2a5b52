// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * make bench: the test display's scenes at 1080p60 through frameliftd to a recorder. Prints a table, and writes
 * build/bench/stream.json: an array of { scene, size, fps, merged, cpu_ms, encode_ms, bytes, psnr_y, other_cpu }.
 * cpu_ms: CPU of the whole daemon, painting of the scene included, an access unit; encode_ms: conversion and encoding alone, wall clock.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { buildDir } from '../tests/lib/build.mjs';
import { Daemon } from '../tests/lib/daemon.mjs';
import { checkStream, framelift, sleep, stats, until } from '../tests/lib/programs.mjs';

const FRAMES = Number(process.env.FRAMES ?? 600);
const SIZE = process.env.SIZE ?? '1920x1080';
const SCENES = (process.env.SCENES ?? 'cursor typing scroll cube video drag').split(' ');

/** CPU time of the whole machine in ticks of 10 ms: [busy, all]. */
function machine() {
  const ticks = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1).map(Number);
  const all = ticks.reduce((sum, one) => sum + one, 0);
  return [all - ticks[3] - ticks[4], all];
}

/** CPU time of all the daemon's processes, in milliseconds. */
const cpuOf = ({ processes }) => processes.reduce((sum, { cpu_ms }) => sum + cpu_ms, 0);

async function measure(scene) {
  const folder = mkdtempSync(join(tmpdir(), 'framelift-bench-'));
  const address = `unix:${join(folder, 's')}`;
  const settings = `:${SIZE}@60,scene=${scene},barcode`;
  const args = ['--display', `test${settings}`, '--listen', address, '--token-file', join(folder, 'token')];
  const daemon = await Daemon.start(args);
  try {
    await until('the display runs', async () => (await stats(address).catch(() => null))?.display.state === 'running');
    await framelift('record', address, '--frames', '60', '-o', '/dev/null'); // warm
    await sleep(300);
    const [before, busyBefore, began] = [await stats(address), machine(), performance.now()];
    const file = join(folder, 'x.h264');
    const recorded = await framelift('record', address, '--frames', `${FRAMES}`, '-o', file);
    const [after, busyAfter, ended] = [await stats(address), machine(), performance.now()];
    if (recorded.code !== 0) throw new Error(recorded.stderr);
    const grown = (name) => (after.counters[name] ?? 0) - (before.counters[name] ?? 0);
    const cpu = cpuOf(after) - cpuOf(before);
    const other = (busyAfter[0] - busyBefore[0]) * 10 - cpu;
    const { units } = await checkStream(file, '--scene', settings);
    const psnr = units.map((unit) => unit.psnr).sort((a, b) => a - b);
    return {
      scene,
      size: SIZE,
      fps: Number(/([\d.]+) a second/.exec(recorded.stderr)[1]),
      merged: grown('encode.frames-merged'),
      cpu_ms: Number((cpu / FRAMES).toFixed(2)),
      encode_ms: Number((grown('encode.time-us') / 1000 / grown('encode.total')).toFixed(2)),
      bytes: Math.round(grown('encode.bytes') / grown('encode.total')),
      psnr_y: psnr[psnr.length >> 1],
      other_cpu: Number((other / (ended - began)).toFixed(2)),
    };
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const results = [];
console.log(`${FRAMES} access units a scene, ${SIZE} at 60 a second; ${cpus().length} × ${cpus()[0].model.trim()}`);
for (const scene of SCENES) {
  results.push(await measure(scene));
  const { size, ...row } = results.at(-1);
  console.log(Object.entries(row).map(([name, value]) => `${name} ${value}`).join('  '));
}
mkdirSync(join(buildDir, 'bench'), { recursive: true });
writeFileSync(join(buildDir, 'bench/stream.json'), `${JSON.stringify(results, null, 2)}\n`);
