/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-server.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include "web/server/web-private.h"

#include <errno.h>
#include <string.h>

#define WEB_TICK_MS 1000
/* Above PEER_MAX_PEERS: browsers open several connections for a page's files. */
#define WEB_MAX_SOCKETS 128

static void on_lws_log(int level, const char *line) {
  static LogLimit limit;
  g_autofree char *text = g_strdup(line);
  log_limited(&limit, level & LLL_ERR ? LOG_WARN : LOG_DEBUG, "libwebsockets", "%s", g_strchomp(text));
}

void web_server_wake(WebServer *server) {
  if (!__atomic_load_n(&server->stopping, __ATOMIC_ACQUIRE)) lws_cancel_service(server->lws);
}

static void *run(void *data) {
  WebServer *server = data;
#ifdef __linux__
  thread_set_name("web");
#endif
  while (!__atomic_load_n(&server->stopping, __ATOMIC_ACQUIRE)) {
    if (lws_service(server->lws, 0) < 0) break;
  }
  return NULL;
}

static gboolean create_lws(WebServer *server, GError **error) {
  server->protocols[0] = (struct lws_protocols){
      .name = "http", .callback = web_http_callback, .per_session_data_size = 2 * sizeof(gpointer)};
  server->protocols[1] = (struct lws_protocols){.name = "hxfr",
                                                .callback = web_socket_callback,
                                                .per_session_data_size = sizeof(gpointer),
                                                .rx_buffer_size = HXFR_HEADER_SIZE + HXFR_MAX_REQUEST,
                                                /* whole access units: a smaller packet size would cut them up */
                                                .tx_packet_size = HXFR_MAX_RESPONSE};
  server->protocols[2] = (struct lws_protocols){.name = "door", .callback = web_door_callback};
  struct lws_context_creation_info info = {
      .port = CONTEXT_PORT_NO_LISTEN_SERVER,
      .protocols = server->protocols,
      .gid = -1,
      .uid = -1,
      .user = server,
      .alpn = "http/1.1",
      .server_string = "framelift",
      .fd_limit_per_thread = WEB_MAX_SOCKETS,
      .options = LWS_SERVER_OPTION_VALIDATE_UTF8,
      .timeout_secs = 20,
      .keepalive_timeout = 20,
  };
  lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
  server->lws = lws_create_context(&info);
  if (server->lws && web_door_open(server)) return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot serve HTTP: libwebsockets refused; out of descriptors?");
  return FALSE;
}

static guint port_of(const Listener *listener) {
  g_autofree char *text = listener_to_string(listener);
  return (guint)g_ascii_strtoull(strrchr(text, ':') + 1, NULL, 10);
}

static gboolean on_tick(gpointer data) {
  WebServer *server = data;
  gint64 now = g_get_monotonic_time();
  for (guint i = server->peers->len; i > 0; i--) web_client_check(g_ptr_array_index(server->peers, i - 1), now);
  return G_SOURCE_CONTINUE;
}

WebServer *web_server_create(PeerService *service, GMainContext *context, Listener *listener, const char *const *names,
                             GError **error) {
  WebServer *server = g_new0(WebServer, 1);
  server->service = service;
  server->context = context ? context : g_main_context_default();
  server->listener = listener;
  server->clients = g_ptr_array_new();
  server->wishes = g_ptr_array_new();
  server->peers = g_ptr_array_new();
  web_auth_init(&server->auth, service->token, names);
  web_auth_set_port(&server->auth, port_of(listener));
  if (!create_lws(server, error)) {
    if (server->lws) lws_context_destroy(server->lws);
    server->lws = NULL;
    web_server_destroy(server);
    return NULL;
  }
  server->tick = g_timeout_source_new(WEB_TICK_MS);
  g_source_set_callback(server->tick, on_tick, server, NULL);
  g_source_attach(server->tick, server->context);
  int code = pthread_create(&server->thread, NULL, run, server);
  if (code == 0) {
    server->thread_runs = TRUE;
    return server;
  }
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot start the web thread: %s",
              g_strerror(code));
  lws_context_destroy(server->lws);
  web_server_destroy(server);
  return NULL;
}

void web_server_destroy(WebServer *server) {
  if (!server) return;
  if (server->thread_runs) {
    __atomic_store_n(&server->stopping, 1, __ATOMIC_RELEASE);
    lws_cancel_service(server->lws);
    pthread_join(server->thread, NULL);
    lws_context_destroy(server->lws);
    /* notes on their way hold clients, and clients hold peers: they end before the service does */
    while (__atomic_load_n(&server->notes, __ATOMIC_ACQUIRE) > 0) g_main_context_iteration(server->context, FALSE);
  }
  while (server->peers->len > 0) web_client_end(g_ptr_array_index(server->peers, 0));
  if (server->tick) {
    g_source_destroy(server->tick);
    g_source_unref(server->tick);
  }
  g_ptr_array_unref(server->clients);
  g_ptr_array_unref(server->wishes);
  g_ptr_array_unref(server->peers);
  web_auth_finish(&server->auth);
  listener_destroy(server->listener);
  g_free(server);
}
