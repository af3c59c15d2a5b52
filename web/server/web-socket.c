/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-private.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/socket.h"

#include <string.h>

typedef struct {
  WebClient *client;
} SocketState;

/* Before the upgrade: who is it? Result 0 lets it in. */
static int filter(struct lws *wsi, WebServer *server) {
  g_autofree char *host = web_http_header(wsi, WSI_TOKEN_HOST);
  g_autofree char *origin = web_http_header(wsi, WSI_TOKEN_ORIGIN);
  g_autofree char *cookies = web_http_header(wsi, WSI_TOKEN_HTTP_COOKIE);
  g_autofree char *path = web_http_header(wsi, WSI_TOKEN_GET_URI);
  guint status = 0;
  if (!web_auth_host_allowed(&server->auth, host) || !web_auth_origin_allowed(origin, host)) {
    status = HTTP_STATUS_FORBIDDEN;
  } else if (!web_auth_cookie_matches(&server->auth, cookies)) {
    status = HTTP_STATUS_UNAUTHORIZED;
  } else if (!g_str_equal(path, "/ws")) {
    status = HTTP_STATUS_NOT_FOUND;
  }
  if (status == 0) return 0;
  static LogLimit limit;
  stats_count("web.refused-sockets");
  log_limited(&limit, LOG_WARN, "web", "a WebSocket was refused with %u: host \"%s\", origin \"%s\"", status, host,
              origin);
  web_http_refuse(wsi, status);
  return -1;
}

/* One message: a unit goes out of the memory that all its viewers share, with its headers written in front of it. */
static int write_item(struct lws *wsi, OutboxItem *item) {
  if (item->unit) {
    G_STATIC_ASSERT(ACCESS_UNIT_ROOM >= LWS_PRE + sizeof item->head);
    guint8 *start = item->unit->body - item->head_size;
    memcpy(start, item->head, item->head_size);
    return lws_write(wsi, start, item->head_size + item->unit->body_size, LWS_WRITE_BINARY);
  }
  gsize size;
  const void *data = g_bytes_get_data(item->message, &size);
  g_autofree guint8 *buffer = g_malloc(LWS_PRE + size);
  memcpy(buffer + LWS_PRE, data, size);
  return lws_write(wsi, buffer + LWS_PRE, size, LWS_WRITE_BINARY);
}

static int on_writable(struct lws *wsi, WebClient *client) {
  OutboxItem item = {0};
  if (!web_client_next(client, &item)) return web_client_is_closing(client) ? -1 : 0;
  int written = write_item(wsi, &item);
  outbox_item_clear(&item);
  if (written < 0) return -1;
  stats_add(stats_counter("web.bytes-sent"), written);
  lws_callback_on_writable(wsi);
  return 0;
}

static void on_woken(WebServer *server) {
  for (guint i = 0; i < server->clients->len; i++) {
    WebClient *client = g_ptr_array_index(server->clients, i);
    if (web_client_take_wake(client)) lws_callback_on_writable(web_client_wsi(client));
  }
}

static void on_established(struct lws *wsi, WebServer *server, SocketState *state) {
  socket_tune_stream(lws_get_socket_fd(wsi), ADDRESS_TCP);
  state->client = web_client_open(server, wsi);
  g_ptr_array_add(server->clients, state->client);
  stats_count("web.sockets-opened");
}

static void on_closed(WebServer *server, SocketState *state) {
  if (!state->client) return;
  g_ptr_array_remove_fast(server->clients, state->client);
  web_client_closed(state->client);
  g_clear_pointer(&state->client, web_client_unref);
}

int web_socket_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
  SocketState *state = user;
  WebServer *server = lws_context_user(lws_get_context(wsi));
  switch (reason) {
  case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    return filter(wsi, server);
  case LWS_CALLBACK_ESTABLISHED:
    on_established(wsi, server, state);
    return 0;
  case LWS_CALLBACK_RECEIVE: {
    gboolean final = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    return web_client_received(state->client, in, size, final) ? 0 : -1;
  }
  case LWS_CALLBACK_SERVER_WRITEABLE:
    return on_writable(wsi, state->client);
  case LWS_CALLBACK_CLOSED:
    on_closed(server, state);
    return 0;
  case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
    on_woken(server);
    return 0;
  default:
    return 0;
  }
}
