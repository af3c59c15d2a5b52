// SPDX-License-Identifier: LGPL-2.1-or-later
/** A stock QEMU with a real guest kernel: colours, numbers, mode changes, reboots, and a QEMU that leaves. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { before } from 'node:test';

import { HxfrClient, Type } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, sleep, stats, temporaryFolder, until } from '../lib/programs.mjs';
import { guestMissing, startVm } from '../lib/qemu.mjs';
import { BOOT_LIMIT_MS, startVmAndDaemon } from '../lib/vm-daemon.mjs';
import { patches } from '../guest/screen.mjs';
import { UnitFlag } from '../../web/page/hxfr.js';

let missing = null;
before(async () => {
  missing = await guestMissing('screen');
});

test("a guest's colours and its frame numbers come through", async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const { vm, address } = await startVmAndDaemon(t, folder);
  const file = join(folder, 'vm.h264');
  const recorded = await framelift('record', address, '--frames', '150', '-o', file);
  assert.equal(recorded.code, 0, recorded.stderr);
  t.diagnostic(recorded.stderr.trim());

  const points = patches.flatMap(({ x, y, size }) => ['--point', `${x + size / 2},${y + size / 2}`]);
  const { units } = await checkStream(file, '--corners', ...points);
  assert.equal(units.length, 150);
  let worst = 0;
  for (const unit of units) {
    assert.equal(unit.error, undefined);
    patches.forEach(({ color }, i) =>
      color.forEach((value, channel) => {
        const apart = Math.abs(value - unit.points[i][channel]);
        worst = Math.max(worst, apart);
        assert.ok(apart <= 3, `patch ${i}: ${unit.points[i]} for ${color}`);
      }),
    );
  }
  const numbers = units.map((unit) => unit.number);
  assert.ok(numbers.every((number) => number !== null), 'every picture carries its number');
  numbers.slice(1).forEach((number, i) => assert.ok(number >= numbers[i], `${numbers[i]} → ${number}`));
  assert.ok(new Set(numbers).size >= 100, `${new Set(numbers).size} different pictures of 150`);
  const torn = units.filter((unit) => unit.corners.some((number) => number !== unit.number)).length;
  t.diagnostic(`colours within ${worst} levels; ${torn} of 150 pictures torn; guest at ${vm.serialLines.at(-1)}`);
});

test('a mode change and a reboot in mid-stream: the picture comes back by itself', async (t) => {
  if (missing) return t.skip(missing);
  const { vm, path } = await startVmAndDaemon(t, await temporaryFolder(t));
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe(0);
  await client.waitFor((m) => m.type === Type.UNIT && m.width === 1280);

  await vm.ask('mode 1024x768', /^SCREEN mode/);
  const changed = await client.waitFor((m) => m.type === Type.UNIT && m.width === 1024, 20000);
  assert.ok(changed.flags & UnitFlag.KEY, 'a new size begins with an IDR');
  assert.equal(changed.height, 768);
  const told = client.messages.filter((m) => m.type === Type.SCANOUTS).at(-1).scanouts[0];
  assert.deepEqual([told.width, told.height], [1024, 768]);

  const lines = vm.serialLines.length;
  vm.send('reboot');
  await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS, { from: lines });
  const from = client.messages.length;
  await client.waitFor((m) => m.type === Type.UNIT && m.width === 1280 && !(m.flags & UnitFlag.KEEP_ALIVE), 20000, from);
  const seen = client.units.length;
  await until('it moves again', () => client.units.length > seen + 20);
});

test("QEMU's exit is told, and it comes back when the socket does", async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const dir = await temporaryFolder(t);
  const { vm, path, address } = await startVmAndDaemon(t, folder, { dir });
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe(0);
  await client.waitFor((m) => m.type === Type.UNIT);

  vm.killNow();
  await vm.exited;
  const lost = await client.waitFor((m) => m.type === Type.STATE && m.state === 2, 10000);
  assert.match(lost.text, /QEMU/);
  t.diagnostic(lost.text);
  const dark = client.messages.filter((m) => m.type === Type.SCANOUTS).at(-1).scanouts[0];
  assert.equal(dark.flags & 2, 0, 'its scanout is dark');
  assert.equal((await stats(address)).display.state, 'lost');

  const from = client.messages.length;
  const again = await startVm({ run: 'screen', mode: '1280x720', dir });
  t.after(() => again.quit());
  await client.waitFor((m) => m.type === Type.STATE && m.state === 1, 60000, from);
  await again.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
  await client.waitFor((m) => m.type === Type.UNIT && m.width === 1280, 20000, from);
  const seen = client.units.length;
  await until('it moves again', () => client.units.length > seen + 20);
});

test('a still guest costs nothing but its last refinements', async (t) => {
  if (missing) return t.skip(missing);
  const { vm, address, path } = await startVmAndDaemon(t, await temporaryFolder(t));
  await vm.ask('still', /^SCREEN still/);
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe(0);
  await until('the picture is settled', async () => (await stats(address)).counters['encode.repeats'] > 0, 30000);
  await sleep(500);
  const before = (await stats(address)).counters['encode.total'];
  await sleep(2000);
  assert.equal((await stats(address)).counters['encode.total'], before);
});
