// SPDX-License-Identifier: LGPL-2.1-or-later
/** The daemon's HTTP side as connection.js wants it: the session cookie, and the WebSocket. */

const SESSION_PATH = '/session';
const SOCKET_PATH = '/ws';
const SUBPROTOCOL = 'hxfr';
const NORMAL_CLOSURE = 1000;

export class WebTransport {
  /**
   * @param {string} base the page's address
   * @param {string | null} token from the address's fragment; traded for the cookie at the first try
   * @param {() => void} onSession the token was taken, and need not be shown any longer
   */
  constructor(base, token, onSession) {
    this.sessionUrl = new URL(SESSION_PATH, base);
    this.socketUrl = new URL(SOCKET_PATH, base);
    this.socketUrl.protocol = this.socketUrl.protocol === 'https:' ? 'wss:' : 'ws:';
    this.token = token;
    this.onSession = onSession;
  }

  /**
   * A failed WebSocket does not say why, so plain HTTP asks first.
   * @returns {Promise<'ok' | 'missing' | 'wrong' | 'unreachable'>}
   */
  async authorise() {
    const token = this.token;
    const options = { cache: 'no-store', credentials: 'same-origin' };
    if (token) {
      Object.assign(options, { method: 'POST', headers: { Authorization: `Bearer ${token}` } });
    }
    let response;
    try {
      response = await fetch(this.sessionUrl, options);
    } catch {
      return 'unreachable';
    }
    if (response.status === 401 || response.status === 403) {
      return token ? 'wrong' : 'missing';
    }
    if (!response.ok) {
      return 'unreachable';
    }
    if (token) {
      this.token = null;
      this.onSession();
    }
    return 'ok';
  }

  /** Opens the WebSocket; see connection.js for what `events` hears. */
  open(events) {
    const socket = new WebSocket(this.socketUrl, SUBPROTOCOL);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => events.onOpen();
    // A text message is no HXFR: an empty buffer makes the parser say so.
    socket.onmessage = ({ data }) => events.onMessage(data instanceof ArrayBuffer ? data : new ArrayBuffer(0));
    socket.onclose = ({ reason }) => events.onClose(reason);
    return {
      send: (bytes) => socket.readyState === WebSocket.OPEN && socket.send(bytes),
      close: () => {
        socket.onopen = socket.onmessage = socket.onclose = null;
        socket.close(NORMAL_CLOSURE);
      },
    };
  }
}
