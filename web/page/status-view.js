// SPDX-License-Identifier: LGPL-2.1-or-later
/** Puts status.js's words on the screen: the label that is always there, the card, the count-down. */

const byId = (id) => document.getElementById(id);

export class StatusView {
  /** @param {(does: string) => void} onAction the card's button was pressed */
  constructor(onAction) {
    this.card = byId('card');
    this.label = byId('status-label');
    this.announcement = byId('announcement');
    this.button = byId('card-action');
    this.words = null;
    this.button.addEventListener('click', () => this.words?.action && onAction(this.words.action.does));
  }

  /**
   * @param {import('./status.js').Words} words
   * @param {number} [inMs] until the next try
   */
  show(words, inMs = 0) {
    clearInterval(this.timer);
    this.words = words;
    this.dueAt = performance.now() + inMs;
    document.body.dataset.tone = words.tone;
    this.card.hidden = !words.title;
    this.card.dataset.tone = words.tone;
    this.put('card-title', words.title);
    this.put('card-detail', words.detail);
    this.button.hidden = !words.action;
    this.button.textContent = words.action?.label ?? '';
    // Screen readers hear of a new state, not of each second.
    const spoken = words.label.replace(' in {seconds} s', '…');
    if (this.announcement.textContent !== spoken) {
      this.announcement.textContent = spoken;
    }
    this.count();
    if (inMs > 0) {
      this.timer = setInterval(() => this.count(), 250);
    }
  }

  count() {
    const seconds = Math.max(1, Math.ceil((this.dueAt - performance.now()) / 1000));
    const filled = (text) => text?.replace('{seconds}', seconds);
    this.put('card-note', filled(this.words.note));
    this.label.textContent = filled(this.words.label);
    this.label.title = this.label.textContent;
  }

  put(id, text) {
    const element = byId(id);
    element.textContent = text ?? '';
    element.hidden = !text;
  }
}
