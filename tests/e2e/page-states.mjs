// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The page in Chromium against a daemon that misbehaves on demand (lib/fake-daemon.mjs): every state that it can be in.
 * With FRAMELIFT_SCREENSHOTS=FOLDER each state leaves a picture there.
 */

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import test, { after, before } from 'node:test';

import {
  canvasColours,
  launch,
  openPage,
  readBarcode,
  stateLabel,
  waitForAdvance,
  waitForLabel,
} from '../lib/browser.mjs';
import { FakeDaemon, hostMessages } from '../lib/fake-daemon.mjs';
import { COLOURS, boxMiddle } from '../lib/page-stream.mjs';
import { Type } from '../../web/page/hxfr.js';

const screenshots = process.env.FRAMELIFT_SCREENSHOTS;
let browser;

before(async () => {
  browser = await launch();
  if (screenshots) {
    mkdirSync(screenshots, { recursive: true });
  }
});
after(() => browser?.close());

async function shoot(page, name) {
  if (screenshots) {
    await page.waitForTimeout(600); // what fades in is there
    await page.screenshot({ path: `${screenshots}/${name}.png` });
  }
}
const cardText = (page) => page.locator('#card').innerText();

/** A fake daemon and a page on it, both gone when the test ends. */
async function open(t, { prepare, address = (daemon) => daemon.address, live = true, ...options } = {}) {
  const daemon = await new FakeDaemon().start();
  t.after(() => daemon.stop());
  prepare?.(daemon);
  const page = await openPage(browser, address(daemon), options);
  t.after(() => page.context().close());
  if (live) {
    await waitForLabel(page, /^Live$/);
  }
  return { daemon, page };
}

test('the page goes live, and the numbers in the picture advance', async (t) => {
  const { page, daemon } = await open(t);
  await waitForAdvance(page, 10);
  assert.equal(page.url(), `${daemon.origin}/`, 'the token has left the address');
  assert.deepEqual(page.complaints, []);
  assert.deepEqual(await page.evaluate(() => window.framelift.picture), { width: 320, height: 240 });
});

test('the canvas has the right colours, in the right place', async (t) => {
  const { page, daemon } = await open(t);
  daemon.still = true;
  await page.waitForTimeout(300);
  const number = await readBarcode(page);
  const colours = await canvasColours(page, [[300, 60], boxMiddle(number)]);
  [COLOURS.ground, COLOURS.box].forEach((expected, i) => {
    const apart = Math.max(...expected.map((value, c) => Math.abs(value - colours[i][c])));
    assert.ok(apart <= 3, `${colours[i]} instead of ${expected}`);
  });
});

test('reload needs no token: the cookie does it', async (t) => {
  const { page } = await open(t);
  await page.reload();
  await waitForLabel(page, /^Live$/);
});

test('a still screen is still, not dead (F19)', async (t) => {
  const { page, daemon } = await open(t);
  daemon.still = true;
  await waitForLabel(page, /^Live · still$/);
  await page.waitForTimeout(4500);
  assert.equal(await stateLabel(page), 'Live · still');
  await shoot(page, 'still');
  daemon.still = false;
  await waitForLabel(page, /^Live$/);
});

test('the daemon is killed and comes back: live again without a click', async (t) => {
  const { page, daemon } = await open(t);
  await daemon.stop();
  await waitForLabel(page, /^Reconnecting/);
  await page.waitForTimeout(1500);
  await shoot(page, 'reconnecting');
  await daemon.start(daemon.port);
  await waitForLabel(page, /^Live$/);
  await waitForAdvance(page);
});

test('a socket that is open and silent is given up for a new one (F03, F23)', async (t) => {
  const { page, daemon } = await open(t);
  daemon.silent = true;
  await waitForLabel(page, /^Reconnecting/, 5000);
  daemon.silent = false;
  await waitForLabel(page, /^Live$/);
  assert.equal(daemon.received[Type.HELLO] >= 2, true);
});

test('no token: words, and no stream', async (t) => {
  const { page, daemon } = await open(t, { address: ({ origin }) => `${origin}/`, live: false });
  await waitForLabel(page, /^No access token$/);
  assert.match(await cardText(page), /address that frameliftd printed/);
  assert.equal(daemon.received[Type.HELLO], undefined);
  await shoot(page, 'no-token');
});

test('a wrong token: words, and no stream; the right address in the same tab helps', async (t) => {
  const { page, daemon } = await open(t, { address: ({ origin }) => `${origin}/#token=00`, live: false });
  await waitForLabel(page, /^Wrong access token$/);
  assert.equal(daemon.received[Type.HELLO], undefined);
  await shoot(page, 'wrong-token');
  await page.goto(daemon.address);
  await waitForLabel(page, /^Live$/);
});

test('no WebCodecs in the page: words', async (t) => {
  const { page } = await open(t, {
    live: false,
    before: (fresh) => fresh.addInitScript(() => delete window.VideoDecoder),
  });
  await waitForLabel(page, /^No WebCodecs$/);
  await shoot(page, 'no-webcodecs');
});

test('no WebCodecs in workers: words', async (t) => {
  const { page } = await open(t, {
    live: false,
    before: (fresh) =>
      fresh.route('**/hxfr.js', async (route) => {
        const response = await route.fetch();
        const inWorker = "if (typeof document === 'undefined') { delete globalThis.VideoDecoder; }";
        await route.fulfill({ response, body: `${await response.text()}\n${inWorker}` });
      }),
  });
  await waitForLabel(page, /^No WebCodecs$/);
});

test('plain http from elsewhere: says that https or localhost is needed', async (t) => {
  const { page } = await open(t, {
    live: false,
    before: (fresh) => fresh.addInitScript(() => {
      delete window.VideoDecoder;
      Object.defineProperty(window, 'isSecureContext', { value: false });
    }),
  });
  await waitForLabel(page, /^Needs https or localhost$/);
  await shoot(page, 'insecure');
});

test("the VM's display goes and comes back (STATE)", async (t) => {
  const { page, daemon } = await open(t);
  daemon.still = true;
  daemon.setState(2, 'QEMU has exited; waiting for its socket');
  await waitForLabel(page, /^The VM's display is gone: QEMU has exited/);
  await shoot(page, 'display-gone');
  daemon.still = false;
  daemon.setState(1, '');
  await waitForLabel(page, /^Live$/);
});

test('several displays: chosen by hand, by the address, and one that is not there', async (t) => {
  const two = [
    { id: 0, width: 320, height: 240, flags: 3 },
    { id: 2, width: 320, height: 240, flags: 3 },
  ];
  const prepare = (daemon) => (daemon.scanouts = two);
  const { page, daemon } = await open(t, { prepare });
  await page.selectOption('#chooser-select', '2');
  await page.waitForFunction(() => window.framelift.facts.scanout === 2);
  await waitForLabel(page, /^Live$/);
  await shoot(page, 'two-displays');
  await page.goto(`${daemon.origin}/?scanout=7`);
  await waitForLabel(page, /^No display 7$/);
  daemon.setScanouts([...two, { id: 7, width: 320, height: 240, flags: 3 }]);
  await waitForLabel(page, /^Live$/);
});

test('a dark display says so, and lights up by itself', async (t) => {
  const dark = [{ id: 0, width: 0, height: 0, flags: 1 }];
  const { page, daemon } = await open(t, {
    live: false,
    prepare: (fresh) => {
      fresh.scanouts = dark;
      fresh.still = true;
    },
  });
  await waitForLabel(page, /^The display is dark$/);
  await shoot(page, 'dark-display');
  daemon.still = false;
  daemon.setScanouts([{ id: 0, width: 320, height: 240, flags: 3 }]);
  await waitForLabel(page, /^Live$/);
});

test('garbage instead of HXFR: connects anew, gives up after ten times; a click helps (F15)', async (t) => {
  const { page, daemon } = await open(t);
  const timer = setInterval(() => daemon.broadcast(Buffer.from('RFB 003.008\n')), 20);
  t.after(() => clearInterval(timer));
  await waitForLabel(page, /^Reconnecting/);
  daemon.refuse = 503;
  await waitForLabel(page, /^Gave up/, 45000);
  await shoot(page, 'gave-up');
  clearInterval(timer);
  daemon.refuse = null;
  const before = daemon.received[Type.HELLO];
  await page.waitForTimeout(1500);
  assert.equal(daemon.received[Type.HELLO], before, 'it has really stopped trying');
  await page.click('#card-action');
  await waitForLabel(page, /^Live$/);
});

test('an access unit that is garbage costs an IDR, not the stream', async (t) => {
  const { page, daemon } = await open(t);
  let left = 3;
  daemon.damage = (data) => (left-- > 0 ? data.map((byte, i) => (i > 5 ? byte ^ 0x5a : byte)) : data);
  await page.waitForTimeout(500);
  await waitForAdvance(page);
  assert.equal(await stateLabel(page), 'Live');
});

test('a gap in the sequence is dropped up to the next IDR, which is asked for (F08)', async (t) => {
  const { page, daemon } = await open(t);
  await page.waitForTimeout(1200);
  daemon.clients.forEach((client) => (client.sequence += 5));
  await page.waitForFunction(() => window.framelift.stats()?.decoder.gaps === 5);
  await waitForAdvance(page);
  assert.equal(daemon.received[Type.KEYFRAME_REQ], 1);
});

test('a backlog is skipped: the newest picture is there at once, and nothing grows (F22)', async (t) => {
  const { page, daemon } = await open(t);
  const before = daemon.at;
  daemon.burst(200);
  await page.waitForFunction((units) => window.framelift.stats()?.totals.units >= units, 200);
  await waitForAdvance(page);
  const { totals, decoder, decodeQueue } = await page.evaluate(() => window.framelift.stats());
  assert.ok(daemon.at >= before + 200);
  // how many depends on how fast the decoder is; that some are means that the bound was met, and held
  assert.ok(totals.replaced + decoder.dropped > 0, `replaced ${totals.replaced}, dropped ${decoder.dropped}`);
  assert.ok(decodeQueue <= 8);
});

test('a hidden tab unsubscribes after 5 s; on return it is live within 300 ms', async (t) => {
  const { page, daemon } = await open(t);
  const hide = (hidden) =>
    page.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await hide(true);
  await waitForLabel(page, /^Paused/, 7000);
  assert.equal(daemon.received[Type.UNSUBSCRIBE], 1);
  const frozen = await readBarcode(page);
  const left = Date.now();
  await hide(false);
  await page.waitForFunction(() => window.framelift.facts.picture && !window.framelift.facts.paused);
  assert.ok(Date.now() - left < 300, `${Date.now() - left} ms`);
  assert.notEqual(await readBarcode(page), frozen);
});

test('a host of another version is refused with words', async (t) => {
  const { page } = await open(t, { live: false, prepare: (daemon) => (daemon.version = 3) });
  await waitForLabel(page, /^Reconnecting/);
  assert.match(await cardText(page), /speaks version 3/);
});

test('fit keeps the proportions, 1:1 shows pixel for pixel; the keys do what the buttons do', async (t) => {
  const { page } = await open(t, { viewport: { width: 1000, height: 500 } });
  const size = () =>
    page.locator('#screen').evaluate((canvas) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      return [left, top, width, height].map(Math.round);
    });
  assert.deepEqual(await size(), [166, 0, 667, 500]);
  await page.keyboard.press('Control+Alt+Shift+KeyF');
  assert.deepEqual(await size(), [340, 130, 320, 240]);
  await page.click('#zoom');
  assert.deepEqual(await size(), [166, 0, 667, 500]);
  await page.keyboard.press('Control+Alt+Shift+KeyS');
  assert.ok(await page.locator('#overlay').isVisible());
  assert.equal(await page.locator('#statistics').getAttribute('aria-pressed'), 'true');
});

test('an odd size is shown without the column and the row that padded it', async (t) => {
  const { page, daemon } = await open(t);
  daemon.clients.forEach((client) => {
    client.sendUnit = ({ key, data }) => {
      client.sequence++;
      const about = { sequence: client.sequence, ptsNs: client.sequence * 3e7, flags: key ? 1 : 0, data };
      client.send(hostMessages.unit(0, { ...about, width: 319, height: 239 }));
    };
  });
  await page.waitForFunction(() => window.framelift.picture.width === 319);
  const size = await page.locator('#screen').evaluate((canvas) => [canvas.width, canvas.height]);
  assert.deepEqual(size, [319, 239]);
});

test('the overlay shows rates and every stage, in dark, in light and on a phone', async (t) => {
  const looks = [
    ['dark', { colorScheme: 'dark' }],
    ['light', { colorScheme: 'light' }],
    ['phone', { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true }],
  ];
  for (const [name, options] of looks) {
    const { page } = await open(t, options);
    await page.click('#statistics');
    await page.waitForTimeout(2500);
    const stages = await page.locator('#stages dd').allInnerTexts();
    assert.equal(stages.length, 8);
    assert.ok(stages.every((text) => /^\d+\.\d$/.test(text)), stages.join(' '));
    const rate = Number(await page.locator('#figures dd').first().innerText());
    assert.ok(rate >= 20 && rate <= 40, `${rate} frames/s`);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
    assert.ok(wide, 'nothing is wider than the window');
    await shoot(page, `overlay-${name}`);
  }
});

test('the bar goes when only the picture matters, the state stays', async (t) => {
  const { page } = await open(t);
  await page.mouse.move(600, 400);
  await page.waitForFunction(() => document.body.classList.contains('resting'), null, { timeout: 5000 });
  assert.ok(await page.locator('#status-label').isVisible());
  await page.waitForTimeout(400);
  await shoot(page, 'resting');
  await page.mouse.move(500, 400);
  assert.equal(await page.evaluate(() => document.body.classList.contains('resting')), false);
});
