/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/framelift-src.h"

#include "tests/unit/guest-gst/fake-host.h"
#include "tests/unit/support/support.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <string.h>

/* Generous: sanitized builds on a busy machine. */
#define LIMIT_US (10 * (gint64)G_USEC_PER_SEC)

typedef struct {
  char *folder;
  char *path;
  FakeHost *host;
  GstElement *element;
  GstHarness *harness;
  GstBus *bus;
} Rig;

static void rig_init(Rig *rig, guint version) {
  *rig = (Rig){.folder = support_make_folder()};
  rig->path = g_build_filename(rig->folder, "s", NULL);
  if (version > 0) rig->host = fake_host_start(rig->path, version, 0);
  if (rig->host) fake_host_set_push(rig->host, 5);
  rig->element = gst_object_ref_sink(g_object_new(FRAMELIFT_SRC_TYPE, "socket-path", rig->path, NULL));
  rig->bus = gst_bus_new();
  gst_element_set_bus(rig->element, rig->bus);
}

static void rig_start(Rig *rig) {
  rig->harness = gst_harness_new_with_element(rig->element, NULL, "src");
  gst_harness_use_systemclock(rig->harness);
  gst_harness_play(rig->harness);
}

static void rig_finish(Rig *rig) {
  gst_harness_teardown(rig->harness);
  gst_element_set_bus(rig->element, NULL);
  gst_object_unref(rig->bus);
  gst_object_unref(rig->element);
  if (rig->host) fake_host_stop(rig->host);
  g_free(rig->path);
  support_remove_folder(rig->folder);
}

typedef struct {
  GstClockTime pts;
  gboolean key;
  gboolean discont;
} Got;

static Got pull(Rig *rig) {
  GstBuffer *buffer = gst_harness_pull(rig->harness);
  g_assert_nonnull(buffer);
  Got got = {
      .pts = GST_BUFFER_PTS(buffer),
      .key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT),
      .discont = GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT),
  };
  gst_buffer_unref(buffer);
  return got;
}

static void assert_error(Rig *rig, const char *hop) {
  g_autoptr(GstMessage) message =
      gst_bus_timed_pop_filtered(rig->bus, (GstClockTime)(LIMIT_US * 1000), GST_MESSAGE_ERROR);
  g_assert_nonnull(message);
  g_autoptr(GError) error = NULL;
  gst_message_parse_error(message, &error, NULL);
  g_test_message("%s", error->message);
  if (!g_str_has_prefix(error->message, hop)) g_error("\"%s\" does not begin with \"%s\"", error->message, hop);
}

static void test_stream(void) {
  for (guint version = 1; version <= 2; version++) {
    Rig rig;
    rig_init(&rig, version);
    fake_host_set_size(rig.host, 1024, 768);
    rig_start(&rig);
    GstClockTime last = 0;
    for (guint i = 0; i < 60; i++) {
      Got got = pull(&rig);
      g_assert_true(got.key == (i == 0));
      g_assert_true(got.discont == (i == 0));
      g_assert_true(i == 0 || got.pts > last);
      last = got.pts;
    }
    g_autoptr(GstCaps) caps = gst_pad_get_current_caps(rig.harness->sinkpad);
    gint width;
    g_assert_true(gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width));
    g_assert_cmpint(width, ==, 1024);
    /* a host's time, on this clock: 60 access units took 300 ms there, and so they do here */
    g_autoptr(GstClock) clock = gst_element_get_clock(rig.element);
    GstClockTime now = gst_clock_get_time(clock) - gst_element_get_base_time(rig.element);
    g_assert_cmpuint(last, <=, now);
    g_assert_cmpuint(now - last, <, 2 * GST_SECOND);
    g_assert_cmpuint(last, >=, 280 * GST_MSECOND);
    rig_finish(&rig);
  }
}

static void test_force_key_unit(void) {
  Rig rig;
  rig_init(&rig, 2);
  rig_start(&rig);
  for (guint i = 0; i < 3; i++) pull(&rig);
  gst_harness_push_upstream_event(rig.harness,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1));
  guint waited = 0;
  while (!pull(&rig).key) g_assert_cmpuint(++waited, <, 1000);
  g_assert_cmpuint(fake_host_record(rig.host).key_requests, ==, 1);
  rig_finish(&rig);
}

static void test_size_changes(void) {
  Rig rig;
  rig_init(&rig, 2);
  rig_start(&rig);
  pull(&rig);
  fake_host_set_size(rig.host, 800, 600);
  fake_host_gap(rig.host, 3);
  Got got;
  guint waited = 0;
  while (got = pull(&rig), !got.key) g_assert_cmpuint(++waited, <, 1000);
  g_assert_true(got.discont); /* three were left out */
  g_autoptr(GstCaps) caps = gst_pad_get_current_caps(rig.harness->sinkpad);
  gint width;
  g_assert_true(gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &width));
  g_assert_cmpint(width, ==, 800);
  rig_finish(&rig);
}

static void test_host_restart(void) {
  Rig rig;
  rig_init(&rig, 2);
  rig_start(&rig);
  GstClockTime last = 0;
  for (guint i = 0; i < 10; i++) last = pull(&rig).pts;
  fake_host_stop(rig.host);
  g_usleep(300000);
  rig.host = fake_host_start(rig.path, 2, 0);
  fake_host_set_push(rig.host, 5);
  gint64 begin = g_get_monotonic_time();
  Got got;
  guint waited = 0;
  while (got = pull(&rig), !got.key) g_assert_cmpuint(++waited, <, 1000);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  g_assert_true(got.discont);
  g_assert_cmpuint(got.pts, >, last + 200 * GST_MSECOND); /* its clock began anew; ours did not */
  g_autoptr(GstMessage) message = gst_bus_pop_filtered(rig.bus, GST_MESSAGE_ERROR);
  g_assert_null(message);
  rig_finish(&rig);
}

typedef struct {
  GMutex mutex;
  GCond cond;
  gboolean closed;
} Gate;

static GstPadProbeReturn wait_at_gate(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Gate *gate = data;
  g_mutex_lock(&gate->mutex);
  while (gate->closed) g_cond_wait(&gate->cond, &gate->mutex);
  g_mutex_unlock(&gate->mutex);
  return GST_PAD_PROBE_OK;
}

/* Downstream is stuck: what it missed is dropped, and an IDR asked for when it goes on (F08). */
static void test_downstream_blocks(void) {
  Rig rig;
  Gate gate = {.closed = FALSE};
  g_mutex_init(&gate.mutex);
  g_cond_init(&gate.cond);
  rig_init(&rig, 2);
  g_object_set(rig.element, "timeout", 1000, NULL);
  rig_start(&rig);
  gst_pad_add_probe(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, wait_at_gate, &gate, NULL);
  pull(&rig);
  g_mutex_lock(&gate.mutex);
  gate.closed = TRUE;
  g_mutex_unlock(&gate.mutex);
  g_usleep(1500000); /* longer than the time limit, and 300 access units */
  guint before = gst_harness_buffers_in_queue(rig.harness);
  g_mutex_lock(&gate.mutex);
  gate.closed = FALSE;
  g_cond_broadcast(&gate.cond);
  g_mutex_unlock(&gate.mutex);
  for (guint i = 0; i < before + 1; i++) pull(&rig); /* what was through, and what stood at the gate */
  Got got = pull(&rig);
  g_assert_true(got.key);
  g_assert_true(got.discont);
  g_assert_cmpuint(fake_host_record(rig.host).connections, ==, 1);
  rig_finish(&rig);
  g_mutex_clear(&gate.mutex);
  g_cond_clear(&gate.cond);
}

static void test_error_names_the_hop(void) {
  static const struct {
    guint version;
    guint flags;
    const char *hop;
  } CASES[] = {
      {0, 0, "connect: "},
      {2, FAKE_HOST_NO_PONG, "PING: "},
      {1, FAKE_HOST_NO_SUBSCRIBE, "SUBSCRIBE: "},
      {2, FAKE_HOST_ABSENT, "SUBSCRIBE: "},
      {2, FAKE_HOST_DENY, "version: "},
      {2, FAKE_HOST_GARBAGE, "stream: "},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    Rig rig;
    rig_init(&rig, CASES[i].version);
    if (rig.host) fake_host_set_flags(rig.host, CASES[i].flags);
    g_object_set(rig.element, "timeout", 300, NULL);
    rig_start(&rig);
    assert_error(&rig, CASES[i].hop);
    rig_finish(&rig);
  }
}

/* A still screen sends nothing; a pipeline can be stopped all the same, and knows that the host is there (F19). */
static void test_silence(void) {
  Rig rig;
  rig_init(&rig, 2);
  fake_host_set_push(rig.host, 0);
  g_object_set(rig.element, "timeout", 1000, NULL);
  rig_start(&rig);
  g_usleep(2500000); /* two and a half time limits */
  g_autoptr(GstMessage) message = gst_bus_pop_filtered(rig.bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  g_assert_null(message);
  g_assert_cmpuint(fake_host_record(rig.host).pings, >=, 3);
  g_assert_cmpuint(fake_host_record(rig.host).connections, ==, 1);
  gint64 begin = g_get_monotonic_time();
  gst_element_set_state(rig.element, GST_STATE_NULL);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  rig_finish(&rig);
}

static void test_start_again(void) {
  Rig rig;
  rig_init(&rig, 2);
  rig_start(&rig);
  pull(&rig);
  for (guint i = 0; i < 10; i++) {
    gst_element_set_state(rig.element, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
    gst_element_set_state(rig.element, GST_STATE_PLAYING);
  }
  Got got;
  guint waited = 0;
  while (got = pull(&rig), !got.key) g_assert_cmpuint(++waited, <, 1000);
  rig_finish(&rig);
}

static void test_bitrate(void) {
  Rig rig;
  rig_init(&rig, 1);
  g_object_set(rig.element, "bitrate", 2500, NULL);
  rig_start(&rig);
  guint waited = 0;
  while (fake_host_record(rig.host).config.bitrate != 2500000) {
    pull(&rig);
    g_assert_cmpuint(++waited, <, 1000);
  }
  rig_finish(&rig);
}

/* A subscription has no requests whose scanout could be named, also where the host has such a message. */
static void test_names_no_scanout(void) {
  Rig rig;
  rig_init(&rig, 0);
  rig.host = fake_host_start(rig.path, 2, HXFR_FEATURE_REQUESTS | HXFR_FEATURE_PIXELS | HXFR_FEATURE_TILES);
  fake_host_set_push(rig.host, 5);
  g_object_set(rig.element, "scanout", 1, NULL);
  rig_start(&rig);
  for (guint i = 0; i < 5; i++) pull(&rig);
  g_assert_cmpuint(fake_host_record(rig.host).subscribes, ==, 1);
  g_assert_cmpuint(fake_host_record(rig.host).scanouts, ==, 0);
  rig_finish(&rig);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/frameliftsrc/stream", test_stream);
  g_test_add_func("/frameliftsrc/force-key-unit", test_force_key_unit);
  g_test_add_func("/frameliftsrc/size-changes", test_size_changes);
  g_test_add_func("/frameliftsrc/host-restart", test_host_restart);
  g_test_add_func("/frameliftsrc/downstream-blocks-F08", test_downstream_blocks);
  g_test_add_func("/frameliftsrc/error-names-the-hop-F01", test_error_names_the_hop);
  g_test_add_func("/frameliftsrc/silence-F19", test_silence);
  g_test_add_func("/frameliftsrc/start-again", test_start_again);
  g_test_add_func("/frameliftsrc/bitrate", test_bitrate);
  g_test_add_func("/frameliftsrc/names-no-scanout", test_names_no_scanout);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
