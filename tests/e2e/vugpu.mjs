// SPDX-License-Identifier: LGPL-2.1-or-later
/** Our own virtio-gpu device in a real VM: what the guest flips is what comes out, at the guest's own rate. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { before } from 'node:test';

import { HxfrClient, Type } from '../lib/hxfr-client.mjs';
import { checkStream, framelift, temporaryFolder, until } from '../lib/programs.mjs';
import { BOOT_LIMIT_MS, startVugpuVm, vugpuMissing } from '../lib/vm-daemon.mjs';
import { patches } from '../guest/screen.mjs';
import { UnitFlag } from '../../web/page/hxfr.js';

let missing = null;
before(async () => {
  missing = await vugpuMissing();
});

const boot = async (t) => startVugpuVm(t, await temporaryFolder(t));

test("a guest's colours, its numbers in all corners, no torn picture", async (t) => {
  if (missing) return t.skip(missing);
  const { vm, folder, address } = await boot(t);
  const file = join(folder, 'x.h264');
  const recorded = await framelift('record', address, '--frames', '300', '-o', file);
  assert.equal(recorded.code, 0, recorded.stderr);
  t.diagnostic(`${recorded.stderr.trim()}; guest at ${vm.serialLines.at(-1)}`);
  const points = patches.flatMap(({ x, y, size }) => ['--point', `${x + size / 2},${y + size / 2}`]);
  const { units } = await checkStream(file, '--corners', ...points);
  assert.deepEqual(units.filter((unit) => unit.error || unit.width !== 1280 || unit.height !== 720), []);
  for (const unit of units) {
    patches.forEach(({ color }, i) =>
      color.forEach((value, c) => assert.ok(Math.abs(value - unit.points[i][c]) <= 3, `${unit.points[i]} for ${color}`)),
    );
    assert.ok(unit.number !== null && unit.corners.every((number) => number === unit.number), JSON.stringify(unit.corners));
  }
  units.slice(1).forEach((unit, i) => assert.ok(unit.number >= units[i].number));
  assert.ok(new Set(units.map((unit) => unit.number)).size >= 200, 'most are pictures of their own');
});

test('mode change and reboot in mid-stream (F11): the picture comes back by itself', async (t) => {
  if (missing) return t.skip(missing);
  const { vm, path } = await boot(t);
  const client = await (await HxfrClient.open(path)).greet();
  t.after(() => client.close());
  await client.subscribe(0);
  await client.waitFor((m) => m.type === Type.UNIT && m.width === 1280);
  await vm.ask('mode 1024x768', /^SCREEN mode/);
  const changed = await client.waitFor((m) => m.type === Type.UNIT && m.width === 1024, 20000);
  assert.ok(changed.flags & UnitFlag.KEY);
  const [lines, from] = [vm.serialLines.length, client.messages.length];
  vm.send('reboot');
  await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS, { from: lines });
  await client.waitFor((m) => m.type === Type.UNIT && m.width === 1280 && !(m.flags & UnitFlag.KEEP_ALIVE), 20000, from);
  const seen = client.units.length;
  await until('it moves again', () => client.units.length > seen + 20);
});

test('requests by resource id: an unknown one is -2, and the connection lives', async (t) => {
  if (missing) return t.skip(missing);
  const { address } = await boot(t);
  const unknown = await framelift('probe', address, '--request', '--resource', '99999');
  assert.match(unknown.stdout, /ERROR -2/);
  const scanout = await framelift('probe', address, '--request', '--size', '1280x720');
  assert.equal(scanout.code, 0, scanout.stdout);
  let found = 0;
  for (let id = 1; id <= 6; id++) {
    const probe = await framelift('probe', address, '--request', '--resource', `${id}`, '--size', '1280x720');
    if (probe.code === 0) found++;
  }
  t.diagnostic(`${found} of the first six resource ids are pictures of 1280x720`);
  assert.ok(found >= 1, 'the buffers that the guest flips can be read by their ids');
});
