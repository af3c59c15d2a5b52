/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/parent.h"

#include "common/base/log.h"
#include "common/net/listener.h"
#include "common/net/token.h"
#include "host/display/qemu-dbus/qmp-socket.h"
#include "host/process/shared-stats.h"
#include "host/process/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a child may take to end in order. */
#define PARENT_END_LIMIT_MS 3000u

typedef struct {
  const Options *options;
  GMainLoop *loop;
  char *token;
  GPtrArray *listeners;   /* of Listener, in the order of the options, HTTP last */
  Listener *vhost_user;   /* NULL: the display needs none, or was given one */
  Listener *vsock;        /* of our vsock device; NULL: none */
  int given;              /* that one, until the display has it; -1 */
  int stats;              /* our counters */
  int display_stats;      /* the display's; -1 while it is not ready */
  gboolean stream_ready;
  Supervisor *display;
  Supervisor *stream;
  gboolean announced;
  gboolean failed;
} Parent;

/* ---- what is opened once, and stays open whatever becomes of the others ---- */

static gboolean load_token(Parent *parent, GError **error) {
  g_autofree char *path = g_strdup(parent->options->token_file);
  if (!path) path = token_default_path(parent->options->name, error);
  if (!path) return FALSE;
  parent->token = token_load(path, error);
  return parent->token != NULL;
}

static gboolean listen_on(Parent *parent, const Address *address, GError **error) {
  Listener *listener = listener_open(address, error);
  if (listener) g_ptr_array_add(parent->listeners, listener);
  return listener != NULL;
}

static gboolean open_hxfr(Parent *parent, const ListenOption *option, GError **error) {
  if (!listen_on(parent, &option->address, error)) return FALSE;
  g_autofree char *name = listener_to_string(g_ptr_array_index(parent->listeners, parent->listeners->len - 1));
  log_info("main", "listening on %s", name);
  if (option->trust == PEER_VERSION_1) {
    log_warn("main",
             "%s takes version 1 peers without a token: every program on this machine, and every guest with "
             "user networking, can see this VM's screen",
             name);
  }
  return TRUE;
}

static gboolean make_own_folder(const char *folder, GError **error) {
  if (!folder || g_mkdir_with_parents(folder, 0700) == 0) return TRUE;
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno), "cannot make the folder %s for our socket: %s",
              folder, g_strerror(errno));
  return FALSE;
}

static gboolean open_listeners(Parent *parent, GError **error) {
  const Options *options = parent->options;
  if (!make_own_folder(options->own_folder, error)) return FALSE;
  for (guint i = 0; i < options->listen->len; i++) {
    if (!open_hxfr(parent, &g_array_index(options->listen, ListenOption, i), error)) return FALSE;
  }
  if (!options->http || listen_on(parent, &options->http_address, error)) return TRUE;
  g_prefix_error(error, "cannot serve HTTP: ");
  return FALSE;
}

static gboolean is_no_descriptor(const DisplayChoice *choice, GError **error) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "descriptor %d is not open: it has to be QEMU's end",
              choice->vugpu.fd);
  return FALSE;
}

static Listener *open_socket(const char *path, GError **error) {
  Address address;
  g_autofree char *text = g_strconcat("unix:", path, NULL);
  return address_parse(text, &address, error) ? listener_open(&address, error) : NULL;
}

static gboolean open_vhost_user(Parent *parent, GError **error) {
  const DisplayChoice *choice = &parent->options->display;
  if (choice->kind != DISPLAY_CHOICE_VUGPU) return TRUE;
  parent->given = choice->vugpu.fd;
  if (parent->given >= 0) return fcntl(parent->given, F_SETFD, FD_CLOEXEC) == 0 || is_no_descriptor(choice, error);
  parent->vhost_user = open_socket(choice->vugpu.path, error);
  return parent->vhost_user != NULL;
}

static gboolean open_vsock(Parent *parent, GError **error) {
  const char *path = parent->options->vsock.path;
  if (path) parent->vsock = open_socket(path, error);
  return !path || parent->vsock;
}

/* ---- the children ---- */

static void set_up_display(Parent *parent) {
  int fds[2], fd = parent->vhost_user ? listener_fd(parent->vhost_user) : parent->given;
  guint n_fds = 0;
  if (fd >= 0) fds[n_fds++] = fd;
  if (parent->vsock) fds[n_fds++] = listener_fd(parent->vsock);
  supervisor_send(parent->display, &(ControlMessage){.type = CONTROL_SETUP}, fds, n_fds);
  /* QEMU shall see its end when the display's process ends: no copy stays here */
  if (parent->given >= 0) close(parent->given);
  parent->given = -1;
}

static void set_up_stream(Parent *parent) {
  int fds[PACKET_MAX_FDS] = {parent->stats};
  guint n_fds = 1;
  for (guint i = 0; i < parent->listeners->len; i++) {
    fds[n_fds++] = listener_fd(g_ptr_array_index(parent->listeners, i));
  }
  ControlMessage message = {.type = CONTROL_SETUP};
  g_strlcpy(message.token, parent->token, sizeof message.token);
  supervisor_send(parent->stream, &message, fds, n_fds);
}

static void on_started(gpointer data, Supervisor *supervisor) {
  Parent *parent = data;
  if (supervisor == parent->display) {
    set_up_display(parent);
  } else {
    set_up_stream(parent);
  }
}

/* A new link whenever one of them is new: what the old one had under way is over for both. */
static void link_children(Parent *parent) {
  static LogLimit limit;
  g_autoptr(GError) error = NULL;
  int ends[2];
  if (parent->display_stats < 0 || !parent->stream_ready) return;
  if (!packet_pair(ends, &error)) {
    log_limited(&limit, LOG_ERROR, "main", "%s", error->message);
    return;
  }
  int for_stream[] = {ends[1], parent->display_stats};
  ControlMessage message = {.type = CONTROL_LINK, .pid = supervisor_pid(parent->stream)};
  supervisor_send(parent->display, &message, ends, 1);
  message.pid = supervisor_pid(parent->display);
  supervisor_send(parent->stream, &message, for_stream, G_N_ELEMENTS(for_stream));
  close(ends[0]);
  close(ends[1]);
}

/* The one line on stdout, for people and scripts alike. The token is in the fragment, which browsers do not send. */
static void announce(Parent *parent) {
  if (parent->announced) return;
  parent->announced = TRUE;
  if (!parent->options->http) return;
  g_autofree char *name = listener_to_string(g_ptr_array_index(parent->listeners, parent->listeners->len - 1));
  printf("http://%s/#token=%s\n", name + strlen("tcp:"), parent->token);
  fflush(stdout);
}

/* The path is the options': the display's process cannot ask for another. */
static void open_qmp(Parent *parent, const ControlMessage *asked) {
  const DisplayChoice *choice = &parent->options->display;
  const char *path = choice->kind == DISPLAY_CHOICE_QEMU ? choice->qmp_path : choice->vugpu.qmp_path;
  ControlMessage message = {.type = CONTROL_OPENED, .serial = asked->serial, .code = ENOENT};
  int fd = path ? qmp_socket_connect(path, &message.code) : -1;
  if (fd >= 0) message.code = 0;
  supervisor_send(parent->display, &message, &fd, fd >= 0 ? 1 : 0);
  if (fd >= 0) close(fd);
}

static void on_message(gpointer data, Supervisor *supervisor, const ControlMessage *message, Packet *packet) {
  Parent *parent = data;
  if (message->type == CONTROL_OPEN && supervisor == parent->display) open_qmp(parent, message);
  if (message->type == CONTROL_SERVING) announce(parent);
  if (message->type != CONTROL_READY) return;
  if (supervisor == parent->display) {
    if (parent->display_stats >= 0) close(parent->display_stats);
    parent->display_stats = packet_take_fd(packet, 0);
  } else {
    parent->stream_ready = TRUE;
  }
  link_children(parent);
}

static gboolean on_ended(gpointer data, Supervisor *supervisor, gboolean ready, gboolean in_order) {
  Parent *parent = data;
  if (supervisor == parent->display) {
    if (parent->display_stats >= 0) close(parent->display_stats);
    parent->display_stats = -1;
  } else {
    parent->stream_ready = FALSE;
  }
  gboolean was_given = supervisor == parent->display && parent->options->display.vugpu.fd >= 0;
  if (ready && !was_given) return TRUE;
  if (!ready || !in_order) {
    if (ready) log_error("main", "the display process has failed, and with it the socket to QEMU");
    parent->failed = TRUE; /* if it never came to live, it has said why */
  }
  g_main_loop_quit(parent->loop);
  return FALSE;
}

static const SupervisorEvents EVENTS = {.started = on_started, .message = on_message, .ended = on_ended};

static gboolean start(Parent *parent, GError **error) {
  parent->stats = shared_stats_publish(error);
  return parent->stats >= 0 && load_token(parent, error) && open_vhost_user(parent, error) &&
         open_vsock(parent, error) && open_listeners(parent, error) && supervisor_start(parent->display, error) &&
         supervisor_start(parent->stream, error);
}

static void stop(Parent *parent) {
  supervisor_order_end(parent->stream);
  supervisor_order_end(parent->display);
  gboolean stream_ended = supervisor_wait(parent->stream, PARENT_END_LIMIT_MS);
  gboolean display_ended = supervisor_wait(parent->display, PARENT_END_LIMIT_MS);
  if (!stream_ended || !display_ended) parent->failed = TRUE;
  supervisor_destroy(parent->stream);
  supervisor_destroy(parent->display);
  g_ptr_array_unref(parent->listeners);
  listener_destroy(parent->vhost_user);
  listener_destroy(parent->vsock);
  if (parent->stats >= 0) close(parent->stats);
  if (parent->display_stats >= 0) close(parent->display_stats);
  g_free(parent->token);
  g_main_loop_unref(parent->loop);
}

static gboolean on_stop_signal(gpointer data) {
  Parent *parent = data;
  g_main_loop_quit(parent->loop);
  return G_SOURCE_CONTINUE;
}

int parent_run(const Options *options, char **argv) {
  g_autoptr(GError) error = NULL;
  Parent parent = {
      .options = options,
      .loop = g_main_loop_new(NULL, FALSE),
      .listeners = g_ptr_array_new_with_free_func((GDestroyNotify)listener_destroy),
      .stats = -1,
      .display_stats = -1,
      .given = -1,
  };
  parent.display = supervisor_create("display", argv, &EVENTS, &parent);
  parent.stream = supervisor_create("stream", argv, &EVENTS, &parent);
  g_unix_signal_add(SIGINT, on_stop_signal, &parent);
  g_unix_signal_add(SIGTERM, on_stop_signal, &parent);
  g_unix_signal_add(SIGHUP, on_stop_signal, &parent);
  if (start(&parent, &error)) {
    g_main_loop_run(parent.loop);
    if (!parent.failed) log_info("main", "stopping");
  } else {
    parent.failed = TRUE;
    fprintf(stderr, "frameliftd: %s\n", error->message);
  }
  stop(&parent);
  return parent.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
