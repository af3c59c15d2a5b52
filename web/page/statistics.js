// SPDX-License-Identifier: LGPL-2.1-or-later
/** Counters of the stream, and means over the last second. Arithmetic only; milliseconds throughout. */

// The last so many intervals make the rates: 4 of 250 ms.
const INTERVALS = 4;

/** The way of a picture from the guest's flush to the canvas, in order. */
export const STAGES = Object.freeze(['capture', 'queue', 'convert', 'encode', 'send', 'network', 'decode', 'draw']);

function emptyInterval() {
  return { units: 0, bytes: 0, drawn: 0, timed: 0, sums: STAGES.map(() => 0), worst: 0, ms: 0 };
}

export class Statistics {
  /** @param {number} now */
  constructor(now) {
    this.totals = { units: 0, bytes: 0, decoded: 0, drawn: 0, replaced: 0, merged: 0 };
    this.intervals = [];
    this.current = emptyInterval();
    this.since = now;
    this.stages = null; // of the last interval that had pictures
    this.rttMs = NaN;
    this.qp = 0;
  }

  /** An access unit came. @param {object} unit @param {number} bytes */
  arrived(unit, bytes) {
    this.totals.units++;
    this.totals.bytes += bytes;
    this.totals.merged += unit.framesMerged;
    this.current.units++;
    this.current.bytes += bytes;
    this.qp = unit.qp;
  }

  /**
   * A picture is on the canvas.
   * @param {object} timing `unit`, `networkMs`, `decodeMs` (handed in → out), `drawMs` (out → drawn)
   */
  drew({ unit, networkMs, decodeMs, drawMs }) {
    this.totals.drawn++;
    this.current.drawn++;
    const host = [unit.captureUs, unit.queueUs, unit.convertUs, unit.encodeUs, unit.sendUs].map((us) => us / 1000);
    const stages = [...host, networkMs, decodeMs, drawMs];
    if (stages.every(Number.isFinite)) {
      stages.forEach((ms, i) => (this.current.sums[i] += ms));
      this.current.timed++;
      this.current.worst = Math.max(
        this.current.worst,
        stages.reduce((sum, ms) => sum + ms, 0),
      );
    }
  }

  /** Closes an interval. @param {number} now @returns {object} what the overlay shows */
  sample(now) {
    this.current.ms = now - this.since;
    this.since = now;
    this.intervals.push(this.current);
    if (this.intervals.length > INTERVALS) {
      this.intervals.shift();
    }
    const last = this.current;
    this.current = emptyInterval();
    const sum = (key) => this.intervals.reduce((total, interval) => total + interval[key], 0);
    const seconds = sum('ms') / 1000 || 1;
    const timed = sum('timed');
    if (timed) {
      const means = STAGES.map((_, i) => this.intervals.reduce((total, { sums }) => total + sums[i], 0) / timed);
      this.stages = Object.fromEntries(STAGES.map((name, i) => [name, means[i]]));
    }
    return {
      fps: sum('drawn') / seconds,
      unitsPerSecond: sum('units') / seconds,
      bitsPerSecond: (sum('bytes') * 8) / seconds,
      stages: this.stages,
      latencyMs: this.stages && Object.values(this.stages).reduce((total, ms) => total + ms, 0),
      worstMs: Math.max(...this.intervals.map(({ worst }) => worst)),
      // For the sparkline: this interval alone, and nothing where nothing was drawn.
      latestMs: last.timed ? last.sums.reduce((total, ms) => total + ms, 0) / last.timed : null,
      rttMs: this.rttMs,
      qp: this.qp,
      totals: { ...this.totals },
    };
  }
}
