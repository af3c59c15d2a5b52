// SPDX-License-Identifier: LGPL-2.1-or-later
/** How programs start, refuse and say why; who is let in over TCP. */

import assert from 'node:assert/strict';
import { chmod, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import test from 'node:test';

import { Daemon } from '../lib/daemon.mjs';
import { HxfrClient, Type } from '../lib/hxfr-client.mjs';
import { framelift, run, stats, temporaryFolder, until } from '../lib/programs.mjs';

const DISPLAY = ['--display', 'test:640x360@30,scene=cube'];

/** One clear line on stderr, and the exit status. */
async function refuses(args, code, pattern) {
  const result = await run('host/frameliftd', args);
  assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
  const lines = result.stderr.split('\n').filter((line) => line.startsWith('frameliftd: '));
  assert.equal(lines.length, 1, result.stderr);
  assert.match(lines[0], pattern);
}

test('--help and --version', async () => {
  const help = await run('host/frameliftd', ['--help']);
  assert.equal(help.code, 0);
  for (const option of ['--display', '--listen', '--http', '--encoder', '--bitrate', '--fps', '--token-file']) {
    assert.ok(help.stdout.includes(option), option);
  }
  assert.match((await run('host/frameliftd', ['--version'])).stdout, /^frameliftd \d+\.\d+\.\d+$/m);
  assert.match((await framelift('--help')).stdout, /probe[^]*record[^]*stats/);
});

test('wrong usage: exit 2, and what is wrong', async (t) => {
  const folder = await temporaryFolder(t);
  const listen = ['--listen', `unix:${join(folder, 's')}`];
  await refuses([], 2, /--display is missing/);
  await refuses([...DISPLAY], 2, /nothing to serve/);
  await refuses([...DISPLAY, ...listen, '--encoder', 'foo'], 2, /--encoder foo: auto, x264 or null/);
  await refuses([...DISPLAY, ...listen, '--bitrate', '1'], 2, /from 100 to/);
  await refuses([...DISPLAY, ...listen, '--fps', '0'], 2, /--fps 0/);
  await refuses([...DISPLAY, '--listen', 'foo'], 2, /of no known kind/);
  await refuses([...DISPLAY, '--listen', 'tcp:0.0.0.0:1,v1'], 2, /loopback addresses only/);
  await refuses([...DISPLAY, '--http', 'example.org:80'], 2, /numeric host/);
  await refuses([...DISPLAY, ...listen, '--nonsense'], 2, /nonsense/);
  await refuses(['--display', 'test:1x1', ...listen], 2, /1x1/);
  await refuses(['--display', 'film', ...listen], 2, /--display film/);
  assert.equal((await framelift('record', 'unix:/tmp/x')).code, 2);
  assert.equal((await framelift('probe')).code, 2);
});

test('failures at start: exit 1, one line with what, on what, why, and what to do', async (t) => {
  const folder = await temporaryFolder(t);
  const token = ['--token-file', join(folder, 'token')];
  await refuses([...DISPLAY, ...token, '--listen', `unix:${folder}/none/s`], 1, /none\/s: .*make its folder first/);
  await writeFile(join(folder, 'open-token'), 'a'.repeat(32));
  await chmod(join(folder, 'open-token'), 0o644);
  await refuses([...DISPLAY, '--token-file', join(folder, 'open-token'), '--http', '127.0.0.1:0'], 1, /chmod 600/);
  const busy = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => busy.once('listening', resolve));
  t.after(() => busy.close());
  const port = busy.address().port;
  await refuses([...DISPLAY, ...token, '--http', `127.0.0.1:${port}`], 1, /another program listens there/);
  await refuses([...DISPLAY, ...token, '--listen', `tcp:127.0.0.1:${port}`], 1, /another program listens there/);
});

test('F02: a stale socket file is replaced, a live one refused, any other file left alone', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's.sock');
  const args = [...DISPLAY, '--listen', `unix:${path}`, '--token-file', join(folder, 'token')];
  const first = await Daemon.start(args);
  t.after(() => first.stop());
  await until('it listens', () => stats(`unix:${path}`).catch(() => null));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await refuses(args, 1, /another program listens there/);
  assert.ok(await stats(`unix:${path}`), 'the first is still there');

  await first.stop('SIGKILL');
  assert.ok((await stat(path)).isSocket(), 'killed: it leaves its file');
  const second = await Daemon.start(args);
  t.after(() => second.stop());
  await until('it listens in its place', () => stats(`unix:${path}`).catch(() => null));
  assert.match(second.stderr, /replacing the socket file/);
  assert.deepEqual(await second.stop(), { code: 0, signal: null });
  await assert.rejects(stat(path), 'an orderly end removes it');

  await writeFile(path, 'precious');
  await refuses(args, 1, /no socket is in the way/);
});

test('TCP needs the token, right and first; ,v1 does not, and says what that means', async (t) => {
  const folder = await temporaryFolder(t);
  const tokenFile = join(folder, 'token');
  const listen = ['--listen', 'tcp:127.0.0.1:0', '--listen', 'tcp:127.0.0.1:0,v1'];
  const daemon = await Daemon.start([...DISPLAY, ...listen, '--token-file', tokenFile]);
  t.after(() => daemon.stop());
  const ports = await until('both listen', () => {
    const found = [...daemon.stderr.matchAll(/listening on tcp:127\.0\.0\.1:(\d+)/g)].map((m) => Number(m[1]));
    return found.length === 2 && found;
  });
  assert.match(daemon.stderr, /without a token: every program on this machine, and every guest/);
  const address = `tcp:127.0.0.1:${ports[0]}`;
  await until('the display runs', async () => (await framelift('probe', address, '--token-file', tokenFile)).code === 0);

  const without = await framelift('probe', address);
  assert.equal(without.code, 1);
  assert.match(without.stdout, /FAIL +version[^]*ERROR -7 \(denied\): a token is needed here/);
  await writeFile(join(folder, 'wrong'), '0'.repeat(32));
  const wrong = await framelift('probe', address, '--token-file', join(folder, 'wrong'));
  assert.match(wrong.stdout, /the token is wrong/);
  const rude = await HxfrClient.open({ port: ports[0] });
  t.after(() => rude.close());
  await assert.rejects(rude.subscribe());
  assert.equal(rude.messages.find((m) => m.type === Type.ERROR).code, -7);

  const old = await HxfrClient.open({ port: ports[1] });
  t.after(() => old.close());
  assert.equal((await old.subscribe()).success, true);
  assert.ok((await stats(`tcp:127.0.0.1:${ports[1]}`)).counters['peer.wrong-token'] >= 3);
});
