// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * summary.mjs LOGS… STATUS: counts the TAP lines of all that meson ran, prints each skip with its reason and each failure
 * with its output, and ends with `N passed, N failed, N skipped`. Exit status 1 if anything failed, or nothing ran.
 */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const folders = process.argv.slice(2, -1);
const mesonFailed = process.argv.at(-1) !== '0';
const total = { passed: 0, failed: 0, skipped: 0 };
const skips = new Map();

/** The results of one program: TAP at the left margin, as meson reads it. */
function count(record, variant) {
  const name = `${variant}: ${record.name}`;
  let failedHere = 0;
  for (const line of (record.stdout ?? '').split('\n')) {
    const found = /^(not )?ok\b\s*\d*\s*-?\s*([^#]*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?$/i.exec(line);
    if (!found) continue;
    const [, not, title, directive, reason] = found;
    if (directive?.toUpperCase() === 'SKIP') {
      total.skipped++;
      skips.set(`${name}: ${title}`, reason || 'no reason given');
    } else if (not) {
      total.failed++;
      failedHere++;
      console.log(`FAILED ${name}: ${title}`);
    } else {
      total.passed++;
    }
  }
  const skippedWhole = record.result === 'SKIP';
  if (!['OK', 'SKIP', 'EXPECTEDFAIL'].includes(record.result) && failedHere === 0) {
    total.failed++;
    failedHere++;
    console.log(`FAILED ${name}: ${record.result}, exit status ${record.returncode}`);
  }
  if (skippedWhole && !/^1\.\.0/m.test(record.stdout ?? '')) return;
  if (failedHere > 0) {
    console.log((record.stdout ?? '').split('\n').slice(-60).join('\n'));
    console.log((record.stderr ?? '').split('\n').slice(-80).join('\n'));
  }
}

for (const folder of folders) {
  if (!existsSync(folder)) continue;
  const variant = folder.includes('asan') ? 'sanitized' : folder.includes('aarch64') ? 'aarch64' : 'plain';
  for (const file of readdirSync(folder).filter((name) => /^testlog-.*\.json$/.test(name))) {
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n').filter(Boolean)) {
      count(JSON.parse(line), variant);
    }
  }
}
for (const [name, reason] of skips) console.log(`skipped ${name}: ${reason}`);
if (mesonFailed && total.failed === 0) {
  total.failed++;
  console.log('FAILED: meson reports a failure that no test named');
}
const { passed, failed, skipped } = total;
console.log(`${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
