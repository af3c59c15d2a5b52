/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base/thread.h"
#include "web/server/web-auth.h"
#include "web/server/web-client.h"
#include "web/server/web-server.h"

#include <libwebsockets.h>

/* What the files of this folder share. */

struct WebServer {
  PeerService *service;
  GMainContext *context; /* the hub's */
  WebAuth auth;
  Listener *listener;
  struct lws_context *lws;
  struct lws_protocols protocols[4];
  pthread_t thread;
  gboolean thread_runs;
  int stopping; /* atomic */
  int notes;    /* atomic: on their way to the hub's thread */

  GPtrArray *clients; /* of WebClient; the service thread's */
  GPtrArray *wishes;  /* requests that wait for the counters; the service thread's */

  GPtrArray *peers; /* of WebClient with a peer; the hub's thread's */
  GSource *tick;    /* the hub's thread's */
};

/* Makes the service thread look at what it was sent. The hub's thread. */
void web_server_wake(WebServer *server);

/* Callbacks of one HTTP request; the service thread's. */
int web_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);
/* Sends a status without content; the result is what a libwebsockets callback returns. */
int web_http_refuse(struct lws *wsi, guint status);
/* A header's text; "" if it is absent or absurdly long. The caller's. */
char *web_http_header(struct lws *wsi, enum lws_token_indexes token);

/* Callbacks of one WebSocket; the service thread's. */
int web_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);

/* The listening socket. Opening it is the last thing before the service thread starts; FALSE: out of descriptors. */
gboolean web_door_open(WebServer *server);
int web_door_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size);
