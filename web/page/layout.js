// SPDX-License-Identifier: LGPL-2.1-or-later
/** Where the picture is on the page: fitted into the window with its proportions kept, or pixel for pixel. */

/**
 * All in CSS pixels; edges land on device pixels, else the browser blurs the whole picture.
 * @param {{ width: number, height: number }} picture in its own pixels
 * @param {{ width: number, height: number }} box
 * @param {number} ratio device pixels in a CSS pixel
 * @param {boolean} actual one picture pixel is one device pixel; else fit
 * @returns {{ left: number, top: number, width: number, height: number, scale: number }} scale: device pixels for one
 *   of the picture's; left and top are 0 where the picture is larger than the box, which then scrolls
 */
export function place(picture, box, ratio, actual) {
  const wide = box.width * ratio;
  const high = box.height * ratio;
  const scale = actual ? 1 : Math.min(wide / picture.width, high / picture.height);
  const width = Math.max(1, Math.round(picture.width * scale));
  const height = Math.max(1, Math.round(picture.height * scale));
  const left = Math.max(0, Math.floor((wide - width) / 2));
  const top = Math.max(0, Math.floor((high - height) / 2));
  return { left: left / ratio, top: top / ratio, width: width / ratio, height: height / ratio, scale };
}

export class Layout {
  /** @param {HTMLElement} stage @param {HTMLCanvasElement} canvas its backing belongs to the worker */
  constructor(stage, canvas) {
    this.stage = stage;
    this.canvas = canvas;
    this.picture = null;
    this.actual = false;
    new ResizeObserver(() => this.apply()).observe(stage);
    // Another screen, or the browser's zoom.
    window.addEventListener('resize', () => this.apply());
  }

  /** @param {{ width: number, height: number }} picture */
  setPicture(picture) {
    this.picture = picture;
    this.canvas.hidden = false;
    this.apply();
  }

  /** @param {boolean} actual pixel for pixel, else fit */
  setActual(actual) {
    this.actual = actual;
    this.apply();
  }

  apply() {
    if (!this.picture) {
      return;
    }
    // In actual size the stage scrolls, and its bars must not make it smaller and larger by turns.
    const box = this.stage.getBoundingClientRect();
    const placed = place(this.picture, box, window.devicePixelRatio, this.actual);
    for (const side of ['left', 'top', 'width', 'height']) {
      this.canvas.style[side] = `${placed[side]}px`;
    }
    this.stage.dataset.zoom = this.actual ? 'actual' : 'fit';
    // Whole multiples stay sharp; between them smoothing reads better.
    this.canvas.dataset.sharp = Number.isInteger(placed.scale);
    this.placed = placed;
  }
}
