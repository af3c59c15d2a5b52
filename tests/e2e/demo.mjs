// SPDX-License-Identifier: LGPL-2.1-or-later
/** `make demo` as a user has it: a desktop in the browser soon, and nothing left behind. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { canvasPng, comparePictures, launch, openPage, waitForLabel } from '../lib/browser.mjs';
import { sourceDir } from '../lib/build.mjs';
import { sleep, until } from '../lib/programs.mjs';
import { guestMissing } from '../lib/qemu.mjs';

let browser;
let missing = null;
before(async () => {
  missing = await guestMissing('weston');
  browser = await launch();
});
after(() => browser?.close());

/** Those that are still there. */
function alive(pids) {
  return pids.filter((pid) => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  });
}

function childrenOf(pid) {
  const direct = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).filter((other) => {
    try {
      const stat = readFileSync(`/proc/${other}/stat`, 'utf8');
      return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === pid;
    } catch {
      return false;
    }
  });
  return direct.flatMap((child) => [child, ...childrenOf(child)]);
}

test('make demo: a moving desktop within a minute, and Ctrl-C leaves nothing behind', async (t) => {
  if (missing) return t.skip(missing);
  const began = performance.now();
  const demo = spawn(join(sourceDir, 'scripts/demo'), [], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  t.after(() => demo.exitCode ?? process.kill(-demo.pid, 'SIGKILL'));
  let said = '';
  demo.stdout.on('data', (data) => (said += data));
  demo.stderr.on('data', (data) => (said += data));
  const exited = new Promise((resolve) => demo.once('exit', (code, signal) => resolve({ code, signal })));
  const address = await until('it prints an address', () => /http:\S+#token=\w+/.exec(said)?.[0], 120000).catch((error) => {
    throw new Error(`${error.message}:\n${said}`);
  });
  const page = await openPage(browser, address);
  t.after(() => page.context().close());
  await waitForLabel(page, /^Live/, 60000);
  let moved = null;
  const first = await canvasPng(page);
  await until('the desktop moves', async () => {
    moved = await comparePictures(page, first, await canvasPng(page)).catch(() => null);
    return moved?.over > 0.0005;
  });
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`${seconds.toFixed(1)} s from the start to a moving desktop in the browser`);
  if (process.env.FRAMELIFT_SCREENSHOTS) {
    mkdirSync(process.env.FRAMELIFT_SCREENSHOTS, { recursive: true });
    await sleep(3000);
    writeFileSync(join(process.env.FRAMELIFT_SCREENSHOTS, 'demo.png'), await page.screenshot());
  }
  assert.ok(seconds < 60, `${seconds} s`);

  const processes = childrenOf(demo.pid);
  assert.ok(processes.length >= 2, 'QEMU and frameliftd run');
  process.kill(-demo.pid, 'SIGINT'); // as a terminal does: the whole group
  const { code, signal } = await exited;
  assert.ok(signal === null && [0, 130].includes(code), `${code} ${signal}\n${said}`);
  await until('all its processes are gone', () => alive(processes).length === 0, 5000);
  assert.deepEqual(readdirSync(tmpdir()).filter((name) => name.startsWith('framelift-demo')), []);
});
