// SPDX-License-Identifier: LGPL-2.1-or-later
/** A small WebSocket client (RFC 6455) that says what it is told to, right or wrong: headers, sizes, fragments. */

import { connect } from 'node:net';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='; // the RFC's own example

/** Sends an upgrade request; resolves with its status, and a socket where that is 101. @param {object} [headers] */
export function upgrade(port, path, headers = {}) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    const all = {
      Host: `127.0.0.1:${port}`, Connection: 'Upgrade', Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': KEY, 'Sec-WebSocket-Protocol': 'hxfr', ...headers,
    };
    const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}`);
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
    let head = Buffer.alloc(0);
    const take = (bytes) => {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.removeListener('data', take);
      const status = Number(/^HTTP\/1\.[01] (\d+)/.exec(head.toString('latin1'))?.[1] ?? 0);
      const client = new WebSocketClient(socket, head.subarray(end + 4));
      if (status !== 101) socket.destroy();
      resolve({ status, client: status === 101 ? client : null });
    };
    socket.on('data', take);
    socket.once('error', reject);
    socket.once('close', () => resolve({ status: 0, client: null }));
  });
}

class WebSocketClient {
  constructor(socket, rest) {
    this.socket = socket;
    this.pending = rest;
    this.messages = []; // whole ones, as Buffers
    this.closed = false;
    socket.on('data', (bytes) => this.take(bytes));
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => (this.closed = true));
    this.take(Buffer.alloc(0));
  }

  take(bytes) {
    this.pending = Buffer.concat([this.pending, bytes]);
    for (;;) {
      if (this.pending.length < 2) return;
      let [size, at] = [this.pending[1] & 127, 2];
      if (size === 126) [size, at] = [this.pending.length < 4 ? Infinity : this.pending.readUInt16BE(2), 4];
      else if (size === 127) [size, at] = [this.pending.length < 10 ? Infinity : Number(this.pending.readBigUInt64BE(2)), 10];
      if (this.pending.length < at + size) return;
      if ((this.pending[0] & 15) === 2) this.messages.push(this.pending.subarray(at, at + size));
      this.pending = this.pending.subarray(at + size);
    }
  }

  /** One frame; the mask is zero, which the RFC allows a client to happen on. */
  send(payload, { opcode = 2, final = true } = {}) {
    const head = Buffer.alloc(14);
    head[0] = (final ? 0x80 : 0) | opcode;
    head[1] = 0x80 | 127;
    head.writeBigUInt64BE(BigInt(payload.length), 2);
    if (payload.length > 65535) this.socket.write(Buffer.concat([head, payload]));
    else {
      const short = Buffer.from([head[0], payload.length > 125 ? 0xfe : 0x80 | payload.length]);
      const length = payload.length > 125 ? Buffer.from([payload.length >> 8, payload.length & 255]) : Buffer.alloc(0);
      this.socket.write(Buffer.concat([short, length, Buffer.alloc(4), payload]));
    }
  }
}
