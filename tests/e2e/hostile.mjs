// SPDX-License-Identifier: LGPL-2.1-or-later
/** Peers that lie, flood, or only sit there: each gets its answer, and the daemon and the others go on. */

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { HxfrClient, Type, message } from '../lib/hxfr-client.mjs';
import { framelift, sleep, stats, temporaryFolder, until } from '../lib/programs.mjs';
import { upgrade } from '../lib/web-socket-client.mjs';
import { hello, ping } from '../../web/page/hxfr.js';

async function serve(t) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const tokenFile = join(folder, 'token');
  const daemon = await Daemon.start([
    '--display', 'test:640x360@30,scene=cube', '--listen', `unix:${path}`, '--listen', 'tcp:127.0.0.1:0',
    '--http', '127.0.0.1:0', '--token-file', tokenFile,
  ]);
  t.after(async () => assert.deepEqual(await daemon.stop(), { code: 0, signal: null }, daemon.stderr));
  const tcpPort = Number(/listening on tcp:127\.0\.0\.1:(\d+)/.exec(daemon.stderr)[1]);
  const address = `unix:${path}`;
  await until('the display runs', async () => (await stats(address)).display.state === 'running');
  return { daemon, path, address, tcpPort, tokenFile };
}

function cookieOf(daemon) {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${daemon.token}` };
    const options = { host: '127.0.0.1', port: daemon.port, path: '/session', method: 'POST', headers, agent: false };
    request(options, (response) => {
      response.resume();
      resolve(response.headers['set-cookie'][0].split(';')[0]);
    }).on('error', reject).end();
  });
}

/** A header alone, with whatever size it says. */
function header(type, size, magic = 0x52465848) {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32LE(magic, 0);
  bytes[4] = type;
  bytes.writeUInt32LE(size, 8);
  return bytes;
}

const errorOf = (bytes) => (bytes[4] === Type.ERROR ? bytes.readInt32LE(12) : null);

test('a WebSocket whose messages lie: an ERROR, a close, and the daemon lives', async (t) => {
  const { daemon, address } = await serve(t);
  const cookie = await cookieOf(daemon);
  const open = async () => {
    const { status, client } = await upgrade(daemon.port, '/ws', { Cookie: cookie });
    assert.equal(status, 101);
    return client;
  };
  const lies = [
    message(Type.PING, 0, Buffer.alloc(1000)), // over PING's limit
    Buffer.from(message(Type.PING, 0, Buffer.alloc(20))).subarray(0, 20), // shorter than its header says
    Buffer.concat([message(Type.PING, 0), Buffer.alloc(3)]), // longer
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(5),
    header(0x01, 0xffffffff),
  ];
  for (const lie of lies) {
    const client = await open();
    client.send(lie);
    await until('it is closed', () => client.closed);
    assert.equal(errorOf(client.messages.at(-1)), -1, `${lie.length} bytes`);
  }
  const huge = await open();
  huge.send(Buffer.alloc(100000));
  await until('it is closed', () => huge.closed);

  // in pieces, as a browser may send it: one message all the same
  const good = await open();
  const whole = Buffer.from(hello('in pieces'));
  good.send(whole.subarray(0, 7), { final: false });
  good.send(whole.subarray(7, 13), { opcode: 0, final: false });
  good.send(whole.subarray(13), { opcode: 0 });
  await until('WELCOME comes', () => good.messages.some((m) => m[4] === Type.WELCOME));
  good.socket.destroy();
  assert.equal((await framelift('probe', address)).code, 0);
});

test('an upgrade without the cookie, or past the subprotocol, is refused', async (t) => {
  const { daemon } = await serve(t);
  const cookie = await cookieOf(daemon);
  const status = async (path, headers) => (await upgrade(daemon.port, path, headers)).status;
  assert.equal(await status('/ws', { Cookie: cookie }), 101);
  assert.equal(await status('/ws', {}), 401);
  assert.equal(await status('/ws', { Cookie: cookie, Origin: 'http://evil.example' }), 403);
  assert.equal(await status('/ws', { Cookie: cookie, Host: 'evil.example' }), 403);
  assert.equal(await status('/other', { Cookie: cookie }), 404);
  for (const protocol of [null, 'http', 'chat']) {
    const headers = { 'Sec-WebSocket-Protocol': protocol, Origin: 'http://evil.example', Host: 'evil.example' };
    assert.notEqual(await status('/ws', headers), 101, `subprotocol ${protocol}`);
    assert.notEqual(await status('/ws', { Cookie: cookie, 'Sec-WebSocket-Protocol': protocol }), 101);
  }
});

test('40 connections that never send a token keep nobody out, and are closed', async (t) => {
  const { tcpPort, tokenFile, address } = await serve(t);
  const sockets = Array.from({ length: 40 }, () => connect(tcpPort, '127.0.0.1').on('error', () => {}));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  let closed = 0;
  sockets.forEach((socket) => socket.on('close', () => closed++).resume());
  await sleep(300);
  assert.equal((await framelift('probe', address)).code, 0, 'unix is open meanwhile');
  await until('all are closed', () => closed === 40, 15000);
  const probe = await framelift('probe', `tcp:127.0.0.1:${tcpPort}`, '--token-file', tokenFile);
  assert.equal(probe.code, 0, probe.stdout);
  assert.ok((await stats(address)).counters['peer.cut-off-stranger'] >= 1);
});

test('2,000 pipelined PINGs get 2,000 answers, in order', async (t) => {
  const { path } = await serve(t);
  const client = await HxfrClient.open(path);
  t.after(() => client.close());
  client.send(Buffer.concat(Array.from({ length: 2000 }, (_, i) => ping(i))));
  await until('all are answered', () => client.messages.length === 2000);
  client.messages.forEach((pong, i) => assert.equal(new DataView(pong.payload.slice().buffer).getUint32(0, true), i));
});

test('a peer that asks and never reads costs a bounded amount', async (t) => {
  const { path, address } = await serve(t);
  const client = await HxfrClient.open(path);
  t.after(() => client.close());
  client.socket.pause();
  const memory = (await stats(address)).process.max_rss_kb;
  for (let i = 0; i < 50; i++) {
    client.send(Buffer.concat(Array.from({ length: 200 }, () => message(Type.PING, 0, Buffer.alloc(64)))));
    client.send(message(0x88, 0)); // STATS_REQ, the longest answer
    await sleep(5);
  }
  const after = await stats(address);
  assert.ok(after.process.max_rss_kb - memory < 8000, `${after.process.max_rss_kb - memory} KB more`);
  assert.ok(after.counters['connection.pauses'] >= 1);
});

test('a stream that breaks the framing: ERROR says why, then it is closed; partial messages harm nobody', async (t) => {
  const { path, address } = await serve(t);
  for (const [bytes, why] of [
    [Buffer.from('GET / HTTP/1.1\r\n\r\n'), /HXFR/],
    [header(Type.PING, 65), /PING of 65 bytes/],
    [header(Type.HELLO, 0xffffffff), /HELLO of 4294967295 bytes/],
    [header(0x77, 5000), /unknown of 5000 bytes/],
  ]) {
    const client = await HxfrClient.open(path);
    client.send(bytes);
    await until('it is closed', () => client.closed);
    assert.match(client.messages.at(-1).text, why);
  }
  for (let i = 0; i < 20; i++) {
    const client = await HxfrClient.open(path);
    client.send(Buffer.from(hello('half')).subarray(0, i + 1));
    client.socket.end();
    await until('it is closed', () => client.closed);
  }
  assert.equal((await framelift('probe', address)).code, 0);
});

test('the 33rd peer is told, and a place that comes free is given', async (t) => {
  const { path, address } = await serve(t);
  const clients = await Promise.all(Array.from({ length: 32 }, () => HxfrClient.open(path)));
  t.after(() => clients.forEach((client) => client.close()));
  for (const client of clients) client.send(ping(1));
  await until('all are served', () => clients.every((client) => client.messages.length === 1));
  const late = await HxfrClient.open(path);
  await until('it is closed', () => late.closed);
  assert.match(late.messages[0].text, /too many connections/);
  clients.pop().close();
  await until('there is room', () => stats(address).catch(() => null));
});
