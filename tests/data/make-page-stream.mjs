// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Makes page-stream.h264, which the fake daemon serves: 240 pictures of 320 × 240 at 30 a second, each with its number
 * as a barcode and a box that moves 4 pixels to the right; an IDR every 30. Run by hand when the picture should
 * change:
 *   node tests/data/make-page-stream.mjs
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { FRAMES, HEIGHT, RATE, WIDTH, drawFrame } from '../lib/page-stream.mjs';

const output = fileURLToPath(new URL('page-stream.h264', import.meta.url));
const input = `-f rawvideo -pix_fmt yuv420p -s ${WIDTH}x${HEIGHT} -r ${RATE} -i -`;
const colours = '-color_range tv -colorspace bt709 -color_primaries bt709 -color_trc bt709';
const encoder = '-c:v libx264 -profile:v baseline -preset slow -tune zerolatency -threads 1 -crf 20';
const parameters = '-x264-params keyint=30:min-keyint=30:scenecut=0:repeat-headers=1:aud=0:level=3.0';
const words = `-v error -y ${input} ${encoder} ${parameters} ${colours} -bsf:v filter_units=remove_types=6 -f h264`;

const ffmpeg = spawn('ffmpeg', [...words.split(' '), output], { stdio: ['pipe', 'inherit', 'inherit'] });
for (let n = 0; n < FRAMES; n++) {
  if (!ffmpeg.stdin.write(drawFrame(n))) {
    await once(ffmpeg.stdin, 'drain');
  }
}
ffmpeg.stdin.end();
const [status] = await once(ffmpeg, 'exit');
process.exitCode = status;
