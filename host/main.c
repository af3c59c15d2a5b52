/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "framelift-config.h"
#include "host/displays.h"
#include "host/options.h"
#include "host/requests.h"
#include "host/token.h"
#include "stream/hxfr-server.h"
#include "web/server/web-server.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum {
  EXIT_NORMAL = 0,
  EXIT_FAILED = 1,
  EXIT_WRONG_USAGE = 2,
};

typedef struct {
  Options options;
  GMainLoop *loop;
  char *token;
  Display *display; /* until `displays` has it */
  Displays *displays;
  Hub *hub;
  Requests *requests;
  RequestSource request_source;
  PeerService service;
  HxfrServer *hxfr;
  WebServer *web;
} Daemon;

static gboolean on_stop_signal(gpointer data) {
  Daemon *daemon = data;
  g_main_loop_quit(daemon->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean load_token(Daemon *daemon, GError **error) {
  g_autofree char *path = g_strdup(daemon->options.token_file);
  if (!path) path = token_default_path(daemon->options.name, error);
  if (!path) return FALSE;
  daemon->token = token_load(path, error);
  return daemon->token != NULL;
}

static gboolean start_display(Daemon *daemon, GError **error) {
  const Options *options = &daemon->options;
  WorkerSettings settings = {.encoder = options->encoder, .max_fps = options->fps, .bitrate = options->bitrate};
  daemon->displays = displays_create(g_steal_pointer(&daemon->display), &settings, NULL);
  daemon->hub = hub_create(NULL, displays_hub_source(), daemon->displays);
  daemon->requests = requests_create(daemon->displays, &settings, NULL);
  requests_fill_source(daemon->requests, &daemon->request_source);
  daemon->service = (PeerService){
      .hub = daemon->hub,
      .vm_name = options->name,
      .token = daemon->token,
      .server_name = "frameliftd " FRAMELIFT_VERSION,
      .max_bitrate = options->bitrate,
      .requests = &daemon->request_source,
      .requests_data = daemon->requests,
  };
  peer_service_init(&daemon->service);
  return displays_start(daemon->displays, daemon->hub, error);
}

static gboolean start_listeners(Daemon *daemon, GError **error) {
  daemon->hxfr = hxfr_server_create(&daemon->service, NULL);
  for (guint i = 0; i < daemon->options.listen->len; i++) {
    const ListenOption *option = &g_array_index(daemon->options.listen, ListenOption, i);
    g_autofree char *name = NULL;
    if (!hxfr_server_listen(daemon->hxfr, &option->address, option->trust, &name, error)) return FALSE;
    log_info("main", "listening on %s", name);
    if (option->trust == PEER_VERSION_1) {
      log_warn("main",
               "%s takes version 1 peers without a token: every program on this machine, and every guest with "
               "user networking, can see this VM's screen",
               name);
    }
  }
  return TRUE;
}

/* The one line on stdout, for people and scripts alike. The token is in the fragment, which browsers do not send. */
static gboolean start_web(Daemon *daemon, GError **error) {
  const Options *options = &daemon->options;
  if (!options->http_host) return TRUE;
  WebServerSettings settings = {
      .host = options->http_host,
      .port = options->http_port,
      .names = (const char *const *)options->http_names,
  };
  daemon->web = web_server_create(&daemon->service, NULL, &settings, error);
  if (!daemon->web) return FALSE;
  printf(strchr(options->http_host, ':') ? "http://[%s]:%u/#token=%s\n" : "http://%s:%u/#token=%s\n",
         options->http_host, web_server_port(daemon->web), daemon->token);
  fflush(stdout);
  return TRUE;
}

static void stop(Daemon *daemon) {
  web_server_destroy(daemon->web);
  hxfr_server_destroy(daemon->hxfr);
  if (daemon->displays) displays_stop(daemon->displays);
  requests_destroy(daemon->requests);
  if (daemon->service.peers) peer_service_finish(&daemon->service);
  hub_destroy(daemon->hub);
  displays_destroy(daemon->displays);
  display_destroy(daemon->display);
  g_free(daemon->token);
  options_finish(&daemon->options);
  g_main_loop_unref(daemon->loop);
}

/* A memory image of this process holds the guest's screen: no core dumps. */
static void forbid_core_dumps(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

int main(int argc, char **argv) {
  Daemon daemon = {0};
  g_autoptr(GError) error = NULL;
  OptionsResult result = options_parse(&daemon.options, argc, argv, &error);
  if (result == OPTIONS_RUN) {
    daemon.display = displays_open(daemon.options.display, &error);
    if (!daemon.display) result = OPTIONS_USAGE;
  }
  if (result == OPTIONS_USAGE) {
    fprintf(stderr, "frameliftd: %s\nTry: frameliftd --help\n", error->message);
    options_finish(&daemon.options);
    return EXIT_WRONG_USAGE;
  }
  if (result == OPTIONS_EXIT) {
    options_finish(&daemon.options);
    return EXIT_NORMAL;
  }
  signal(SIGPIPE, SIG_IGN);
  forbid_core_dumps();
  if (daemon.options.verbose) log_set_level(LOG_DEBUG);
  daemon.loop = g_main_loop_new(NULL, FALSE);
  g_unix_signal_add(SIGINT, on_stop_signal, &daemon);
  g_unix_signal_add(SIGTERM, on_stop_signal, &daemon);
  g_unix_signal_add(SIGHUP, on_stop_signal, &daemon);

  gboolean started = load_token(&daemon, &error) && start_display(&daemon, &error) &&
                     start_listeners(&daemon, &error) && start_web(&daemon, &error);
  if (started) {
    g_main_loop_run(daemon.loop);
    log_info("main", "stopping");
  } else {
    fprintf(stderr, "frameliftd: %s\n", error->message);
  }
  stop(&daemon);
  return started ? EXIT_NORMAL : EXIT_FAILED;
}
