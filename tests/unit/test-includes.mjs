// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The tree against its own rules: who may include whom (the table in ARCHITECTURE.md), an SPDX line first in every source
 * file, and no path of somebody's machine in any file. FRAMELIFT_SOURCE_DIR names another tree.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readFileSync } from 'node:fs';
import { posix, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const top = resolve(process.env.FRAMELIFT_SOURCE_DIR || fileURLToPath(new URL('../../', import.meta.url)));

/** Files that are tracked, or would be by `git add`; null where git cannot tell. */
function listFiles() {
  const args = ['-c', 'safe.directory=*', '-C', top, 'ls-files', '-z', '--cached', '--others', '--exclude-standard'];
  let names;
  try {
    names = execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return null;
  }
  const unique = [...new Set(names.split('\0').filter(Boolean))];
  return unique.filter((name) => existsSync(`${top}/${name}`) && lstatSync(`${top}/${name}`).isFile());
}

const files = listFiles();
const options = { skip: files?.length ? false : 'git does not list the files of this tree' };
const read = (name) => readFileSync(`${top}/${name}`, 'utf8');

/** The table's rows: folder → the set of what it may include, or 'any'. */
function readTable() {
  const rows = new Map();
  let inTable = false;
  for (const line of read('ARCHITECTURE.md').split('\n')) {
    if (/^\|\s*folder\s*\|\s*may include\s*\|$/.test(line)) {
      inTable = true;
    } else if (inTable && !line.startsWith('|')) {
      break;
    } else if (inTable && !/^\|[-|\s]+$/.test(line)) {
      const [, folder, allowed] = line.split('|').map((cell) => cell.trim());
      const quoted = [...allowed.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
      rows.set(folder.replaceAll('`', ''), allowed === 'any' ? 'any' : new Set(quoted));
    }
  }
  return rows;
}

/** The row with the longest prefix of a folder. */
function rowOf(rows, folder) {
  for (let name = folder; name !== '.'; name = posix.dirname(name)) {
    if (rows.has(name)) {
      return [name, rows.get(name)];
    }
  }
  return [null, null];
}

/** What a file takes in from the tree: [path as written, path from the top]. */
function takenIn(name) {
  if (/\.[ch]$/.test(name)) {
    const found = read(name).matchAll(/^[ \t]*#[ \t]*include[ \t]*"([^"]+)"/gm);
    return [...found].map(([, path]) => [path, path]);
  }
  if (/\.m?js$/.test(name)) {
    const found = read(name).matchAll(/\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g);
    return [...found].map(([, path]) => [path, posix.join(posix.dirname(name), path)]);
  }
  return [];
}

/** Why this is not allowed; null if it is. */
function objection(rows, name, path) {
  const folder = posix.dirname(name);
  const [row, allowed] = rowOf(rows, folder);
  if (!row) {
    return `${folder} has no row in the table`;
  }
  if (!path.includes('/')) {
    return allowed === 'any' || allowed.has(path) ? null : `"${path}" is not given from the top of the tree`;
  }
  if (!existsSync(`${top}/${path}`)) {
    return `there is no ${path}`;
  }
  const target = posix.dirname(path);
  const fine = allowed === 'any' || allowed.has(target) || rowOf(rows, target)[0] === row;
  return fine ? null : `${row} may not include ${target}`;
}

test('every include is one that the table allows', options, () => {
  const rows = readTable();
  assert.ok(rows.size > 10, 'ARCHITECTURE.md has the table');
  const wrong = [];
  let checked = 0;
  for (const name of files) {
    for (const [written, path] of takenIn(name)) {
      checked++;
      const why = objection(rows, name, path);
      if (why) {
        wrong.push(`${name}: "${written}": ${why}`);
      }
    }
  }
  assert.ok(checked > 100, `only ${checked} includes found: is this the tree?`);
  assert.deepEqual(wrong, []);
});

test('every row of the table is a folder, and so is everything it names', options, () => {
  const rows = readTable();
  const generated = 'framelift-config.h';
  const named = [...rows].flatMap(([folder, allowed]) => [folder, ...(allowed === 'any' ? [] : allowed)]);
  assert.deepEqual(
    named.filter((name) => name !== generated && !existsSync(`${top}/${name}`)),
    [],
  );
});

test('the table has no circle', options, () => {
  const rows = readTable();
  const visit = (name, path) => {
    assert.ok(!path.includes(name), `circle: ${[...path, name].join(' → ')}`);
    const allowed = rows.get(name);
    for (const next of allowed instanceof Set ? allowed : []) {
      visit(next, [...path, name]);
    }
  };
  for (const name of rows.keys()) {
    visit(name, []);
  }
});

/** Scripts have no ending, but a first line that says so. */
function isSource(name) {
  const withEnding = /\.(c|h|m?js|css|html|svg|xml|build|sh|py)$|(^|\/)(Makefile|meson_options\.txt)$/.test(name);
  return withEnding || (!posix.basename(name).includes('.') && read(name).startsWith('#!'));
}

const isHost = (name) => name.startsWith('host/');

test('every source file begins with its licence', options, () => {
  const wrong = [];
  for (const name of files.filter(isSource)) {
    // What has to be the very first line may be: #!, <!doctype html>, <?xml …?>.
    const [first, second] = read(name).split('\n', 2);
    const line = /^(#!|<!doctype|<\?xml)/.test(first) ? second : first;
    const licence = /^(?:\/\*|\/\/|#|<!--) SPDX-License-Identifier: (\S+)/.exec(line ?? '')?.[1];
    const fits = isHost(name)
      ? licence === 'GPL-2.0-or-later'
      : licence === 'LGPL-2.1-or-later' || (name.startsWith('tests/') && licence === 'GPL-2.0-or-later');
    if (!fits) {
      wrong.push(`${name}: ${licence ?? 'no SPDX line'}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no file names a path of somebody’s machine', options, () => {
  // Put together here, so that this file does not name them.
  const roots = ['work', 'home', 'root', 'Users', 'shared/design'].join('|');
  const pattern = new RegExp(`(^|[^\\w.~-])/(${roots})/[\\w.]`);
  const wrong = [];
  for (const name of files) {
    const text = readFileSync(`${top}/${name}`);
    if (text.includes(0)) {
      continue; // test data, not text
    }
    const lines = text.toString('utf8').split('\n');
    lines.forEach((line, i) => pattern.test(line) && wrong.push(`${name}:${i + 1}: ${line.trim()}`));
  }
  assert.deepEqual(wrong, []);
});
