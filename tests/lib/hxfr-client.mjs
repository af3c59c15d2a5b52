// SPDX-License-Identifier: LGPL-2.1-or-later
/** An HXFR client for tests, version 1 or 2, over a unix or TCP socket; built on the page's own parser. */

import { connect } from 'node:net';

import { HEADER_SIZE, Type, hello, message, parse, subscribe } from '../../web/page/hxfr.js';

export const FRAME_RESPONSE = 0x02;
export const CONFIG_REQ = 0x04;

/** FRAME_RESPONSE, which the page never gets. */
function parseResponse(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nals = [];
  let at = HEADER_SIZE + 24;
  for (let i = view.getUint32(HEADER_SIZE + 20, true); i > 0; i--) {
    const size = view.getUint32(at, true);
    nals.push(bytes.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return {
    type: FRAME_RESPONSE,
    session: view.getUint16(6, true),
    ptsUs: Number(view.getBigInt64(HEADER_SIZE, true) / 1000n),
    key: bytes[HEADER_SIZE + 16] !== 0,
    nals,
    data: Buffer.concat(nals),
    whole: at === bytes.length,
  };
}

export class HxfrClient {
  /** @param {string | { port: number, host?: string }} where a unix socket's path, or TCP */
  static open(where) {
    return new Promise((resolve, reject) => {
      const socket = connect(typeof where === 'string' ? { path: where } : { host: '127.0.0.1', ...where });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.removeListener('error', reject);
        resolve(new HxfrClient(socket));
      });
    });
  }

  constructor(socket) {
    this.socket = socket;
    this.messages = []; // all that came, in order
    this.pending = Buffer.alloc(0);
    this.closed = false;
    socket.on('data', (bytes) => this.take(bytes));
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => (this.closed = true));
  }

  take(bytes) {
    this.pending = this.pending.length > 0 ? Buffer.concat([this.pending, bytes]) : bytes;
    while (this.pending.length >= HEADER_SIZE) {
      const size = HEADER_SIZE + this.pending.readUInt32LE(8);
      if (this.pending.length < size) return;
      const one = this.pending.subarray(0, size);
      this.pending = this.pending.subarray(size);
      const parsed = one[4] === FRAME_RESPONSE ? parseResponse(one) : this.parseOne(one);
      this.messages.push({ ...parsed, at: performance.now(), wire: one });
    }
  }

  parseOne(bytes) {
    const copy = new Uint8Array(bytes); // the parser wants a buffer of its own
    return parse(copy.buffer);
  }

  send(bytes) {
    this.socket.write(bytes);
  }

  /** HELLO, and its WELCOME. */
  async greet(name = 'test') {
    this.send(hello(name));
    await this.waitFor((m) => m.type === Type.WELCOME);
    return this;
  }

  async subscribe(scanout = 0) {
    this.send(subscribe(scanout));
    return this.waitFor((m) => m.type === Type.SUBSCRIBE_RESP);
  }

  /** Access units that came, of either version. */
  get units() {
    return this.messages.filter((m) => m.type === Type.UNIT || m.type === FRAME_RESPONSE);
  }

  /** The first message from index `from` on that `matches`. @throws after `timeout` ms */
  async waitFor(matches, timeout = 10000, from = 0) {
    const limit = Date.now() + timeout;
    while (Date.now() < limit) {
      const found = this.messages.slice(from).find(matches);
      if (found) return found;
      if (this.closed) throw new Error('the connection closed first');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`nothing of the kind came in ${timeout} ms; ${this.messages.length} other messages`);
  }

  close() {
    this.socket.destroy();
  }
}

export { Type, message };
