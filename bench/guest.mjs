// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * make bench, third part: a real guest on our own virtio-gpu flips two buffers at 60 a second in 1080p, and frameliftsrc
 * in the same guest gets that screen back over QEMU's user network, to an appsink, for SECONDS (30). Prints a row, and
 * writes build/bench/guest.json: an array of { size, guest_flips, delivered, ratio }, rates a second;
 * delivered: pictures with a number of their own; ratio: of those that the guest showed from the first to the last.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';

import { buildDir, built } from '../tests/lib/build.mjs';
import { gstFiles, gstMissing, runGst } from '../tests/lib/guest-gst.mjs';
import { checkStream } from '../tests/lib/programs.mjs';
import { accelerator } from '../tests/lib/qemu.mjs';
import { Fixture, startVugpuVm, vugpuMissing } from '../tests/lib/vm-daemon.mjs';

const SECONDS = Number(process.env.SECONDS ?? 30);
const SIZE = process.env.SIZE ?? '1920x1080';

async function measure(fixture, folder) {
  const forward = `tcp:10.0.2.2:5900-cmd:${built('tests/tools/unix-relay')} ${join(folder, 's')}`;
  const network = `user,id=own,host=10.0.2.4,dns=10.0.2.5,restrict=on,guestfwd=${forward}`;
  const host = await startVugpuVm(fixture, folder, {
    ...{ mode: SIZE, image: 'gst', files: gstFiles(), port: true, fps: 60 },
    extraArgs: ['-netdev', network, '-device', 'virtio-net-pci,netdev=own,romfile='],
  });
  host.socket = await host.vm.openPort();
  const from = host.vm.serialLines.length;
  const pipeline =
    'frameliftsrc name=framelift tcp-host=10.0.2.2 tcp-port=5900 ! h264parse ! ' +
    'video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=videosink emit-signals=true sync=false';
  const ran = await runGst(host, `--seconds ${SECONDS} "${pipeline}"`);
  if (ran.code !== 0) throw new Error(ran.lines.join('\n'));
  const file = join(folder, 'x.h264');
  writeFileSync(file, ran.data);
  const numbers = (await checkStream(file)).units.map((unit) => unit.number);
  const flips = host.vm.serialLines.slice(from).map((line) => /^SCREEN flips (\d+)/.exec(line)).filter(Boolean).slice(2, -1);
  const delivered = new Set(numbers).size;
  return {
    size: SIZE,
    guest_flips: Number((flips.reduce((sum, [, n]) => sum + Number(n), 0) / flips.length).toFixed(1)),
    delivered: Number((delivered / SECONDS).toFixed(1)),
    ratio: Number((delivered / (numbers.at(-1) - numbers[0] + 1)).toFixed(3)),
  };
}

const missing = gstMissing() ?? (await vugpuMissing('gst'));
if (missing) {
  console.log(`frameliftsrc in a guest: not measured, ${missing}`);
} else {
  console.log(`\nframeliftsrc in a guest (${await accelerator()}), ${SECONDS} s; ${cpus().length} × ${cpus()[0].model.trim()}`);
  const folder = mkdtempSync(join(tmpdir(), 'framelift-bench-'));
  const fixture = new Fixture();
  try {
    const row = await measure(fixture, folder);
    console.table([row]);
    mkdirSync(join(buildDir, 'bench'), { recursive: true });
    writeFileSync(join(buildDir, 'bench/guest.json'), JSON.stringify([row], null, 1));
  } finally {
    await fixture.end();
    rmSync(folder, { recursive: true, force: true });
  }
}
