// SPDX-License-Identifier: LGPL-2.1-or-later
/** A cpio archive in the form that Linux takes as an initramfs (newc: Documentation/driver-api/early-userspace/buffer-format). */

const REGULAR = 0o100755;
const FOLDER = 0o040755;

const padded = (bytes) => Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);

function entry(name, mode, data, number) {
  const fields = [number, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = '070701' + fields.map((value) => value.toString(16).padStart(8, '0')).join('');
  return Buffer.concat([padded(Buffer.from(`${header}${name}\0`)), padded(data)]);
}

const foldersOf = (name) => name.split('/').slice(0, -1).map((_, i, parts) => parts.slice(0, i + 1).join('/'));

/** @param {{ [path: string]: Buffer }} files by their paths in the guest, absolute; everything is executable and root's */
export function cpio(files) {
  const named = Object.entries(files).map(([path, data]) => [path.replace(/^\/+/, ''), data]);
  const folders = [...new Set(named.flatMap(([name]) => foldersOf(name)))];
  const entries = [
    ...folders.map((name) => [name, FOLDER, Buffer.alloc(0)]),
    ...named.map(([name, data]) => [name, REGULAR, data]),
    ['TRAILER!!!', 0, Buffer.alloc(0)],
  ];
  return Buffer.concat(entries.map(([name, mode, data], i) => entry(name, mode, data, i + 1)));
}
