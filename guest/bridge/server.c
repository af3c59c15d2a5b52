/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/server.h"

#include "common/base/log.h"
#include "common/net/token.h"
#include "framelift-config.h"
#include "guest/bridge/bridge.h"
#include "stream/hxfr-server.h"
#include "web/server/web-server.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A pipeline that takes longer to stop when we end is left to the kernel. */
#define SERVER_END_LIMIT_MS 3000

typedef struct {
  const Options *options;
  GMainLoop *loop;
  char *token;
  Bridge *bridge;
  Hub *hub;
  PeerService service;
  HxfrServer *hxfr;
  WebServer *web;
  gboolean ending;
} Server;

static gboolean load_token(Server *server, GError **error) {
  g_autofree char *path = g_strdup(server->options->token_file);
  if (!path) path = token_default_path(server->options->name, error);
  if (!path) return FALSE;
  server->token = token_load(path, error);
  return server->token != NULL;
}

static void start_hub(Server *server) {
  const Options *options = server->options;
  server->bridge = bridge_create(options);
  server->hub = hub_create(NULL, bridge_hub_source(), server->bridge);
  bridge_set_hub(server->bridge, server->hub);
  server->service = (PeerService){
      .hub = server->hub,
      .vm_name = options->name,
      .token = server->token,
      .server_name = "framelift-bridge " FRAMELIFT_VERSION,
      .max_bitrate = options->bitrate,
  };
  peer_service_init(&server->service);
}

static gboolean open_hxfr(Server *server, const ListenOption *option, GError **error) {
  g_autofree char *name = NULL;
  if (!hxfr_server_listen(server->hxfr, &option->address, option->trust, &name, error)) return FALSE;
  log_info("main", "listening on %s", name);
  if (option->trust == PEER_VERSION_1) {
    log_warn("main", "%s takes version 1 peers without a token: every program on this machine can see the picture",
             name);
  }
  return TRUE;
}

/* The one line on stdout, for people and scripts alike. The token is in the fragment, which browsers do not send. */
static gboolean open_http(Server *server, GError **error) {
  const Options *options = server->options;
  if (!options->http) return TRUE;
  Listener *listener = listener_open(&options->http_address, error);
  if (!listener) {
    g_prefix_error(error, "cannot serve HTTP: ");
    return FALSE;
  }
  g_autofree char *name = listener_to_string(listener);
  server->web = web_server_create(&server->service, NULL, listener, (const char *const *)options->http_names, error);
  if (!server->web) return FALSE;
  printf("http://%s/#token=%s\n", name + strlen("tcp:"), server->token);
  fflush(stdout);
  return TRUE;
}

static gboolean open_doors(Server *server, GError **error) {
  const Options *options = server->options;
  server->hxfr = hxfr_server_create(&server->service, NULL);
  for (guint i = 0; i < options->listen->len; i++) {
    if (!open_hxfr(server, &g_array_index(options->listen, ListenOption, i), error)) return FALSE;
  }
  return open_http(server, error);
}

static gboolean on_end_limit(gpointer data) {
  log_warn("main", "the pipeline does not stop: ending without it");
  _exit(EXIT_FAILURE);
}

static void on_stopped(gpointer data) {
  Server *server = data;
  g_main_loop_quit(server->loop);
}

static void close_doors(Server *server) {
  g_clear_pointer(&server->web, web_server_destroy);
  g_clear_pointer(&server->hxfr, hxfr_server_destroy);
}

static gboolean on_terminate(gpointer data) {
  Server *server = data;
  if (server->ending) return G_SOURCE_CONTINUE;
  server->ending = TRUE;
  close_doors(server);
  g_timeout_add(SERVER_END_LIMIT_MS, on_end_limit, server);
  bridge_stop(server->bridge, on_stopped, server);
  return G_SOURCE_CONTINUE;
}

static void finish(Server *server) {
  close_doors(server);
  if (server->service.peers) peer_service_finish(&server->service);
  hub_destroy(server->hub);
  bridge_destroy(server->bridge);
  g_main_loop_unref(server->loop);
  g_free(server->token);
}

int server_run(const Options *options) {
  Server server = {.options = options, .loop = g_main_loop_new(NULL, FALSE)};
  g_autoptr(GError) error = NULL;
  int status = EXIT_SUCCESS;
  gboolean serves = load_token(&server, &error);
  if (serves) start_hub(&server);
  if (serves && open_doors(&server, &error)) {
    guint terminate = g_unix_signal_add(SIGTERM, on_terminate, &server);
    guint interrupt = g_unix_signal_add(SIGINT, on_terminate, &server);
    g_main_loop_run(server.loop);
    g_source_remove(terminate);
    g_source_remove(interrupt);
  } else {
    fprintf(stderr, "framelift-bridge: %s\n", error->message);
    status = EXIT_FAILURE;
  }
  finish(&server);
  return status;
}
