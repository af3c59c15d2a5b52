// SPDX-License-Identifier: LGPL-2.1-or-later
/**
 * An HXFR host on a unix or TCP socket that misbehaves as it is told, for what a real daemon cannot be brought into at
 * will. Version 1 is as hosts in the field are: what they do not know is skipped without a word, PING's payload is not
 * read, PONG has none, KEYFRAME_REQ is ignored, DISABLE_SCANOUT and CONFIG_REQ have no answer, a request may have none.
 */

import { once } from 'node:events';
import { createServer } from 'node:net';

import { HEADER_SIZE, Type, message } from '../../web/page/hxfr.js';
import { hostMessages } from './fake-daemon.mjs';
import { FRAME_RESPONSE } from './hxfr-client.mjs';
import { HEIGHT, WIDTH, accessUnits } from './page-stream.mjs';

const FRAME_REQUEST = 0x01;
const MAGIC = Buffer.from('HXFR');
export const Feature = Object.freeze({ RESOURCES: 1, REQUESTS: 2 });

/** FRAME_RESPONSE with an access unit as its one entry. */
function frameResponse(session, pts, { key, data }) {
  const fixed = Buffer.alloc(28);
  pts.copy(fixed, 0);
  fixed[16] = key ? 1 : 0;
  fixed.writeUInt32LE(1, 20);
  fixed.writeUInt32LE(data.length, 24);
  return message(FRAME_RESPONSE, session, Buffer.concat([fixed, data]));
}

function errorMessage(session, code, text) {
  const payload = Buffer.alloc(260);
  payload.writeInt32LE(code, 0);
  payload.write(text, 4);
  return message(Type.ERROR, session, payload);
}

/**
 * @param {import('node:test').TestContext} t it ends with the test
 * @param {string} path of the unix socket
 * @param {object} [behaviour]
 * @param {1 | 2} [behaviour.version]
 * @param {number} [behaviour.features] of version 2
 * @param {object[]} [behaviour.scanouts] of version 2
 * @param {[number, string]} [behaviour.state] of version 2
 * @param {'picture' | 'silent' | 'dark'} [behaviour.subscribe] a picture; no answer at all; success and no picture
 * @param {'picture' | 'silent' | number} [behaviour.request] to FRAME_REQUEST: a picture, nothing, or that ERROR
 * @param {number} [behaviour.pongs] so many PINGs are answered, and no further one
 * @returns {Promise<{ received: number[] }>} the types that came
 */
export async function fakeHost(t, path, behaviour = {}) {
  const scanouts = [{ id: 0, width: WIDTH, height: HEIGHT, flags: 3 }];
  const settings = { version: 1, features: Feature.REQUESTS, scanouts, state: [1, ''], subscribe: 'picture',
                     request: 'picture', pongs: Infinity, ...behaviour };
  const host = { received: [] };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    t.after(() => socket.destroy());
    let pending = Buffer.alloc(0);
    socket.on('data', (bytes) => {
      pending = Buffer.concat([pending, bytes]);
      while (pending.length >= HEADER_SIZE) {
        if (!pending.subarray(0, 4).equals(MAGIC)) return socket.destroy();
        const payload = settings.version === 1 && pending[4] === Type.PING ? 0 : pending.readUInt32LE(8);
        if (pending.length < HEADER_SIZE + payload) return undefined;
        host.received.push(pending[4]);
        answer(settings, pending.subarray(0, HEADER_SIZE + payload)).forEach((one) => socket.write(one));
        pending = pending.subarray(HEADER_SIZE + payload);
      }
      return undefined;
    });
  }).listen(path);
  t.after(() => server.close());
  await once(server, 'listening');
  return host;
}

/** What is said to one message. */
function answer(settings, bytes) {
  const [type, session] = [bytes[4], bytes.readUInt16LE(6)];
  if (type === Type.PING) return settings.pongs-- > 0 ? [message(Type.PONG, session)] : [];
  if (type === Type.HELLO && settings.version === 2) return greeting(settings);
  if (type === Type.SUBSCRIBE && settings.subscribe !== 'silent') {
    const [key] = accessUnits();
    const answered = hostMessages.subscribeResp(session, settings.scanouts.some(({ id }) => id === session));
    if (settings.subscribe === 'dark') return [answered];
    return [answered, frameResponse(session, Buffer.alloc(8), key)];
  }
  if (type === FRAME_REQUEST && settings.request !== 'silent') {
    if (settings.request !== 'picture') return [errorMessage(session, settings.request, 'no such resource')];
    return [frameResponse(session, bytes.subarray(HEADER_SIZE + 20, HEADER_SIZE + 28), accessUnits()[0])];
  }
  return [];
}

function greeting({ features, scanouts, state }) {
  const welcome = Buffer.from(hostMessages.welcome('fake'));
  welcome.writeUInt32LE(features, HEADER_SIZE + 4);
  return [welcome, hostMessages.scanouts(scanouts), hostMessages.state(...state)];
}
