// SPDX-License-Identifier: LGPL-2.1-or-later
/** The GStreamer plugin inside a real guest on our own virtio-gpu: one VM for all of it. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before } from 'node:test';

import { built } from '../lib/build.mjs';
import { gstFiles, gstMissing, runGst } from '../lib/guest-gst.mjs';
import { HxfrClient, Type } from '../lib/hxfr-client.mjs';
import { checkStream, until } from '../lib/programs.mjs';
import { Fixture, startVugpuVm, vugpuMissing } from '../lib/vm-daemon.mjs';
import { patches } from '../guest/screen.mjs';

/** Word for word as its users have it, but for the port where the host's own is taken. */
const PIPELINE =
  'queue max-size-buffers=1 leaky=downstream ! ' +
  'vsockenc tcp-host=10.0.2.2 tcp-port=5900 bitrate=10000 keyframe-interval=120 ! h264parse ! ' +
  'video/x-h264,profile=constrained-baseline,stream-format=byte-stream ! ' +
  'appsink name=videosink emit-signals=true max-buffers=2 drop=true sync=false';
const KEY_INTERVAL = 120;
const FRAMES = KEY_INTERVAL + 10;
const OTHER_SOURCE =
  'videotestsrc is-live=true pattern=solid-color foreground-color=0xff20a0e0 ! ' +
  'video/x-raw,format=BGRx,width=640,height=384,framerate=30/1';
const OTHER_COLOUR = [0x20, 0xa0, 0xe0];
const FEATURE_PIXELS = 8; // of WELCOME: FRAME_REQUEST with pixels
const PORT = 5900;

const fixture = new Fixture();
let missing = null;
let host = null; // { vm, daemon, port, sink }

const overTcp = () => PIPELINE.replace(`tcp-port=${PORT}`, `tcp-port=${host.port}`);

/** 5900 where it is free, else some other. */
async function freePort() {
  for (const port of [PORT, 0]) {
    const server = createServer().listen(port, '127.0.0.1');
    const listening = once(server, 'listening').then(() => server.address().port);
    const got = await Promise.race([listening, once(server, 'error').then(() => 0)]);
    if (got) {
      await new Promise((resolve) => server.close(resolve));
      return got;
    }
  }
  throw new Error('no free port');
}

before(async () => {
  missing = gstMissing() ?? (await vugpuMissing('gst'));
  if (missing) return;
  const folder = await mkdtemp(join(tmpdir(), 'framelift-test-'));
  fixture.after(() => rm(folder, { recursive: true, force: true }));
  const port = await freePort();
  const forward = `tcp:10.0.2.2:${PORT}-cmd:${built('tests/tools/unix-relay')} ${join(folder, 's')}`;
  host = await startVugpuVm(fixture, folder, {
    image: 'gst',
    files: gstFiles(),
    port: true,
    args: ['--listen', `tcp:127.0.0.1:${port},v1`, '--verbose'],
    extraArgs: [
      ...['-netdev', 'user,id=shared', '-device', 'virtio-net-pci,netdev=shared,romfile='],
      ...['-netdev', `user,id=own,host=10.0.2.4,dns=10.0.2.5,restrict=on,guestfwd=${forward}`],
      ...['-device', 'virtio-net-pci,netdev=own,romfile='],
    ],
  });
  Object.assign(host, { port, socket: await host.vm.openPort() });
});
after(() => fixture.end());

const near = (point, colour, within = 4) => colour.every((value, i) => Math.abs(value - point[i]) <= within);
const named = (pipeline) => pipeline.replace('vsockenc', 'vsockenc name=framelift');

/**
 * The units that a run gave, checked: all of them decodable and of this size.
 * @param {number[][]} points as for stream-check
 */
async function check(name, ran, [width, height], points) {
  const file = join(host.folder, `${name}.h264`);
  await writeFile(file, ran.data);
  const checked = await checkStream(file, ...points.flatMap(([x, y]) => ['--point', `${x},${y}`]));
  const bad = checked.units.filter((unit) => unit.error || unit.width !== width || unit.height !== height);
  assert.equal(bad.length, 0, `${bad.length} of ${checked.units.length}, such as ${JSON.stringify(bad[0])}`);
  assert.equal(checked.units.length, ran.samples);
  return checked;
}

const centres = patches.map(({ x, y, size }) => [x + size / 2, y + size / 2]);

/** Every picture is the screen program's. */
function isScreen(units) {
  for (const unit of units) {
    patches.forEach(({ color }, i) => assert.ok(near(unit.points[i], color, 3), `${i}: ${unit.points[i]} for ${color}`));
  }
}

async function wordForWord(t, name, pipeline) {
  const { vm } = host;
  await vm.ask('still', /^SCREEN still/);
  const ran = await runGst(host, `--frames ${FRAMES} --capture "appsrc name=source ! ${pipeline}"`);
  t.diagnostic(`${ran.samples} samples, ${ran.data.length} bytes in ${ran.seconds.toFixed(1)} s; ${ran.caps}`);
  vm.send('go');
  assert.equal(ran.code, 0, ran.lines.join('\n'));
  assert.equal(ran.samples, FRAMES);
  assert.match(ran.caps, /stream-format=\(string\)byte-stream/);
  assert.match(ran.caps, /profile=\(string\)constrained-baseline/);
  const { sps, units } = await check(name, ran, [1280, 720], centres);
  assert.ok(sps.every((one) => one.reorder === 0 && one.profile === 'constrained baseline'), JSON.stringify(sps[0]));
  isScreen(units);
  assert.ok(units[0].key && units.findIndex((unit, i) => i > 0 && unit.key) === KEY_INTERVAL, 'key frames at their interval');
}

test('the pipeline, word for word, over TCP to 10.0.2.2: the guest’s screen at appsink, decodable', async (t) => {
  if (missing) return t.skip(missing);
  t.diagnostic(`port ${host.port}`);
  await wordForWord(t, 'tcp', overTcp());
});

test('F27: a source that is not what the scanout shows comes out as itself', async (t) => {
  if (missing) return t.skip(missing);
  const client = await (await HxfrClient.open(host.path)).greet();
  t.after(() => client.close());
  const { features } = client.messages.find((m) => m.type === Type.WELCOME);
  if (!(features & FEATURE_PIXELS)) return t.skip('this host does not say that it takes pixels');
  const ran = await runGst(host, `--frames 40 "${OTHER_SOURCE} ! ${named(overTcp())}"`);
  t.diagnostic(ran.stats);
  assert.equal(ran.code, 0, ran.lines.join('\n'));
  const { units } = await check('other', ran, [640, 384], [[5, 5], [320, 192], [630, 380]]);
  for (const unit of units) assert.ok(unit.points.every((point) => near(point, OTHER_COLOUR)), `${unit.points}`);
});

test('upload=never: the scanout as it moves, whatever the source is', async (t) => {
  if (missing) return t.skip(missing);
  const pipeline = named(overTcp()).replace('vsockenc', 'vsockenc upload=never');
  const ran = await runGst(host, `--frames 60 "${OTHER_SOURCE} ! ${pipeline}"`);
  assert.equal(ran.code, 0, ran.lines.join('\n'));
  const { units } = await check('scanout', ran, [1280, 720], centres);
  isScreen(units);
  const numbers = units.map((unit) => unit.number);
  assert.ok(numbers.every((number, i) => number !== null && (i === 0 || number >= numbers[i - 1])), `${numbers}`);
  assert.ok(numbers.at(-1) > numbers[0] + 20, `${numbers}`);
  t.diagnostic(`frames ${numbers[0]} to ${numbers.at(-1)} of the guest`);
});

const requestsSince = (from) => [
  ...host.daemon.stderr.slice(from).matchAll(/request for resource (\d+), (\d+x\d+), pts=-?\d+(, with pixels)?/g),
];

test('a dumb buffer on no scanout, as a DMA-BUF: read by its resource id, while another picture is shown', async (t) => {
  if (missing) return t.skip(missing);
  const from = host.daemon.stderr.length;
  const ran = await runGst(host, `--frames 60 --dumb=800x448 "appsrc name=source ! ${named(overTcp())}"`);
  assert.equal(ran.code, 0, ran.lines.join('\n'));
  t.diagnostic(ran.stats);
  const corners = [[8, 8], [792, 8], [8, 440], [792, 440], [350, 180], [450, 270]];
  const { units } = await check('dumb', ran, [800, 448], corners);
  assert.equal(units.length, 60);
  const [red, green, blue, grey] = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [128, 128, 128]];
  for (const unit of units) {
    [red, green, blue, grey, red, grey].forEach((colour, i) => assert.ok(near(unit.points[i], colour), `${unit.points}`));
  }
  await until('the daemon has logged them', () => requestsSince(from).length >= 60);
  const asked = requestsSince(from);
  assert.deepEqual(asked.filter(([, id, size, pixels]) => id === '0' || size !== '800x448' || pixels).map(([line]) => line), []);
  t.diagnostic(asked[0][0]);
});

test('the pipeline, word for word, over a forward of this VM’s own to its unix socket', async (t) => {
  if (missing) return t.skip(missing);
  const { vm } = host;
  // the one network away, the other there: in it 10.0.2.2 is not the host, and leads to one socket only
  await vm.ask('sh ip addr flush dev eth0 && ip link set eth0 down', /^SH exit 0/);
  await vm.ask('sh ip addr add 10.0.2.15/24 dev eth1 && ip link set eth1 up', /^SH exit 0/);
  await wordForWord(t, 'forward', PIPELINE);
});
