// SPDX-License-Identifier: LGPL-2.1-or-later
/** web/page/connection.js with a clock, a socket and dice of the test's own. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Connection } from '../../../web/page/connection.js';

/** Time that passes when the test says so. */
class FakeClock {
  time = 1000;
  timers = new Map();
  next = 1;
  now = () => this.time;
  setTimeout = (action, ms) => (this.timers.set(this.next, { action, at: this.time + ms }), this.next++);
  clearTimeout = (id) => this.timers.delete(id);

  /** Runs what is due, in order, letting promises settle between. */
  async advance(ms) {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const due = [...this.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0];
      if (!due) {
        break;
      }
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].action();
    }
    this.time = end;
  }

  /** The machine sleeps: time goes on and nothing runs until it wakes. */
  sleep(ms) {
    this.time += ms;
  }
}
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A connection in a world that the test commands. */
function makeRig({ answers = [], random = 1, opens = true } = {}) {
  const rig = { clock: new FakeClock(), states: [], pings: 0, opened: 0, closed: 0, messages: 0, answer: 'ok', opens };
  const transport = {
    authorise: async () => answers.shift() ?? rig.answer,
    open: (events) => {
      rig.opened++;
      rig.events = events;
      queueMicrotask(() => (rig.opens ? events.onOpen() : events.onClose('')));
      return { send: (bytes) => (rig.sent = bytes), close: () => rig.closed++ };
    },
  };
  rig.connection = new Connection({
    transport,
    clock: rig.clock,
    random: () => random,
    onState: (state) => rig.states.push(state),
    onOpen: () => rig.onOpen?.(),
    onMessage: () => rig.messages++,
    onPing: () => {
      rig.pings++;
      rig.onPing?.();
    },
  });
  rig.hear = () => rig.events.onMessage(new ArrayBuffer(0));
  rig.state = () => rig.states.at(-1);
  rig.names = () => rig.states.map(({ name }) => name).join(' ');
  return rig;
}

async function openRig(options) {
  const rig = makeRig(options);
  rig.connection.start();
  await settle();
  rig.connection.welcomed(1000);
  return rig;
}

test('connects, and says that it is open only at WELCOME', async () => {
  const rig = makeRig();
  rig.connection.start();
  await settle();
  assert.equal(rig.names(), 'connecting');
  rig.connection.welcomed(1000);
  assert.equal(rig.names(), 'connecting open');
});

test('backs off from 250 ms, doubling, up to 5 s, with jitter between half and all', async () => {
  const rig = makeRig({ random: 1 });
  rig.answer = 'unreachable';
  rig.connection.start();
  await rig.clock.advance(60000);
  const waits = rig.states.filter(({ name }) => name === 'waiting').map(({ inMs }) => inMs);
  assert.deepEqual(waits.slice(0, 7), [250, 500, 1000, 2000, 4000, 5000, 5000]);
  const least = makeRig({ random: 0 });
  least.answer = 'unreachable';
  least.connection.start();
  await settle();
  assert.equal(least.state().inMs, 125);
});

test('gives up after five minutes without the daemon, and a click tries again', async () => {
  const rig = makeRig();
  rig.answer = 'unreachable';
  rig.connection.start();
  await rig.clock.advance(4.8 * 60000);
  assert.notEqual(rig.state().name, 'gave-up');
  await rig.clock.advance(0.4 * 60000);
  assert.deepEqual(rig.state(), { name: 'gave-up', reason: 'The daemon cannot be reached' });
  assert.equal(rig.clock.timers.size, 0);
  rig.answer = 'ok';
  rig.connection.start();
  await settle();
  rig.connection.welcomed(1000);
  assert.equal(rig.state().name, 'open');
});

test('gives up after ten refusals of a daemon that is there (F15)', async () => {
  const rig = makeRig({ opens: false });
  rig.connection.start();
  await rig.clock.advance(60000);
  assert.equal(rig.opened, 10);
  assert.equal(rig.state().name, 'gave-up');
});

test('a stream that breaks before its first picture is no success: the back-off goes on (F15)', async () => {
  const rig = makeRig();
  rig.onOpen = () => {
    rig.connection.welcomed(1000);
    rig.events.onClose('');
  };
  rig.connection.start();
  await rig.clock.advance(6 * 60000);
  assert.equal(rig.state().name, 'gave-up');
  assert.ok(rig.opened < 75, `${rig.opened} tries`);
});

test('a picture forgives earlier failures', async () => {
  const rig = await openRig({ answers: ['unreachable', 'unreachable', 'unreachable', 'unreachable'] });
  rig.states.length = 0;
  await rig.clock.advance(5000);
  rig.connection.welcomed(1000);
  rig.connection.confirm();
  rig.events.onClose('');
  assert.equal(rig.state().inMs, 250);
});

test('a connection that stays, with nothing to show, forgives as well', async () => {
  const rig = await openRig();
  rig.connection.fail('lost');
  await rig.clock.advance(300);
  rig.connection.welcomed(1000);
  rig.onPing = () => rig.hear();
  await rig.clock.advance(11000);
  assert.equal(rig.connection.failures, 0);
});

test('no token and a wrong token end it, with which of the two', async () => {
  for (const answer of ['missing', 'wrong']) {
    const rig = makeRig({ answers: [answer] });
    rig.connection.start();
    await rig.clock.advance(60000);
    assert.deepEqual(rig.state(), { name: 'denied', reason: answer });
    assert.equal(rig.opened, 0);
    assert.equal(rig.clock.timers.size, 0);
  }
});

test('pings each second; a socket that falls silent is dead after 3 s (F03, F23)', async () => {
  const rig = await openRig();
  rig.onPing = () => rig.hear();
  await rig.clock.advance(10000);
  assert.ok(rig.pings >= 9 && rig.pings <= 10, `${rig.pings} pings`);
  assert.equal(rig.state().name, 'open');
  rig.onPing = null;
  await rig.clock.advance(2500);
  assert.equal(rig.state().name, 'open');
  await rig.clock.advance(2000);
  assert.match(rig.names(), /open waiting/);
  assert.equal(rig.states.find(({ name }) => name === 'waiting').reason, 'The daemon fell silent');
  assert.ok(rig.closed >= 1);
});

test('a long heartbeat means a longer patience, a lying one no endless one', async () => {
  const patience = async (heartbeatMs) => {
    const rig = await openRig();
    rig.connection.welcomed(heartbeatMs);
    const began = rig.clock.now();
    while (rig.state().name === 'open' && rig.clock.now() - began < 100000) {
      await rig.clock.advance(500);
    }
    return rig.clock.now() - began;
  };
  assert.equal(await patience(2000), 6000);
  assert.equal(await patience(0), 3000);
  assert.equal(await patience(0xffffffff), 30000);
});

test('no WELCOME, or no answer to the session check, within 8 s is a failure', async () => {
  const rig = makeRig();
  // A peer that is there, and says anything but WELCOME.
  rig.onPing = () => rig.hear();
  rig.connection.start();
  await rig.clock.advance(8100);
  assert.equal(rig.states.find(({ name }) => name === 'waiting')?.reason, 'The daemon does not answer');
});

test('a return to the tab cuts the back-off short, but a bunch of events costs one try', async () => {
  const rig = makeRig({ answers: Array(6).fill('unreachable') });
  rig.connection.start();
  await rig.clock.advance(4000);
  assert.equal(rig.state().name, 'waiting');
  const before = rig.connection.attempt;
  rig.connection.hurry();
  rig.connection.hurry();
  await settle();
  rig.connection.hurry();
  assert.equal(rig.connection.attempt, before + 1);
});

test('a return to the tab tries again after giving up and after a refusal', async () => {
  for (const answer of ['unreachable', 'missing']) {
    const rig = makeRig();
    rig.answer = answer;
    rig.connection.start();
    await rig.clock.advance(6 * 60000);
    const before = rig.connection.attempt;
    rig.connection.hurry();
    assert.equal(rig.connection.attempt, before + 1);
  }
});

test('on return an open connection has 2 s to prove that it lives', async () => {
  const rig = await openRig();
  rig.connection.welcomed(10000);
  rig.connection.hurry();
  assert.equal(rig.pings, 1);
  await rig.clock.advance(2500);
  assert.match(rig.names(), /waiting/);
  const alive = await openRig();
  alive.onPing = () => alive.hear();
  alive.connection.hurry();
  await alive.clock.advance(2500);
  assert.equal(alive.state().name, 'open');
});

test('after a sleep the daemon is asked before it is called dead', async () => {
  const rig = await openRig();
  rig.onPing = () => rig.hear();
  await rig.clock.advance(1000);
  rig.clock.sleep(60000);
  await rig.clock.advance(1000);
  assert.equal(rig.state().name, 'open');
});

test('what comes late from an older try changes nothing', async () => {
  const rig = makeRig();
  let release;
  rig.connection.transport.authorise = () => new Promise((resolve) => (release = resolve));
  rig.connection.start();
  const first = release;
  rig.connection.fail('test');
  await rig.clock.advance(300);
  first('wrong');
  await settle();
  assert.equal(rig.state().name, 'connecting');
  assert.equal(rig.opened, 0);
});

test('a thousand reconnects leave no timer and no socket behind (F15)', async () => {
  const rig = await openRig();
  for (let i = 0; i < 1000; i++) {
    rig.connection.confirm();
    rig.events.onClose('');
    await rig.clock.advance(300);
    rig.connection.welcomed(1000);
  }
  assert.equal(rig.opened, 1001);
  assert.equal(rig.closed, 1000);
  assert.equal(rig.clock.timers.size, 1);
  assert.equal(rig.connection.reconnects, 1000);
});
