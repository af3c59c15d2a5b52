/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/unit/guest-gst/fake-host.h"

#include <gst/check/gstharness.h>

/* A fake host, and a vsockenc between a harness's pads. Everything here aborts the test on failure. */

#define ENCODER_RIG_REQUESTS (HXFR_FEATURE_REQUESTS | HXFR_FEATURE_RESOURCES)
#define ENCODER_RIG_FRAME_NS (GST_SECOND / 60)
/* Generous: sanitized builds on a busy machine. */
#define ENCODER_RIG_LIMIT_US (10 * (gint64)G_USEC_PER_SEC)

typedef struct {
  char *folder;
  char *path;
  FakeHost *host;
  GstElement *element;
  GstHarness *harness; /* NULL before encoder_rig_start() */
  GstBus *bus;
  guint width; /* of the frames */
  guint height;
  guint pushed;
} EncoderRig;

#define ENCODER_RIG_WAIT(condition)                                                                                    \
  do {                                                                                                                 \
    gint64 end = g_get_monotonic_time() + ENCODER_RIG_LIMIT_US;                                                        \
    while (!(condition)) {                                                                                             \
      if (g_get_monotonic_time() > end) g_error("%s: never", #condition);                                              \
      g_usleep(1000);                                                                                                  \
    }                                                                                                                  \
  } while (0)

/* A host at the rig's path; there is none. */
void encoder_rig_host(EncoderRig *rig, guint version, guint32 features);
/* version 0: no host. The element is not started. */
void encoder_rig_init(EncoderRig *rig, guint version, guint32 features);
void encoder_rig_caps(EncoderRig *rig, const char *format);
/* Starts the element, with BGRx of the rig's size. */
void encoder_rig_start(EncoderRig *rig);
void encoder_rig_finish(EncoderRig *rig);
/* The next frame, its bytes all its number from 1 on. */
GstBuffer *encoder_rig_frame(EncoderRig *rig, gsize size);
GstFlowReturn encoder_rig_push(EncoderRig *rig);
/* The next access unit out; its number by its pts. key may be NULL. */
guint encoder_rig_pull(EncoderRig *rig, gboolean *key);
/* They must be these, in order. */
void encoder_rig_pull_all(EncoderRig *rig, guint from, guint to);
/* The text of the next error or warning; it must come. */
char *encoder_rig_wait_message(EncoderRig *rig, GstMessageType type);
void encoder_rig_assert_no_message(EncoderRig *rig, GstMessageType type);
guint64 encoder_rig_stat(EncoderRig *rig, const char *name);
/* Of downstream's caps, and that they are what vsockenc makes. */
void encoder_rig_assert_size(EncoderRig *rig, gint width, gint height);
/* encoder_rig_push() for g_thread_new(). */
gpointer encoder_rig_push_thread(gpointer data);
