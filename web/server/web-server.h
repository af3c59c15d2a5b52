/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/listener.h"
#include "stream/peer.h"

/*
 * The page and its WebSocket, by libwebsockets on a service thread of its own.
 *
 *   GET  /, /FILE   the page's files, from the binary
 *   POST /session   Authorization: Bearer TOKEN → 204 and the cookie, else 401
 *   GET  /session   204 if the cookie is right, else 401
 *   GET  /stats     the counters as JSON; needs the cookie
 *   GET  /ws        the WebSocket, subprotocol "hxfr": HXFR messages, one a WebSocket message; needs the cookie
 *
 * Every path needs a Host that is ours; /ws and POST /session an Origin that is ours.
 *
 * Peers live on the hub's main context; what crosses to the service thread are outboxes and small notes.
 */

typedef struct WebServer WebServer;

/* Serves on that TCP listener and starts the thread; takes the listener over, also where it fails. names: further names
 * for the Host header, NULL-terminated, or NULL. The service outlives the server. NULL and error: one line for a
 * person. */
WebServer *web_server_create(PeerService *service, GMainContext *context, Listener *listener, const char *const *names,
                             GError **error);
/* Closes everything and waits for the thread, which never waits for anybody itself. NULL is legal. */
void web_server_destroy(WebServer *server);
