/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream/peer.h"

struct lws;

/*
 * A WebSocket and its peer: one half lives on libwebsockets' service thread,
 * the other on the hub's, and each sends the other notes. Reference-counted;
 * a note holds a reference.
 */

typedef struct WebClient WebClient;

/* Notes that one client may have on their way to the hub's thread. A peer that sends faster than they are read is
 * closed. */
#define WEB_CLIENT_MAX_NOTES 256

struct WebServer;

/* The service thread: a socket opened. The client's reference is the caller's. */
WebClient *web_client_open(struct WebServer *server, struct lws *wsi);
WebClient *web_client_ref(WebClient *client);
void web_client_unref(WebClient *client);

/* The service thread: bytes of a WebSocket message; `final` with its last ones. FALSE: close. */
gboolean web_client_received(WebClient *client, const void *bytes, gsize size, gboolean final);
/* The service thread: the next thing to send; FALSE if there is none. */
gboolean web_client_next(WebClient *client, OutboxItem *item);
/* The service thread: whether to close once nothing is left to send. */
gboolean web_client_is_closing(WebClient *client);
/* The service thread: the socket is gone. */
void web_client_closed(WebClient *client);
/* The service thread: TRUE once after the hub's side woke it. */
gboolean web_client_take_wake(WebClient *client);
struct lws *web_client_wsi(WebClient *client); /* the service thread's */

/* The hub's thread: cuts off a peer that is overdue. */
void web_client_check(WebClient *client, gint64 now_us);
/* The hub's thread: ends the peer, if it has one; nothing is received after. */
void web_client_end(WebClient *client);
