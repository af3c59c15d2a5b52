// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The elements as in a container inside a VM: user, mount, PID and network namespaces of their own, no device, a routed address
 * to the daemon, and a profile that forbids AF_VSOCK.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test, { before } from 'node:test';

import { built } from '../lib/build.mjs';
import { Tap, gstMissing } from '../lib/gst.mjs';
import { checkStream, temporaryFolder, until } from '../lib/programs.mjs';

const [HOST, GUEST] = ['10.99.7.1', '10.99.7.2'];
const PORT = 5900; // in a network of its own, nobody else has it

let missing = null;
before(() => {
  const tried = spawnSync('unshare', ['-n', '--', 'unshare', '-Urnm', 'true']);
  const ip = spawnSync('ip', ['-V']);
  missing = gstMissing() ?? (tried.status !== 0 ? 'this machine gives us no namespaces' : ip.error ? 'there is no ip here' : null);
});

/** A network of its own, held by a process that ends with the test. @returns {Promise<string[]>} words that enter it */
async function network(t) {
  const holder = spawn('unshare', ['-n', '--', 'sh', '-c', 'ip link set lo up && echo ready && exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return { pid: holder.pid, enter: ['nsenter', '-t', `${holder.pid}`, '-n', '--'] };
}

const ip = (where, ...words) => execFileSync(where.enter[0], [...where.enter.slice(1), 'ip', ...words]);

/** The host's network with a daemon in it, and the container's, with a wire between them. */
async function start(t) {
  const folder = await temporaryFolder(t);
  const [host, guest] = [await network(t), await network(t)];
  ip(host, 'link', 'add', 'wire', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', `${guest.pid}`);
  ip(host, 'addr', 'add', `${HOST}/24`, 'dev', 'wire');
  ip(host, 'link', 'set', 'wire', 'up');
  ip(guest, 'addr', 'add', `${GUEST}/24`, 'dev', 'eth0');
  ip(guest, 'link', 'set', 'eth0', 'up');
  const token = join(folder, 'token');
  const options = ['--display', 'test:640x360@30,scene=cube,barcode', '--listen', `tcp:${HOST}:${PORT}`, '--token-file', token];
  const words = [...host.enter.slice(1), 'setpriv', '--pdeathsig', 'KILL', '--', built('host/frameliftd'), ...options];
  const daemon = spawn(host.enter[0], words, { stdio: ['ignore', 'inherit', 'pipe'] });
  let said = '';
  daemon.stderr.on('data', (text) => (said += text));
  t.after(() => daemon.kill('SIGTERM'));
  await until('the daemon listens', () => said.includes('listening'));
  // what a container has of the VM: its own view of everything, no devices, and the rules of a default profile
  const wrap = [...guest.enter, 'unshare', '-Urmpf', '--mount-proc', '--', built('tests/tools/deny-vsock')];
  return { folder, wrap, token };
}

test('frameliftsrc and vsockenc in a container, over TCP to a routed address', async (t) => {
  if (missing) return t.skip(missing);
  const { folder, wrap, token } = await start(t);
  const where = `tcp-host=${HOST} tcp-port=${PORT} token-file=${token}`;
  const sink = 'h264parse ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=sink sync=false';
  const raw = 'videotestsrc is-live=true pattern=ball num-buffers=60 ! video/x-raw,format=BGRx,width=320,height=240,framerate=30/1';
  const pipelines = {
    source: [`frameliftsrc name=element ${where} ! ${sink}`, 640],
    encoder: [`${raw} ! vsockenc name=element ${where} ! ${sink}`, 320],
  };
  for (const [name, [pipeline, width]] of Object.entries(pipelines)) {
    const output = join(folder, `${name}.h264`);
    const tap = new Tap(t, pipeline, { seconds: 4, output, wrap });
    const { code } = await tap.ended;
    assert.equal(code, 0, `${name}: ${tap.errors} ${tap.stderr}`);
    const { units } = await checkStream(output);
    t.diagnostic(`${name}: ${units.length} access units of ${width} pixels' width`);
    assert.ok(units.length >= 30, `${name}: ${units.length} access units`);
    assert.deepEqual(units.filter((unit) => unit.error || unit.width !== width), []);
  }
});

test('over vsock, the default profile is named as the reason', async (t) => {
  if (missing) return t.skip(missing);
  const wrap = ['unshare', '-Urmn', '--', built('tests/tools/deny-vsock')];
  const tap = new Tap(t, 'frameliftsrc name=element cid=2 port=5000 ! appsink name=sink', { wrap });
  assert.equal((await tap.ended).code, 1);
  assert.match(`${tap.errors}`, /connect: .*AF_VSOCK is forbidden here, as containers' default seccomp profiles have it/);
  const probe = spawnSync(wrap[0], [...wrap.slice(1), built('cli/framelift'), 'probe', 'vsock:2:5000'], { encoding: 'utf8' });
  assert.equal(probe.status, 1);
  assert.match(probe.stdout, /FAIL +connect[^]*use tcp: or unix:, or a profile that allows it/);
});
