// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Writes the .bin files beside it: HXFR version 1 by the tables of docs/protocol.md and by nothing of ours, so that a mistake in
 * our writer is no mistake here. Run it only to add a file: what is here is frozen.
 *
 *   node tests/data/hxfr-v1/make.mjs
 */

import { writeFileSync } from 'node:fs';

const u8 = (...values) => Buffer.from(values);
const u16 = (value) => Buffer.from([value & 255, value >> 8]);
const u32 = (value) => Buffer.from([value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255]);
const i64 = (value) => Buffer.from(Array.from({ length: 8 }, (_, i) => Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 255n)));
const text = (value, size) => Buffer.concat([Buffer.from(value), Buffer.alloc(size - Buffer.byteLength(value))]);
const range = (size, from = 0) => Buffer.from(Array.from({ length: size }, (_, i) => (from + i) & 255));

/** Offset 0 u32 magic, 4 u8 type, 5 u8 flags, 6 u16 session, 8 u32 payload size; then the payload. */
function message(type, session, parts = [], flags = 0) {
  const payload = Buffer.concat(parts);
  return Buffer.concat([u8(0x48, 0x58, 0x46, 0x52, type, flags), u16(session), u32(payload.length), payload]);
}

const frameRequest = ({ resource, width, height, format, stride, pts, duration, force }) => [
  u32(resource), u32(width), u32(height), u32(format), u32(stride), i64(pts), i64(duration), u8(force), Buffer.alloc(7),
];
const config = ({ width, height, bitrate, num, den, profile, level, realtime }) => [
  u32(width), u32(height), u32(bitrate), u32(num), u32(den), u8(profile, level, realtime), Buffer.alloc(5),
];
/** i64 pts, i64 dts, u8 is_keyframe, u8 reserved[3], u32 nal_count, then u32 size and bytes of each. */
const frameResponse = (pts, dts, key, nals) => [
  i64(pts), i64(dts), u8(key, 0, 0, 0), u32(nals.length), ...nals.flatMap((nal) => [u32(nal.length), nal]),
];
const error = (code, words) => [u32(code), text(words, 256)];

const HD = { resource: 0, width: 1920, height: 1080, format: 0x34325241, stride: 7680, pts: 0n, duration: 16666667n, force: 0 };
const SPS = u8(0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x2a);
const PPS = u8(0, 0, 0, 1, 0x68, 0xce, 0x03);
const IDR = u8(0, 0, 0, 1, 0x65, 0x88, 0x84);
const SLICE = u8(0, 0, 1, 0x41, 0x9a);

const FILES = {
  // guest to host
  'frame-request': message(0x01, 0, frameRequest(HD)),
  'frame-request-resource': message(0x01, 258, frameRequest({ ...HD, resource: 0xfedcba98, pts: -2n, duration: 1n << 40n, force: 1 })),
  'frame-request-pixels': message(0x01, 3, [
    ...frameRequest({ ...HD, width: 4, height: 2, format: 0x34324241, stride: 16, pts: 0x0102030405060708n }), range(32, 0xe0),
  ], 1),
  'keyframe-req': message(0x03, 1),
  'config-req': message(0x04, 0, config({ width: 1280, height: 720, bitrate: 8000000, num: 30000, den: 1001, profile: 100, level: 40, realtime: 1 })),
  'config-req-keep': message(0x04, 0xffff, config({ width: 0, height: 0, bitrate: 0, num: 0, den: 0, profile: 66, level: 0, realtime: 0 })),
  'ping': message(0x10, 0),
  'ping-64': message(0x10, 0x1234, [range(64)]),
  'enable-scanout': message(0x20, 0, [u32(15), u32(2560), u32(1440), u32(144)]),
  'disable-scanout': message(0x21, 0, [u32(15)]),
  'subscribe': message(0x30, 0, [u32(0)]),
  'subscribe-1': message(0x30, 1, [u32(1)]),
  'unknown': message(0x7e, 9, [range(5)], 0xff),
  // host to guest
  'frame-response-key': message(0x02, 0, frameResponse(0n, 0n, 1, [SPS, PPS, IDR])),
  'frame-response': message(0x02, 258, frameResponse(-2n, 0x7fffffffffffffffn, 0, [SLICE])),
  'frame-response-empty': message(0x02, 0, frameResponse(1n, 2n, 0, [])),
  'config-resp': message(0x05, 0, config({ width: 1280, height: 720, bitrate: 8000000, num: 60, den: 1, profile: 66, level: 42, realtime: 1 })),
  'pong': message(0x11, 0),
  'pong-64': message(0x11, 0x1234, [range(64)]),
  'scanout-resp': message(0x22, 0, [u32(15), u32(1), text('Virtual-16', 64)]),
  'scanout-resp-no': message(0x22, 0, [u32(15), u32(0), text('', 64)]),
  'subscribe-resp': message(0x31, 0, [u32(0), u32(1)]),
  'subscribe-resp-no': message(0x31, 1, [u32(1), u32(0)]),
  'error-not-found': message(0xff, 258, error(-2, 'resource not found')),
  'error-invalid': message(0xff, 9, error(-1, '')),
  'error-internal': message(0xff, 0, error(-99, 'é'.repeat(127))),
};

for (const [name, bytes] of Object.entries(FILES)) {
  writeFileSync(new URL(`${name}.bin`, import.meta.url), bytes);
}
