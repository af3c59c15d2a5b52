// SPDX-License-Identifier: LGPL-2.1-or-later
/** Where the built programs are: FRAMELIFT_BUILD_DIR, else `build` at the top of the tree. */

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const sourceDir = fileURLToPath(new URL('../../', import.meta.url));
export const buildDir = resolve(process.env.FRAMELIFT_BUILD_DIR ?? `${sourceDir}/build`);

/** @param {string} path inside the build folder, such as 'host/frameliftd' @throws with words, if it is not there */
export function built(path) {
  const full = resolve(buildDir, path);
  if (!existsSync(full)) {
    throw new Error(`${full} is not there: build first (make), or say where it is with FRAMELIFT_BUILD_DIR`);
  }
  return full;
}
