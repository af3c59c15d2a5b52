// SPDX-License-Identifier: LGPL-2.1-or-later
/** GStreamer in the test guest: the plugin of this build, and the program that runs pipelines (tests/guest/gst-app.c). */

import { built } from './build.mjs';

const PLUGINS = '/usr/lib/x86_64-linux-gnu/gstreamer-1.0';
/** GStreamer's start under TCG, and the pipeline's own limit. */
const RUN_LIMIT_MS = 120000;

/** For startVm({ image: 'gst', files }). */
export const gstFiles = () => ({
  [`${PLUGINS}/libgstframelift.so`]: built('guest/gst/libgstframelift.so'),
  '/usr/bin/gst-app': built('tests/guest/gst-app'),
});

/** Why this build has no plugin to test in a guest, or null. */
export function gstMissing() {
  try {
    gstFiles();
    return null;
  } catch {
    return 'this build has no GStreamer plugin for a guest: no GStreamer, no libdrm, or sanitizers';
  }
}

/**
 * Runs gst-app in the guest, to its end.
 * @param {{ vm, socket: import('node:net').Socket }} host `socket` is vm.openPort()'s
 * @param {string} args for the guest's shell
 * @returns {Promise<{ code, samples, data: Buffer, caps, stats, lines: string[], seconds }>} data: all access units
 */
export async function runGst({ vm, socket }, args) {
  const from = vm.serialLines.length;
  const began = performance.now();
  const pieces = [];
  const take = (piece) => pieces.push(piece);
  socket.on('data', take);
  const exit = await vm.ask(`sh gst-app ${args}`, /^SH exit (\d+)/, RUN_LIMIT_MS);
  const lines = vm.serialLines.slice(from);
  const find = (regex) => lines.map((line) => regex.exec(line)).find(Boolean)?.slice(1) ?? [];
  const [samples, bytes] = find(/^GST done (\d+) samples (\d+) bytes/).map(Number);
  const size = () => pieces.reduce((sum, piece) => sum + piece.length, 0);
  for (let tries = 0; tries < 200 && size() < (bytes ?? 0); tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  socket.removeListener('data', take);
  const [caps] = find(/^GST caps (.*)/);
  const [stats] = find(/^GST stats (.*)/);
  const seconds = (performance.now() - began) / 1000;
  return { code: Number(exit[1]), samples, data: Buffer.concat(pieces), caps, stats, lines, seconds };
}
