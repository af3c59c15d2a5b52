/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/hxfr-server.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/socket.h"
#include "stream/connection.h"

#include <glib-unix.h>

#define SERVER_TICK_MS 1000

typedef struct {
  HxfrServer *server;
  Listener *listener;
  PeerTrust trust;
} Door;

struct HxfrServer {
  PeerService *service;
  GMainContext *context;
  GPtrArray *doors;       /* of Door */
  GPtrArray *connections; /* of Connection */
  GSource *tick;
};

static void door_free(gpointer data) {
  Door *door = data;
  listener_destroy(door->listener);
  g_free(door);
}

static void on_closed(Connection *connection, gpointer data) {
  HxfrServer *server = data;
  g_ptr_array_remove_fast(server->connections, connection);
  connection_destroy(connection);
}

static gboolean on_tick(gpointer data) {
  HxfrServer *server = data;
  gint64 now = g_get_monotonic_time();
  for (guint i = server->connections->len; i > 0; i--) {
    Connection *connection = g_ptr_array_index(server->connections, i - 1);
    if (connection_is_overdue(connection, now)) on_closed(connection, server);
  }
  return G_SOURCE_CONTINUE;
}

HxfrServer *hxfr_server_create(PeerService *service, GMainContext *context) {
  HxfrServer *server = g_new0(HxfrServer, 1);
  server->service = service;
  server->context = context;
  server->doors = g_ptr_array_new_with_free_func(door_free);
  server->connections = g_ptr_array_new();
  server->tick = g_timeout_source_new(SERVER_TICK_MS);
  g_source_set_callback(server->tick, on_tick, server, NULL);
  g_source_attach(server->tick, context);
  return server;
}

void hxfr_server_destroy(HxfrServer *server) {
  if (!server) return;
  g_source_destroy(server->tick);
  g_source_unref(server->tick);
  g_ptr_array_unref(server->doors);
  g_ptr_array_set_free_func(server->connections, (GDestroyNotify)connection_destroy);
  g_ptr_array_unref(server->connections);
  g_free(server);
}

static void serve(HxfrServer *server, int fd, PeerTrust trust, const char *kind) {
  Connection *connection = connection_create(server->service, server->context, fd, trust, kind, on_closed, server);
  if (connection) g_ptr_array_add(server->connections, connection);
}

static void on_accepted(int fd, const Address *address, gpointer data) {
  Door *door = data;
  const char *kind = address->kind == ADDRESS_UNIX ? "unix" : address->kind == ADDRESS_TCP ? "tcp" : "vsock";
  serve(door->server, fd, door->trust, kind);
}

void hxfr_server_take(HxfrServer *server, int fd, PeerTrust trust, const char *kind) {
  g_unix_set_fd_nonblocking(fd, TRUE, NULL);
  socket_tune_stream(fd, ADDRESS_UNIX);
  serve(server, fd, trust, kind);
}

void hxfr_server_adopt(HxfrServer *server, Listener *listener, PeerTrust trust) {
  Door *door = g_new0(Door, 1);
  door->server = server;
  door->trust = trust;
  door->listener = listener;
  g_ptr_array_add(server->doors, door);
  listener_accept(listener, server->context, on_accepted, door);
}

gboolean hxfr_server_listen(HxfrServer *server, const Address *address, PeerTrust trust, char **name, GError **error) {
  Listener *listener = listener_open(address, error);
  if (!listener) return FALSE;
  *name = listener_to_string(listener);
  hxfr_server_adopt(server, listener, trust);
  return TRUE;
}
