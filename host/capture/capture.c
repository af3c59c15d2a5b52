/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/capture/capture.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"

struct Capture {
  CaptureChanged changed;
  gpointer data;
  Mutex mutex; /* the pointers below; held for a reference's time */
  Shadow *shadows[CAPTURE_MAX_SCANOUTS];
};

Capture *capture_create(CaptureChanged changed, gpointer data) {
  Capture *capture = g_new0(Capture, 1);
  capture->changed = changed;
  capture->data = data;
  mutex_init(&capture->mutex);
  return capture;
}

void capture_destroy(Capture *capture) {
  if (!capture) return;
  for (guint i = 0; i < CAPTURE_MAX_SCANOUTS; i++) shadow_unref(capture->shadows[i]);
  mutex_finish(&capture->mutex);
  g_free(capture);
}

static void replace_shadow(Capture *capture, guint scanout, Shadow *shadow) {
  mutex_lock(&capture->mutex);
  Shadow *old = capture->shadows[scanout];
  capture->shadows[scanout] = shadow;
  mutex_unlock(&capture->mutex);
  shadow_unref(old);
}

void capture_set_size(Capture *capture, guint scanout, guint width, guint height) {
  g_assert(scanout < CAPTURE_MAX_SCANOUTS);
  Shadow *now = capture->shadows[scanout]; /* only this thread replaces it */
  gboolean dark = width == 0 || height == 0;
  if (dark ? now == NULL : now && shadow_width(now) == width && shadow_height(now) == height) return;
  g_autoptr(GError) error = NULL;
  Shadow *shadow = dark ? NULL : shadow_create(width, height, &error);
  if (error) {
    stats_count("capture.no-memory");
    log_error("capture", "scanout %u goes dark at %ux%u: %s", scanout, width, height, error->message);
  }
  stats_count("capture.resizes");
  replace_shadow(capture, scanout, shadow);
  capture->changed(scanout, capture->data);
}

static gboolean keeps_format(const Shadow *shadow, const Frame *frame) {
  return shadow_generation(shadow) == 0 || shadow_frame(shadow).format == frame->format;
}

/* The same bytes mean other colours from here on: nothing of the old picture can be compared with. */
static Shadow *begin_anew(Capture *capture, guint scanout, const Frame *frame) {
  Shadow *shadow = shadow_create(frame->width, frame->height, NULL);
  replace_shadow(capture, scanout, shadow);
  return shadow;
}

/* The display said what it shows before it shows it; if it did not, there is nothing to put the picture into. */
static Shadow *shadow_for(Capture *capture, guint scanout, const Frame *frame) {
  Shadow *shadow = capture->shadows[scanout];
  const PixelFormatInfo *format = pixel_format_info(frame->format);
  if (shadow && format && !format->planar && shadow_width(shadow) == frame->width &&
      shadow_height(shadow) == frame->height) {
    return keeps_format(shadow, frame) ? shadow : begin_anew(capture, scanout, frame);
  }
  static LogLimit limit;
  stats_count("capture.misfits");
  log_limited(&limit, LOG_WARN, "capture", "scanout %u: a picture of %ux%u, format %08x, fits no scanout of that size",
              scanout, frame->width, frame->height, frame->format);
  return NULL;
}

void capture_update(Capture *capture, guint scanout, const Frame *frame, const Rect *rects, guint n_rects,
                    gint64 flush_us) {
  g_assert(scanout < CAPTURE_MAX_SCANOUTS);
  Shadow *shadow = shadow_for(capture, scanout, frame);
  if (!shadow) return;
  Rect whole = {0, 0, frame->width, frame->height};
  guint64 before = shadow_generation(shadow);
  guint changed = 0;
  shadow_write_begin(shadow);
  if (before == 0) n_rects = 0; /* nothing is known of what no rectangle covers */
  if (n_rects == 0) changed += shadow_write_rect(shadow, frame, &whole);
  for (guint i = 0; i < n_rects; i++) {
    Rect inside;
    if (rect_clip(rects[i].x, rects[i].y, rects[i].width, rects[i].height, frame->width, frame->height, &inside)) {
      changed += shadow_write_rect(shadow, frame, &inside);
    }
  }
  gboolean is_new = shadow_write_end(shadow, flush_us) != before;
  stats_count("capture.flushes");
  stats_add(stats_counter("capture.tiles-changed"), changed);
  if (is_new) {
    capture->changed(scanout, capture->data);
  } else {
    stats_count("capture.flushes-without-change");
  }
}

Shadow *capture_get_shadow(Capture *capture, guint scanout) {
  g_assert(scanout < CAPTURE_MAX_SCANOUTS);
  mutex_lock(&capture->mutex);
  Shadow *shadow = capture->shadows[scanout];
  if (shadow) shadow_ref(shadow);
  mutex_unlock(&capture->mutex);
  return shadow;
}
