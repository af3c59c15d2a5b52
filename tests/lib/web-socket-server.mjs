// SPDX-License-Identifier: LGPL-2.1-or-later
/** The server's side of RFC 6455, as little of it as the fake daemon needs: binary messages, whole, and close. */

import { createHash } from 'node:crypto';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const Opcode = { BINARY: 2, CLOSE: 8 };
// What a page sends is short; anything else is a mistake in the page.
const MAX_MESSAGE = 65536;

function frameHeader(opcode, size) {
  if (size < 126) {
    return Buffer.from([0x80 | opcode, size]);
  }
  const header = Buffer.alloc(size < 65536 ? 4 : 10);
  header[0] = 0x80 | opcode;
  if (size < 65536) {
    header[1] = 126;
    header.writeUInt16BE(size, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(size), 2);
  }
  return header;
}

/** One upgraded connection. */
export class ServerSocket {
  /**
   * @param {import('node:http').IncomingMessage} request
   * @param {import('node:net').Socket} socket
   * @param {string} protocol the subprotocol to agree to
   * @param {(message: Buffer) => void} onMessage
   */
  constructor(request, socket, protocol, onMessage) {
    this.socket = socket;
    this.onMessage = onMessage;
    this.pending = Buffer.alloc(0);
    const accept = createHash('sha1')
      .update(request.headers['sec-websocket-key'] + GUID)
      .digest('base64');
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    lines.push(`Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`);
    socket.setNoDelay(true);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    socket.on('data', (data) => this.take(data));
    socket.on('error', () => {});
  }

  /** @param {Uint8Array} bytes one binary message */
  send(bytes) {
    if (this.socket.writable) {
      this.socket.write(Buffer.concat([frameHeader(Opcode.BINARY, bytes.length), bytes]));
    }
  }

  /** Ends it without a word, as a process that was killed does. */
  destroy() {
    this.socket.destroy();
  }

  take(data) {
    this.pending = Buffer.concat([this.pending, data]);
    for (;;) {
      const message = this.next();
      if (!message) {
        return;
      }
      if (message.opcode === Opcode.CLOSE) {
        this.socket.end(frameHeader(Opcode.CLOSE, 0));
      } else if (message.opcode === Opcode.BINARY) {
        this.onMessage(message.payload);
      }
    }
  }

  next() {
    const { pending } = this;
    if (pending.length < 2) {
      return null;
    }
    const short = pending[1] & 0x7f;
    const at = short === 126 ? 4 : 2;
    if (pending.length < at) {
      return null;
    }
    const size = short === 126 ? pending.readUInt16BE(2) : short;
    if (short === 127 || size > MAX_MESSAGE) {
      throw new Error('the page sent a very long message');
    }
    const end = at + 4 + size;
    if (pending.length < end) {
      return null;
    }
    const mask = pending.subarray(at, at + 4);
    const payload = Buffer.from(pending.subarray(at + 4, end)).map((byte, i) => byte ^ mask[i & 3]);
    this.pending = pending.subarray(end);
    return { opcode: pending[0] & 0xf, payload };
  }
}
