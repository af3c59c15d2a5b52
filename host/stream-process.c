/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/stream-process.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "framelift-config.h"
#include "host/displays.h"
#include "host/process/child.h"
#include "host/process/shared-stats.h"
#include "host/requests.h"
#include "stream/hxfr-server.h"
#include "web/server/web-server.h"

#include <unistd.h>

/* Whoever connects right after a restart shall find the scanouts that it had. After this long they are let in without:
 * then it is the display's process that does not come. */
#define STREAM_DOORS_LIMIT_MS 1000u

/* As many as a guest may have: VSOCK_DEVICE_CONNECTIONS. */
#define STREAM_MAX_WAITING 64u

/* Places of shared_stats_include(). */
enum { STATS_OF_PARENT, STATS_OF_DISPLAY };

typedef struct {
  const Options *options;
  char *token;
  Displays *displays;
  Hub *hub;
  Requests *requests;
  RequestSource request_source;
  PeerService service;
  HxfrServer *hxfr;
  WebServer *web;
  GPtrArray *listeners; /* of Listener, in the order of the options, HTTP last; NULL once they are taken */
  guint doors_limit;
  int waiting[STREAM_MAX_WAITING]; /* vsock connections that came before the doors were open */
  guint n_waiting;
} StreamProcess;

static void start_hub(StreamProcess *process) {
  const Options *options = process->options;
  WorkerSettings settings = {.encoder = options->encoder, .max_fps = options->fps, .bitrate = options->bitrate};
  process->displays = displays_create(&options->display, &settings, NULL);
  process->hub = hub_create(NULL, displays_hub_source(), process->displays);
  process->requests = requests_create(process->displays, &settings, NULL);
  requests_fill_source(process->requests, &process->request_source);
  process->service = (PeerService){
      .hub = process->hub,
      .vm_name = options->name,
      .token = process->token,
      .server_name = "frameliftd " FRAMELIFT_VERSION,
      .max_bitrate = options->bitrate,
      .requests = &process->request_source,
      .requests_data = process->requests,
  };
  peer_service_init(&process->service);
}

/* The guest itself, whose CID our own device has checked: its trust is that of a unix socket. */
static void on_vsock(gpointer data, guint32 port, int fd) {
  StreamProcess *process = data;
  stats_count("vsock.served");
  if (process->hxfr) {
    hxfr_server_take(process->hxfr, fd, PEER_TRUSTED, "vsock");
  } else if (process->n_waiting < STREAM_MAX_WAITING) {
    process->waiting[process->n_waiting++] = fd;
  } else {
    close(fd);
  }
}

/* Lets in whoever has been waiting in front of the listening sockets. */
static gboolean open_doors(StreamProcess *process, GError **error) {
  const Options *options = process->options;
  g_autoptr(GPtrArray) listeners = g_steal_pointer(&process->listeners);
  g_ptr_array_set_free_func(listeners, NULL);
  process->hxfr = hxfr_server_create(&process->service, NULL);
  for (guint i = 0; i < options->listen->len; i++) {
    hxfr_server_adopt(process->hxfr, g_ptr_array_index(listeners, i),
                      g_array_index(options->listen, ListenOption, i).trust);
  }
  for (guint i = 0; i < process->n_waiting; i++) {
    hxfr_server_take(process->hxfr, process->waiting[i], PEER_TRUSTED, "vsock");
  }
  process->n_waiting = 0;
  if (!options->http) return TRUE;
  process->web = web_server_create(&process->service, NULL, g_ptr_array_index(listeners, options->listen->len),
                                   (const char *const *)options->http_names, error);
  return process->web != NULL;
}

static void begin_serving(StreamProcess *process) {
  g_autoptr(GError) error = NULL;
  if (!process->listeners) return;
  if (process->doors_limit) g_source_remove(process->doors_limit);
  process->doors_limit = 0;
  if (!open_doors(process, &error)) log_error("main", "%s", error->message);
  child_say_serving();
}

static gboolean on_doors_limit(gpointer data) {
  StreamProcess *process = data;
  process->doors_limit = 0;
  begin_serving(process);
  return G_SOURCE_REMOVE;
}

static void on_display_known(gpointer data) {
  begin_serving(data);
}

/* What the parent says. */

static gboolean take_listeners(StreamProcess *process, Packet *packet, GError **error) {
  const Options *options = process->options;
  guint count = options->listen->len + (options->http ? 1 : 0);
  process->listeners = g_ptr_array_new_with_free_func((GDestroyNotify)listener_destroy);
  for (guint i = 0; i < count; i++) {
    int fd = packet_take_fd(packet, i + 1);
    const Address *address =
        i < options->listen->len ? &g_array_index(options->listen, ListenOption, i).address : &options->http_address;
    if (fd < 0) {
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the parent has handed over too few sockets");
      return FALSE;
    }
    g_ptr_array_add(process->listeners, listener_adopt(fd, address));
  }
  return TRUE;
}

static gboolean on_setup(gpointer data, const ControlMessage *message, Packet *packet, GError **error) {
  StreamProcess *process = data;
  shared_stats_include(STATS_OF_PARENT, "parent", getppid(), packet_take_fd(packet, 0));
  process->token = g_strdup(message->token);
  if (!take_listeners(process, packet, error)) return FALSE;
  start_hub(process);
  displays_set_vsock(process->displays, on_vsock, process);
  displays_start(process->displays, process->hub, on_display_known, process);
  process->doors_limit = g_timeout_add(STREAM_DOORS_LIMIT_MS, on_doors_limit, process);
  return TRUE;
}

static void on_message(gpointer data, const ControlMessage *message, Packet *packet) {
  StreamProcess *process = data;
  if (message->type != CONTROL_LINK) return;
  int socket = packet_take_fd(packet, 0);
  shared_stats_include(STATS_OF_DISPLAY, "display", message->pid, packet_take_fd(packet, 1));
  if (socket >= 0) displays_connect(process->displays, socket);
}

static const ChildEvents EVENTS = {.setup = on_setup, .message = on_message};

static void stop(StreamProcess *process) {
  if (process->doors_limit) g_source_remove(process->doors_limit);
  web_server_destroy(process->web);
  hxfr_server_destroy(process->hxfr);
  if (process->displays) displays_stop(process->displays);
  requests_destroy(process->requests);
  if (process->service.peers) peer_service_finish(&process->service);
  hub_destroy(process->hub);
  displays_destroy(process->displays);
  for (guint i = 0; i < process->n_waiting; i++) close(process->waiting[i]);
  if (process->listeners) g_ptr_array_unref(process->listeners);
  g_free(process->token);
}

int stream_process_run(const Options *options) {
  StreamProcess process = {.options = options};
  int status = child_run("stream", &EVENTS, &process);
  stop(&process);
  return status;
}
