// SPDX-License-Identifier: LGPL-2.1-or-later
/** Starts and stops frameliftd, and keeps what it says. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

import { built } from './build.mjs';

const START_LIMIT_MS = 10000;
const STOP_LIMIT_MS = 5000;

const running = new Set();
// Whatever ends the test, no daemon outlives it.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

export class Daemon {
  /**
   * Starts one and waits for the line with its address, unless there is no --http among its arguments.
   * @param {string[]} args
   * @param {object} [options] for child_process.spawn: `env`, `cwd` …; `program`: another one than frameliftd
   * @throws with all that it wrote to stderr, if it ends or says nothing
   */
  static async start(args, { program = 'host/frameliftd', ...options } = {}) {
    const daemon = new Daemon(
      // the kernel ends it when this process ends, however that is
      spawn('setpriv', ['--pdeathsig', 'KILL', '--', built(program), ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        ...options,
      }),
    );
    if (args.some((arg) => arg.startsWith('--http'))) {
      await daemon.waitForAddress();
    }
    return daemon;
  }

  constructor(child) {
    this.child = child;
    this.stdout = '';
    this.stderr = '';
    running.add(child);
    this.exited = once(child, 'exit').then(([code, signal]) => {
      running.delete(child);
      return { code, signal };
    });
    child.stdout.setEncoding('utf8').on('data', (text) => (this.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (this.stderr += text));
  }

  get pid() {
    return this.child.pid;
  }

  /** The pid of the "display" or the "stream" process of the moment; null while there is none. */
  processOf(role) {
    for (const pid of readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, 'utf8').split(' ').filter(Boolean)) {
      try {
        const [program] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (program === `frameliftd-${role}`) return Number(pid);
      } catch {
        // it has just ended
      }
    }
    return null;
  }

  async waitForAddress() {
    const limit = Date.now() + START_LIMIT_MS;
    while (!this.findAddress()) {
      if (this.child.exitCode !== null || this.child.signalCode !== null || Date.now() > limit) {
        this.child.kill('SIGKILL');
        throw new Error(`frameliftd printed no address; stderr:\n${this.stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  findAddress() {
    const found = /(https?:\/\/\S+?)\/#token=([0-9a-f]+)/.exec(this.stdout);
    if (found) {
      [, this.origin, this.token] = found;
      this.address = `${this.origin}/#token=${this.token}`;
      this.port = Number(new URL(this.origin).port);
    }
    return !!found;
  }

  /** Set by tests that end its processes themselves. A process that ends otherwise is started again, and nobody would notice. */
  mayCrash = false;

  /** @throws if one of its processes has crashed @param {NodeJS.Signals} [signal] @returns {Promise<{ code: number | null, signal: string | null }>} */
  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS);
    const result = await this.exited;
    clearTimeout(timer);
    const crash = /^.*process (was ended by|has ended with|has not ended).*$/m.exec(this.stderr);
    if (crash && !this.mayCrash) throw new Error(`${crash[0]}\n${this.stderr}`);
    return result;
  }
}
