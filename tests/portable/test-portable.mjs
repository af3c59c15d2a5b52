// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The check of portability can fail: what Linux alone has does not compile under portable.h, what POSIX has does. Meson
 * says with which compiler, and with which arguments the portable files are compiled.
 */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { test } from 'node:test';

const { PORTABLE_CC, PORTABLE_ARGS, PORTABLE_PACKAGES } = process.env;
const skip = PORTABLE_CC ? false : 'meson runs this test';

function compile(source) {
  const flags = execFileSync('pkg-config', ['--cflags', PORTABLE_PACKAGES], { encoding: 'utf8' }).trim().split(/\s+/);
  const args = ['-std=gnu17', '-D_GNU_SOURCE', ...PORTABLE_ARGS.split('\n'), ...flags];
  const [program, ...more] = PORTABLE_CC.split(' ');
  return spawnSync(program, [...more, ...args, '-fsyntax-only', '-x', 'c', '-'], { input: source, encoding: 'utf8' });
}

test('what every system has compiles', { skip }, () => {
  const result = compile('int f(void);\nint f(void) { return socket(AF_UNIX, SOCK_STREAM, 0) + fcntl(0, F_SETFD, FD_CLOEXEC); }\n');
  assert.equal(result.status, 0, result.stderr);
});

const LINUX = {
  'a poisoned function': ['int f(void);\nint f(void) { return accept4(0, NULL, NULL, 0); }\n', /accept4/],
  'a poisoned flag': ['int f(void);\nint f(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }\n', /SOCK_CLOEXEC/],
  'packets on a unix socket': ['int f(void);\nint f(void) { return socket(AF_UNIX, SOCK_SEQPACKET, 0); }\n', /SOCK_SEQPACKET/],
  'memory without a name': ['int f(void);\nint f(void) { return memfd_create("x", 0); }\n', /memfd_create/],
  'a header of Linux': ['#include <sys/eventfd.h>\n', /this header is of Linux/],
  'a function of glibc': ['int f(void);\nint f(void) { return asprintf(NULL, "x"); }\n', /asprintf/],
  'the Linux branch of an #ifdef': ['#ifndef __linux__\n#error the other branch\n#endif\n', /the other branch/],
};

for (const [what, [source, complaint]] of Object.entries(LINUX)) {
  test(`${what} does not`, { skip }, () => {
    const result = compile(source);
    assert.notEqual(result.status, 0);
    assert.match(result.stderr, complaint);
  });
}
