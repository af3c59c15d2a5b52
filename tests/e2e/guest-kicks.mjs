// SPDX-License-Identifier: LGPL-2.1-or-later
/** F14: notifications between a real guest and our virtio-gpu get lost, at random and in both directions. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { before } from 'node:test';

import { built } from '../lib/build.mjs';
import { checkStream, framelift, stats, temporaryFolder, until } from '../lib/programs.mjs';
import { startVugpuVm, vugpuMissing } from '../lib/vm-daemon.mjs';

const PERCENT = 20;
const FPS = 30;
const SECONDS = 15;

let missing = null;
before(async () => {
  missing = await vugpuMissing();
});

/** tests/tools/kick-thief between QEMU and the daemon. @returns what starts it, and its last words */
function kickThief(t) {
  let text = '';
  let child = null;
  let closed = null;
  t.after(() => child?.kill('SIGKILL'));
  return {
    between: async (socket) => {
      const listen = `${socket}-robbed`;
      child = spawn(built('tests/tools/kick-thief'), [listen, socket, `${PERCENT}`], { stdio: ['ignore', 'pipe', 'inherit'] });
      closed = once(child, 'close');
      child.stdout.setEncoding('utf8').on('data', (more) => (text += more));
      await until('it listens', () => text.includes('listens'));
      return listen;
    },
    end: async () => {
      child.kill('SIGTERM');
      await closed;
      return /^KICKS stolen (\d+) of (\d+), INTERRUPTS stolen (\d+) of (\d+)/m.exec(text).slice(1).map(Number);
    },
  };
}

test(`F14: ${PERCENT} of a hundred kicks and interrupts get lost, and the guest draws on`, async (t) => {
  if (missing) return t.skip(missing);
  const thief = kickThief(t);
  const folder = await temporaryFolder(t);
  const { vm, address } = await startVugpuVm(t, folder, { fps: FPS, between: thief.between });
  const from = vm.serialLines.length;
  const file = join(folder, 'x.h264');
  const recorded = await framelift('record', address, '--seconds', `${SECONDS}`, '-o', file);
  assert.equal(recorded.code, 0, recorded.stderr);
  const flips = vm.serialLines.slice(from).flatMap((line) => /^SCREEN flips (\d+)/.exec(line)?.[1] ?? []).map(Number);
  const { units } = await checkStream(file, '--corners');
  const torn = units.filter((unit) => unit.error || unit.number === null || unit.corners.some((n) => n !== unit.number));
  const shown = new Set(units.map((unit) => unit.number)).size;
  units.slice(1).forEach((unit, i) => assert.ok(unit.number >= units[i].number));
  await vm.ask('sh dmesg | grep -iE "drm|virtio_gpu" | grep -iE "error|time|hung"', /^SH exit 1/);
  const trouble = vm.serialLines.filter((line) => /SCREEN (failed|exit)|hung task/.test(line));
  const { counters } = await stats(address);
  await vm.quit();
  const [kicks, allKicks, interrupts, allInterrupts] = await thief.end();
  t.diagnostic(`${kicks} of ${allKicks} kicks, ${interrupts} of ${allInterrupts} interrupts stolen`);
  t.diagnostic(`flips ${flips}; ${shown} pictures`);
  assert.deepEqual(trouble, []);
  assert.equal(torn.length, 0, JSON.stringify(torn[0]));
  assert.ok(kicks >= 30 && interrupts >= 30, 'enough was stolen to show something');
  t.diagnostic(`found: ${counters['vugpu.lost-kicks']} kicks, ${counters['vugpu.repeated-interrupts']} interrupts repeated`);
  assert.ok(counters['vugpu.lost-kicks'] > 0 && counters['vugpu.repeated-interrupts'] > 0);
  // each lost kick may cost 100 ms
  assert.ok(shown >= (SECONDS * FPS) / 4, `${shown} different pictures`);
  assert.ok(flips.length >= SECONDS / 2 && flips.every((n) => n >= FPS / 4), `${flips}`);
});
