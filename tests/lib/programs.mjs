// SPDX-License-Identifier: LGPL-2.1-or-later
/** Runs the project's own programs, and reads what they say. */

import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { built } from './build.mjs';

/** @returns {Promise<{ code: number, stdout: string, stderr: string }>} whatever the exit status */
export function run(program, args, { timeout = 60000, ...options } = {}) {
  return new Promise((resolve) => {
    execFile(built(program), args, { timeout, maxBuffer: 64 << 20, ...options }, (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? -1) : 0, stdout: `${stdout}`, stderr: `${stderr}` });
    });
  });
}

export const framelift = (...args) => run('cli/framelift', args);

/** Started and left to run; killed with the test. */
export function start(t, program, args) {
  const child = spawn(built(program), args, { stdio: ['ignore', 'ignore', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

/** A folder of the test's own, gone after it. */
export async function temporaryFolder(t) {
  const folder = await mkdtemp(join(tmpdir(), 'framelift-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A daemon's counters and facts, by `framelift stats --json`. */
export async function stats(address) {
  const { code, stdout, stderr } = await framelift('stats', '--json', address);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** What stream-check finds in a recording: `sps` of every IDR, and `units`. */
export async function checkStream(file, ...args) {
  const { code, stdout, stderr } = await run('tests/tools/stream-check', [file, ...args], { timeout: 240000 });
  if (code !== 0) throw new Error(stderr);
  const lines = stdout.trim().split('\n').map((line) => JSON.parse(line));
  return { sps: lines.flatMap((line) => line.sps ?? []), units: lines.filter((line) => !line.sps) };
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks until `ask()` gives something true; what it throws counts as not yet. @throws after `timeout` ms, with its last words */
export async function until(what, ask, timeout = 20000) {
  const limit = Date.now() + timeout;
  for (;;) {
    let words = '';
    try {
      const result = await ask();
      if (result) return result;
    } catch (error) {
      words = `: ${error.message}`;
    }
    if (Date.now() > limit) throw new Error(`in ${timeout} ms it did not come to this: ${what}${words}`);
    await sleep(50);
  }
}
