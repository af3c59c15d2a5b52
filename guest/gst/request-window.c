/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/request-window.h"

#include <string.h>

/* Between frames whose duration nobody said, where the pts has to be made up: a 60th of a second. */
#define DEFAULT_STEP_NS 16666667

void request_window_init(RequestWindow *window) {
  *window = (RequestWindow){.last_pts_ns = -1};
}

void request_window_finish(RequestWindow *window) {
  Request request;
  while (window->count > 0) request_window_pop(window, &request);
}

/* Hosts feed the pts to rate controls, so that where it jumps back, it goes on in the frames' own steps. */
static gint64 wire_pts(RequestWindow *window, const Request *request) {
  gint64 step = request->duration_ns > 0 ? request->duration_ns : DEFAULT_STEP_NS;
  gint64 pts;
  if (request->pts_ns >= 0 && !__builtin_add_overflow(request->pts_ns, window->offset_ns, &pts) &&
      pts > window->last_pts_ns) {
    return pts;
  }
  pts = window->last_pts_ns + step;
  if (request->pts_ns >= 0) window->offset_ns = pts - request->pts_ns;
  return pts;
}

RequestSlot *request_window_add(RequestWindow *window, const Request *request) {
  g_assert(window->count < REQUEST_WINDOW_MAX);
  RequestSlot *slot = &window->slots[window->count++];
  *slot = (RequestSlot){.request = *request, .wire_pts_ns = wire_pts(window, request)};
  window->last_pts_ns = slot->wire_pts_ns;
  return slot;
}

gint request_window_find(const RequestWindow *window, gint64 wire_pts_ns) {
  for (guint i = 0; i < window->count; i++) {
    if (window->slots[i].wire_pts_ns == wire_pts_ns) return (gint)i;
  }
  return -1;
}

void request_window_pop(RequestWindow *window, Request *request) {
  g_assert(window->count > 0);
  *request = window->slots[0].request;
  g_clear_pointer(&request->pixels, g_bytes_unref);
  window->count--;
  memmove(&window->slots[0], &window->slots[1], window->count * sizeof window->slots[0]);
}
