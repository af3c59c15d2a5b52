// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * How long an access unit was on its way, without ever comparing the clocks of two machines. The host's times are known
 * only as durations, and as differences between its pts; so of (arrival here − sending there) only the changes mean
 * something. The least of them in a while is an idle network's, and that is half the least round trip.
 */

// Long enough to meet an idle moment, short enough for clocks that drift by 50 ppm (1.5 ms in it).
const WINDOW_MS = 30000;
const SLOTS = 6;

/** The least of what was seen in the last WINDOW_MS, give or take a slot. */
class WindowedMinimum {
  constructor() {
    this.slots = [];
  }

  add(value, now) {
    const slot = Math.floor(now / (WINDOW_MS / SLOTS));
    const last = this.slots.at(-1);
    if (last?.slot === slot) {
      last.value = Math.min(last.value, value);
    } else {
      this.slots.push({ slot, value });
    }
    while (this.slots[0].slot <= slot - SLOTS) {
      this.slots.shift();
    }
  }

  get value() {
    return Math.min(...this.slots.map(({ value }) => value));
  }
}

export class NetworkDelay {
  constructor() {
    this.rtt = new WindowedMinimum();
    this.restart();
  }

  /** A new stream: its pts begin anew. */
  restart() {
    this.offset = new WindowedMinimum();
    this.first = true;
  }

  /** @param {number} ms @param {number} now milliseconds */
  addRtt(ms, now) {
    this.rtt.add(ms, now);
  }

  /**
   * @param {number} sentMs when the host sent it, on its clock, from any origin that stays
   * @param {number} arrivedMs when it came, on ours
   * @returns {number} milliseconds on the way; NaN before the first round trip
   */
  add(sentMs, arrivedMs) {
    // A stream's first picture may have been on the screen long before there was a stream: its pts says nothing.
    if (this.first) {
      this.first = false;
      return NaN;
    }
    const offset = arrivedMs - sentMs;
    this.offset.add(offset, arrivedMs);
    const rtt = this.rtt.value;
    return Number.isFinite(rtt) ? rtt / 2 + (offset - this.offset.value) : NaN;
  }
}
