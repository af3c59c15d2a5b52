// SPDX-License-Identifier: LGPL-2.1-or-later
/** The bar: shown when the pointer moves or something in it has the focus, gone when only the picture matters. */

const HIDE_AFTER_MS = 2500;

const byId = (id) => document.getElementById(id);

export class Controls {
  /**
   * @param {object} events `onZoom(actual)`, `onStatistics(visible)`, `onScanout(id)`
   */
  constructor(events) {
    this.events = events;
    this.zoomButton = byId('zoom');
    this.statisticsButton = byId('statistics');
    this.select = byId('chooser-select');
    this.zoomButton.addEventListener('click', () => this.toggleZoom());
    this.statisticsButton.addEventListener('click', () => this.toggleStatistics());
    this.select.addEventListener('change', () => events.onScanout(Number(this.select.value)));
    document.addEventListener('keydown', (event) => this.key(event), { capture: true });
    for (const name of ['pointermove', 'pointerdown', 'focusin', 'keydown']) {
      document.addEventListener(name, () => this.wake(), { passive: true });
    }
    this.wake();
  }

  /** By physical key, with three modifiers: everything else belongs to the VM. */
  key(event) {
    if (!event.ctrlKey || !event.altKey || !event.shiftKey || event.repeat) {
      return;
    }
    const action = { KeyS: () => this.toggleStatistics(), KeyF: () => this.toggleZoom() }[event.code];
    if (action) {
      event.preventDefault();
      event.stopPropagation();
      action();
    }
  }

  toggleZoom() {
    const actual = this.toggle(this.zoomButton);
    byId('zoom-label').textContent = actual ? '1:1' : 'Fit';
    this.zoomButton.title = `${actual ? 'Fit to the window' : 'Actual size'} (Ctrl+Alt+Shift+F)`;
    this.events.onZoom(actual);
  }

  toggleStatistics() {
    this.events.onStatistics(this.toggle(this.statisticsButton));
  }

  toggle(button) {
    const pressed = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(pressed));
    return pressed;
  }

  /** Shows the bar for a while. */
  wake() {
    document.body.classList.remove('resting');
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.rest(), HIDE_AFTER_MS);
  }

  rest() {
    const bar = byId('bar');
    if (bar.matches(':hover') || bar.querySelector(':focus-visible')) {
      this.timer = setTimeout(() => this.rest(), HIDE_AFTER_MS);
      return;
    }
    document.body.classList.add('resting');
  }

  /**
   * The chooser, where there is a choice.
   * @param {object[]} scanouts @param {number | null} current
   */
  setScanouts(scanouts, current) {
    byId('chooser').hidden = scanouts.length < 2;
    const words = scanouts.map(({ id, name, width, height, flags }) => [
      id,
      `${name || `Display ${id}`}${flags & 2 ? ` · ${width} × ${height}` : ' · dark'}`,
    ]);
    const key = JSON.stringify(words);
    // Rebuilding an open list would close it under the reader's hand.
    if (key !== this.listed) {
      this.listed = key;
      this.select.replaceChildren(...words.map(([id, text]) => new Option(text, id)));
    }
    this.select.value = String(current);
  }
}
