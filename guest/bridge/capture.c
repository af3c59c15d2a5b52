/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/capture.h"

#include "common/base/log.h"
#include "common/base/stats.h"

#include <unistd.h>

static const CaptureProvider *const PROVIDERS[] = {&CAPTURE_MUTTER, &CAPTURE_PORTAL};

struct Capture {
  const CaptureEvents *events;
  gpointer data;
  guint index; /* of the provider that is being asked */
  gpointer provider;
  gboolean is_ready;
  gboolean refused;
  int fd;       /* PipeWire's socket that a provider gave; -1 */
  GString *why; /* what those before it said */
  guint next;   /* the idle source that asks the next one; 0 */
};

static void on_ready(guint32 node, int fd, gpointer data) {
  Capture *capture = data;
  capture->is_ready = TRUE;
  capture->fd = fd;
  log_info("capture", "%s: PipeWire node %u", PROVIDERS[capture->index]->name, node);
  capture->events->ready(node, fd, capture->data);
}

static void ask(Capture *capture);

static gboolean ask_next(gpointer data) {
  Capture *capture = data;
  capture->next = 0;
  PROVIDERS[capture->index]->close(g_steal_pointer(&capture->provider));
  if (++capture->index < G_N_ELEMENTS(PROVIDERS)) {
    ask(capture);
  } else {
    capture->events->failed(capture->why->str, capture->refused, capture->data);
  }
  return G_SOURCE_REMOVE;
}

static void on_failed(const char *why, gboolean refused, gpointer data) {
  Capture *capture = data;
  stats_count("bridge.capture-failures");
  if (capture->is_ready) {
    capture->events->failed(why, refused, capture->data);
    return;
  }
  capture->refused |= refused;
  g_string_append_printf(capture->why, "%s%s: %s", capture->why->len ? "; " : "", PROVIDERS[capture->index]->name, why);
  /* not from within its own call */
  if (capture->next == 0) capture->next = g_idle_add(ask_next, capture);
}

static const CaptureEvents EVENTS = {on_ready, on_failed};

static void ask(Capture *capture) {
  capture->provider = PROVIDERS[capture->index]->open(&EVENTS, capture);
}

Capture *capture_open(const CaptureEvents *events, gpointer data) {
  Capture *capture = g_new0(Capture, 1);
  capture->events = events;
  capture->data = data;
  capture->why = g_string_new(NULL);
  capture->fd = -1;
  ask(capture);
  return capture;
}

void capture_close(Capture *capture) {
  if (!capture) return;
  if (capture->next) g_source_remove(capture->next);
  if (capture->provider) PROVIDERS[capture->index]->close(capture->provider);
  if (capture->fd >= 0) close(capture->fd);
  g_string_free(capture->why, TRUE);
  g_free(capture);
}

char *capture_launch(guint32 node, int fd) {
  /* a desktop at rest sends nothing by itself: the last picture twice a second says that it lives (F19) */
  return g_strdup_printf("pipewiresrc fd=%d path=%u do-timestamp=true keepalive-time=500 ! "
                         "queue max-size-buffers=1 leaky=downstream",
                         fd, node);
}
