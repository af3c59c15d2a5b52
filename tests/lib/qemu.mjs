// SPDX-License-Identifier: LGPL-2.1-or-later
// Boots the test guest (tests/guest) in stock QEMU and talks to it: serial line, QMP, screendumps.
//
//   const vm = await startVm({ run: 'screen', mode: '1280x720' });
//   await vm.waitForLine(/^SCREEN up/);
//   … frameliftd --display qemu:${vm.qmpPath} …      (a monitor of its own; vm.qmp() uses another)
//   const { width, height, rgb } = await vm.screendump();
//   await vm.quit();

import { spawn, execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { cpio } from './cpio.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const guest = path.join(root, 'build/guest');
const run = promisify(execFile);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const running = new Set();
process.on('exit', () => {
  for (const vm of running) vm.killNow();
});

/** Why the guest cannot be had here (a line for a skipped test), or null after building it. */
export async function guestMissing(what = 'screen') {
  try {
    await run(path.join(root, 'tests/guest/build'), [what]);
    await run('qemu-system-x86_64', ['--version']);
    return null;
  } catch (error) {
    if (error.code === 'ENOENT') return `there is no ${error.path} here`;
    return (error.stderr || error.message).trim().split('\n').pop();
  }
}

/** A QEMU that takes vhost-user-gpu without KVM: its path. @throws with one line that says why there is none */
async function newQemu() {
  return (await run(path.join(root, 'tests/guest/qemu-backports'))).stdout.trim();
}

/** Why there is no such QEMU here, or null after getting it. */
export async function newQemuMissing() {
  try {
    await newQemu();
    return null;
  } catch (error) {
    return (error.stderr || error.message).trim().split('\n').pop();
  }
}

/** Our device reads guest memory in place, so that is shared. */
function vugpuArgs(socket, outputs, memory) {
  return [
    ...['-object', `memory-backend-memfd,id=mem,size=${memory}M,share=on`, '-machine', 'q35,memory-backend=mem'],
    ...['-chardev', `socket,id=gpu,path=${socket}`, '-device', `vhost-user-gpu-pci,chardev=gpu,max_outputs=${outputs}`],
  ];
}

/** 'kvm' or 'tcg', found by trying; needs a built guest. */
export async function accelerator() {
  return (await run(path.join(root, 'scripts/accel'))).stdout.trim();
}

function cpuArgs(accel) {
  return accel === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg,thread=multi', '-cpu', 'Nehalem'];
}

/** One monitor: commands answered in order of their ids, events kept. */
class Qmp {
  #socket;
  #waiting = new Map();
  #next = 1;
  events = [];

  static async connect(socketPath) {
    const socket = net.connect(socketPath);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const qmp = new Qmp(socket);
    await qmp.command('qmp_capabilities');
    return qmp;
  }

  constructor(socket) {
    this.#socket = socket;
    let text = '';
    socket.on('data', (data) => {
      text += data;
      const lines = text.split('\n');
      text = lines.pop();
      for (const line of lines) this.#take(JSON.parse(line));
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('QEMU closed its monitor'));
      this.#waiting.clear();
    });
  }

  #take(message) {
    if (message.event) this.events.push(message);
    const waiting = this.#waiting.get(message.id);
    if (!waiting) return;
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(`${waiting.name}: ${message.error.desc}`));
    else waiting.resolve(message.return);
  }

  command(name, args) {
    const id = this.#next++;
    this.#socket.write(JSON.stringify({ execute: name, arguments: args, id }) + '\n');
    return new Promise((resolve, reject) => this.#waiting.set(id, { name, resolve, reject }));
  }

  close() {
    this.#socket.destroy();
  }
}

/** The pixels of a binary PPM, as QEMU's screendump writes it. */
export function parsePpm(bytes) {
  const header = /^P6\s+(\d+)\s+(\d+)\s+255\s/.exec(bytes.subarray(0, 64).toString('latin1'));
  if (!header) throw new Error('not a binary PPM');
  const [width, height] = [Number(header[1]), Number(header[2])];
  const rgb = bytes.subarray(header[0].length);
  if (rgb.length < width * height * 3) throw new Error('PPM is cut short');
  return { width, height, rgb };
}

class Vm {
  #child;
  #qmp = null;
  #waiters = new Set();
  #ownDir;
  #stderr = '';
  serialLines = [];
  exited;

  constructor(child, dir, ownDir) {
    this.#child = child;
    this.#ownDir = ownDir;
    this.dir = dir;
    this.pid = child.pid;
    this.qmpPath = path.join(dir, 'qmp.sock');
    this.monitorPath = path.join(dir, 'monitor.sock');
    this.exited = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        running.delete(this);
        for (const waiter of this.#waiters) waiter.fail(new Error(this.#obituary(code, signal)));
        resolve({ code, signal });
      });
    });
    child.stderr.on('data', (data) => (this.#stderr += data));
    child.stdin.on('error', () => {});
    this.#readSerial(child.stdout);
  }

  #obituary(code, signal) {
    return `QEMU ended (${signal ?? code})${this.#stderr ? ': ' + this.#stderr.trim() : ''}`;
  }

  #readSerial(stream) {
    let text = '';
    stream.setEncoding('utf8');
    stream.on('data', (data) => {
      text += data;
      const lines = text.split('\n');
      text = lines.pop();
      for (const line of lines) {
        this.serialLines.push(line.replace(/\r/g, ''));
        for (const waiter of this.#waiters) waiter.look();
      }
    });
  }

  get stderr() {
    return this.#stderr;
  }

  /** Resolves to the match of the first serial line from number `from` on that fits. */
  waitForLine(regex, timeout = 60000, { from = 0 } = {}) {
    return new Promise((resolve, reject) => {
      let at = from;
      const done = (settle, value) => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        settle(value);
      };
      const waiter = {
        fail: (error) => done(reject, error),
        look: () => {
          while (at < this.serialLines.length) {
            const match = regex.exec(this.serialLines[at++]);
            if (match) return done(resolve, match);
          }
        },
      };
      const timer = setTimeout(
        () => waiter.fail(new Error(`no line ${regex} in ${timeout} ms; last: ${this.serialLines.slice(-5).join(' | ')}`)),
        timeout,
      );
      this.#waiters.add(waiter);
      if (this.#child.exitCode !== null) return waiter.fail(new Error(this.#obituary(this.#child.exitCode)));
      waiter.look();
    });
  }

  /** A command line for the guest: "mode 1024x768", "reboot", …; answers come as serial lines. */
  send(line) {
    this.#child.stdin.write(line + '\n');
  }

  /** Sends a line and resolves to the first serial line after it that fits. */
  async ask(line, regex, timeout) {
    const from = this.serialLines.length;
    this.send(line);
    return this.waitForLine(regex, timeout, { from });
  }

  /**
   * The host's end of the guest's virtio-serial port, connected: what the guest writes there, and the other way round. Once
   * a VM, before the guest opens it.
   * @returns {Promise<net.Socket>}
   */
  async openPort() {
    const socket = net.connect(path.join(this.dir, 'port.sock'));
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    socket.on('error', () => {});
    return socket;
  }

  async qmp(name, args) {
    this.#qmp ??= await Qmp.connect(this.monitorPath);
    return this.#qmp.command(name, args);
  }

  /** The guest's picture as QEMU itself sees it: { width, height, rgb }. */
  async screendump() {
    const file = path.join(this.dir, `dump-${process.hrtime.bigint()}.ppm`);
    await this.qmp('screendump', { filename: file });
    try {
      return parsePpm(await readFile(file));
    } finally {
      await rm(file, { force: true });
    }
  }

  killNow() {
    this.#child.kill('SIGKILL');
    if (this.#ownDir) rmSync(this.dir, { recursive: true, force: true });
  }

  async quit() {
    this.#qmp?.close();
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 3000);
    await this.exited;
    clearTimeout(timer);
    if (this.#ownDir) await rm(this.dir, { recursive: true, force: true });
  }

  async monitorReady() {
    for (let tries = 0; tries < 200 && this.#child.exitCode === null; tries++) {
      try {
        this.#qmp = await Qmp.connect(this.monitorPath);
        return;
      } catch {
        await sleep(50);
      }
    }
    throw new Error(this.#obituary(this.#child.exitCode, this.#child.signalCode));
  }
}

const portArgs = (where) => [
  ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=port,path=${path.join(where, 'port.sock')},server=on,wait=off`],
  ...['-device', 'virtserialport,chardev=port,name=framelift.test'],
];

/** The image, with files of the test's own behind it: Linux unpacks one archive after the other. */
async function initrd(image, files, where) {
  const base = path.join(guest, `initrd-${image}.img`);
  if (Object.keys(files).length === 0) return base;
  const added = {};
  for (const [to, from] of Object.entries(files)) added[to] = await readFile(from);
  const combined = path.join(where, 'initrd.img');
  await writeFile(combined, Buffer.concat([await readFile(base), cpio(added)]));
  return combined;
}

/**
 * Boots the guest. run: what it shows (screen, weston, shell); image: what is in it (screen, weston, gst), usually the same;
 * files: more for it, { path there: path here }; mode, fps, still (stop after that frame), dirty: for the screen program; dir:
 * where sockets go (kept; else a temporary one, removed by quit()); outputs: how many scanouts the card has; vugpu: a socket
 * where a virtio-gpu of ours listens, in place of QEMU's; port: with a virtio-serial port, see openPort(); extraArgs: more for
 * QEMU; append: more for the kernel. Resolves when QEMU answers, not when the guest is up.
 */
export async function startVm({
  run: what = 'screen',
  image = what === 'weston' ? 'weston' : 'screen',
  files = {},
  mode = '1280x720',
  fps,
  still,
  dirty = false,
  dir,
  outputs = 1,
  vugpu,
  port = false,
  memory = image === 'screen' ? 384 : 768,
  extraArgs = [],
  append = '',
} = {}) {
  const missing = await guestMissing(image);
  if (missing) throw new Error(missing);
  const where = dir ?? (await mkdtemp(path.join(os.tmpdir(), 'framelift-vm-')));
  const [width, height] = mode.split('x');
  const parameters = [`framelift.run=${what}`, `framelift.mode=${mode}`];
  if (fps !== undefined) parameters.push(`framelift.fps=${fps}`);
  if (still !== undefined) parameters.push(`framelift.still=${still}`);
  if (dirty) parameters.push('framelift.dirty=1');
  const cmdline = (await readFile(path.join(guest, 'cmdline'), 'utf8')).trim();
  const args = [
    ...['-nodefaults', '-no-user-config', '-vga', 'none', '-display', 'dbus,p2p=yes'],
    ...[...cpuArgs(await accelerator()), '-smp', '2', '-m', String(memory)],
    ...(vugpu
      ? vugpuArgs(vugpu, outputs, memory)
      : ['-device', `virtio-gpu-pci,max_outputs=${outputs},xres=${width},yres=${height}`]),
    ...['-device', 'virtio-tablet-pci', '-device', 'virtio-keyboard-pci'],
    ...['-kernel', path.join(guest, 'linux'), '-initrd', await initrd(image, files, where)],
    ...['-append', [cmdline, ...parameters, append].join(' '), '-serial', 'stdio'],
    ...['qmp.sock', 'monitor.sock'].flatMap((name) => ['-qmp', `unix:${path.join(where, name)},server=on,wait=off`]),
    ...(port ? portArgs(where) : []),
    ...extraArgs,
  ];
  const qemu = vugpu ? await newQemu() : 'qemu-system-x86_64';
  // setpriv becomes QEMU; the kernel kills it when this process dies, however it dies.
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', qemu, ...args], { stdio: 'pipe' });
  child.once('error', () => {});
  const vm = new Vm(child, where, dir === undefined);
  running.add(vm);
  try {
    await vm.monitorReady();
  } catch (error) {
    await vm.quit();
    throw error;
  }
  return vm;
}
