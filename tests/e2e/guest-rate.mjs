// SPDX-License-Identifier: LGPL-2.1-or-later
/** A double-buffered program of a real guest, paced at 60 a second: nothing torn, and frameliftsrc in the same guest keeps up. */

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { built } from '../lib/build.mjs';
import { gstFiles, gstMissing, runGst } from '../lib/guest-gst.mjs';
import { checkStream, run, stats } from '../lib/programs.mjs';
import { Fixture, startVugpuVm, vugpuMissing } from '../lib/vm-daemon.mjs';

const PICTURES = 2000;
const RECORD_LIMIT_MS = 240000;
const SECONDS = 20; // of frameliftsrc, with the rest of the recording behind it

const fixture = new Fixture();
let missing = null;
let host = null; // { vm, daemon, folder, address, socket }

before(async () => {
  missing = gstMissing() ?? (await vugpuMissing('gst'));
  if (missing) return;
  const folder = await mkdtemp(join(tmpdir(), 'framelift-test-'));
  fixture.after(() => rm(folder, { recursive: true, force: true }));
  const forward = `tcp:10.0.2.2:5900-cmd:${built('tests/tools/unix-relay')} ${join(folder, 's')}`;
  host = await startVugpuVm(fixture, folder, {
    image: 'gst',
    files: gstFiles(),
    port: true,
    fps: 60,
    extraArgs: [
      ...['-netdev', `user,id=own,host=10.0.2.4,dns=10.0.2.5,restrict=on,guestfwd=${forward}`],
      ...['-device', 'virtio-net-pci,netdev=own,romfile='],
    ],
  });
  host.socket = await host.vm.openPort();
});
after(() => fixture.end());

/** Every picture whole and decodable, none before its predecessor. @returns their frame numbers */
async function check(file, expected) {
  const { units } = await checkStream(file, '--corners');
  const bad = units.filter((unit) => unit.error || unit.width !== 1280 || unit.height !== 720 || unit.number === null);
  assert.equal(bad.length, 0, `${bad.length}, such as ${JSON.stringify(bad[0])}`);
  const torn = units.filter((unit) => unit.corners.some((number) => number !== unit.number));
  assert.equal(torn.length, 0, `${torn.length} torn, such as ${torn[0]?.number} with ${torn[0]?.corners}`);
  assert.equal(units.length, expected);
  const numbers = units.map((unit) => unit.number);
  numbers.slice(1).forEach((number, i) => assert.ok(number >= numbers[i], `${numbers[i]} → ${number}`));
  return numbers;
}

/** How often the guest flipped in each second: its own words from a line on. */
const flips = (from) =>
  host.vm.serialLines.slice(from).map((line) => /^SCREEN flips (\d+)/.exec(line)).filter(Boolean).map(([, n]) => Number(n));

const rate = (numbers) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;

test(`F09: none torn of ${PICTURES} pictures, and frameliftsrc in the guest delivers what the guest flips`, async (t) => {
  if (missing) return t.skip(missing);
  const file = join(host.folder, 'host.h264');
  const began = performance.now();
  const from = host.vm.serialLines.length;
  const record = ['record', host.address, '--frames', `${PICTURES}`, '-o', file];
  const recording = run('cli/framelift', record, { timeout: RECORD_LIMIT_MS });
  const pipeline =
    'frameliftsrc name=framelift tcp-host=10.0.2.2 tcp-port=5900 ! h264parse ! ' +
    'video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=videosink emit-signals=true sync=false';
  const ran = await runGst(host, `--seconds ${SECONDS} "${pipeline}"`);
  assert.equal(ran.code, 0, ran.lines.join('\n'));
  const during = flips(from).slice(2, -1);
  const recorded = await recording;
  const seconds = (performance.now() - began) / 1000;
  assert.equal(recorded.code, 0, recorded.stderr);

  const own = join(host.folder, 'guest.h264');
  await writeFile(own, ran.data);
  const numbers = await check(own, ran.samples);
  const [delivered, shown] = [new Set(numbers).size, numbers.at(-1) - numbers[0] + 1];
  t.diagnostic(`frameliftsrc: ${delivered} of ${shown} flips, ${(delivered / shown).toFixed(3)}; ${delivered / SECONDS} a second`);
  t.diagnostic(`the guest flips ${rate(during).toFixed(1)} a second meanwhile; ${ran.stats}`);
  assert.ok(delivered / shown >= 0.5, `${delivered} of ${shown}`);
  assert.ok(delivered / SECONDS >= 25, `${delivered} in ${SECONDS} s`);

  const whole = await check(file, PICTURES);
  t.diagnostic(`${recorded.stderr.trim()}; ${new Set(whole).size} different pictures in ${seconds.toFixed(1)} s`);
  assert.ok(new Set(whole).size >= PICTURES / 2, `${new Set(whole).size} different pictures`);
  const { counters } = await stats(host.address);
  t.diagnostic(`vugpu.superseded ${counters['vugpu.superseded'] ?? 0}, encode.torn-reads ${counters['encode.torn-reads'] ?? 0}`);
});
