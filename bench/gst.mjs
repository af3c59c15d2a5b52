// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * make bench, second part: the test display at 1080p60 through frameliftd and each of the GStreamer elements to an
 * appsink on the same machine, for SECONDS (30). vsockenc has a live source of 60 a second behind it, and asks the host
 * for its scanout. Prints a row for each, and writes build/bench/gst.json: an array of { element, fps, frames,
 * different, gap_ms, element_cpu_ms, daemon_cpu_ms }. fps and gap_ms, the longest time between two, are without the
 * first second, in which a source that began before its host was found makes up for it. different: pictures with a
 * number of their own; CPU: a frame's share, of the pipeline's process with its source, and of the daemon with its
 * display.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { buildDir } from '../tests/lib/build.mjs';
import { Daemon } from '../tests/lib/daemon.mjs';
import { Tap, encoderPipeline, gstMissing, rateOf, sourcePipeline } from '../tests/lib/gst.mjs';
import { checkStream, stats, until } from '../tests/lib/programs.mjs';

const SECONDS = Number(process.env.SECONDS ?? 30);
const TICK_MS = 10;
const WARM_UP = 60;

/** User and system time so far of a process that runs, in ms. */
function cpuOf(pid) {
  const words = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /s, '').split(' ');
  return (Number(words[11]) + Number(words[12])) * TICK_MS;
}

/** Of all the daemon's processes, in ms. */
const daemonCpu = async (address) => (await stats(address)).processes.reduce((sum, { cpu_ms }) => sum + cpu_ms, 0);

async function measure(element, pipeline) {
  const folder = mkdtempSync(join(tmpdir(), 'framelift-bench-'));
  const path = join(folder, 's');
  const address = `unix:${path}`;
  const display = 'test:1920x1080@60,scene=cube,barcode';
  const daemon = await Daemon.start(['--display', display, '--listen', address, '--token-file', join(folder, 'token')]);
  try {
    await until('the display has a picture', async () => (await stats(address)).counters['capture.flushes'] > 0);
    const output = join(folder, 'x.h264');
    const before = await daemonCpu(address);
    const tap = new Tap(null, pipeline(path), { output });
    await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
    const cpu = cpuOf(tap.child.pid);
    const after = await daemonCpu(address);
    const { code } = await tap.stop();
    if (code !== 0) throw new Error(`${tap.errors} ${tap.stderr}`);
    const { units } = tap;
    const steady = units.slice(WARM_UP);
    const pictures = (await checkStream(output)).units;
    const gaps = steady.slice(1).map((unit, i) => unit.at - steady[i].at);
    return {
      element,
      fps: Number(rateOf(steady).toFixed(2)),
      frames: units.length,
      different: new Set(pictures.map((one) => one.number)).size,
      gap_ms: Number(Math.max(...gaps).toFixed(1)),
      element_cpu_ms: Number((cpu / units.length).toFixed(2)),
      daemon_cpu_ms: Number(((after - before) / units.length).toFixed(2)),
    };
  } finally {
    await daemon.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (gstMissing()) {
  console.log(`no GStreamer elements: ${gstMissing()}`);
  process.exit(0);
}
const results = [];
const today = new Date().toISOString().slice(0, 10);
const machine = `${cpus().length} × ${cpus()[0].model.trim()}`;
console.log(`GStreamer elements, ${SECONDS} s each, 1920x1080 at 60 a second; ${machine}; ${today}`);
const pipelines = { vsockenc: (path) => encoderPipeline(path, -1), frameliftsrc: sourcePipeline };
for (const [element, pipeline] of Object.entries(pipelines)) {
  results.push(await measure(element, pipeline));
  console.log(Object.entries(results.at(-1)).map(([name, value]) => `${name} ${value}`).join('  '));
}
mkdirSync(join(buildDir, 'bench'), { recursive: true });
writeFileSync(join(buildDir, 'bench/gst.json'), `${JSON.stringify(results, null, 2)}\n`);
