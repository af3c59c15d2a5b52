/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-server.h"

#include "common/base/log.h"
#include "common/net/address.h"
#include "common/net/socket.h"
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
  pthread_setname_np(pthread_self(), "web");
#endif
  while (!__atomic_load_n(&server->stopping, __ATOMIC_ACQUIRE)) {
    if (lws_service(server->lws, 0) < 0) break;
  }
  return NULL;
}

/* libwebsockets says neither why it cannot bind nor where: find out first, with a socket of our own. */
static gboolean try_bind(const WebServerSettings *settings, GError **error) {
  g_autofree char *text =
      g_strdup_printf(strchr(settings->host, ':') ? "tcp:[%s]:%u" : "tcp:%s:%u", settings->host, settings->port);
  Address address;
  if (!address_parse(text, &address, error)) return FALSE;
  int fd = socket_open(&address, error), one = 1;
  if (fd < 0) return FALSE;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  int code = bind(fd, &address.socket.any, address.size) == 0 && listen(fd, 1) == 0 ? 0 : errno;
  socket_close(&fd);
  if (code == 0) return TRUE;
  const char *remedy = code == EADDRINUSE      ? "another program has that port: choose another one, or 0 for any"
                       : code == EACCES        ? "ports below 1024 are for root: choose a higher one"
                       : code == EADDRNOTAVAIL ? "this machine has no such address"
                                               : "choose another address";
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot serve HTTP on %s:%u: %s (%s)",
              settings->host, settings->port, g_strerror(code), remedy);
  return FALSE;
}

static gboolean create_lws(WebServer *server, const WebServerSettings *settings, GError **error) {
  server->protocols[0] = (struct lws_protocols){
      .name = "http", .callback = web_http_callback, .per_session_data_size = 2 * sizeof(gpointer)};
  server->protocols[1] = (struct lws_protocols){.name = "hxfr",
                                                .callback = web_socket_callback,
                                                .per_session_data_size = sizeof(gpointer),
                                                .rx_buffer_size = HXFR_HEADER_SIZE + HXFR_MAX_REQUEST,
                                                /* whole access units: a smaller packet size would cut them up */
                                                .tx_packet_size = HXFR_MAX_RESPONSE};
  struct lws_context_creation_info info = {
      .port = (int)settings->port,
      .iface = g_str_equal(settings->host, "localhost") ? "127.0.0.1" : settings->host,
      .protocols = server->protocols,
      .gid = -1,
      .uid = -1,
      .user = server,
      .alpn = "http/1.1",
      .server_string = "framelift",
      .fd_limit_per_thread = WEB_MAX_SOCKETS,
      .options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND | LWS_SERVER_OPTION_VALIDATE_UTF8,
      .timeout_secs = 20,
      .keepalive_timeout = 20,
  };
  lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
  server->lws = lws_create_context(&info);
  struct lws_vhost *vhost = server->lws ? lws_get_vhost_by_name(server->lws, "default") : NULL;
  int port = vhost ? lws_get_vhost_listen_port(vhost) : 0;
  if (port > 0) {
    server->port = (guint)port;
    return TRUE;
  }
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot serve HTTP on %s:%u: libwebsockets refused", settings->host,
              settings->port);
  return FALSE;
}

static gboolean on_tick(gpointer data) {
  WebServer *server = data;
  gint64 now = g_get_monotonic_time();
  for (guint i = server->peers->len; i > 0; i--) web_client_check(g_ptr_array_index(server->peers, i - 1), now);
  return G_SOURCE_CONTINUE;
}

WebServer *web_server_create(PeerService *service, GMainContext *context, const WebServerSettings *settings,
                             GError **error) {
  if (!try_bind(settings, error)) return NULL;
  WebServer *server = g_new0(WebServer, 1);
  server->service = service;
  server->context = context ? context : g_main_context_default();
  server->clients = g_ptr_array_new();
  server->wishes = g_ptr_array_new();
  server->peers = g_ptr_array_new();
  web_auth_init(&server->auth, service->token, settings->names);
  if (!create_lws(server, settings, error)) {
    if (server->lws) lws_context_destroy(server->lws);
    server->lws = NULL;
    web_server_destroy(server);
    return NULL;
  }
  web_auth_set_port(&server->auth, server->port);
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
  g_free(server);
}

guint web_server_port(const WebServer *server) {
  return server->port;
}
