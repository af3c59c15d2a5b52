// SPDX-License-Identifier: LGPL-2.1-or-later
/** A headless GNOME desktop with PipeWire, in a session of its own, and its screen as a PipeWire node. */

import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { built, sourceDir } from './build.mjs';
import { until } from './programs.mjs';

const PROGRAMS = ['dbus-run-session', 'mutter', 'pipewire', 'wireplumber', 'zenity'];
const START_LIMIT_MS = 30000;

/** Why there can be no desktop here, or null. */
export function gnomeMissing() {
  const missing = PROGRAMS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
  if (missing.length > 0) return `there is no ${missing.join(', no ')} here`;
  const inspect = spawnSync('gst-inspect-1.0', ['pipewiresrc']);
  return inspect.status === 0 ? null : 'GStreamer has no pipewiresrc here';
}

/** Lines of a child's stdout as they come; it ends with the test. */
function talk(t, command, args, options) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
  const said = { child, lines: [], stderr: '' };
  t.after(() => child.stdin.end());
  child.stdin.on('error', () => {});
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    said.lines.push(...lines);
  });
  child.stderr.setEncoding('utf8').on('data', (text) => (said.stderr += text));
  said.find = (what, regex) =>
    until(what, () => said.lines.map((line) => regex.exec(line)).find(Boolean)?.[1], START_LIMIT_MS).catch((error) => {
      throw new Error(`${error.message}\n${said.stderr}`);
    });
  return said;
}

/**
 * @param {string} folder of the test's own; its path must be short enough for sockets
 * @returns {Promise<{ env: object, show(words: string): void, cast(): Promise<string> }>} `env` for programs of the session;
 *   `cast` gives the PipeWire node of its screen, for as long as the test lasts
 */
export async function startGnome(t, folder, size = '1280x720') {
  const script = join(sourceDir, 'tests/tools/gnome-session');
  const session = talk(t, 'dbus-run-session', ['--', script, folder, size]);
  const bus = await session.find('the desktop is there', /^ready (.*)/);
  const env = {
    ...{ DBUS_SESSION_BUS_ADDRESS: bus, XDG_RUNTIME_DIR: join(folder, 'run'), WAYLAND_DISPLAY: 'wayland-0' },
    ...{ XDG_CONFIG_HOME: join(folder, 'config'), XDG_STATE_HOME: join(folder, 'state') },
  };
  const cast = async () => {
    const caster = talk(t, built('tests/tools/mutter-cast'), [], { env: { ...process.env, ...env } });
    return caster.find('the screen is cast', /^node (\d+)/);
  };
  return { env, cast, show: (words) => session.child.stdin.write(`text ${words}\n`) };
}
