// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The worker: connection, protocol, decoder and canvas, so that nothing the page does delays a picture. It tells the
 * page what changed when it changes, and numbers four times a second.
 *
 * From the page: {type: 'start', canvas, base, token, scanout}, {type: 'token', token}, {type: 'hidden', hidden},
 *   {type: 'hurry'}, {type: 'retry'}, {type: 'scanout', id}.
 * To the page: {type: 'state', …facts} for status.js, {type: 'size', width, height}, {type: 'session'} the token was
 *   taken, {type: 'statistics', …}, {type: 'unsupported'} no WebCodecs in workers.
 */

import { Connection } from './connection.js';
import { Decoder } from './decoder.js';
import { DisplayState, ProtocolError, ScanoutFlag, UnitFlag } from './hxfr.js';
import { NetworkDelay } from './network-delay.js';
import { Session } from './session.js';
import { Statistics } from './statistics.js';
import { WebTransport } from './transport.js';
import { View } from './view.js';

const REPORT_EVERY_MS = 250;
// Nothing new to see for that long: still.
const STILL_AFTER_MS = 1000;
// A glance at another tab should not cost an IDR.
const UNSUBSCRIBE_AFTER_MS = 5000;

const now = () => performance.now();
const clock = { now, setTimeout: (f, ms) => setTimeout(f, ms), clearTimeout: (id) => clearTimeout(id) };

class Stream {
  constructor({ canvas, base, token, scanout }) {
    this.statistics = new Statistics(now());
    this.delay = new NetworkDelay();
    this.picture = false; // of this connection, on the canvas
    this.movedAt = -Infinity;
    this.unsupported = '';
    this.pauseTimer = 0;
    this.view = new View(canvas, {
      now,
      waiting: () => this.decoder.queueSize,
      onDrawn: (timing) => this.drew(timing),
      onReplaced: () => this.statistics.totals.replaced++,
      onSize: (width, height) => postMessage({ type: 'size', width, height }),
    });
    this.decoder = new Decoder({
      VideoDecoder,
      EncodedVideoChunk,
      now,
      onPicture: (frame, timing) => this.decoded(frame, timing),
      onKeyWanted: () => this.session.requestKeyframe(),
      onUnsupported: (words) => this.setUnsupported(words),
    });
    this.transport = new WebTransport(base, token, () => postMessage({ type: 'session' }));
    this.connection = this.makeConnection();
    this.session = this.makeSession(scanout);
    setInterval(() => this.report(), REPORT_EVERY_MS);
  }

  makeConnection() {
    return new Connection({
      transport: this.transport,
      clock,
      random: Math.random,
      onState: (state) => this.connectionChanged(state),
      onOpen: () => this.session.hello(),
      onMessage: (buffer) => this.receive(buffer),
      onPing: () => this.session.ping(),
    });
  }

  makeSession(wanted) {
    const events = {
      onWelcome: ({ heartbeatMs }) => this.connection.welcomed(heartbeatMs),
      onRestart: () => this.restart(),
      onUnit: (unit) => this.takeUnit(unit),
      onChange: () => this.tell(),
      onRtt: (ms) => {
        this.statistics.rttMs = ms;
        this.delay.addRtt(ms, now());
      },
      // The cookie was good, so this is something else, such as too many viewers: it may pass.
      onRefused: (words) => this.connection.fail(words, true),
    };
    return new Session({ send: (bytes) => this.connection.send(bytes), now, wanted, events });
  }

  receive(buffer) {
    try {
      this.session.receive(buffer);
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      this.connection.fail(`The daemon broke the protocol: ${error.message}`, true);
    }
  }

  /** A new stream: pictures of the old one must not be waited for, and do not count. */
  restart() {
    this.decoder.restart();
    this.view.discard();
    this.delay.restart();
    this.picture = false;
    this.setUnsupported('');
  }

  takeUnit(unit) {
    const arrived = now();
    const hostUs = unit.captureUs + unit.queueUs + unit.convertUs + unit.encodeUs + unit.sendUs;
    unit.networkMs = this.delay.add((unit.ptsUs + hostUs) / 1000, arrived);
    this.statistics.arrived(unit, unit.data.length);
    if (!(unit.flags & (UnitFlag.REFINEMENT | UnitFlag.KEEP_ALIVE))) {
      this.movedAt = arrived;
    }
    this.decoder.push(unit);
  }

  decoded(frame, timing) {
    this.statistics.totals.decoded++;
    timing.networkMs = timing.unit.networkMs;
    this.view.show(frame, timing);
  }

  drew(timing) {
    this.statistics.drew(timing);
    if (!this.picture) {
      this.picture = true;
      this.connection.confirm();
      this.unsupported = '';
      this.tell();
    }
  }

  setUnsupported(words) {
    if (words !== this.unsupported) {
      this.unsupported = words;
      this.tell();
    }
  }

  connectionChanged(state) {
    if (state.name !== 'open') {
      this.picture = false;
    }
    this.tell(state);
  }

  get still() {
    return now() - this.movedAt > STILL_AFTER_MS;
  }

  /** What status.js makes words of. */
  facts(connection) {
    const { scanouts, scanout, present, display, paused, welcome, lastError } = this.session;
    const current = scanouts.find(({ id }) => id === scanout);
    return {
      connection,
      displayLost: display.state === DisplayState.LOST,
      displayStarting: display.state === DisplayState.STARTING,
      displayText: display.text,
      vmName: welcome?.name ?? '',
      scanouts,
      scanout,
      present,
      lit: !!current && (current.flags & ScanoutFlag.LIT) !== 0,
      paused,
      picture: this.picture,
      still: this.still,
      unsupported: this.unsupported,
      lastError,
    };
  }

  tell(connection = this.connection?.state) {
    if (this.session && connection) {
      this.toldStill = this.still;
      postMessage({ type: 'state', ...this.facts(connection) });
    }
  }

  report() {
    this.decoder.tick();
    if (this.still !== this.toldStill) {
      this.tell();
    }
    const { sps, counts, queueSize, waiting } = this.decoder;
    postMessage({
      type: 'statistics',
      ...this.statistics.sample(now()),
      codec: sps?.codec ?? '',
      decodeQueue: queueSize,
      waitingForKey: waiting,
      reconnects: this.connection.reconnects,
      decoder: { ...counts },
    });
  }

  hide(hidden) {
    clearTimeout(this.pauseTimer);
    if (hidden) {
      this.pauseTimer = setTimeout(() => this.session.pause(true), UNSUBSCRIBE_AFTER_MS);
    } else {
      this.session.pause(false);
      this.connection.hurry();
    }
  }

  handle(message) {
    switch (message.type) {
      case 'token':
        this.transport.token = message.token;
        this.connection.start();
        break;
      case 'hidden':
        this.hide(message.hidden);
        break;
      case 'hurry':
        this.connection.hurry();
        break;
      case 'retry':
        this.connection.start();
        break;
      case 'scanout':
        this.session.choose(message.id);
        break;
      default:
    }
  }
}

let stream = null;
onmessage = ({ data }) => {
  if (stream) {
    stream.handle(data);
  } else if (typeof VideoDecoder === 'undefined') {
    postMessage({ type: 'unsupported' });
  } else {
    stream = new Stream(data);
    stream.connection.start();
  }
};
