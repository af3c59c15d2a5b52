// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The page's side of the HXFR dialogue: HELLO, WELCOME, which scanout, SUBSCRIBE, and what comes of it. No socket, no
 * timer: bytes out through `send`, messages in through `receive`.
 */

import * as hxfr from './hxfr.js';

const CLIENT_NAME = 'framelift page';
// PINGs whose answer is still to come; more than that and the answers will not come.
const MAX_PINGS = 32;

/**
 * Which scanout to look at.
 * @param {object[]} scanouts as SCANOUTS lists them
 * @param {number | null} wanted what the page's address or the chooser says, null for whatever is there
 * @param {number | null} current
 * @returns {number}
 */
export function chooseScanout(scanouts, wanted, current) {
  if (wanted !== null) {
    return wanted;
  }
  const lit = scanouts.filter(({ flags }) => flags & hxfr.ScanoutFlag.LIT);
  if (lit.some(({ id }) => id === current)) {
    return current;
  }
  return lit[0]?.id ?? current ?? 0;
}

export class Session {
  /**
   * @param {object} parts
   * @param {(bytes: Uint8Array) => void} parts.send
   * @param {() => number} parts.now milliseconds
   * @param {number | null} parts.wanted the scanout that was asked for
   * @param {object} parts.events `onWelcome(welcome)`, `onRestart()` a new stream begins, `onUnit(unit)`, `onChange()`
   *   any of the public fields changed, `onRtt(ms)`, `onRefused(words)`
   */
  constructor({ send, now, wanted, events }) {
    Object.assign(this, { send, now, wanted, events });
    this.paused = false;
    this.reset();
  }

  /** A new connection: nothing is known. */
  reset() {
    this.welcome = null;
    this.scanouts = [];
    this.scanout = null; // the one we subscribed to
    this.present = true; // whether the host has it
    this.display = { state: hxfr.DisplayState.STARTING, text: '' };
    this.lastError = '';
    this.streaming = false;
    this.pings = new Map();
    this.pingNumber = 0;
  }

  hello() {
    this.reset();
    this.send(hxfr.hello(CLIENT_NAME));
  }

  ping() {
    if (this.pings.size >= MAX_PINGS) {
      this.pings.clear();
    }
    this.pings.set(++this.pingNumber, this.now());
    this.send(hxfr.ping(this.pingNumber));
  }

  requestKeyframe() {
    if (this.streaming) {
      this.send(hxfr.keyframeRequest(this.scanout));
    }
  }

  /** Somebody chose a scanout. @param {number} id */
  choose(id) {
    this.wanted = id;
    this.follow();
  }

  /** No picture is wanted for now (the tab is hidden); the connection stays. @param {boolean} paused */
  pause(paused) {
    if (this.paused === paused) {
      return;
    }
    this.paused = paused;
    if (paused) {
      this.leave();
    } else {
      this.follow();
    }
    this.events.onChange();
  }

  leave() {
    if (this.streaming) {
      this.streaming = false;
      this.send(hxfr.unsubscribe(this.scanout));
    }
  }

  /** Subscribes to what should be looked at, if it is not that already. */
  follow() {
    if (!this.welcome || !this.listed || this.paused) {
      return;
    }
    const next = chooseScanout(this.scanouts, this.wanted, this.scanout);
    if (next === this.scanout && this.streaming) {
      return;
    }
    this.leave();
    this.scanout = next;
    this.streaming = true;
    this.present = true;
    this.events.onRestart();
    this.send(hxfr.subscribe(next));
    this.events.onChange();
  }

  /**
   * @param {ArrayBuffer} buffer one message
   * @throws {hxfr.ProtocolError}
   */
  receive(buffer) {
    const message = hxfr.parse(buffer);
    if (!this.welcome && message.type !== hxfr.Type.WELCOME && message.type !== hxfr.Type.ERROR) {
      throw new hxfr.ProtocolError('the host did not begin with WELCOME');
    }
    switch (message.type) {
      case hxfr.Type.UNIT:
        if (this.streaming && message.session === this.scanout) {
          this.events.onUnit(message);
        }
        break;
      case hxfr.Type.PONG:
        this.takePong(message);
        break;
      case hxfr.Type.WELCOME:
        this.takeWelcome(message);
        break;
      case hxfr.Type.SCANOUTS:
        this.takeScanouts(message);
        break;
      case hxfr.Type.STATE:
        this.display = { state: message.state, text: message.text };
        this.events.onChange();
        break;
      case hxfr.Type.SUBSCRIBE_RESP:
        this.takeSubscribeResp(message);
        break;
      case hxfr.Type.ERROR:
        this.takeError(message);
        break;
      default: // HEARTBEAT has done its work by arriving; types we do not know are skipped
    }
  }

  takePong(pong) {
    const number = hxfr.pongNumber(pong) ?? this.pings.keys().next().value;
    const sent = this.pings.get(number);
    if (sent !== undefined) {
      this.pings.delete(number);
      this.events.onRtt(this.now() - sent);
    }
  }

  takeWelcome(welcome) {
    if (welcome.version !== hxfr.VERSION) {
      throw new hxfr.ProtocolError(`the host speaks version ${welcome.version}, this page version ${hxfr.VERSION}`);
    }
    this.welcome = welcome;
    this.listed = false;
    this.events.onWelcome(welcome);
  }

  takeScanouts({ scanouts }) {
    this.scanouts = scanouts;
    this.listed = true;
    // One that was not there may be now.
    this.streaming &&= this.present;
    this.follow();
    this.events.onChange();
  }

  takeSubscribeResp({ scanout, success }) {
    if (scanout === this.scanout && this.streaming) {
      this.present = success;
      this.events.onChange();
    }
  }

  takeError({ code, text }) {
    if (code === hxfr.ERROR_DENIED) {
      this.events.onRefused(text || 'The daemon refused this page');
      return;
    }
    this.lastError = text || `error ${code}`;
    this.events.onChange();
  }
}
