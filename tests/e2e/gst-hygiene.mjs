// SPDX-License-Identifier: LGPL-2.1-or-later
/** The GStreamer plugin by GStreamer's own tools: gst-inspect-1.0, the leaks tracer, and valgrind. */

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';

import { sourceDir } from '../lib/build.mjs';
import { Daemon } from '../lib/daemon.mjs';
import { Tap, gstEnvironment, gstMissing, pluginFile, sourcePipeline } from '../lib/gst.mjs';
import { stats, temporaryFolder, until } from '../lib/programs.mjs';

const TCP = { 'tcp-host': 'null', 'tcp-port': '5900' };
const PLACES = { ...TCP, 'address': 'null', 'cid': '2', 'port': '5000', 'socket-path': 'null' };
const BOTH = { ...PLACES, 'scanout': '0', 'timeout': '2000', 'token-file': 'null' };
/** Defaults, as docs/gstreamer.md says. */
const DEFAULTS = {
  vsockenc: { ...BOTH, 'bitrate': '10000', 'keyframe-interval': '0', 'upload': '0, "auto"' },
  frameliftsrc: { ...BOTH, bitrate: '0' },
};
/** Of GstObject, GstVideoEncoder and GstBaseSrc. */
const INHERITED = [
  'name', 'parent', 'qos', 'min-force-key-unit-interval', 'blocksize', 'num-buffers', 'typefind', 'do-timestamp',
];
const MUTABLE = ['bitrate', 'keyframe-interval', 'upload'];
/** A vsockenc that sends small pixels, and one that sends none. */
const encoderPipeline = (path, upload) =>
  `videotestsrc is-live=true ! video/x-raw,format=BGRx,width=160,height=120,framerate=20/1 ! ` +
  `vsockenc name=element socket-path=${path} timeout=20000 upload=${upload} ! appsink name=sink sync=false`;
const PIPELINES = [
  (path) => sourcePipeline(path).replace('name=element', 'name=element timeout=20000'),
  (path) => encoderPipeline(path, 'never'),
  (path) => encoderPipeline(path, 'always'),
];

const missing = gstMissing();
const lacks = (program) => {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' });
    return null;
  } catch {
    return `there is no ${program}`;
  }
};

/** Runs gst-inspect-1.0, which must be quiet: even a warning ends it. */
function inspect(what) {
  const env = gstEnvironment({ G_DEBUG: 'fatal-warnings' });
  return new Promise((resolve) => {
    execFile('gst-inspect-1.0', ['--no-colors', what], { env }, (error, stdout, stderr) => {
      assert.equal(error, null, stderr);
      assert.equal(stderr, '');
      resolve(stdout);
    });
  });
}

/** { name: { flags, type } } out of the part that begins with "Element Properties". */
function propertiesOf(text) {
  const part = text.slice(text.indexOf('Element Properties:'));
  const found = [...part.matchAll(/^ {2}([a-z][a-z0-9-]*) *: .*\n +flags: (.*)\n +(.*)$/gm)];
  return Object.fromEntries(found.map(([, name, flags, type]) => [name, { flags, type: type.trim() }]));
}

test('gst-inspect-1.0 on the plugin: two elements, and nothing to complain about', async (t) => {
  const why = missing ?? lacks('gst-inspect-1.0');
  if (why) return t.skip(why);
  const text = await inspect(pluginFile);
  assert.match(text, /Name +framelift$/m);
  assert.match(text, /License +LGPL$/m);
  assert.match(text, /frameliftsrc: [^]*vsockenc: [^]*\+-- 2 elements/);
});

test('gst-inspect-1.0 on both elements: rank, pads, and the properties and defaults of the document', async (t) => {
  const why = missing ?? lacks('gst-inspect-1.0');
  if (why) return t.skip(why);
  const document = await readFile(join(sourceDir, 'docs/gstreamer.md'), 'utf8');
  for (const [element, defaults] of Object.entries(DEFAULTS)) {
    const text = await inspect(element);
    assert.match(text, /Rank +none \(0\)$/m);
    assert.match(text, /SRC template: 'src'\n +Availability: Always\n +Capabilities:\n +video\/x-h264\n/);
    assert.match(text, /video\/x-h264\n +stream-format: byte-stream\n +alignment: au\n/);
    const properties = propertiesOf(text);
    for (const [name, value] of Object.entries(defaults)) {
      assert.ok(properties[name], `${element} has no ${name}`);
      assert.ok(properties[name].type.endsWith(`Default: ${value}`), `${element} ${name}: ${properties[name].type}`);
      const changeable = MUTABLE.includes(name) ? /PAUSED or PLAYING state/ : /only in NULL or READY state/;
      assert.match(properties[name].flags, changeable, name);
      assert.ok(document.includes(`\`${name}\``), `docs/gstreamer.md does not name ${name}`);
    }
    assert.equal(properties.stats.flags, 'readable');
    const others = Object.keys(properties).filter((name) => !(name in defaults) && !INHERITED.includes(name));
    assert.deepEqual(others, ['stats'], 'and no property that nobody has heard of');
  }
  const sink = /SINK template: 'sink'[^]*?SRC template/.exec(await inspect('vsockenc'))[0];
  for (const memory of [/video\/x-raw\(memory:DMABuf\)/, /video\/x-raw\n/]) assert.match(sink, memory);
  const formats = [...sink.matchAll(/format: \{ (.*) \}/g)].map(([, list]) => list.replaceAll('(string)', ''));
  assert.deepEqual(formats, Array(2).fill('BGRx, BGRA, RGBx, RGBA, NV12'));
  assert.equal([...sink.matchAll(/width: \[ 1, 8192 \]\n +height: \[ 1, 4320 \]/g)].length, 2);
  assert.ok(!(await inspect('frameliftsrc')).includes('SINK template'));
});

async function serve(t) {
  const folder = await temporaryFolder(t);
  const path = join(folder, 's');
  const listen = ['--listen', `unix:${path}`, '--token-file', join(folder, 'token')];
  const args = ['--display', 'test:320x240@20,scene=cube', ...listen];
  let daemon = null;
  const begin = async () => {
    daemon = await Daemon.start(args);
    await until('it runs', async () => (await stats(`unix:${path}`)).display.state === 'running');
  };
  await begin();
  t.after(() => daemon.stop());
  return { folder, path, kill: () => daemon.stop('SIGKILL'), begin };
}

/** Generous: under valgrind, on a busy machine. */
const LIMIT_MS = 60000;

/** Runs all three pipelines at once, with a host that dies and comes back in the middle. */
async function runAll(t, { wrap = [], envOf }) {
  const { folder, path, kill, begin } = await serve(t);
  const taps = PIPELINES.map((pipeline, i) => new Tap(t, pipeline(path), { wrap, env: envOf(folder, i) }));
  await until('all have a picture', () => taps.every((tap) => tap.units.length > 3), LIMIT_MS);
  await kill();
  const before = taps.map((tap) => tap.units.length);
  await begin();
  const isBack = (tap, i) => {
    const key = tap.units.findIndex((unit, k) => k >= before[i] && unit.key);
    return key >= 0 && tap.units.length > key + 3;
  };
  await until('pictures come again, from an IDR on', () => taps.every(isBack), LIMIT_MS);
  for (const tap of taps) {
    assert.deepEqual(await tap.stop(), { code: 0, signal: null }, `${tap.errors} ${tap.stderr}`);
    assert.deepEqual(tap.errors, []);
    assert.equal(tap.stats.connects, 2);
  }
  return { folder, taps };
}

/** What the tracer lists at the end; at the beginning it says how it will. */
const liveObjects = (log) => log.split('\n').filter((line) => / object-alive, /.test(line) && !/_format/.test(line));
const leaksEnvironment = (file) => ({ GST_TRACERS: 'leaks', GST_DEBUG: 'GST_TRACER:7', GST_DEBUG_FILE: file });

test('no object is left alive, by the leaks tracer: both elements, over a host that dies and comes back', async (t) => {
  if (missing) return t.skip(missing);
  const log = (folder, i) => join(folder, `leaks-${i}`);
  const { folder, taps } = await runAll(t, { envOf: (where, i) => leaksEnvironment(log(where, i)) });
  for (let i = 0; i < taps.length; i++) {
    const text = await readFile(log(folder, i), 'utf8');
    assert.match(text, /object-alive\.class/, 'the tracer was there');
    assert.deepEqual(liveObjects(text), []);
    assert.doesNotMatch(taps[i].stderr, /Leaks detected/);
  }
});

test('the leaks tracer finds a leak where there is one', async (t) => {
  if (missing) return t.skip(missing);
  const { folder, path } = await serve(t);
  const file = join(folder, 'log');
  const tap = new Tap(t, sourcePipeline(path), { seconds: 0.5, args: ['--leak'], env: leaksEnvironment(file) });
  await tap.ended;
  const alive = liveObjects(await readFile(file, 'utf8'));
  assert.ok(alive.some((line) => line.includes('(string)GstBuffer')), `${alive}`);
});

const ERRORS_FOUND = 99;
const VALGRIND = [
  'valgrind', '--quiet', '--num-callers=30',
  '--leak-check=full', '--show-leak-kinds=definite', '--errors-for-leak-kinds=definite',
  `--error-exitcode=${ERRORS_FOUND}`, `--suppressions=${join(sourceDir, 'tests/data/valgrind.supp')}`,
];
const VALGRIND_ENVIRONMENT = { G_SLICE: 'always-malloc', G_DEBUG: 'gc-friendly', GST_REGISTRY_UPDATE: 'no' };

test('no error and no lost block, by valgrind: both elements, over a host that dies and comes back', async (t) => {
  const why = missing ?? lacks('valgrind') ?? lacks('gst-inspect-1.0');
  if (why) return t.skip(why);
  await inspect('vsockenc'); // the registry is made outside of it
  const { taps } = await runAll(t, { wrap: VALGRIND, envOf: () => VALGRIND_ENVIRONMENT });
  for (const tap of taps) assert.equal(tap.stderr, '');
});

test('valgrind finds a leak where there is one', async (t) => {
  const why = missing ?? lacks('valgrind') ?? lacks('gst-inspect-1.0');
  if (why) return t.skip(why);
  await inspect('vsockenc');
  const { path } = await serve(t);
  const options = { seconds: 1, args: ['--leak'], wrap: VALGRIND, env: VALGRIND_ENVIRONMENT };
  const tap = new Tap(t, PIPELINES[0](path), options);
  assert.equal((await tap.ended).code, ERRORS_FOUND);
  assert.match(tap.stderr, /definitely lost/);
});
