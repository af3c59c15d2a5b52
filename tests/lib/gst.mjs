// SPDX-License-Identifier: LGPL-2.1-or-later
/** Runs pipelines with this build's GStreamer elements, and reads what comes out of them. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { buildDir, built } from './build.mjs';

export const pluginDir = join(buildDir, 'guest/gst');
export const pluginFile = join(pluginDir, 'libgstframelift.so');

// a registry of its own: what other builds left in the user's is not looked at
let folder = null;
export function gstEnvironment(more = {}) {
  if (!folder) {
    folder = mkdtempSync(join(tmpdir(), 'framelift-gst-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  const registry = join(folder, 'registry.bin');
  return { ...process.env, GST_PLUGIN_PATH: pluginDir, GST_REGISTRY: registry, GST_DEBUG_NO_COLOR: '1', ...more };
}

/** Why there is nothing to run, or null. */
export function gstMissing() {
  return existsSync(pluginFile) ? null : 'this build has no GStreamer plugin (its development packages are missing)';
}

/**
 * A pipeline under way: what it said so far is in `lines`.
 * @param {object} [options] `seconds`, `output`, `env`; `wrap`: words before the program, `args`: behind it
 */
export class Tap {
  constructor(t, pipeline, { seconds, output, env = {}, wrap = [], args = [] } = {}) {
    const words = [...wrap, built('tests/tools/gst-tap'), pipeline, ...args];
    if (seconds) words.push('--seconds', `${seconds}`);
    if (output) words.push('--output', output);
    this.lines = [];
    this.stderr = '';
    this.child = spawn(words[0], words.slice(1), { env: gstEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] });
    t?.after(() => this.child.kill('SIGKILL'));
    let rest = '';
    this.child.stdout.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      this.lines.push(...lines.map((line) => JSON.parse(line)));
    });
    this.child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
    this.ended = once(this.child, 'close').then(([code, signal]) => ({ code, signal }));
  }

  /** Its orderly end, with the counters. @returns {Promise<{ code: number | null, signal: string | null }>} */
  stop() {
    this.child.kill('SIGTERM');
    return this.ended;
  }

  /** Access units at the sink. */
  get units() {
    return this.lines.filter((line) => 'size' in line);
  }

  get warnings() {
    return this.lines.filter((line) => line.warning).map((line) => line.warning);
  }

  get errors() {
    return this.lines.filter((line) => line.error).map((line) => line.error);
  }

  /** The element's counters, after the end. */
  get stats() {
    return this.lines.find((line) => line.stats)?.stats;
  }
}

/** Access units a second, from the first to the last. */
export const rateOf = (units) => ((units.length - 1) * 1000) / (units.at(-1).at - units[0].at);

/** A live source at 60 a second, at 1080p, whose frames `vsockenc` asks the host for; they themselves stay here. */
export const encoderPipeline = (path, frames) =>
  `videotestsrc is-live=true pattern=black num-buffers=${frames} ! ` +
  `video/x-raw,format=NV12,width=1920,height=1080,framerate=60/1 ! ` +
  `vsockenc name=element socket-path=${path} upload=never ! appsink name=sink sync=false`;

export const sourcePipeline = (path) => `frameliftsrc name=element socket-path=${path} ! appsink name=sink sync=false`;
