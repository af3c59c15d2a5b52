// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * Draws pictures to the canvas, pixel for pixel; the browser scales it (layout.js says how). A picture that has newer
 * ones close behind it is not shown. Owns every VideoFrame from `show` on.
 */

// Chromium's software decoder waits while this thread draws, so where the two take longer than a frame the pictures
// pile up in front of the decoder and not behind it. Decoding comes first then, which measured 38 pictures a second at
// 50 ms instead of 33 at 80, and no backlog; but a screen that is always behind still moves.
const DRAW_AT_LEAST_EVERY_MS = 100;

export class View {
  /**
   * @param {OffscreenCanvas} canvas
   * @param {object} parts
   * @param {() => number} parts.now milliseconds
   * @param {() => number} parts.waiting how many access units the decoder has not begun
   * @param {(timing: object) => void} parts.onDrawn with `drawMs`
   * @param {() => void} parts.onReplaced a picture was never shown, because a newer one was there
   * @param {(width: number, height: number) => void} parts.onSize
   */
  constructor(canvas, { now, waiting, onDrawn, onReplaced, onSize }) {
    Object.assign(this, { canvas, now, waiting, onDrawn, onReplaced, onSize });
    // A 2D canvas: WebGL on a software rasteriser takes 50 ms a picture, this 5 to 10.
    this.context = canvas.getContext('2d', { alpha: false, desynchronized: true });
    this.newest = null;
    this.drawnAt = 0;
    // A task of its own comes after the decoder's outputs that are due already.
    this.channel = new MessageChannel();
    this.channel.port1.onmessage = () => this.draw();
  }

  /** @param {VideoFrame} frame @param {object} timing */
  show(frame, timing) {
    if (this.newest) {
      this.discard();
      this.onReplaced();
    }
    this.channel.port2.postMessage(null);
    this.newest = { frame, timing, cameOut: this.now() };
  }

  /** Forgets a picture that is not drawn yet. */
  discard() {
    this.newest?.frame.close();
    this.newest = null;
  }

  draw() {
    if (!this.newest) {
      return;
    }
    const { frame, timing, cameOut } = this.newest;
    this.newest = null;
    if (this.waiting() > 0 && cameOut - this.drawnAt < DRAW_AT_LEAST_EVERY_MS) {
      frame.close();
      this.onReplaced();
      return;
    }
    // The true size: an odd picture was padded to even, and the surplus column or row falls off the canvas.
    const { width, height } = timing.unit;
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
      this.onSize(width, height);
    }
    const { width: visibleWidth, height: visibleHeight } = frame.visibleRect;
    this.context.drawImage(frame, 0, 0, visibleWidth, visibleHeight);
    frame.close();
    this.drawnAt = this.now();
    timing.drawMs = this.drawnAt - cameOut;
    this.onDrawn(timing);
  }
}
