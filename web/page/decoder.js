// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Access units in, pictures out, by WebCodecs. What cannot be decoded in time is dropped up to the next IDR, which is
 * asked for: an old picture is worth nothing, and one with a reference missing is wrong (F08, F22).
 */

import { inspect, parseSps } from './sps.js';

// decode() takes any number; without a bound the queue grew to 130 pictures, which is 2 s.
const MAX_QUEUE = 8;
// Handed in and not come out, whatever the decoder says of its queue: hardware may hold a few, none holds that many.
const MAX_IN_FLIGHT = 30;
// The host makes an IDR for the same laggard once a second at most.
const KEY_REQUEST_EVERY_MS = 1000;
// After that many failures in a row it is not the stream's fault, and the other viewers should not pay in IDRs.
const MAX_ERRORS = 5;
const HOPELESS_KEY_REQUEST_EVERY_MS = 10000;
const DEFAULT_DURATION_US = 16667;

export class Decoder {
  /**
   * @param {object} parts
   * @param {typeof VideoDecoder} parts.VideoDecoder
   * @param {typeof EncodedVideoChunk} parts.EncodedVideoChunk
   * @param {() => number} parts.now milliseconds
   * @param {(frame: VideoFrame, timing: object) => void} parts.onPicture takes the frame over, and closes it
   * @param {() => void} parts.onKeyWanted ask the host for an IDR
   * @param {(words: string) => void} parts.onUnsupported this browser cannot decode this stream
   */
  constructor({ VideoDecoder, EncodedVideoChunk, now, onPicture, onKeyWanted, onUnsupported }) {
    Object.assign(this, { VideoDecoder, EncodedVideoChunk, now, onPicture, onKeyWanted, onUnsupported });
    this.counts = { dropped: 0, backlogs: 0, gaps: 0, errors: 0, keyRequests: 0 };
    this.errorsInARow = 0;
    this.sps = null;
    this.unsupportedCodec = null;
    this.restart();
  }

  /** A new stream begins: only an IDR can be decoded, and the host sends one unasked. */
  restart() {
    this.discard();
    this.sequence = null;
    this.lastTimestamp = -1;
    this.waiting = true;
    this.keyAskedAt = this.now();
  }

  /** Throws away what the decoder holds. */
  discard() {
    if (this.decoder && this.decoder.state !== 'closed') {
      this.decoder.close();
    }
    this.decoder = null;
    this.config = '';
    this.inFlight = new Map(); // timestamp → timing, in the order handed in
  }

  /**
   * Takes one access unit.
   * @param {object} unit a UNIT; its data may be reused after the call
   */
  push(unit) {
    const { idr, sps } = inspect(unit.data);
    const follows = this.sequence === null || unit.sequence === this.sequence + 1;
    if (!follows) {
      this.counts.gaps += Math.max(0, unit.sequence - this.sequence - 1);
    }
    this.sequence = unit.sequence;
    if (!idr && !follows && !this.waiting) {
      this.waitForKey();
    }
    if (this.isBehind()) {
      this.counts.backlogs++;
      this.waitForKey();
    }
    if (idr && this.prepare(sps)) {
      this.waiting = false;
    }
    if (this.waiting) {
      this.counts.dropped++;
      this.askForKey();
      return;
    }
    this.decode(unit, idr);
  }

  /** How many access units wait for the decoder to begin with them. */
  get queueSize() {
    return this.decoder?.decodeQueueSize ?? 0;
  }

  isBehind() {
    return this.queueSize > MAX_QUEUE || this.inFlight.size > MAX_IN_FLIGHT;
  }

  waitForKey() {
    this.discard();
    this.waiting = true;
  }

  /** Call it a few times a second: the request for an IDR is repeated even when the host sends nothing. */
  tick() {
    if (this.waiting && this.sequence !== null) {
      this.askForKey();
    }
  }

  askForKey() {
    const now = this.now();
    const pause = this.errorsInARow < MAX_ERRORS ? KEY_REQUEST_EVERY_MS : HOPELESS_KEY_REQUEST_EVERY_MS;
    if (!this.unsupportedCodec && now - this.keyAskedAt >= pause) {
      this.keyAskedAt = now;
      this.counts.keyRequests++;
      this.onKeyWanted();
    }
  }

  /** Makes the decoder ready for an IDR. @returns {boolean} whether it is */
  prepare(spsNal) {
    if (!spsNal) {
      return this.config !== '';
    }
    let sps;
    try {
      sps = parseSps(spsNal);
    } catch (error) {
      this.fail(error.message);
      return false;
    }
    const { codec, codedWidth, codedHeight, width, height } = sps;
    if (codec === this.unsupportedCodec) {
      return false;
    }
    const config = [codec, codedWidth, codedHeight, width, height].join(' ');
    if (config !== this.config) {
      this.sps = sps;
      this.configure(codec, config);
    }
    return this.decoder?.state === 'configured';
  }

  configure(codec, config) {
    if (!this.decoder) {
      const decoder = new this.VideoDecoder({
        output: (frame) => this.takePicture(decoder, frame),
        error: (error) => decoder === this.decoder && this.fail(error.message, error.name === 'NotSupportedError'),
      });
      this.decoder = decoder;
    }
    const options = { codec, optimizeForLatency: true };
    if (this.errorsInARow > 1) {
      // A hardware decoder that chokes on the stream: software takes every H.264 there is.
      options.hardwareAcceleration = 'prefer-software';
    }
    try {
      this.decoder.configure(options);
      this.config = config;
    } catch (error) {
      this.fail(error.message, true);
    }
  }

  decode(unit, idr) {
    // Two pictures of one timestamp could not be told apart when they come out.
    const timestamp = Math.max(unit.ptsUs, this.lastTimestamp + 1);
    const duration = this.lastTimestamp < 0 ? DEFAULT_DURATION_US : timestamp - this.lastTimestamp;
    this.lastTimestamp = timestamp;
    // A decoder in Firefox was dropped for lack of a duration.
    const chunk = { type: idr ? 'key' : 'delta', timestamp, duration, data: unit.data };
    this.inFlight.set(timestamp, { unit, decodeStarted: this.now() });
    try {
      this.decoder.decode(new this.EncodedVideoChunk(chunk));
    } catch (error) {
      this.fail(error.message);
    }
    unit.data = null; // the chunk has a copy, and the unit lives on as timing
  }

  takePicture(decoder, frame) {
    const timing = this.inFlight.get(frame.timestamp);
    if (decoder !== this.decoder || !timing) {
      frame.close();
      return;
    }
    for (const timestamp of this.inFlight.keys()) {
      if (timestamp > frame.timestamp) {
        break;
      }
      this.inFlight.delete(timestamp);
    }
    this.errorsInARow = 0;
    this.unsupportedCodec = null;
    timing.decodeMs = this.now() - timing.decodeStarted;
    this.onPicture(frame, timing);
  }

  fail(words, unsupported = false) {
    this.counts.errors++;
    this.errorsInARow++;
    this.waitForKey();
    if (unsupported) {
      this.unsupportedCodec = this.sps.codec;
    }
    if (unsupported || this.errorsInARow >= MAX_ERRORS) {
      this.onUnsupported(`${this.sps?.codec ?? 'H.264'}: ${words}`);
    }
    this.askForKey();
  }
}
