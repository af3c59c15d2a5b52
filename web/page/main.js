// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * The page: starts the worker, and shows what it tells.
 *
 * For tests and the curious there is `window.framelift`: `state` (the words of status.js), `facts` (what the worker
 * last told), `stats()` (its last statistics, at most 250 ms old), `picture` ({width, height} or null).
 */

import { Controls } from './controls.js';
import { ScanoutFlag } from './hxfr.js';
import { Layout } from './layout.js';
import { Overlay } from './overlay.js';
import { StatusView } from './status-view.js';
import { broken, lacking, words } from './status.js';

const MAX_SCANOUT = 0xffff;

const canvas = document.getElementById('screen');
const layout = new Layout(document.getElementById('stage'), canvas);
const overlay = new Overlay();
const hook = { state: null, facts: null, picture: null, stats: () => overlay.last?.[0] ?? null };
window.framelift = hook;

let worker = null;
const tell = (message, transfer) => worker?.postMessage(message, transfer);

const statusView = new StatusView((does) => {
  if (does === 'reload') {
    location.reload();
  } else {
    tell({ type: does });
  }
});
const controls = new Controls({
  onZoom: (actual) => layout.setActual(actual),
  onStatistics: (visible) => overlay.setVisible(visible),
  onScanout: (id) => tell({ type: 'scanout', id }),
});

function show(state, inMs) {
  hook.state = state;
  statusView.show(state, inMs);
}

function tokenInAddress() {
  return new URLSearchParams(location.hash.slice(1)).get('token');
}

/** The fragment with the token must not stay in the address bar, the history, or a screenshot. */
function forgetToken() {
  history.replaceState(history.state, '', location.pathname + location.search);
}

/** `?scanout=N` in the page's address. */
function wantedScanout() {
  const text = new URLSearchParams(location.search).get('scanout');
  return text !== null && /^\d{1,5}$/.test(text) && Number(text) <= MAX_SCANOUT ? Number(text) : null;
}

function takeState(facts) {
  hook.facts = facts;
  const { vmName, scanouts, scanout, connection } = facts;
  document.title = vmName ? `${vmName} – framelift` : 'framelift';
  document.getElementById('vm-name').textContent = vmName;
  // One that is neither connected nor lit is a socket without a screen.
  const there = scanouts.filter(({ id, flags }) => flags & (ScanoutFlag.CONNECTED | ScanoutFlag.LIT) || id === scanout);
  controls.setScanouts(there, scanout);
  show(words(facts), connection.inMs);
}

function lackingHere() {
  return lacking({ secure: isSecureContext, origin: location.origin, port: location.port });
}

const handlers = {
  state: takeState,
  size: ({ width, height }) => {
    hook.picture = { width, height };
    layout.setPicture(hook.picture);
  },
  session: forgetToken,
  statistics: (statistics) => overlay.update(statistics, hook.picture),
  unsupported: () => show(lackingHere()),
};

function listenToBrowser() {
  document.addEventListener('visibilitychange', () => tell({ type: 'hidden', hidden: document.hidden }));
  window.addEventListener('online', () => tell({ type: 'hurry' }));
  // From the back/forward cache the socket comes back dead, and nobody says so (F23).
  window.addEventListener('pageshow', ({ persisted }) => persisted && tell({ type: 'hurry' }));
  // The printed address, pasted into this very tab, loads nothing: only the fragment changes.
  window.addEventListener('hashchange', () => tokenInAddress() && tell({ type: 'token', token: tokenInAddress() }));
}

function start() {
  if (typeof VideoDecoder === 'undefined' || !canvas.transferControlToOffscreen) {
    show(lackingHere());
    return;
  }
  worker = new Worker(new URL('stream-worker.js', import.meta.url), { type: 'module', name: 'stream' });
  worker.onmessage = ({ data }) => handlers[data.type](data);
  worker.onerror = (event) => {
    event.preventDefault();
    show(broken(event.message || 'Its worker could not be started.'));
  };
  const offscreen = canvas.transferControlToOffscreen();
  const about = { base: location.href, token: tokenInAddress(), scanout: wantedScanout() };
  tell({ type: 'start', canvas: offscreen, ...about }, [offscreen]);
  if (document.hidden) {
    tell({ type: 'hidden', hidden: true });
  }
  listenToBrowser();
}

start();
