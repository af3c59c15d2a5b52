/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-gst/encoder-rig.h"

#include "guest/gst/vsock-enc.h"
#include "tests/unit/support/support.h"

#include <string.h>

void encoder_rig_host(EncoderRig *rig, guint version, guint32 features) {
  rig->host = fake_host_start(rig->path, version, features);
}

void encoder_rig_init(EncoderRig *rig, guint version, guint32 features) {
  *rig = (EncoderRig){.folder = support_make_folder(), .width = 64, .height = 48};
  rig->path = g_build_filename(rig->folder, "s", NULL);
  if (version > 0) encoder_rig_host(rig, version, features);
  rig->element = gst_object_ref_sink(g_object_new(VSOCK_ENC_TYPE, "socket-path", rig->path, NULL));
  rig->bus = gst_bus_new();
  gst_element_set_bus(rig->element, rig->bus);
}

void encoder_rig_caps(EncoderRig *rig, const char *format) {
  g_autofree char *caps =
      g_strdup_printf("video/x-raw, format=%s, width=%u, height=%u, framerate=60/1", format, rig->width, rig->height);
  gst_harness_set_src_caps_str(rig->harness, caps);
}

void encoder_rig_start(EncoderRig *rig) {
  rig->harness = gst_harness_new_with_element(rig->element, "sink", "src");
  encoder_rig_caps(rig, "BGRx");
}

void encoder_rig_finish(EncoderRig *rig) {
  if (rig->harness)
    gst_harness_teardown(rig->harness);
  else
    gst_element_set_state(rig->element, GST_STATE_NULL);
  gst_element_set_bus(rig->element, NULL);
  gst_object_unref(rig->bus);
  gst_object_unref(rig->element);
  if (rig->host) fake_host_stop(rig->host);
  g_free(rig->path);
  support_remove_folder(rig->folder);
}

GstBuffer *encoder_rig_frame(EncoderRig *rig, gsize size) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);
  gst_buffer_memset(buffer, 0, (guint8)(rig->pushed + 1), size);
  GST_BUFFER_PTS(buffer) = rig->pushed++ * ENCODER_RIG_FRAME_NS;
  GST_BUFFER_DURATION(buffer) = ENCODER_RIG_FRAME_NS;
  return buffer;
}

GstFlowReturn encoder_rig_push(EncoderRig *rig) {
  return gst_harness_push(rig->harness, encoder_rig_frame(rig, (gsize)rig->width * rig->height * 4));
}

guint encoder_rig_pull(EncoderRig *rig, gboolean *key) {
  GstBuffer *buffer = gst_harness_pull(rig->harness);
  g_assert_nonnull(buffer);
  guint number = (guint)((GST_BUFFER_PTS(buffer) + ENCODER_RIG_FRAME_NS / 2) / ENCODER_RIG_FRAME_NS);
  if (key) *key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  gst_buffer_unref(buffer);
  return number;
}

void encoder_rig_pull_all(EncoderRig *rig, guint from, guint to) {
  for (guint i = from; i < to; i++) g_assert_cmpuint(encoder_rig_pull(rig, NULL), ==, i);
}

char *encoder_rig_wait_message(EncoderRig *rig, GstMessageType type) {
  g_autoptr(GstMessage) message =
      gst_bus_timed_pop_filtered(rig->bus, (GstClockTime)(ENCODER_RIG_LIMIT_US * 1000), type);
  g_assert_nonnull(message);
  g_autoptr(GError) error = NULL;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, NULL);
  else
    gst_message_parse_warning(message, &error, NULL);
  g_test_message("%s", error->message);
  return g_strdup(error->message);
}

void encoder_rig_assert_no_message(EncoderRig *rig, GstMessageType type) {
  g_autoptr(GstMessage) message = gst_bus_pop_filtered(rig->bus, type);
  g_assert_null(message);
}

guint64 encoder_rig_stat(EncoderRig *rig, const char *name) {
  g_autoptr(GstStructure) stats = NULL;
  g_object_get(rig->element, "stats", &stats, NULL);
  guint64 value = 0;
  g_assert_true(gst_structure_get_uint64(stats, name, &value));
  return value;
}

void encoder_rig_assert_size(EncoderRig *rig, gint width, gint height) {
  g_autoptr(GstCaps) caps = gst_pad_get_current_caps(rig->harness->sinkpad);
  const GstStructure *structure = gst_caps_get_structure(caps, 0);
  gint got_width, got_height;
  g_assert_true(gst_structure_get_int(structure, "width", &got_width));
  g_assert_true(gst_structure_get_int(structure, "height", &got_height));
  g_assert_cmpint(got_width, ==, width);
  g_assert_cmpint(got_height, ==, height);
  g_assert_cmpstr(gst_structure_get_string(structure, "profile"), ==, "constrained-baseline");
  g_assert_cmpstr(gst_structure_get_string(structure, "stream-format"), ==, "byte-stream");
  g_assert_cmpstr(gst_structure_get_string(structure, "alignment"), ==, "au");
}

gpointer encoder_rig_push_thread(gpointer data) {
  return GINT_TO_POINTER(encoder_rig_push(data));
}
