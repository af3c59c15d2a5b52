// SPDX-License-Identifier: LGPL-2.1-or-later
/** The statistics: how many, how large, how late, and where the time goes. */

import { Sparkline } from './sparkline.js';
import { STAGES } from './statistics.js';

const byId = (id) => document.getElementById(id);

// What each stage is, for the one who rests the pointer on it.
const STAGE_WORDS = {
  capture: "from the guest's flush to the copy of the picture",
  queue: 'waiting for the encoder',
  convert: 'to the colours that the encoder takes',
  encode: 'to H.264',
  send: 'waiting for the socket',
  network: 'on the way: half the least round trip, and what this one took longer than the quickest',
  decode: 'in the browser’s decoder',
  draw: 'from the decoder to the canvas',
};

function number(value, digits = 1) {
  return Number.isFinite(value) ? value.toFixed(digits) : '–';
}

const ms = (value) => `${number(value)} ms`;

/** @param {number} bits in a second */
function rate(bits) {
  return bits >= 1e6 ? [number(bits / 1e6, 1), 'Mbit/s'] : [number(bits / 1e3, 0), 'kbit/s'];
}

/** One `<div><dt><dd></div>` of a list, made once and filled many times. */
function entry(list, name, title = '') {
  const row = document.createElement('div');
  const term = document.createElement('dt');
  const value = document.createElement('dd');
  row.title = title;
  row.dataset.name = name;
  term.textContent = name;
  row.append(term, value);
  list.append(row);
  return value;
}

export class Overlay {
  constructor() {
    this.element = byId('overlay');
    this.sparkline = new Sparkline(byId('sparkline'));
    this.total = byId('stages-total');
    this.figures = this.makeEntries('figures', ['frames/s', 'Mbit/s', 'round trip']);
    this.details = this.makeEntries('details', [
      'picture',
      'codec',
      'quantiser',
      'pictures',
      'dropped',
      'skipped by the host',
      'reconnects',
    ]);
    this.stages = Object.fromEntries(STAGES.map((name) => [name, entry(byId('stages'), name, STAGE_WORDS[name])]));
    this.segments = STAGES.map((name) => {
      const segment = document.createElement('span');
      segment.dataset.name = name;
      byId('stages-bar').append(segment);
      return segment;
    });
  }

  makeEntries(id, names) {
    return Object.fromEntries(names.map((name) => [name, entry(byId(id), name)]));
  }

  get visible() {
    return !this.element.hidden;
  }

  /** @param {boolean} visible */
  setVisible(visible) {
    this.element.hidden = !visible;
    if (visible && this.last) {
      this.fill(...this.last);
    }
  }

  /** @param {object} statistics the worker's @param {{ width: number, height: number } | null} picture */
  update(statistics, picture) {
    this.sparkline.push(statistics.latestMs);
    this.last = [statistics, picture];
    if (this.visible) {
      this.fill(statistics, picture);
    }
  }

  fill(statistics, picture) {
    const { totals, decoder } = statistics;
    const [bits, unit] = rate(statistics.bitsPerSecond);
    this.figures['frames/s'].textContent = number(statistics.fps, 0);
    this.figures['Mbit/s'].textContent = bits;
    this.figures['Mbit/s'].previousSibling.textContent = unit;
    this.figures['round trip'].textContent = ms(statistics.rttMs);
    this.fillStages(statistics);
    const details = {
      picture: picture ? `${picture.width} × ${picture.height}` : '–',
      codec: statistics.codec || '–',
      quantiser: totals.units ? statistics.qp : '–',
      pictures: `${totals.drawn} drawn, ${totals.replaced} outdated`,
      dropped: `${decoder.dropped} (${decoder.backlogs} backlogs, ${decoder.errors} errors)`,
      'skipped by the host': decoder.gaps,
      reconnects: statistics.reconnects,
    };
    for (const [name, text] of Object.entries(details)) {
      this.details[name].textContent = text;
    }
    this.sparkline.draw();
  }

  fillStages({ stages, latencyMs, worstMs }) {
    this.total.textContent = stages ? `${ms(latencyMs)}${worstMs ? ` · worst ${number(worstMs)}` : ''}` : '–';
    STAGES.forEach((name, i) => {
      this.stages[name].textContent = stages ? number(stages[name]) : '–';
      this.segments[i].style.flexGrow = stages ? Math.max(0, stages[name]) : 0;
    });
  }
}
