// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Keeps one connection to the daemon alive: tries, listens for silence, backs off, gives up. It knows neither HXFR nor
 * the browser: socket, clock and chance are handed in, so that a test can be all three. All times are milliseconds.
 *
 *   connecting ──► open ──► waiting ──► connecting …        (backing off between tries)
 *        │                    └──────► gave-up              (a click, or a return to the tab, tries again)
 *        └──► denied                                        (no token, or a wrong one)
 */

// One try, from the session check to WELCOME: a daemon that is there answers in a fraction of that.
const ATTEMPT_LIMIT_MS = 8000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MOST_MS = 5000;
// Long enough for a host to reboot; afterwards a forgotten tab should not knock for days (F15).
const GIVE_UP_AFTER_MS = 5 * 60 * 1000;
// The daemon is there and turns us away every time: more tries will not change its mind.
const GIVE_UP_AFTER_REFUSALS = 10;
// A connection that shows no picture (a dark display) counts as good after that long.
const STABLE_AFTER_MS = 10000;
const SILENCE_LEAST_MS = 3000;
const SILENCE_MOST_MS = 30000;
const PING_EVERY_MS = 1000;
const CHECK_EVERY_MS = 500;
// After a sleep, or when somebody returns to the tab, the answer to a PING has to be there within that.
const PROBE_LIMIT_MS = 2000;

/**
 * @typedef {object} Transport
 * @property {() => Promise<'ok' | 'missing' | 'wrong' | 'unreachable'>} authorise asks whether the daemon knows us
 * @property {(events: object) => { send: Function, close: Function }} open opens a socket; calls `onOpen()`,
 *   `onMessage(ArrayBuffer)` and `onClose(reason: string)` of `events`, each only until `close()`
 */

export class Connection {
  /**
   * @param {object} parts
   * @param {Transport} parts.transport
   * @param {{ now: Function, setTimeout: Function, clearTimeout: Function }} parts.clock
   * @param {() => number} parts.random 0 ≤ number < 1
   * @param {(state: { name: string, reason?: string, inMs?: number }) => void} parts.onState
   * @param {() => void} parts.onOpen the socket is open: say HELLO
   * @param {(buffer: ArrayBuffer) => void} parts.onMessage
   * @param {() => void} parts.onPing time to send a PING
   */
  constructor({ transport, clock, random, onState, onOpen, onMessage, onPing }) {
    Object.assign(this, { transport, clock, random, onState, onOpen, onMessage, onPing });
    this.state = { name: 'idle' };
    this.socket = null;
    this.attempt = 0; // numbers the tries, so that what comes late from an older one is known
    this.reconnects = 0;
    this.silenceLimit = SILENCE_LEAST_MS;
    this.forget();
  }

  /** Forgets earlier failures. */
  forget() {
    this.failures = 0;
    this.refusals = 0;
    this.failingSince = null;
    this.lastReason = ''; // empty unless this try follows a failure
  }

  /** Tries now, with a clean slate: at the start, and when somebody clicks. */
  start() {
    this.forget();
    this.connect();
  }

  /** Something says that a try may work now: the network is back, the tab is looked at again. */
  hurry() {
    switch (this.state.name) {
      case 'waiting':
        // Events come in bunches; each must not cost a try.
        if (this.clock.now() - this.triedAt >= BACKOFF_FIRST_MS) {
          this.connect();
        }
        break;
      case 'gave-up':
      case 'denied':
        this.start();
        break;
      case 'open':
        this.probe();
        break;
      default:
    }
  }

  /** The peer has proven itself: a picture was decoded. Only now are earlier failures forgotten (F15). */
  confirm() {
    if (this.state.name === 'open') {
      this.forget();
    }
  }

  /** WELCOME came. @param {number} heartbeatMs how often the peer promises to say something */
  welcomed(heartbeatMs) {
    this.clock.clearTimeout(this.attemptTimer);
    this.silenceLimit = Math.min(Math.max(3 * heartbeatMs, SILENCE_LEAST_MS), SILENCE_MOST_MS);
    this.enter({ name: 'open' });
  }

  /** Sends if there is a socket. @param {Uint8Array} bytes */
  send(bytes) {
    this.socket?.send(bytes);
  }

  /** The daemon says that we may not. */
  deny(reason) {
    this.drop();
    this.enter({ name: 'denied', reason });
  }

  /**
   * Ends this try or connection; the next comes by itself.
   * @param {string} reason words for people
   * @param {boolean} [refused] the daemon is there and turned us away
   */
  fail(reason, refused = false) {
    this.drop();
    const now = this.clock.now();
    this.failures++;
    this.refusals = refused ? this.refusals + 1 : 0;
    this.failingSince ??= now;
    this.lastReason = reason;
    if (this.refusals >= GIVE_UP_AFTER_REFUSALS || now - this.failingSince >= GIVE_UP_AFTER_MS) {
      this.enter({ name: 'gave-up', reason });
      return;
    }
    // Between half and all of it, so that the tabs of a restarted daemon do not come back in step.
    const ceiling = Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(this.failures - 1, 10), BACKOFF_MOST_MS);
    const delay = Math.round(ceiling * (0.5 + this.random() / 2));
    this.retryTimer = this.clock.setTimeout(() => this.connect(), delay);
    this.enter({ name: 'waiting', reason, inMs: delay });
  }

  async connect() {
    this.drop();
    const attempt = ++this.attempt;
    if (attempt > 1) {
      this.reconnects++;
    }
    this.triedAt = this.clock.now();
    this.attemptTimer = this.clock.setTimeout(() => this.fail('The daemon does not answer'), ATTEMPT_LIMIT_MS);
    this.enter({ name: 'connecting', reason: this.lastReason });
    const answer = await this.transport.authorise();
    if (attempt !== this.attempt || this.state.name !== 'connecting') {
      return;
    }
    if (answer === 'ok') {
      this.openSocket();
    } else if (answer === 'unreachable') {
      this.fail('The daemon cannot be reached');
    } else {
      this.deny(answer);
    }
  }

  openSocket() {
    let opened = false;
    this.socket = this.transport.open({
      onOpen: () => {
        opened = true;
        this.listen();
        this.onOpen();
      },
      onMessage: (buffer) => {
        this.heardAt = this.clock.now();
        this.probing = false;
        this.onMessage(buffer);
      },
      // The session check just succeeded, so a socket that never opened was turned away.
      onClose: (reason) => this.fail(reason || 'The connection was lost', !opened),
    });
  }

  listen() {
    this.heardAt = this.openedAt = this.checkedAt = this.pingedAt = this.clock.now();
    this.probing = false;
    this.checkTimer = this.clock.setTimeout(() => this.check(), CHECK_EVERY_MS);
  }

  /** Twice a second: PING, silence, stability. */
  check() {
    const now = this.clock.now();
    // The machine slept, or the tab was frozen: what came meanwhile is still to be read, so ask before judging.
    const slept = now - this.checkedAt > PROBE_LIMIT_MS;
    this.checkedAt = now;
    if (slept) {
      this.probe();
    }
    const silentFor = now - (this.probing ? Math.max(this.heardAt, this.probedAt) : this.heardAt);
    const limit = this.probing ? PROBE_LIMIT_MS : this.silenceLimit;
    if (silentFor >= limit) {
      this.fail('The daemon fell silent');
      return;
    }
    if (now - this.pingedAt >= PING_EVERY_MS) {
      this.ping(now);
    }
    if (this.state.name === 'open' && now - this.openedAt >= STABLE_AFTER_MS) {
      this.forget();
    }
    this.checkTimer = this.clock.setTimeout(() => this.check(), CHECK_EVERY_MS);
  }

  probe() {
    this.probing = true;
    this.probedAt = this.clock.now();
    this.ping(this.probedAt);
  }

  ping(now) {
    this.pingedAt = now;
    this.onPing();
  }

  /** Lets go of the socket and of every timer. A dead socket may take minutes to close: nobody waits for it. */
  drop() {
    for (const timer of [this.attemptTimer, this.retryTimer, this.checkTimer]) {
      this.clock.clearTimeout(timer);
    }
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  enter(state) {
    this.state = state;
    this.onState(state);
  }
}
