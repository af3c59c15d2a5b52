// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * A daemon that misbehaves on demand: it serves the page from the source tree, and page-stream.h264 as HXFR over a
 * WebSocket. For the page's states that the real daemon cannot be brought into at will.
 */

import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Type, UnitFlag, message } from '../../web/page/hxfr.js';
import { HEIGHT, RATE, WIDTH, accessUnits } from './page-stream.mjs';
import { ServerSocket } from './web-socket-server.mjs';

const PAGE = new URL('../../web/page/', import.meta.url);
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };
const CSP =
  "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; " +
  "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const HEARTBEAT_MS = 1000;
const LIT = 3; // connected and lit
const STAGES_US = [400, 300, 900, 4200, 80]; // what every picture is said to have taken

/** A message of the host's; `fill` writes the payload's fixed part. */
function hostMessage(type, session, size, fill, ...rest) {
  const fixed = Buffer.alloc(size);
  fill(fixed);
  return message(type, session, Buffer.concat([fixed, ...rest]));
}

export const hostMessages = {
  welcome: (name, version = 2) =>
    hostMessage(Type.WELCOME, 0, 16, (b) => {
      b.writeUInt16LE(version, 0);
      b.writeUInt16LE(1, 2);
      b.writeUInt32LE(HEARTBEAT_MS, 8);
      b.writeUInt16LE(Buffer.byteLength(name), 12);
    }, Buffer.from(name)),
  scanouts: (list) =>
    hostMessage(Type.SCANOUTS, 0, 4, (b) => b.writeUInt16LE(list.length, 0), ...list.map((scanout) => {
      const entry = Buffer.alloc(56);
      const numbers = [scanout.id, scanout.width, scanout.height, 60000, scanout.flags];
      numbers.forEach((number, i) => entry.writeUInt32LE(number, i * 4));
      entry.write(scanout.name ?? `Virtual-${scanout.id + 1}`, 24);
      return entry;
    })),
  state: (state, text) =>
    hostMessage(Type.STATE, 0, 8, (b) => {
      b.writeUInt32LE(state, 0);
      b.writeUInt32LE(Buffer.byteLength(text), 4);
    }, Buffer.from(text)),
  subscribeResp: (scanout, success) =>
    hostMessage(Type.SUBSCRIBE_RESP, scanout, 8, (b) => {
      b.writeUInt32LE(scanout, 0);
      b.writeUInt32LE(success ? 1 : 0, 4);
    }),
  heartbeat: (scanout, sequence) =>
    hostMessage(Type.HEARTBEAT, scanout, 16, (b) => b.writeBigUInt64LE(BigInt(sequence), 0)),
  unit: (scanout, { sequence, ptsNs, flags, data, width = WIDTH, height = HEIGHT }) =>
    hostMessage(Type.UNIT, scanout, 56, (b) => {
      b.writeBigUInt64LE(BigInt(sequence), 0);
      b.writeBigInt64LE(BigInt(ptsNs), 8);
      b.writeUInt32LE(flags, 16);
      b.writeUInt16LE(width, 20);
      b.writeUInt16LE(height, 22);
      STAGES_US.forEach((us, i) => b.writeUInt32LE(us, 24 + i * 4));
      b.writeUInt16LE(23, 50);
    }, data),
};

/** One page's connection. */
class Client {
  constructor(daemon, request, socket) {
    this.daemon = daemon;
    this.scanout = null;
    this.sequence = 0;
    this.socket = new ServerSocket(request, socket, 'hxfr', (bytes) => this.take(bytes));
    socket.on('close', () => daemon.clients.delete(this));
  }

  send(bytes) {
    if (!this.daemon.silent) {
      this.socket.send(bytes);
    }
  }

  take(bytes) {
    const { daemon } = this;
    const type = bytes[4];
    const session = bytes.readUInt16LE(6);
    daemon.received[type] = (daemon.received[type] ?? 0) + 1;
    if (type === Type.HELLO) {
      this.send(hostMessages.welcome(daemon.name, daemon.version));
      this.send(hostMessages.scanouts(daemon.scanouts));
      this.send(hostMessages.state(...daemon.state));
    } else if (type === Type.PING) {
      this.send(message(Type.PONG, session, bytes.subarray(12)));
    } else if (type === Type.SUBSCRIBE) {
      this.subscribe(session);
    } else if (type === Type.UNSUBSCRIBE) {
      this.scanout = null;
    } else if (type === Type.KEYFRAME_REQ) {
      this.wantKey = true;
    }
  }

  subscribe(session) {
    const there = this.daemon.scanouts.some(({ id }) => id === session);
    this.send(hostMessages.subscribeResp(session, there));
    if (there) {
      this.scanout = session;
      this.began = performance.now();
      this.wantKey = true;
    }
  }

  /** The next picture; the file has an IDR every 30, so a wanted one is found by going on to it. */
  push() {
    const { daemon } = this;
    if (this.scanout === null || daemon.still) {
      return;
    }
    const { units } = daemon;
    let at = daemon.at % units.length;
    while (this.wantKey && !units[at].key) {
      at = (at + 1) % units.length;
      daemon.at++;
    }
    this.wantKey = false;
    this.sendUnit(units[at]);
  }

  sendUnit({ key, data }) {
    this.sequence++;
    const ptsNs = Math.round((performance.now() - this.began) * 1e6);
    const flags = key ? UnitFlag.KEY : 0;
    const unit = { sequence: this.sequence, ptsNs, flags, data: this.daemon.damage(data) };
    this.send(hostMessages.unit(this.scanout, unit));
  }
}

export class FakeDaemon {
  constructor() {
    this.token = '0123456789abcdef0123456789abcdef';
    this.name = 'fake';
    this.version = 2;
    this.scanouts = [{ id: 0, width: WIDTH, height: HEIGHT, flags: LIT }];
    this.state = [1, ''];
    this.units = accessUnits();
    this.at = 0;
    /** Says nothing any longer, and keeps every socket open. */
    this.silent = false;
    /** Sends heartbeats instead of pictures. */
    this.still = false;
    /** Answers a WebSocket's upgrade with that status instead, or `cut` to hang up after it. */
    this.refuse = null;
    /** What becomes of an access unit on the way. */
    this.damage = (data) => data;
    this.clients = new Set();
    this.sockets = new Set();
    this.received = {};
  }

  /** @param {number} [port] 0: any */
  async start(port = 0) {
    this.server = createServer((request, response) => this.answer(request, response));
    this.server.on('upgrade', (request, socket) => this.upgrade(request, socket));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.timer = setInterval(() => this.tick(), 1000 / RATE);
    this.heartbeat = setInterval(() => this.beat(), HEARTBEAT_MS);
    return this;
  }

  /** As a kill does: every connection ends at once. */
  async stop() {
    clearInterval(this.timer);
    clearInterval(this.heartbeat);
    for (const socket of this.sockets) {
      socket.destroy();
    }
    await new Promise((resolve) => this.server.close(resolve));
  }

  get origin() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What the real one prints. */
  get address() {
    return `${this.origin}/#token=${this.token}`;
  }

  /** To every page. @param {Uint8Array} bytes */
  broadcast(bytes) {
    this.clients.forEach((client) => client.send(bytes));
  }

  /** @param {number} state @param {string} text */
  setState(state, text) {
    this.state = [state, text];
    this.broadcast(hostMessages.state(state, text));
  }

  setScanouts(scanouts) {
    this.scanouts = scanouts;
    this.broadcast(hostMessages.scanouts(scanouts));
  }

  /** Many pictures at once, as after a network's hiccup. @param {number} count */
  burst(count) {
    for (let i = 0; i < count; i++) {
      this.tick();
    }
  }

  tick() {
    this.clients.forEach((client) => client.push());
    this.at++;
  }

  beat() {
    this.clients.forEach((client) => {
      if (this.still && client.scanout !== null) {
        client.send(hostMessages.heartbeat(client.scanout, client.sequence));
      }
    });
  }

  hasCookie(request) {
    return (request.headers.cookie ?? '').includes(`framelift=${this.token}`);
  }

  async answer(request, response) {
    const path = new URL(request.url, this.origin).pathname;
    if (path === '/session') {
      this.answerSession(request, response);
      return;
    }
    const name = path === '/' ? 'index.html' : path.slice(1);
    try {
      if (!/^[a-z0-9-]+\.[a-z]+$/.test(name)) {
        throw new Error('not a name');
      }
      const body = await readFile(fileURLToPath(new URL(name, PAGE)));
      const type = TYPES[extname(name)];
      const headers = { 'Content-Type': type, 'Content-Security-Policy': CSP, 'Cache-Control': 'no-store' };
      response.writeHead(200, headers).end(body);
    } catch {
      response.writeHead(404).end();
    }
  }

  answerSession(request, response) {
    if (request.method === 'GET') {
      response.writeHead(this.hasCookie(request) ? 204 : 401).end();
    } else if (request.headers.authorization === `Bearer ${this.token}`) {
      response.writeHead(204, { 'Set-Cookie': `framelift=${this.token}; HttpOnly; SameSite=Strict; Path=/` }).end();
    } else {
      response.writeHead(401).end();
    }
  }

  upgrade(request, socket) {
    socket.on('error', () => {});
    if (this.refuse === 'cut' || !this.hasCookie(request)) {
      socket.destroy();
    } else if (this.refuse) {
      socket.end(`HTTP/1.1 ${this.refuse} Refused\r\nContent-Length: 0\r\n\r\n`);
    } else {
      this.clients.add(new Client(this, request, socket));
    }
  }
}
