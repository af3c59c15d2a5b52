// SPDX-License-Identifier: LGPL-2.1-or-later
/** A real VM with the screen program, and frameliftd on its display. */

import { join } from 'node:path';

import { Daemon } from './daemon.mjs';
import { startVm } from './qemu.mjs';
import { stats, until } from './programs.mjs';

/** Time for a guest to boot under TCG on a machine that does something else as well. */
export const BOOT_LIMIT_MS = 120000;

/** @returns {Promise<{ vm, daemon: Daemon, address: string, path: string }>} with the guest's screen lit; ends with the test */
export async function startVmAndDaemon(t, folder, { mode = '1280x720', args = [], ...more } = {}) {
  const vm = await startVm({ run: 'screen', mode, ...more });
  t.after(() => vm.quit());
  const path = join(folder, 's.sock');
  const options = ['--listen', `unix:${path}`, '--token-file', join(folder, 'token'), '--name', 'test-guest', ...args];
  const daemon = await Daemon.start(['--display', `qemu:${vm.qmpPath}`, ...options]);
  t.after(() => daemon.stop());
  await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
  const address = `unix:${path}`;
  const [width, height] = mode.split('x').map(Number);
  await until('the guest is on the screen', async () => {
    const { scanouts } = await stats(address).catch(() => ({ scanouts: [] }));
    return scanouts.some((one) => one.lit && one.width === width && one.height === height);
  });
  return { vm, daemon, address, path };
}
