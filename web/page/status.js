// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The words for every state that the page can be in. A pure function: facts in, words out. `label` is always on the
 * screen; with a `title` there is a card in the middle as well.
 *
 * @typedef {object} Words
 * @property {'busy' | 'live' | 'still' | 'warning' | 'error'} tone
 * @property {string} label `{seconds}` in label and note is replaced by the time to the next try
 * @property {string} [title]
 * @property {string} [detail]
 * @property {string} [note]
 * @property {{ label: string, does: 'retry' | 'hurry' | 'reload' }} [action]
 */

const TRY_AGAIN = { label: 'Try again', does: 'retry' };
/** How framelift-bridge begins to say that nothing but a click brings the picture back. */
const GAVE_UP = /^gave up after /;
const OPEN_PRINTED = 'Open the address that frameliftd printed when it started: it ends in #token=…';

/**
 * What this browser lacks.
 * @param {{ secure: boolean, origin: string, port: string }} where
 * @returns {Words}
 */
export function lacking({ secure, origin, port }) {
  if (!secure) {
    const local = `http://localhost${port ? `:${port}` : ''}/`;
    return {
      tone: 'error',
      label: 'Needs https or localhost',
      title: 'This page needs https or localhost',
      detail:
        'Browsers give video decoding (WebCodecs) to pages only where nobody on the way can change them. ' +
        `This one came as ${origin}.`,
      note: `Open it with https, or through a tunnel to the host as ${local} with the token that frameliftd printed.`,
    };
  }
  return {
    tone: 'error',
    label: 'No WebCodecs',
    title: 'This browser cannot decode the picture',
    detail: 'It has no WebCodecs, with which pages decode video.',
    note: 'Current versions of Chrome, Edge, Safari and Firefox for desktop have it.',
  };
}

/** The worker stopped by an error of its own. @param {string} words @returns {Words} */
export function broken(words) {
  return {
    tone: 'error',
    label: 'Stopped by an error',
    title: 'The page stopped by an error',
    detail: words,
    action: { label: 'Reload', does: 'reload' },
  };
}

const denied = {
  missing: {
    tone: 'error',
    label: 'No access token',
    title: 'This page needs the access token',
    detail: OPEN_PRINTED,
    action: TRY_AGAIN,
  },
  wrong: {
    tone: 'error',
    label: 'Wrong access token',
    title: 'The access token is wrong',
    detail: OPEN_PRINTED,
    note: 'A daemon that was started with another token file has another token.',
    action: TRY_AGAIN,
  },
};

/** The connection is there: what of the picture? */
function open(facts) {
  const { displayText, scanout } = facts;
  if (facts.displayLost && GAVE_UP.test(displayText)) {
    return {
      tone: 'error',
      label: 'Gave up: no picture from the source',
      title: 'The source of the picture has failed',
      detail: displayText,
      action: { label: 'Reconnect', does: 'retry' },
    };
  }
  if (facts.displayLost) {
    return {
      tone: 'warning',
      label: displayText ? `The VM's display is gone: ${displayText}` : "The VM's display is gone",
      title: "The VM's display is gone",
      detail: displayText,
      note: 'The picture comes back by itself when the display does.',
    };
  }
  if (facts.unsupported) {
    return {
      tone: 'error',
      label: 'Cannot decode the picture',
      title: 'This browser cannot decode the picture',
      detail: `It refused the stream (${facts.unsupported}).`,
      note: 'Another browser may: H.264 is missing from some builds of Chromium and Firefox.',
      action: TRY_AGAIN,
    };
  }
  if (facts.paused) {
    return { tone: 'still', label: 'Paused while hidden' };
  }
  if (!facts.present && !facts.displayStarting) {
    return {
      tone: 'warning',
      label: `No display ${scanout}`,
      title: `The VM has no display ${scanout}`,
      note: 'It is shown here as soon as the VM adds it.',
    };
  }
  return picture(facts);
}

function picture(facts) {
  if (facts.picture && facts.lit) {
    return facts.still ? { tone: 'still', label: 'Live · still' } : { tone: 'live', label: 'Live' };
  }
  if (facts.displayStarting) {
    return {
      tone: 'busy',
      label: "Waiting for the VM's display…",
      title: "Waiting for the VM's display",
      detail: facts.displayText,
    };
  }
  if (!facts.lit) {
    return {
      tone: 'still',
      label: 'The display is dark',
      title: 'The display is dark',
      note: 'The picture comes as soon as the VM lights it.',
    };
  }
  return { tone: 'busy', label: 'Waiting for a picture…', title: 'Waiting for a picture', detail: facts.lastError };
}

/**
 * @param {object} facts as stream-worker.js tells them
 * @returns {Words}
 */
export function words(facts) {
  const { name, reason } = facts.connection;
  switch (name) {
    case 'open':
      return open(facts);
    case 'denied':
      return denied[reason] ?? denied.wrong;
    case 'gave-up':
      return {
        tone: 'error',
        label: `Gave up: ${reason}`,
        title: reason,
        detail: 'The page has stopped trying.',
        action: TRY_AGAIN,
      };
    case 'waiting':
      return {
        tone: 'warning',
        label: 'Reconnecting in {seconds} s',
        title: reason,
        note: 'Next try in {seconds} s',
        action: { label: 'Try now', does: 'hurry' },
      };
    default:
      return reason
        ? {
            tone: 'warning',
            label: 'Reconnecting…',
            title: reason,
            note: 'Trying…',
            action: { label: 'Try now', does: 'hurry' },
          }
        : { tone: 'busy', label: 'Connecting…', title: 'Connecting…' };
  }
}
