// SPDX-License-Identifier: LGPL-2.1-or-later
/** web/page/session.js: what is said to which message; and the small arithmetic beside it. */

import assert from 'node:assert/strict';
import test from 'node:test';

import { Type, message, parse } from '../../../web/page/hxfr.js';
import { place } from '../../../web/page/layout.js';
import { NetworkDelay } from '../../../web/page/network-delay.js';
import { Session, chooseScanout } from '../../../web/page/session.js';
import { Statistics } from '../../../web/page/statistics.js';
import { words } from '../../../web/page/status.js';
import { hostMessages } from '../../lib/fake-daemon.mjs';

const LIT = 3;
const DARK = 1;
const scanout = (id, flags = LIT) => ({ id, width: 64, height: 48, flags });

function makeRig(wanted = null) {
  const rig = { sent: [], units: 0, restarts: 0, rtts: [], refused: [], time: 0 };
  const events = {
    onWelcome: () => {},
    onRestart: () => rig.restarts++,
    onUnit: () => rig.units++,
    onChange: () => {},
    onRtt: (ms) => rig.rtts.push(ms),
    onRefused: (text) => rig.refused.push(text),
  };
  const note = (bytes) => rig.sent.push(`${bytes[4].toString(16)}:${bytes[6]}`);
  rig.session = new Session({ send: note, now: () => rig.time, wanted, events });
  rig.take = (bytes) => rig.session.receive(Uint8Array.from(bytes).buffer);
  rig.said = () => rig.sent.splice(0).join(' ');
  rig.open = (...scanouts) => {
    rig.session.hello();
    rig.take(hostMessages.welcome('vm'));
    rig.take(hostMessages.scanouts(scanouts));
  };
  return rig;
}

const unit = (id) => hostMessages.unit(id, { sequence: 1, ptsNs: 0, flags: 0, data: Buffer.alloc(4) });

test('HELLO, then SUBSCRIBE of the first lit scanout once the list is there', () => {
  const rig = makeRig();
  rig.session.hello();
  rig.take(hostMessages.welcome('vm'));
  assert.equal(rig.said(), '80:0');
  rig.take(hostMessages.scanouts([scanout(0, DARK), scanout(1)]));
  assert.equal(rig.said(), '30:1');
});

test('which scanout: the wanted, the one that is shown while it is lit, the first lit, else 0', () => {
  const list = [scanout(0, DARK), scanout(1), scanout(2)];
  assert.equal(chooseScanout(list, 5, null), 5);
  assert.equal(chooseScanout(list, null, 2), 2);
  assert.equal(chooseScanout(list, null, 0), 1);
  assert.equal(chooseScanout([scanout(0, DARK)], null, 3), 3);
  assert.equal(chooseScanout([], null, null), 0);
});

test('an unchanged list asks for nothing; another scanout ends the old stream first', () => {
  const rig = makeRig();
  rig.open(scanout(0), scanout(1));
  rig.said();
  rig.take(hostMessages.scanouts([scanout(0), scanout(1)]));
  assert.equal(rig.said(), '');
  rig.session.choose(1);
  assert.equal(rig.said(), '86:0 30:1');
  assert.equal(rig.restarts, 2);
});

test('an absent scanout is asked for again when the list changes', () => {
  const rig = makeRig(4);
  rig.open(scanout(0));
  rig.take(hostMessages.subscribeResp(4, false));
  assert.equal(rig.session.present, false);
  rig.said();
  rig.take(hostMessages.scanouts([scanout(0), scanout(4)]));
  assert.equal(rig.said(), '30:4');
});

test('a pause ends the stream, its end begins it anew; both only once', () => {
  const rig = makeRig();
  rig.open(scanout(0));
  rig.said();
  rig.session.pause(true);
  rig.session.pause(true);
  rig.take(unit(0));
  rig.session.requestKeyframe();
  assert.equal(rig.said(), '86:0');
  assert.equal(rig.units, 0);
  rig.session.pause(false);
  assert.equal(rig.said(), '30:0');
});

test('units of another scanout are not ours', () => {
  const rig = makeRig();
  rig.open(scanout(0), scanout(1));
  rig.take(unit(1));
  rig.take(unit(0));
  assert.equal(rig.units, 1);
});

test('anything before WELCOME, and a version that is not ours, is an error', () => {
  const rig = makeRig();
  rig.session.hello();
  assert.throws(() => rig.take(hostMessages.state(1, '')), /did not begin with WELCOME/);
  assert.throws(() => rig.take(hostMessages.welcome('vm', 3)), /version 3/);
});

test('round trips by number, by order where the payload is not ours, and none for a stray PONG', () => {
  const rig = makeRig();
  rig.open(scanout(0));
  rig.session.ping();
  rig.time = 10;
  rig.session.ping();
  rig.time = 15;
  rig.take(message(Type.PONG, 0, Uint8Array.of(2, 0, 0, 0)));
  rig.take(message(Type.PONG, 0));
  rig.take(message(Type.PONG, 0));
  assert.deepEqual(rig.rtts, [5, 15]);
  for (let i = 0; i < 1000; i++) {
    rig.session.ping();
  }
  assert.ok(rig.session.pings.size <= 32);
});

test('a refusal comes with its words, other errors are kept', () => {
  const rig = makeRig();
  const error = (code, text) => {
    const payload = Buffer.alloc(260);
    payload.writeInt32LE(code, 0);
    payload.write(text, 4);
    return message(Type.ERROR, 0, payload);
  };
  rig.session.hello();
  rig.take(error(-7, 'too many connections'));
  assert.deepEqual(rig.refused, ['too many connections']);
  rig.open(scanout(0));
  rig.take(error(-5, 'the encoder failed'));
  assert.equal(rig.session.lastError, 'the encoder failed');
  assert.equal(parse(Uint8Array.from(error(-5, 'x')).buffer).code, -5);
});

test('the network’s share: half the least round trip, plus what is more than the quickest', () => {
  const delay = new NetworkDelay();
  assert.ok(Number.isNaN(delay.add(0, 4000)));
  assert.ok(Number.isNaN(delay.add(0, 5000)));
  delay.addRtt(8, 5000);
  delay.addRtt(4, 5001);
  assert.equal(delay.add(10, 5010), 2);
  assert.equal(delay.add(20, 5027), 9);
  // Whatever the other clock says, and whenever it began.
  delay.restart();
  assert.ok(Number.isNaN(delay.add(0, 5500)), 'the first picture of a stream may be older than the stream');
  assert.equal(delay.add(1e9, 6000), 2);
});

test('the quickest is forgotten after half a minute: clocks drift', () => {
  const delay = new NetworkDelay();
  delay.addRtt(0, 0);
  delay.add(0, 0);
  delay.add(0, 100);
  for (let t = 1000; t <= 40000; t += 1000) {
    delay.addRtt(0, t);
    delay.add(t, t + 103);
  }
  assert.equal(delay.add(41000, 41103), 0);
});

test('rates are over the last second, totals for ever', () => {
  const statistics = new Statistics(0);
  const about = { framesMerged: 1, qp: 30, captureUs: 1000, queueUs: 0, convertUs: 0, encodeUs: 3000, sendUs: 0 };
  for (let t = 250; t <= 2000; t += 250) {
    for (let i = 0; i < 15; i++) {
      statistics.arrived(about, 1000);
      statistics.drew({ unit: about, networkMs: 1, decodeMs: 2, drawMs: 3 });
    }
    const sample = statistics.sample(t);
    assert.deepEqual([sample.fps, sample.bitsPerSecond, sample.latencyMs], [60, 480000, 10]);
  }
  for (let t = 2250; t <= 3250; t += 250) {
    statistics.sample(t);
  }
  const still = statistics.sample(3500);
  assert.deepEqual([still.fps, still.latestMs, still.stages.encode, still.totals.merged], [0, null, 3, 120]);
});

test('the picture is fitted with its proportions kept, on whole device pixels', () => {
  const box = { width: 1000, height: 500 };
  assert.deepEqual(place({ width: 1920, height: 1080 }, box, 1, false), {
    left: 55, top: 0, width: 889, height: 500, scale: 500 / 1080,
  });
  assert.deepEqual(place({ width: 640, height: 400 }, box, 2, true), {
    left: 340, top: 150, width: 320, height: 200, scale: 1,
  });
  const large = place({ width: 4000, height: 3000 }, box, 1, true);
  assert.deepEqual([large.left, large.top, large.width], [0, 0, 4000]);
});

test('every state has a label, and what needs somebody to act has a title', () => {
  const facts = { displayText: '', scanouts: [], scanout: 0, present: true, lit: true, picture: false, still: false };
  const open = { ...facts, connection: { name: 'open' } };
  const label = (more) => words({ ...open, ...more }).label;
  assert.equal(label({ picture: true }), 'Live');
  assert.equal(label({ picture: true, still: true }), 'Live · still');
  const lost = label({ displayLost: true, displayText: 'QEMU has exited' });
  assert.equal(lost, "The VM's display is gone: QEMU has exited");
  const gaveUp = words({ ...open, displayLost: true, displayText: 'gave up after 10 tries: x' });
  assert.deepEqual([gaveUp.label, gaveUp.action.does], ['Gave up: no picture from the source', 'retry']);
  assert.equal(label({ present: false }), 'No display 0');
  assert.equal(label({ present: false, displayStarting: true }), "Waiting for the VM's display…");
  assert.equal(label({ lit: false, picture: true }), 'The display is dark');
  assert.equal(label({ paused: true }), 'Paused while hidden');
  assert.equal(label({ unsupported: 'avc1.640032' }), 'Cannot decode the picture');
  for (const name of ['denied', 'gave-up', 'waiting']) {
    const said = words({ ...facts, connection: { name, reason: 'missing' } });
    assert.ok(said.label && said.title && said.action, name);
  }
});
