// SPDX-License-Identifier: LGPL-2.1-or-later
/** A line of the last minute on a small canvas. */

const POINTS = 240; // a minute, four a second
const LEAST_TOP = 20; // ms: a quiet line stays low instead of filling the height with noise

export class Sparkline {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d');
    this.values = [];
  }

  /** @param {number | null} value null leaves a gap */
  push(value) {
    this.values.push(value);
    if (this.values.length > POINTS) {
      this.values.shift();
    }
  }

  draw() {
    const { canvas, context, values } = this;
    const ratio = window.devicePixelRatio;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const top = Math.max(LEAST_TOP, ...values.filter((value) => value !== null)) * 1.15;
    const style = getComputedStyle(canvas);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.drawTop(top, style);
    context.beginPath();
    let drawing = false;
    values.forEach((value, i) => {
      const x = width * ((POINTS - values.length + i + 0.5) / POINTS);
      const y = height - 1 - (height - 2) * ((value ?? 0) / top);
      if (value !== null) {
        context[drawing ? 'lineTo' : 'moveTo'](x, y);
      }
      drawing = value !== null;
    });
    context.strokeStyle = style.color;
    context.lineWidth = 1.5;
    context.lineJoin = 'round';
    context.lineCap = 'round';
    context.stroke();
  }

  /** The scale: what the upper edge stands for. */
  drawTop(top, style) {
    const { context } = this;
    context.font = `10px ${style.fontFamily}`;
    context.textBaseline = 'top';
    context.fillStyle = style.getPropertyValue('--quiet');
    context.fillText(`${Math.round(top)} ms`, 0, 0);
  }
}
