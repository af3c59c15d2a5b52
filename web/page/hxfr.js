// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * HXFR, the frame-export protocol, as the page speaks it: one message in each WebSocket message. Bytes in, plain
 * objects out; no I/O and no state. docs/protocol.md has the layouts, common/wire/hxfr.h and hxfr-v2.h the C side.
 * Every number from the peer is checked before it is used; what breaks a rule is a ProtocolError.
 */

export const HEADER_SIZE = 12;
export const VERSION = 2;
const MAGIC = 0x52465848; // the bytes H X F R

export const Type = Object.freeze({
  KEYFRAME_REQ: 0x03,
  PING: 0x10,
  PONG: 0x11,
  SUBSCRIBE: 0x30,
  SUBSCRIBE_RESP: 0x31,
  HELLO: 0x80,
  WELCOME: 0x81,
  SCANOUTS: 0x82,
  STATE: 0x83,
  UNIT: 0x84,
  HEARTBEAT: 0x85,
  UNSUBSCRIBE: 0x86,
  ERROR: 0xff,
});

export const DisplayState = Object.freeze({ STARTING: 0, RUNNING: 1, LOST: 2 });
export const ScanoutFlag = Object.freeze({ CONNECTED: 1, LIT: 2 });
export const UnitFlag = Object.freeze({ KEY: 1, REFINEMENT: 2, KEEP_ALIVE: 4, SETTLED: 8 });
export const ERROR_DENIED = -7;

const UNIT_FIXED_SIZE = 56;
const SCANOUT_ENTRY_SIZE = 56;
const RECT_SIZE = 8;

// Limits. The C side has the same, with the same reasons.
const MAX_UNIT = 64 << 20; // an IDR of 8192 × 4320 in I_PCM is 53 MB
const MAX_OTHER = 256 << 10; // STATS is the longest text
const MAX_PING = 64;
const MAX_NAME = 128;
const MAX_SCANOUTS = 16; // virtio-gpu's own limit
const MAX_RECTS = 64; // more damage than that is told as its bounding box
const MAX_WIDTH = 8192;
const MAX_HEIGHT = 8192;

/** The peer broke the protocol; the message says how. */
export class ProtocolError extends Error {
  constructor(message) {
    super(message);
    this.name = 'ProtocolError';
  }
}

/** Reads forward through one payload; reading past its end is a ProtocolError that names the message. */
class Reader {
  constructor(bytes, name) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
    this.at = 0;
  }

  take(size) {
    const at = this.at;
    if (size > this.bytes.length - at) {
      throw new ProtocolError(`${this.name} is too short: ${this.bytes.length} bytes`);
    }
    this.at += size;
    return at;
  }

  u8() {
    return this.view.getUint8(this.take(1));
  }
  u16() {
    return this.view.getUint16(this.take(2), true);
  }
  u32() {
    return this.view.getUint32(this.take(4), true);
  }
  i32() {
    return this.view.getInt32(this.take(4), true);
  }

  /** A counter; one beyond 2^53 is no counter but a lie. */
  count64() {
    const value = this.view.getBigUint64(this.take(8), true);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new ProtocolError(`${this.name} has an impossible sequence number`);
    }
    return Number(value);
  }

  /** Nanoseconds, as whole microseconds: those are exact in a number for 285 years. */
  nsAsUs() {
    return Number(this.view.getBigInt64(this.take(8), true) / 1000n);
  }

  skip(size) {
    this.take(size);
  }

  /** UTF-8, up to the first NUL; what is not valid becomes U+FFFD, control characters go. */
  text(size) {
    const at = this.take(size);
    const bytes = this.bytes.subarray(at, at + size);
    const end = bytes.indexOf(0);
    // eslint-disable-next-line no-control-regex
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)).replace(/[\u0000-\u001f\u007f]/g, ' ');
  }

  rest() {
    return this.bytes.subarray(this.take(this.bytes.length - this.at));
  }
}

function parseWelcome(reader) {
  const version = reader.u16();
  const rights = reader.u16();
  const features = reader.u32();
  const heartbeatMs = reader.u32();
  const nameSize = reader.u16();
  reader.skip(2);
  if (nameSize > MAX_NAME) {
    throw new ProtocolError(`WELCOME has a name of ${nameSize} bytes`);
  }
  return { version, rights, features, heartbeatMs, name: reader.text(nameSize) };
}

function parseScanouts(reader) {
  const count = reader.u16();
  reader.skip(2);
  if (count > MAX_SCANOUTS) {
    throw new ProtocolError(`SCANOUTS lists ${count}`);
  }
  const scanouts = [];
  for (let i = 0; i < count; i++) {
    const next = reader.at + SCANOUT_ENTRY_SIZE;
    const [id, width, height] = [reader.u32(), reader.u32(), reader.u32()];
    const [refreshMhz, flags] = [reader.u32(), reader.u32()];
    reader.skip(4);
    scanouts.push({ id, width, height, refreshMhz, flags, name: reader.text(32) });
    if (id > 0xffff || reader.at !== next) {
      throw new ProtocolError(`SCANOUTS has the impossible id ${id}`);
    }
  }
  return { scanouts };
}

function parseState(reader) {
  const state = reader.u32();
  const size = reader.u32();
  return { state, text: reader.text(size) };
}

function parseUnit(reader) {
  const unit = {
    sequence: reader.count64(),
    ptsUs: reader.nsAsUs(),
    flags: reader.u32(),
    width: reader.u16(),
    height: reader.u16(),
    captureUs: reader.u32(),
    queueUs: reader.u32(),
    convertUs: reader.u32(),
    encodeUs: reader.u32(),
    sendUs: reader.u32(),
    framesMerged: reader.u32(),
  };
  const rectCount = reader.u16();
  unit.qp = reader.u16();
  reader.skip(UNIT_FIXED_SIZE - reader.at);
  if (rectCount > MAX_RECTS) {
    throw new ProtocolError(`UNIT has ${rectCount} rectangles`);
  }
  if (!unit.width || !unit.height || unit.width > MAX_WIDTH || unit.height > MAX_HEIGHT) {
    throw new ProtocolError(`UNIT has the impossible size ${unit.width} × ${unit.height}`);
  }
  reader.skip(rectCount * RECT_SIZE);
  unit.data = reader.rest();
  return unit;
}

const parsers = {
  [Type.PONG]: (reader) => ({ payload: reader.rest() }),
  [Type.SUBSCRIBE_RESP]: (reader) => ({ scanout: reader.u32(), success: reader.u32() !== 0 }),
  [Type.WELCOME]: parseWelcome,
  [Type.SCANOUTS]: parseScanouts,
  [Type.STATE]: parseState,
  [Type.UNIT]: parseUnit,
  [Type.HEARTBEAT]: (reader) => ({ sequence: reader.count64(), nowUs: reader.nsAsUs() }),
  [Type.ERROR]: (reader) => ({ code: reader.i32(), text: reader.text(256) }),
};

const names = Object.fromEntries(Object.entries(Type).map(([name, type]) => [type, name]));

function maxPayload(type) {
  if (type === Type.UNIT) {
    return MAX_UNIT;
  }
  return type === Type.PONG ? MAX_PING : MAX_OTHER;
}

/**
 * Parses one WebSocket message.
 * @param {ArrayBuffer} buffer the whole message; UNIT's `data` and PONG's `payload` borrow from it
 * @returns {object} `type`, `session` and the message's fields; only those two for a type that the page does not know
 * @throws {ProtocolError}
 */
export function parse(buffer) {
  if (buffer.byteLength < HEADER_SIZE) {
    throw new ProtocolError(`a message of ${buffer.byteLength} bytes is shorter than a header`);
  }
  const header = new DataView(buffer, 0, HEADER_SIZE);
  if (header.getUint32(0, true) !== MAGIC) {
    throw new ProtocolError('a message does not begin with HXFR');
  }
  const type = header.getUint8(4);
  const session = header.getUint16(6, true);
  const size = header.getUint32(8, true);
  const name = names[type] ?? `message 0x${type.toString(16)}`;
  if (size > maxPayload(type)) {
    throw new ProtocolError(`${name} says ${size} bytes: more than the limit`);
  }
  if (size !== buffer.byteLength - HEADER_SIZE) {
    throw new ProtocolError(`${name} says ${size} bytes and has ${buffer.byteLength - HEADER_SIZE}`);
  }
  const fields = parsers[type]?.(new Reader(new Uint8Array(buffer, HEADER_SIZE), name));
  return { type, session, ...fields };
}

/**
 * One message, header included.
 * @param {number} type
 * @param {number} session the scanout id in SUBSCRIBE traffic, else 0
 * @param {Uint8Array} [payload]
 * @returns {Uint8Array}
 */
export function message(type, session, payload = new Uint8Array(0)) {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint8(4, type);
  view.setUint16(6, session, true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

function u32(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** @param {string} name the client's program, for people; the token is the cookie's, so the message has none */
export function hello(name) {
  const text = new TextEncoder().encode(name).subarray(0, MAX_NAME);
  const payload = new Uint8Array(12 + text.length);
  const view = new DataView(payload.buffer);
  view.setUint16(0, VERSION, true);
  view.setUint16(10, text.length, true);
  payload.set(text, 12);
  return message(Type.HELLO, 0, payload);
}

/** @param {number} scanout */
export const subscribe = (scanout) => message(Type.SUBSCRIBE, scanout, u32(scanout));
/** @param {number} scanout */
export const unsubscribe = (scanout) => message(Type.UNSUBSCRIBE, scanout);
/** @param {number} scanout */
export const keyframeRequest = (scanout) => message(Type.KEYFRAME_REQ, scanout);
/** @param {number} number comes back in the PONG */
export const ping = (number) => message(Type.PING, 0, u32(number));

/** @returns {number | null} the number of the PING that a PONG answers, null if its payload is not ours */
export function pongNumber(pong) {
  const { payload } = pong;
  return payload.length === 4 ? new DataView(payload.buffer, payload.byteOffset, 4).getUint32(0, true) : null;
}
