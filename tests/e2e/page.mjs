// SPDX-License-Identifier: LGPL-2.1-or-later
/** frameliftd with the test display, and its page in Chromium: the way of a picture end to end, and who is let in. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';
import { promisify } from 'node:util';

import {
  canvasPng,
  comparePictures,
  launch,
  openPage,
  readBarcode,
  stateLabel,
  waitForAdvance,
  waitForLabel,
} from '../lib/browser.mjs';
import { built } from '../lib/build.mjs';
import { Daemon } from '../lib/daemon.mjs';

const DRAG = 'test:1280x720@30,scene=drag,barcode';
const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='; // of a WebSocket handshake: RFC 6455's own example

let browser;
let folder;

before(async () => {
  browser = await launch();
  folder = await mkdtemp(join(tmpdir(), 'framelift-page-'));
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A daemon that ends with the test. */
async function startDaemon(t, { display = DRAG, http = '127.0.0.1:0' } = {}) {
  const args = ['--display', display, '--http', http, '--token-file', join(folder, 'token')];
  const daemon = await Daemon.start(args);
  t.after(() => daemon.stop());
  return daemon;
}

async function open(t, daemon, address = daemon.address) {
  const page = await openPage(browser, address);
  t.after(() => page.context().close());
  return page;
}

/** One plain HTTP request. @returns {Promise<{ status: number, headers: object, body: string }>} */
function ask(daemon, path, { method = 'GET', headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: daemon.port, path, method, headers, agent: false };
    const sent = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }));
    });
    sent.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode, headers: response.headers, body: '' });
    });
    sent.on('error', reject).end();
  });
}

const bearer = (token) => ({ method: 'POST', headers: { Authorization: `Bearer ${token}` } });

async function cookieOf(daemon) {
  const { headers } = await ask(daemon, '/session', bearer(daemon.token));
  return headers['set-cookie'][0].split(';')[0];
}

const upgrade = (headers) => ({
  headers: {
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': KEY,
    'Sec-WebSocket-Protocol': 'hxfr',
    ...headers,
  },
});

test('the page goes live, the numbers in the picture advance, and nothing is complained about', async (t) => {
  const page = await open(t, await startDaemon(t));
  await waitForLabel(page, /^Live$/);
  const [first, last] = await waitForAdvance(page, 60);
  assert.ok(last > first);
  assert.deepEqual(await page.evaluate(() => window.framelift.picture), { width: 1280, height: 720 });
  assert.deepEqual(page.complaints, []);
  assert.ok(!page.url().includes('token'));
  const { stages, decoder } = await page.evaluate(() => window.framelift.stats());
  assert.ok(Object.values(stages).every((ms) => ms >= 0 && ms < 1000), JSON.stringify(stages));
  assert.equal(decoder.errors, 0);
  t.diagnostic(JSON.stringify(stages));
});

test('the canvas shows the picture that the display shows', async (t) => {
  const scene = '640x400@30,scene=idle';
  const reference = join(folder, 'idle.png');
  await promisify(execFile)(built('tests/tools/scene-png'), [`:${scene}`, '0', reference]);
  const page = await open(t, await startDaemon(t, { display: `test:${scene}` }));
  await waitForLabel(page, /^Live · still$/);
  await page.waitForTimeout(1500); // it is refined
  const apart = await comparePictures(page, await canvasPng(page), await readFile(reference));
  t.diagnostic(JSON.stringify(apart));
  assert.deepEqual([apart.width, apart.height], [640, 400]);
  // 4:2:0 blurs coloured edges, so single pixels may be far off; whole areas may not.
  assert.ok(apart.mean < 3 && apart.over < 0.03, JSON.stringify(apart));
});

test('an odd size is shown as it is', async (t) => {
  const page = await open(t, await startDaemon(t, { display: 'test:801x601@30,scene=drag,barcode' }));
  await waitForLabel(page, /^Live$/);
  await waitForAdvance(page);
  assert.deepEqual(await page.evaluate(() => window.framelift.picture), { width: 801, height: 601 });
});

test('the daemon is killed and started again: live again without a click', async (t) => {
  const daemon = await startDaemon(t);
  const page = await open(t, daemon);
  await waitForLabel(page, /^Live$/);
  await daemon.stop('SIGKILL');
  await waitForLabel(page, /^Reconnecting/);
  const again = await startDaemon(t, { http: `127.0.0.1:${daemon.port}` });
  assert.equal(again.token, daemon.token);
  await waitForLabel(page, /^Live$/);
  await waitForAdvance(page);
});

test('the stream process is killed: a picture again within a second or so, without a click (F21)', async (t) => {
  const daemon = await startDaemon(t);
  daemon.mayCrash = true;
  const page = await open(t, daemon);
  await waitForLabel(page, /^Live$/);
  await waitForAdvance(page);
  const waits = [];
  for (let i = 0; i < 3; i++) {
    const stream = daemon.processOf('stream');
    const began = performance.now();
    process.kill(stream, 'SIGKILL');
    await waitForLabel(page, /^Reconnecting/);
    await waitForLabel(page, /^Live$/);
    await waitForAdvance(page);
    waits.push(Math.round(performance.now() - began));
    assert.notEqual(daemon.processOf('stream'), stream);
  }
  t.diagnostic(`a newer picture after ${waits} ms, browser included`);
  assert.ok(Math.min(...waits) < 2000, `${waits} ms`);
});

test('the daemon is stopped (SIGSTOP): the page notices, and is live again when it goes on (F03, F23)', async (t) => {
  const daemon = await startDaemon(t);
  const page = await open(t, daemon);
  await waitForLabel(page, /^Live$/);
  const stream = daemon.processOf('stream');
  process.kill(stream, 'SIGSTOP');
  try {
    await waitForLabel(page, /^Reconnecting/, 8000);
  } finally {
    process.kill(stream, 'SIGCONT');
  }
  await waitForLabel(page, /^Live$/, 15000);
  await waitForAdvance(page);
});

test('no token and a wrong token: words, and no picture', async (t) => {
  const daemon = await startDaemon(t);
  const none = await open(t, daemon, `${daemon.origin}/`);
  await waitForLabel(none, /^No access token$/);
  const wrong = await open(t, daemon, `${daemon.origin}/#token=${'0'.repeat(daemon.token.length)}`);
  await waitForLabel(wrong, /^Wrong access token$/);
  assert.equal(await readBarcode(wrong), null);
  assert.match(await stateLabel(none), /No access token/);
});

test('two pages at once, and a reload: the cookie is enough', async (t) => {
  const daemon = await startDaemon(t);
  const first = await open(t, daemon);
  const second = await open(t, daemon);
  await waitForLabel(first, /^Live$/);
  await waitForLabel(second, /^Live$/);
  await first.reload();
  await waitForLabel(first, /^Live$/);
  await Promise.all([waitForAdvance(first), waitForAdvance(second)]);
});

test('several displays: the address chooses', async (t) => {
  const daemon = await startDaemon(t, { display: 'test:640x400@30,scene=drag,barcode,scanouts=2' });
  const page = await open(t, daemon, daemon.address.replace('/#', '/?scanout=1#'));
  await waitForLabel(page, /^Live$/);
  await waitForAdvance(page);
  assert.equal(await page.evaluate(() => window.framelift.facts.scanout), 1);
  await page.selectOption('#chooser-select', '0');
  await page.waitForFunction(() => window.framelift.facts.scanout === 0 && window.framelift.facts.picture);
  await waitForAdvance(page);
});

test('the session: 401 without cookie or with a wrong token, 204 and a cookie with the right one', async (t) => {
  const daemon = await startDaemon(t);
  assert.equal((await ask(daemon, '/session')).status, 401);
  assert.equal((await ask(daemon, '/stats')).status, 401);
  assert.equal((await ask(daemon, '/session', bearer('00'))).status, 401);
  const { status, headers } = await ask(daemon, '/session', bearer(daemon.token));
  assert.equal(status, 204);
  assert.match(headers['set-cookie'][0], /HttpOnly/);
  assert.match(headers['set-cookie'][0], /SameSite=Strict/);
  const Cookie = await cookieOf(daemon);
  assert.ok(!Cookie.includes(daemon.token), 'the cookie is not the token itself');
  assert.equal((await ask(daemon, '/session', { headers: { Cookie } })).status, 204);
  assert.equal(typeof JSON.parse((await ask(daemon, '/stats', { headers: { Cookie } })).body), 'object');
});

test('a foreign Origin is refused, for the WebSocket and for the session', async (t) => {
  const daemon = await startDaemon(t);
  const Cookie = await cookieOf(daemon);
  const Host = `127.0.0.1:${daemon.port}`;
  assert.equal((await ask(daemon, '/ws', upgrade({ Cookie, Host, Origin: `http://${Host}` }))).status, 101);
  const near = `http://127.0.0.1:${daemon.port + 1}`;
  for (const Origin of ['http://evil.example', near, 'null', `http://${Host}.evil.example`]) {
    assert.equal((await ask(daemon, '/ws', upgrade({ Cookie, Host, Origin }))).status, 403, Origin);
    const { method, headers } = bearer(daemon.token);
    const session = await ask(daemon, '/session', { method, headers: { ...headers, Origin } });
    assert.equal(session.status, 403, Origin);
  }
  assert.equal((await ask(daemon, '/ws', upgrade({ Host, Origin: `http://${Host}` }))).status, 401);
});

test('a foreign Host is refused everywhere: no DNS name can be pointed here', async (t) => {
  const daemon = await startDaemon(t);
  const Cookie = await cookieOf(daemon);
  const Host = `evil.example:${daemon.port}`;
  for (const path of ['/', '/main.js', '/session', '/stats']) {
    assert.equal((await ask(daemon, path, { headers: { Host, Cookie } })).status, 403, path);
  }
  assert.equal((await ask(daemon, '/ws', upgrade({ Host, Cookie, Origin: `http://${Host}` }))).status, 403);
});

test('files: the page’s own with types and a policy without inline code, nothing else', async (t) => {
  const daemon = await startDaemon(t);
  const index = await ask(daemon, '/');
  assert.match(index.headers['content-type'], /^text\/html/);
  assert.match(index.headers['content-security-policy'], /default-src 'none'; script-src 'self'/);
  const assets = [...index.body.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, name]) => name);
  assert.ok(assets.length >= 3);
  for (const name of assets) {
    assert.equal((await ask(daemon, `/${name}`)).status, 200, name);
  }
  assert.match((await ask(daemon, '/main.js')).headers['content-type'], /^text\/javascript/);
  for (const path of ['/nothing', '/../token', '/%2e%2e/token', '//etc/passwd', '/framelift.gresource.xml']) {
    assert.equal((await ask(daemon, path)).status, 404, path);
  }
});
