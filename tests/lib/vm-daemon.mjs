// SPDX-License-Identifier: LGPL-2.1-or-later
/** A real VM with the screen program, and frameliftd on its display. */

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { Daemon } from './daemon.mjs';
import { guestMissing, newQemuMissing, startVm } from './qemu.mjs';
import { stats, until } from './programs.mjs';

/** Time for a guest to boot under TCG on a machine that does something else as well. */
export const BOOT_LIMIT_MS = 120000;

const isLit = (scanouts, mode) => {
  const [width, height] = mode.split('x').map(Number);
  return scanouts.some((one) => one.lit && one.width === width && one.height === height);
};

const untilLit = (address, mode) =>
  until('the guest is on the screen', async () => isLit((await stats(address)).scanouts, mode));

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
  await untilLit(address, mode);
  return { vm, daemon, address, path };
}

/** A crash of any of its processes counts, also where it starts that one again: sanitizers say so on stderr. */
async function endWell(daemon) {
  assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stderr.slice(-5000));
  assert.doesNotMatch(daemon.stderr, /Sanitizer|runtime error:/);
}

/** Why no VM can have our virtio-gpu here, or null after getting what it needs. */
export const vugpuMissing = async (image = 'screen') => (await guestMissing(image)) ?? (await newQemuMissing());

/**
 * The same with the virtio-gpu of ours, which `display` has settings for (",qmp=…" comes by itself). `between` takes the daemon's
 * socket and gives the one for QEMU. A daemon that does not end well fails the test: under sanitizers that is what they found.
 * @param {{ after: (end: () => Promise<void>) => void }} t a test, or a Fixture that several share
 * @returns {Promise<{ vm, daemon: Daemon, folder: string, address: string, path: string }>}
 */
export async function startVugpuVm(t, folder, { mode = '1280x720', display = '', args = [], between, ...more } = {}) {
  const [path, socket, qmp] = ['s', 'gpu', 'qmp.sock'].map((name) => join(folder, name));
  const options = ['--listen', `unix:${path}`, '--token-file', join(folder, 'token'), '--name', 'test-guest', ...args];
  const daemon = await Daemon.start(['--display', `vugpu:${socket},size=${mode},qmp=${qmp}${display}`, ...options]);
  t.after(() => endWell(daemon));
  const address = `unix:${path}`;
  await until('it listens', () => stats(address));
  const vm = await startVm({ run: 'screen', mode, dir: folder, vugpu: between ? await between(socket) : socket, ...more });
  t.after(() => vm.quit());
  await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
  await untilLit(address, mode);
  return { vm, daemon, folder, address, path };
}

/** What the tests of a file share: collects the ends of things like a test does, and comes to them when told. */
export class Fixture {
  #ends = [];

  after(end) {
    this.#ends.push(end);
  }

  /** The last first. @throws what the first of them threw that did, after all of them */
  async end() {
    const errors = [];
    for (const end of this.#ends.reverse()) await end().catch((error) => errors.push(error));
    if (errors.length > 0) throw errors[0];
  }
}
