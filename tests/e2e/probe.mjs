// SPDX-License-Identifier: LGPL-2.1-or-later
/** framelift probe where no picture comes: which hop it names, why, and what to do; in bounded time, exit status 1. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { Feature, fakeHost } from '../lib/fake-host.mjs';
import { framelift, stats, temporaryFolder, until } from '../lib/programs.mjs';

/** Two waits of 5 s, and what a busy machine needs to start a program. */
const LIMIT_MS = 15000;
const DISPLAY = 'test:320x240@30,scene=cube';
const WITH_RESOURCES = Feature.REQUESTS | Feature.RESOURCES;

/** A probe that fails at `hop` (or one of them), with an error and a remedy like these. */
async function ends(address, hop, error, remedy, ...args) {
  const began = performance.now();
  const { code, stdout, stderr } = await framelift('probe', address, '--json', ...args);
  const took = performance.now() - began;
  assert.equal(code, 1, stdout + stderr);
  const report = JSON.parse(stdout);
  const last = report.hops.at(-1);
  assert.ok([hop].flat().includes(report.failed), stdout);
  assert.deepEqual([report.picture, last.hop, last.ok], [false, report.failed, false], stdout);
  assert.ok(report.hops.slice(0, -1).every((one) => one.ok), stdout);
  assert.match(last.error, error);
  assert.match(last.remedy, remedy);
  assert.ok(took < LIMIT_MS, `${address}: ${took} ms`);
}

async function listen(t, where, answer) {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    answer(socket);
  }).listen(where);
  t.after(() => server.close());
  await once(server, 'listening');
  return server;
}

/** A process and its children. */
async function family(pid) {
  const children = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number);
  return [pid, ...(await Promise.all(children.map(family))).flat()];
}

const tcp = (server) => `tcp:127.0.0.1:${server.address().port}`;
const LOOPBACK = { port: 0, host: '127.0.0.1' };

/** A daemon that answers on a unix socket, and on TCP with `listenTcp`. */
async function serve(t, { display = DISPLAY, listenTcp = false, state = 'running' } = {}) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const tokenFile = join(folder, 'token');
  const listens = ['--listen', `unix:${path}`, ...(listenTcp ? ['--listen', 'tcp:127.0.0.1:0'] : [])];
  const daemon = await Daemon.start(['--display', display, ...listens, '--token-file', tokenFile]);
  t.after(() => daemon.stop());
  await until('the display is there', async () => (await stats(`unix:${path}`)).display.state === state);
  return { daemon, folder, path, tokenFile, address: `unix:${path}` };
}

test('nothing listens: unix and TCP', async (t) => {
  const folder = await temporaryFolder(t);
  const start = /start the daemon with --listen unix:/;
  await ends(`unix:${folder}/none`, 'connect', /cannot connect to unix:.*none: No such file/, start);
  const server = await listen(t, LOOPBACK, () => {});
  const address = tcp(server);
  server.close();
  await once(server, 'close');
  await ends(address, 'connect', /refused \(nothing listens there/, /start the daemon with --listen tcp:.*ss -tlp/);
});

test('F02: a stale socket file', async (t) => {
  const { daemon, address } = await serve(t);
  await daemon.stop('SIGKILL');
  await ends(address, 'connect', /refused \(a stale socket file/, /start the daemon with --listen unix:.*ss -xlp/);
});

test('a listener that never answers, and a daemon that is stopped', async (t) => {
  const folder = await temporaryFolder(t);
  await listen(t, join(folder, 'silent'), () => {});
  const silent = await listen(t, LOOPBACK, () => {});
  const { daemon, address } = await serve(t);
  const processes = await family(daemon.pid);
  processes.forEach((pid) => process.kill(pid, 'SIGSTOP'));
  const remedy = /accepted and nobody answers.*a stopped daemon.*start the daemon behind it/;
  try {
    await Promise.all([
      ends(`unix:${folder}/silent`, 'PING', /no answer/, remedy),
      ends(tcp(silent), 'PING', /no answer/, remedy),
      ends(address, 'PING', /no answer/, remedy),
    ]);
  } finally {
    processes.forEach((pid) => process.kill(pid, 'SIGCONT'));
  }
});

test('F03: a proxy that accepts, with a dead back-end: it holds the connection, or hangs up', async (t) => {
  const folder = await temporaryFolder(t);
  const proxy = (whenDead) =>
    listen(t, LOOPBACK, (socket) => connect({ path: join(folder, 'dead') }).on('error', () => whenDead(socket)));
  const holds = await proxy(() => {});
  const hangsUp = await proxy((socket) => socket.end());
  const resets = await proxy((socket) => socket.resetAndDestroy());
  await Promise.all([
    ends(tcp(holds), 'PING', /no answer/, /a proxy in front of a dead daemon.*ss -tlp/),
    ends(tcp(hangsUp), 'PING', /closed the connection/, /a proxy in front of a dead daemon/),
    ends(tcp(resets), ['connect', 'PING'], /closed|reset|Broken pipe/, /a proxy in front of a dead daemon/),
  ]);
  const text = await framelift('probe', tcp(hangsUp));
  assert.match(text.stdout, /^FAIL +PING .* ms[^]*a proxy in front of a dead daemon/m);
  assert.match(text.stdout, /^No picture: "PING" is where it ends/m);
});

test('a host that answers garbage: at once, or where a picture should come', async (t) => {
  const folder = await temporaryFolder(t);
  const web = await listen(t, LOOPBACK, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const other = /another program has this address, or it is the daemon's --http/;
  await ends(tcp(web), 'PING', /Invalid message magic/, other);
  const zeros = await listen(t, LOOPBACK, (socket) => socket.write(Buffer.alloc(100)));
  await ends(tcp(zeros), 'PING', /Invalid message magic/, /another program/);
  const header = Buffer.from('HXFR\x11\0\0\0\xff\xff\xff\xff', 'latin1');
  const huge = await listen(t, LOOPBACK, (socket) => socket.write(header));
  await ends(tcp(huge), 'PING', /PONG|size/, /another program/);
  await fakeHost(t, join(folder, 'rude'), { version: 2, state: [1, ''], request: -5 });
  await ends(`unix:${folder}/rude`, 'first answer', /ERROR -5 \(encode failed\)/, /the host's log/, '--request');
});

test('a version 1 peer as in the field: a picture either way', async (t) => {
  const folder = await temporaryFolder(t);
  const host = await fakeHost(t, join(folder, 'old'));
  for (const args of [[], ['--request']]) {
    const { code, stdout } = await framelift('probe', `unix:${folder}/old`, ...args);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^ok +version.* 1 \(no HELLO: an older host\)/m);
    assert.match(stdout, /^ok +decode/m);
  }
  const asked = [0x10, 0x80, 0x10]; // PING, HELLO, PING; and nothing that such hosts do not answer
  assert.deepEqual(host.received, [...asked, 0x30, ...asked, 0x01]);
});

test('a version 1 peer: dark, silent at a failed submit, without SUBSCRIBE, gone; version 2: stuck', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name) => `unix:${join(folder, name)}`;
  const asks = ['--request', '--resource', '7'];
  await fakeHost(t, join(folder, 'dark'), { subscribe: 'dark', request: 'silent' });
  await fakeHost(t, join(folder, 'mute'), { subscribe: 'silent' });
  await fakeHost(t, join(folder, 'frozen'), { subscribe: 'dark', pongs: 2 });
  await fakeHost(t, join(folder, 'freed'), { request: -2 });
  await fakeHost(t, join(folder, 'stuck'), { version: 2, subscribe: 'dark' });
  await Promise.all([
    ends(at('dark'), 'first answer', /no answer in 5 s; the host answers PING/, /the scanout is dark.*wake the guest/),
    ends(at('dark'), 'first answer', /the host answers PING/, /silent where a submit fails.*--resource 0/, ...asks),
    ends(at('mute'), 'SUBSCRIBE', /no answer/, /try --request/),
    ends(at('frozen'), 'first answer', /does not even answer PING/, /./),
    ends(at('stuck'), 'first answer', /the host answers PING/, /its encoder is stuck; see framelift stats/),
    ends(at('freed'), 'first answer', /ERROR -2/, /has freed it.*--resource 0/, ...asks),
    ends(at('freed'), 'SUBSCRIBE', /the VM has no scanout 3/, /--scanout N/, '--scanout', '3'),
  ]);
});

test('a token: none where one is needed, a wrong one', async (t) => {
  const { daemon, folder, path, tokenFile } = await serve(t, { listenTcp: true });
  const address = `tcp:127.0.0.1:${/listening on tcp:127\.0\.0\.1:(\d+)/.exec(daemon.stderr)[1]}`;
  const wrong = join(folder, 'wrong');
  await writeFile(wrong, '0'.repeat(32));
  await ends(address, 'version', /ERROR -7 \(denied\): a token is needed here/, /--token-file FILE: the daemon's own/);
  await ends(address, 'version', /the token is wrong/, /the daemon has another token/, '--token-file', wrong);
  await ends(`unix:${path}`, 'version', /the token is wrong/, /the daemon has another token/, '--token-file', wrong);
  assert.equal((await framelift('probe', address, '--token-file', tokenFile)).code, 0);
  const missing = await framelift('probe', address, '--token-file', join(folder, 'none'));
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /none.*No such file/);
});

test('dark: displays that nobody has lit, a scanout that is off, one that is not there', async (t) => {
  const folder = await temporaryFolder(t);
  const waits = /the daemon waits for its VM, and goes on by itself: start QEMU/;
  const vugpu = await serve(t, { display: `vugpu:${folder}/gpu`, state: 'starting' });
  await ends(vugpu.address, 'version', /no display: waiting for QEMU: -chardev socket/, waits);
  const qemu = await serve(t, { display: `qemu:${folder}/qmp`, state: 'starting' });
  await ends(qemu.address, 'version', /no display: cannot connect to QEMU's QMP socket/, waits);

  const scanouts = [{ id: 0, width: 640, height: 480, flags: 1 }, { id: 2, width: 640, height: 480, flags: 3 }];
  await fakeHost(t, join(folder, 'off'), { version: 2, scanouts, request: -2, features: WITH_RESOURCES });
  const off = `unix:${folder}/off`;
  await ends(off, 'version', /scanout 0 is dark/, /wake the guest.*0 \(dark\), 2 \(lit\).*--scanout N/);
  await ends(off, 'first answer', /ERROR -2/, /the scanout is dark.*2 \(lit\)/, '--request');
  await ends(off, 'SUBSCRIBE', /the VM has no scanout 1/, /0 \(dark\), 2 \(lit\)/, '--scanout', '1');
  await fakeHost(t, join(folder, 'gone'), { version: 2, scanouts: [], state: [2, 'QEMU has left'] });
  await ends(`unix:${folder}/gone`, 'version', /no display: QEMU has left/, /waits for its VM to come back/);
});

test('a resource that is unknown or freed, and a display that has none', async (t) => {
  const { address } = await serve(t);
  const asks = ['--request', '--resource', '5'];
  const none = /no table of resources, only vugpu: has.*--resource 0/;
  await ends(address, 'first answer', /ERROR -2 \(resource not found\)/, none, ...asks);
  const folder = await temporaryFolder(t);
  await fakeHost(t, join(folder, 's'), { version: 2, request: -2, features: WITH_RESOURCES });
  const freed = /never had resource 5, has freed it, or it is smaller/;
  await ends(`unix:${folder}/s`, 'first answer', /ERROR -2/, freed, ...asks);
});

test('a stream that no decoder begins with', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const listen = ['--listen', `unix:${path}`, '--token-file', join(folder, 'token')];
  const daemon = await Daemon.start(['--display', DISPLAY, '--encoder', 'null', ...listen]);
  t.after(() => daemon.stop());
  await until('the display runs', async () => (await stats(`unix:${path}`)).display.state === 'running');
  await ends(`unix:${path}`, 'stream', /does not begin with SPS, PPS and an IDR/, /with --encoder null this is meant/);
});

test('wrong usage: exit status 2, and what would be right', async () => {
  for (const [args, words] of [
    [['probe'], /the address is missing/],
    [['probe', 'nowhere'], /of no known kind/],
    [['probe', 'unix:/a', '--scanout', '16'], /--scanout: 0 to 15/],
    [['probe', 'unix:/a', '--size', '9x'], /--size 9x: write WxH/],
    [['probe', 'unix:/a', '--resource', '-1'], /--resource: 0 to 4294967295/],
  ]) {
    const { code, stderr } = await framelift(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, words);
  }
});
