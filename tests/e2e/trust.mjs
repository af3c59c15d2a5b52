// SPDX-License-Identifier: LGPL-2.1-or-later
/** What the processes map, open and call while they serve is what docs/trust.md lists, and nothing more. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import test, { before } from 'node:test';

import { sourceDir } from '../lib/build.mjs';
import { Daemon } from '../lib/daemon.mjs';
import { framelift, sleep, stats, temporaryFolder, until } from '../lib/programs.mjs';
import { guestMissing, newQemuMissing, startVm } from '../lib/qemu.mjs';
import { BOOT_LIMIT_MS } from '../lib/vm-daemon.mjs';

const ROLES = ['display', 'stream'];
const documented = readFileSync(join(sourceDir, 'docs/trust.md'), 'utf8');

/** The words of the block "```calls display" and its like. */
function listed(what, role) {
  const block = new RegExp('^```' + `${what} ${role}\n([^]*?)^` + '```', 'm').exec(documented);
  assert.ok(block, `docs/trust.md has a block "${what} ${role}"`);
  return new Set(block[1].split(/\s+/).filter(Boolean));
}

let missing = null;
before(async () => {
  const strace = spawn('strace', ['-c', '-o', '/dev/null', 'true'], { stdio: 'ignore' });
  const code = await new Promise((resolve) => strace.on('error', () => resolve(-1)).on('close', resolve));
  missing = code === -1 ? 'there is no strace here' : code !== 0 ? 'nothing may be traced here' : null;
});

/** Counts a process's system calls until the returned function is called, which gives their names. */
async function trace(pid, file) {
  const strace = spawn('strace', ['-f', '-c', '-p', `${pid}`, '-o', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  strace.stderr.setEncoding('utf8').on('data', (text) => (said += text));
  await until('strace is attached', () => /attached/.test(said));
  return async () => {
    strace.kill('SIGINT');
    await once(strace, 'close');
    const rows = readFileSync(file, 'utf8').split('\n').map((line) => line.trim().split(/\s+/));
    return rows.filter(([percent]) => /^\d+\.\d+$/.test(percent)).map((row) => row.at(-1)).filter((name) => name !== 'total');
  };
}

/** Files that are mapped, but for the program and what it is linked with; and what the descriptors are. */
function holdings(pid) {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n').map((line) => line.split(/\s+/).slice(5).join(' '));
  const files = maps.filter((name) => name && !/^\[|\.so(\.|$| )|frameliftd/.test(name));
  const open = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)];
    } catch {
      return []; // it was closed meanwhile
    }
  });
  const kind = (name) =>
    name.replace(/^\/(memfd:[\w-]+).*/, '$1').replace(/^(\w+):\[.*/, '$1').replace(/^.*\/(gconv-modules.cache)$/, '$1');
  return { maps: new Set(files.map(kind)), opens: new Set(open.map(kind).filter((name) => !/^(pipe|\/dev\/null|.*\/stderr.*)$/.test(name))) };
}

const beyond = (seen, allowed) => [...seen].filter((one) => !allowed.has(one)).sort();

/** Everything that viewers do, in small. */
async function use(daemon, address, folder) {
  assert.equal((await framelift('record', address, '--frames', '30', '-o', join(folder, 'x.h264'))).code, 0);
  assert.equal((await framelift('probe', address, '--request', '--size', '640x360')).code, 0);
  for (const id of ['1', '2', '99999']) await framelift('probe', address, '--request', '--resource', id, '--size', '640x360');
  assert.equal((await fetch(`${daemon.origin}/`)).status, 200);
  assert.equal((await fetch(`${daemon.origin}/session`)).status, 401);
}

async function check(t, display, run, more = () => []) {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const address = `unix:${join(folder, 's')}`;
  const args = ['--listen', address, '--http', '127.0.0.1:0', '--token-file', join(folder, 'token')];
  const daemon = await Daemon.start(['--display', display(folder), ...args, ...more(folder)]);
  t.after(() => daemon.stop());
  const pids = Object.fromEntries(ROLES.map((role) => [role, daemon.processOf(role)]));
  const traces = await Promise.all(ROLES.map((role) => trace(pids[role], join(folder, `${role}.calls`))));
  const lookAgain = await run(folder, address, () => use(daemon, address, folder));
  const held = ROLES.map((role) => holdings(pids[role]));
  await lookAgain?.();
  for (const [i, role] of ROLES.entries()) {
    const calls = await traces[i]();
    assert.ok(calls.length > 5, `${role}: ${calls} were traced`);
    t.diagnostic(`${role} calls ${calls.sort().join(' ')}; maps ${[...held[i].maps].join(' ')}; holds ${[...held[i].opens].join(' ')}`);
    assert.deepEqual(beyond(calls, listed('calls', role)), [], `${role} calls what is not listed`);
    assert.deepEqual(beyond(held[i].maps, listed('maps', role)), [], `${role} maps what is not listed`);
    assert.deepEqual(beyond(held[i].opens, listed('holds', role)), [], `${role} holds what is not listed`);
  }
  assert.deepEqual(ROLES.map((role) => daemon.processOf(role)), Object.values(pids), 'nobody was started again');
}

const lit = (address) =>
  until('it is lit', async () => (await stats(address)).scanouts.some((one) => one.lit), BOOT_LIMIT_MS);

test('with our own device and a guest that boots, changes its mode and leaves', async (t) => {
  const absent = missing ?? (await guestMissing('screen')) ?? (await newQemuMissing());
  if (absent) return t.skip(absent);
  await check(t, (folder) => `vugpu:${join(folder, 'gpu')},size=1280x720`, async (folder, address, use) => {
    const vm = await startVm({ run: 'screen', mode: '1280x720', vugpu: join(folder, 'gpu') });
    t.after(() => vm.quit());
    await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
    await lit(address);
    await use();
    await vm.ask('mode 1024x768', /^SCREEN mode/);
    await sleep(500);
    return async () => {
      await vm.quit();
      await sleep(500);
    };
  });
});

test("with QEMU's D-Bus display", async (t) => {
  const absent = missing ?? (await guestMissing('screen'));
  if (absent) return t.skip(absent);
  await check(t, (folder) => `qemu:${join(folder, 'qmp.sock')}`, async (folder, address, use) => {
    const vm = await startVm({ run: 'screen', mode: '1280x720', dir: folder });
    t.after(() => vm.quit());
    await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
    await lit(address);
    await use();
    return async () => {
      await vm.quit();
      await sleep(500);
    };
  });
});

test('with our vsock device: a guest that is refused, breaks off, and sends what is no HXFR', async (t) => {
  const absent = missing ?? (await guestMissing('screen')) ?? (await newQemuMissing());
  if (absent) return t.skip(absent);
  const device = (folder) => ['--vsock-device', `${join(folder, 'vsock')},cid=42`];
  const serve = async (folder, address, use) => {
    // one processor: with two, QEMU 10's emulation may abort (iotlb_to_section) while the guest finds its devices
    const vsock = ['-smp', '1', '-chardev', `socket,id=vs,path=${join(folder, 'vsock')}`, '-device', 'vhost-user-vsock-pci,chardev=vs'];
    const vm = await startVm({ run: 'screen', mode: '1280x720', vugpu: join(folder, 'gpu'), extraArgs: vsock });
    t.after(() => vm.quit());
    await vm.waitForLine(/^SCREEN up/, BOOT_LIMIT_MS);
    await lit(address);
    await use();
    await vm.ask('sh vsock connect 2 5001', /^VSOCK connect: Connection reset/);
    await vm.ask('sh vsock connect 2 5000', /^VSOCK connect: ok/);
    await vm.ask('sh vsock transfer 2 5000 1', /^VSOCK transfer/);
    const { counters } = await stats(address);
    assert.equal(counters['vsock.served'], 2);
    return async () => {
      await vm.quit();
      await sleep(500);
    };
  };
  await check(t, (folder) => `vugpu:${join(folder, 'gpu')},size=1280x720`, serve, device);
});
