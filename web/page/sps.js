// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * H.264 in Annex B form: where its NAL units are, and what its sequence parameter set says (ITU-T H.264, 7.3.2.1.1).
 * No I/O, no state.
 */

export const NalType = Object.freeze({ SLICE: 1, IDR: 5, SEI: 6, SPS: 7, PPS: 8 });

// A sequence parameter set with VUI is some 40 bytes; scaling matrices bring it to 300.
const MAX_SPS = 1024;
// 8.2.1: no level goes beyond this.
const MAX_MBS_PER_SIDE = 1055;
// Profiles whose SPS has the chroma format and what follows it (7.3.2.1.1).
const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/**
 * The NAL units of an Annex B byte stream, without start codes and trailing zeros.
 * @param {Uint8Array} bytes
 * @returns {Generator<Uint8Array>} views into `bytes`
 */
export function* nalUnits(bytes) {
  let start = -1;
  let at = 0;
  for (;;) {
    // indexOf is native: it skips through slice data some ten times faster than a loop here would.
    const one = bytes.indexOf(1, at);
    if (one < 0) {
      break;
    }
    at = one + 1;
    if (one < 2 || bytes[one - 1] !== 0 || bytes[one - 2] !== 0) {
      continue;
    }
    if (start >= 0) {
      yield trimmed(bytes, start, one - 2);
    }
    start = at;
  }
  if (start >= 0 && start < bytes.length) {
    yield trimmed(bytes, start, bytes.length);
  }
}

function trimmed(bytes, start, end) {
  while (end > start && bytes[end - 1] === 0) {
    end--;
  }
  return bytes.subarray(start, end);
}

/**
 * What the page needs to know of an access unit. Parameter sets come first, so it stops at the first slice.
 * @param {Uint8Array} bytes
 * @returns {{ idr: boolean, sps: Uint8Array | null, pps: boolean }}
 */
export function inspect(bytes) {
  const found = { idr: false, sps: null, pps: false };
  for (const nal of nalUnits(bytes)) {
    const type = nal[0] & 0x1f;
    if (type === NalType.SPS) {
      found.sps = nal;
    } else if (type === NalType.PPS) {
      found.pps = true;
    } else if (type === NalType.IDR || type === NalType.SLICE) {
      found.idr = type === NalType.IDR;
      break;
    }
  }
  return found;
}

/** Reads bits and Exp-Golomb codes; past the end it throws. */
class BitReader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  bit() {
    const byte = this.at >> 3;
    if (byte >= this.bytes.length) {
      throw new RangeError('the sequence parameter set is cut short');
    }
    return (this.bytes[byte] >> (7 - (this.at++ & 7))) & 1;
  }

  bits(count) {
    let value = 0;
    while (count-- > 0) {
      value = value * 2 + this.bit();
    }
    return value;
  }

  ue() {
    let zeros = 0;
    while (this.bit() === 0) {
      if (++zeros > 31) {
        throw new RangeError('the sequence parameter set has an impossible number');
      }
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  se() {
    const code = this.ue();
    return code & 1 ? (code + 1) / 2 : -code / 2;
  }
}

function withoutEmulationPrevention(nal) {
  const out = new Uint8Array(nal.length);
  let size = 0;
  let zeros = 0;
  for (const byte of nal) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    out[size++] = byte;
  }
  return out.subarray(0, size);
}

function skipScalingList(reader, size) {
  let last = 8;
  let next = 8;
  for (let i = 0; i < size; i++) {
    if (next !== 0) {
      next = (last + reader.se() + 256) % 256;
    }
    last = next === 0 ? last : next;
  }
}

/** chroma_format_idc, and past what only the high profiles have. */
function readChroma(reader, profile) {
  if (!HIGH_PROFILES.has(profile)) {
    return 1;
  }
  const chroma = reader.ue();
  if (chroma > 3) {
    throw new RangeError(`the sequence parameter set has the chroma format ${chroma}`);
  }
  if (chroma === 3) {
    reader.bit();
  }
  reader.ue();
  reader.ue();
  reader.bit();
  if (reader.bit()) {
    const lists = chroma === 3 ? 12 : 8;
    for (let i = 0; i < lists; i++) {
      if (reader.bit()) {
        skipScalingList(reader, i < 6 ? 16 : 64);
      }
    }
  }
  return chroma;
}

function skipOrderCount(reader) {
  const kind = reader.ue();
  if (kind === 0) {
    reader.ue();
  } else if (kind === 1) {
    reader.bit();
    reader.se();
    reader.se();
    const cycle = reader.ue();
    if (cycle > 255) {
      throw new RangeError(`the sequence parameter set has an order cycle of ${cycle}`);
    }
    for (let i = 0; i < cycle; i++) {
      reader.se();
    }
  } else if (kind !== 2) {
    throw new RangeError(`the sequence parameter set has the order type ${kind}`);
  }
}

function readSize(reader, chroma) {
  const mbsWide = reader.ue() + 1;
  const mapUnits = reader.ue() + 1;
  const framesOnly = reader.bit();
  if (!framesOnly) {
    reader.bit();
  }
  reader.bit();
  const mbsHigh = mapUnits * (2 - framesOnly);
  if (mbsWide > MAX_MBS_PER_SIDE || mbsHigh > MAX_MBS_PER_SIDE) {
    throw new RangeError(`the sequence parameter set says ${mbsWide} × ${mbsHigh} macroblocks`);
  }
  const unitX = chroma === 1 || chroma === 2 ? 2 : 1;
  const unitY = (chroma === 1 ? 2 : 1) * (2 - framesOnly);
  const crop = { left: 0, right: 0, top: 0, bottom: 0 };
  if (reader.bit()) {
    crop.left = reader.ue() * unitX;
    crop.right = reader.ue() * unitX;
    crop.top = reader.ue() * unitY;
    crop.bottom = reader.ue() * unitY;
  }
  const width = mbsWide * 16 - crop.left - crop.right;
  const height = mbsHigh * 16 - crop.top - crop.bottom;
  if (width <= 0 || height <= 0) {
    throw new RangeError('the sequence parameter set crops all of the picture away');
  }
  return { codedWidth: mbsWide * 16, codedHeight: mbsHigh * 16, width, height, crop };
}

/**
 * Reads a sequence parameter set.
 * @param {Uint8Array} nal the NAL unit, header byte included, start code not
 * @returns {{ codec: string, profile: number, level: number, chroma: number, maxRefFrames: number, codedWidth: number,
 *   codedHeight: number, width: number, height: number, crop: object }} sizes in luma pixels; width × height is what is
 *   left after cropping; `codec` is what WebCodecs and MSE call it (RFC 6381)
 * @throws {RangeError} with words, for anything that is none
 */
export function parseSps(nal) {
  if (nal.length < 5 || nal.length > MAX_SPS || (nal[0] & 0x1f) !== NalType.SPS) {
    throw new RangeError(`${nal.length} bytes are no sequence parameter set`);
  }
  const bytes = withoutEmulationPrevention(nal.subarray(1));
  const reader = new BitReader(bytes);
  const profile = reader.bits(8);
  const constraints = reader.bits(8);
  const level = reader.bits(8);
  reader.ue();
  const chroma = readChroma(reader, profile);
  reader.ue();
  skipOrderCount(reader);
  const maxRefFrames = reader.ue();
  reader.bit();
  const hex = [profile, constraints, level].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase());
  return { codec: `avc1.${hex.join('')}`, profile, level, chroma, maxRefFrames, ...readSize(reader, chroma) };
}
