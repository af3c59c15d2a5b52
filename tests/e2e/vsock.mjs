// SPDX-License-Identifier: LGPL-2.1-or-later
/** Our vsock device in a real VM of stock QEMU: transfers that never stall, who is let in, and HXFR over it. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { before } from 'node:test';

import { built } from '../lib/build.mjs';
import { Daemon } from '../lib/daemon.mjs';
import { HxfrClient, Type } from '../lib/hxfr-client.mjs';
import { stats, temporaryFolder, until } from '../lib/programs.mjs';
import { guestMissing, startVm } from '../lib/qemu.mjs';
import { BOOT_LIMIT_MS } from '../lib/vm-daemon.mjs';

const CID = 42;
const MEMORY = 384;
const MEGABYTES = 200;
/** There and back, in emulation, with a reader that rests at either end; what stalls stands still for ever. */
const TRANSFER_LIMIT_MS = 300000;
/** The virtio-serial ports, whatever their device's number is. */
const [RELAY, SERIAL] = ['/dev/vport*p1', '/dev/vport*p2'];

let missing = null;
before(async () => {
  missing = await guestMissing('screen');
});

/** Shared memory, our device, and a virtio-serial port whose other end is a socket of the test's. */
const vsockArgs = (socket, relay) => [
  ...['-object', `memory-backend-memfd,id=mem,size=${MEMORY}M,share=on`, '-machine', 'pc,memory-backend=mem'],
  ...['-chardev', `socket,id=vs,path=${socket}`, '-device', 'vhost-user-vsock-pci,chardev=vs'],
  ...['-chardev', `socket,id=relay,path=${relay},server=on,wait=off`],
  ...['-device', 'virtio-serial-pci', '-device', 'virtserialport,chardev=relay,name=relay'],
];

async function boot(t, folder, run, ...more) {
  const [socket, relay] = [join(folder, 'vsock'), join(folder, 'relay')];
  const vm = await startVm({ run, dir: folder, memory: MEMORY, extraArgs: [...vsockArgs(socket, relay), ...more] });
  t.after(() => vm.quit());
  await vm.waitForLine(run === 'screen' ? /^SCREEN up/ : /^FRAMELIFT run=/, BOOT_LIMIT_MS);
  return { vm, relay };
}

/** What the guest's program says in the end. */
const inGuest = async (vm, line, timeout = 20000) => (await vm.ask(`sh vsock ${line}`, /^VSOCK (.*)/, timeout))[1];

test('200 MB to the host and back, the readers rest at random: every byte, never a stall', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const sink = spawn(built('tests/tools/vsock-sink'), [`${join(folder, 'vsock')},cid=${CID},port=6000`]);
  t.after(() => sink.kill('SIGKILL'));
  await once(sink.stdout, 'data');
  const { vm } = await boot(t, folder, 'shell');
  const began = performance.now();
  assert.equal(await inGuest(vm, `transfer 2 6000 ${MEGABYTES}`, TRANSFER_LIMIT_MS), 'transfer: ok');
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`${MEGABYTES} MB each way in ${seconds.toFixed(1)} s`);
  for (const [cid, port] of [[2, 6001], [3, 6000], [CID + 1, 6000]]) {
    assert.match(await inGuest(vm, `connect ${cid} ${port}`), /^connect: Connection reset by peer/, `CID ${cid}, port ${port}`);
  }
  assert.equal(await inGuest(vm, 'connect 2 6000'), 'connect: ok');
  // a reboot: the connections of before are nobody's
  const from = vm.serialLines.length;
  vm.send('reboot');
  await vm.waitForLine(/^FRAMELIFT run=/, BOOT_LIMIT_MS, { from });
  assert.equal(await inGuest(vm, 'transfer 2 6000 1', TRANSFER_LIMIT_MS), 'transfer: ok');
});

/** An HXFR client through the guest: virtio-serial in, AF_VSOCK out, or what else `line` says. */
async function openThroughGuest(t, vm, relay, line = `relay 2 5000 ${RELAY}`) {
  const said = vm.ask(`sh vsock ${line} &`, /^VSOCK (.*)/, 20000);
  assert.equal((await said)[1], 'relay up: ok');
  const client = await HxfrClient.open(relay);
  t.after(() => client.close());
  return client.greet();
}

/** frameliftd for the VM that will be in the folder; ends with the test. */
async function serve(t, folder) {
  const address = `unix:${join(folder, 's')}`;
  const daemon = await Daemon.start([
    ...['--display', `qemu:${join(folder, 'qmp.sock')}`, '--listen', address, '--token-file', join(folder, 'token')],
    ...['--vsock-device', `${join(folder, 'vsock')},cid=${CID}`],
  ]);
  t.after(async () => assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stderr));
  await until('it listens', () => stats(address).catch(() => null));
  return { daemon, address };
}

async function watchThroughGuest(client) {
  assert.ok((await client.subscribe()).success);
  await client.waitFor((m) => m.type === Type.UNIT, 20000);
  const seen = client.units.length;
  await until('units keep coming', () => client.units.length > seen + 20);
}

test('HXFR from the guest; the stream process killed: the next connection works, QEMU notices nothing', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  const { daemon, address } = await serve(t, folder);
  daemon.mayCrash = true;
  const { vm, relay } = await boot(t, folder, 'screen');
  const display = daemon.processOf('display');
  for (let round = 0; round < 3; round++) {
    const client = await openThroughGuest(t, vm, relay);
    await watchThroughGuest(client);
    t.diagnostic(`round ${round}: ${client.units.length} access units came through the guest`);
    const from = vm.serialLines.length;
    const killed = daemon.processOf('stream');
    process.kill(killed, 'SIGKILL');
    await vm.waitForLine(/^VSOCK relay end: ok/, 20000, { from });
    client.close();
    await until('there is another stream process', async () => {
      const now = daemon.processOf('stream');
      return now && now !== killed && (await stats(address).catch(() => null));
    });
  }
  assert.equal(daemon.processOf('display'), display);
  assert.match(await inGuest(vm, 'connect 2 5001'), /^connect: Connection reset by peer/);
  const { counters } = await stats(address);
  assert.equal(counters['vsock.connections'], 3);
  assert.equal(counters['vsock.refused-ports'], 1);
  assert.ok(!counters['vsock.violations'], 'Linux keeps the rules');
});

test('HXFR over a virtio-serial port: QEMU connects it to a unix socket of the daemon', async (t) => {
  if (missing) return t.skip(missing);
  const folder = await temporaryFolder(t);
  await serve(t, folder);
  const serial = ['-chardev', `socket,id=fl,path=${join(folder, 's')},reconnect=1`];
  const port = ['-device', 'virtserialport,chardev=fl,name=framelift'];
  const { vm, relay } = await boot(t, folder, 'screen', ...serial, ...port);
  await watchThroughGuest(await openThroughGuest(t, vm, relay, `join ${SERIAL} ${RELAY}`));
});
