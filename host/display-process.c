/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display-process.h"

#include "common/base/log.h"
#include "host/capture/capture.h"
#include "host/link/link-server.h"
#include "host/parent-opener.h"
#include "host/process/child.h"
#include "host/vsock/vsock-service.h"

#include <unistd.h>

G_STATIC_ASSERT(CAPTURE_MAX_SCANOUTS == DISPLAY_MAX_SCANOUTS);

typedef struct {
  const Options *options;
  Display *display;
  gboolean started;
  gboolean is_given; /* the options had a descriptor, not a path */
  Capture *capture;
  LinkServer *link;
  VsockService *vsock; /* NULL: there is no vsock device */
} DisplayProcess;

/* What the display says, on its thread. */

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  DisplayProcess *process = data;
  link_server_scanout(process->link, id, info);
  capture_set_size(process->capture, id, info->lit ? info->width : 0, info->lit ? info->height : 0);
}

static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  DisplayProcess *process = data;
  capture_update(process->capture, id, frame, rects, n_rects, flush_us);
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  DisplayProcess *process = data;
  log_info("display", "%s", text);
  link_server_state(process->link, state, text);
  /* a socket that was given connected cannot be connected again: whoever started us for that VM is done with us */
  if (state == DISPLAY_LOST && process->is_given) child_end();
}

static void on_outputs(gpointer data, guint count) {
  DisplayProcess *process = data;
  link_server_outputs(process->link, count);
}

static const DisplaySink SINK = {
    .scanout = on_scanout,
    .update = on_update,
    .outputs = on_outputs,
    .state = on_state,
};

static void on_captured(guint scanout, gpointer data) {
  DisplayProcess *process = data;
  Shadow *shadow = capture_get_shadow(process->capture, scanout);
  link_server_captured(process->link, scanout, shadow);
  shadow_unref(shadow);
}

/* What the guest's vsock does, on that device's thread. */
static gboolean on_vsock(gpointer data, guint32 port, int fd) {
  DisplayProcess *process = data;
  return link_server_vsock(process->link, port, fd);
}

/* What the parent says, on the main thread. */

static gboolean start_vsock(DisplayProcess *process, int fd, GError **error) {
  if (fd >= 0) process->vsock = vsock_service_start(&process->options->vsock, fd, on_vsock, process, error);
  if (fd < 0) g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the parent has handed over no socket for vsock");
  return process->vsock != NULL;
}

static gboolean on_setup(gpointer data, const ControlMessage *message, Packet *packet, GError **error) {
  DisplayProcess *process = data;
  DisplayChoice choice = process->options->display;
  process->is_given = choice.vugpu.fd >= 0;
  guint n_taken = 0;
  if (choice.kind == DISPLAY_CHOICE_VUGPU) choice.vugpu.fd = packet_take_fd(packet, n_taken++);
  process->display = display_choice_create(&choice);
  process->capture = capture_create(on_captured, process);
  process->link = link_server_create(process->display, NULL);
  process->started = display_start(process->display, &SINK, process, error);
  if (!process->started || !process->options->vsock.path) return process->started;
  return start_vsock(process, packet_take_fd(packet, n_taken), error);
}

static void on_message(gpointer data, const ControlMessage *message, Packet *packet) {
  DisplayProcess *process = data;
  if (message->type == CONTROL_OPENED) parent_opener_answer(message, packet);
  if (message->type != CONTROL_LINK) return;
  int socket = packet_take_fd(packet, 0);
  if (socket >= 0) link_server_connect(process->link, socket);
}

static const ChildEvents EVENTS = {.setup = on_setup, .message = on_message};

int display_process_run(const Options *options) {
  DisplayProcess process = {.options = options};
  parent_opener_install();
  int status = child_run("display", &EVENTS, &process);
  if (process.started) display_stop(process.display);
  vsock_service_stop(process.vsock);
  link_server_destroy(process.link);
  display_destroy(process.display);
  capture_destroy(process.capture);
  return status;
}
