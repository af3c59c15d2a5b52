/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/vsock-enc.h"

#include "common/media/pixel-format.h"
#include "guest/gst/link-events.h"
#include "tests/unit/guest-gst/fake-host.h"
#include "tests/unit/support/support.h"

#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include <string.h>

#define ALL_REQUESTS (HXFR_FEATURE_REQUESTS | HXFR_FEATURE_RESOURCES)
#define FRAME_NS (GST_SECOND / 60)
/* Generous: sanitized builds on a busy machine. */
#define LIMIT_US (10 * (gint64)G_USEC_PER_SEC)

/* A host, and an element between a harness's pads. */
typedef struct {
  char *folder;
  char *path;
  FakeHost *host;
  GstElement *element;
  GstHarness *harness;
  GstBus *bus;
  guint width, height;
  guint pushed;
} Rig;

static void rig_host(Rig *rig, guint version, guint32 features) {
  rig->host = fake_host_start(rig->path, version, features);
}

/* The element, not started. */
static void rig_init(Rig *rig, guint version, guint32 features) {
  *rig = (Rig){.folder = support_make_folder(), .width = 64, .height = 48};
  rig->path = g_build_filename(rig->folder, "s", NULL);
  if (version > 0) rig_host(rig, version, features);
  rig->element = gst_object_ref_sink(g_object_new(VSOCK_ENC_TYPE, "socket-path", rig->path, NULL));
  rig->bus = gst_bus_new();
  gst_element_set_bus(rig->element, rig->bus);
}

static void rig_caps(Rig *rig, const char *format) {
  g_autofree char *caps =
      g_strdup_printf("video/x-raw, format=%s, width=%u, height=%u, framerate=60/1", format, rig->width, rig->height);
  gst_harness_set_src_caps_str(rig->harness, caps);
}

static void rig_start(Rig *rig) {
  rig->harness = gst_harness_new_with_element(rig->element, "sink", "src");
  rig_caps(rig, "BGRx");
}

static void rig_finish(Rig *rig) {
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

static GstBuffer *frame(Rig *rig, gsize size) {
  GstBuffer *buffer = gst_buffer_new_allocate(NULL, size, NULL);
  gst_buffer_memset(buffer, 0, (guint8)(rig->pushed + 1), size);
  GST_BUFFER_PTS(buffer) = rig->pushed++ * FRAME_NS;
  GST_BUFFER_DURATION(buffer) = FRAME_NS;
  return buffer;
}

static GstFlowReturn push(Rig *rig) {
  return gst_harness_push(rig->harness, frame(rig, (gsize)rig->width * rig->height * 4));
}

static gboolean is_key(GstBuffer *buffer) {
  return !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
}

/* The next access unit out; its number by its pts. */
static guint pull(Rig *rig, gboolean *key) {
  GstBuffer *buffer = gst_harness_pull(rig->harness);
  g_assert_nonnull(buffer);
  guint number = (guint)((GST_BUFFER_PTS(buffer) + FRAME_NS / 2) / FRAME_NS);
  if (key) *key = is_key(buffer);
  gst_buffer_unref(buffer);
  return number;
}

static void pull_all(Rig *rig, guint from, guint to) {
  for (guint i = from; i < to; i++) g_assert_cmpuint(pull(rig, NULL), ==, i);
}

#define WAIT(condition)                                                                                                \
  do {                                                                                                                 \
    gint64 end = g_get_monotonic_time() + LIMIT_US;                                                                    \
    while (!(condition)) {                                                                                             \
      if (g_get_monotonic_time() > end) g_error("%s: never", #condition);                                              \
      g_usleep(1000);                                                                                                  \
    }                                                                                                                  \
  } while (0)

/* The text of the next message of a type; it must come. */
static char *wait_message(Rig *rig, GstMessageType type) {
  g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(rig->bus, (GstClockTime)(LIMIT_US * 1000), type);
  g_assert_nonnull(message);
  g_autoptr(GError) error = NULL;
  if (type == GST_MESSAGE_ERROR)
    gst_message_parse_error(message, &error, NULL);
  else
    gst_message_parse_warning(message, &error, NULL);
  g_test_message("%s", error->message);
  return g_strdup(error->message);
}

static void assert_no_message(Rig *rig, GstMessageType type) {
  g_autoptr(GstMessage) message = gst_bus_pop_filtered(rig->bus, type);
  g_assert_null(message);
}

static guint64 stat(Rig *rig, const char *name) {
  g_autoptr(GstStructure) stats = NULL;
  g_object_get(rig->element, "stats", &stats, NULL);
  guint64 value = 0;
  g_assert_true(gst_structure_get_uint64(stats, name, &value));
  return value;
}

static void assert_size(Rig *rig, gint width, gint height) {
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

static void test_frames(void) {
  for (guint version = 1; version <= 2; version++) {
    Rig rig;
    rig_init(&rig, version, ALL_REQUESTS);
    fake_host_set_size(rig.host, 1366, 768); /* the scanout's size is not the caps' */
    rig_start(&rig);
    for (guint i = 0; i < 30; i++) {
      gboolean key;
      g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
      g_assert_cmpuint(pull(&rig, &key), ==, i);
      g_assert_true(key == (i == 0));
      FakeHostRequest request = fake_host_request(rig.host, i);
      g_assert_cmpint(request.request.pts_ns, ==, (gint64)(i * FRAME_NS));
      g_assert_cmpuint(request.request.resource_id, ==, 0);
      g_assert_cmpuint(request.request.width, ==, 64);
      g_assert_cmpuint(request.request.stride, ==, 256);
      g_assert_true(request.request.force_keyframe == (i == 0));
      g_assert_false(request.has_pixels);
      /* what hosts in the field know */
      g_assert_cmpuint(request.request.format, ==, version == 1 ? PIXEL_FORMAT_ARGB8888 : PIXEL_FORMAT_XRGB8888);
    }
    assert_size(&rig, 1366, 768);
    FakeHostRecord record = fake_host_record(rig.host);
    g_assert_cmpuint(record.config.bitrate, ==, 10000000);
    g_assert_cmpuint(record.config.framerate_num, ==, 60);
    g_assert_cmpuint(record.ping_bytes, ==, 0);
    assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
    rig_finish(&rig);
  }
}

static gpointer push_thread(gpointer data) {
  return GINT_TO_POINTER(push(data));
}

/* F26: the receive thread needs the stream lock to finish a frame; whoever waits for room must not hold it. */
static void test_window_of_one(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  vsock_enc_set_window(VSOCK_ENC(rig.element), 1);
  fake_host_set_delay(rig.host, 20);
  rig_start(&rig);
  for (guint i = 0; i < 20; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  pull_all(&rig, 0, 20);
  g_assert_cmpuint(fake_host_record(rig.host).most_waiting, ==, 1);
  rig_finish(&rig);
}

static void test_four_in_flight(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  fake_host_set_delay(rig.host, 50);
  rig_start(&rig);
  for (guint i = 0; i < 12; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  pull_all(&rig, 0, 12);
  g_assert_cmpuint(fake_host_record(rig.host).most_waiting, ==, 4);
  rig_finish(&rig);
}

static void flush(Rig *rig) {
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_start()));
  GThread *pusher = g_thread_new("join-me", push_thread, rig); /* whoever comes now is sent away */
  g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_segment(&segment)));
}

/* F26, F08: a flush while the window is full and somebody waits; what comes after begins with an IDR. */
static void test_flush_under_load(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  fake_host_set_delay(rig.host, 300);
  for (guint round = 0; round < 3; round++) {
    guint before = fake_host_n_requests(rig.host);
    for (guint i = 0; i < 4; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
    WAIT(fake_host_n_requests(rig.host) == before + 4);
    GThread *pusher = g_thread_new("waits", push_thread, &rig);
    g_usleep(20000);
    flush(&rig);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
    /* everything before the flush is gone: the next one out is the next one in */
    guint first = rig.pushed;
    gboolean key;
    g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
    g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
    g_assert_cmpuint(pull(&rig, &key), ==, first);
    g_assert_true(key);
    g_assert_cmpuint(pull(&rig, &key), ==, first + 1);
    g_assert_false(key);
  }
  assert_no_message(&rig, GST_MESSAGE_ERROR);
  rig_finish(&rig);
}

/* After a seek the same timestamps come again, while answers of before are still on their way. */
static void test_flush_same_pts(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  fake_host_set_delay(rig.host, 100);
  for (guint i = 0; i < 4; i++) push(&rig);
  flush(&rig);
  rig.pushed = 0;
  for (guint i = 0; i < 4; i++) push(&rig);
  for (guint i = 0; i < 4; i++) {
    gboolean key;
    g_assert_cmpuint(pull(&rig, &key), ==, i);
    g_assert_true(key == (i == 0));
  }
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 0);
  rig_finish(&rig);
}

static gboolean pull_eos(Rig *rig) {
  gboolean eos = FALSE;
  GstEvent *event;
  while (!eos && (event = gst_harness_try_pull_event(rig->harness)) != NULL) {
    eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    gst_event_unref(event);
  }
  return eos;
}

static void test_eos_drains(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  fake_host_set_delay(rig.host, 30);
  rig_start(&rig);
  for (guint i = 0; i < 20; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  /* push_event came back: all of it is out */
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 20);
  g_assert_true(pull_eos(&rig));
  pull_all(&rig, 0, 20);
  rig_finish(&rig);
}

/* EOS while the host is away: nothing is lost, it only comes later. */
static void test_eos_over_restart(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  for (guint i = 0; i < 3; i++) push(&rig);
  WAIT(fake_host_n_requests(rig.host) == 4);
  fake_host_stop(rig.host);
  rig_host(&rig, 2, ALL_REQUESTS);
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  pull_all(&rig, 1, 4);
  rig_finish(&rig);
}

static void test_renegotiation(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  fake_host_set_size(rig.host, 64, 48);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  assert_size(&rig, 64, 48);
  rig.width = 128;
  rig.height = 96;
  rig_caps(&rig, "RGBA");
  fake_host_set_size(rig.host, 128, 96);
  push(&rig);
  pull_all(&rig, 1, 2);
  FakeHostRequest request = fake_host_request(rig.host, 1);
  g_assert_cmpuint(request.request.width, ==, 128);
  g_assert_cmpuint(request.request.stride, ==, 512);
  g_assert_cmpuint(request.request.format, ==, PIXEL_FORMAT_ABGR8888);
  g_assert_true(request.request.force_keyframe);
  g_assert_cmpuint(fake_host_record(rig.host).config.height, ==, 96);
  assert_size(&rig, 128, 96);
  /* the host's scanout changes its size, and nobody here did */
  fake_host_set_size(rig.host, 1280, 720);
  g_assert_true(gst_harness_push_upstream_event(
      rig.harness, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1)));
  push(&rig);
  pull_all(&rig, 2, 3);
  assert_size(&rig, 1280, 720);
  rig_finish(&rig);
}

/* Nothing that was under way is dropped by new caps. */
static void test_renegotiation_under_load(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  fake_host_set_delay(rig.host, 40);
  rig_start(&rig);
  for (guint i = 0; i < 12; i++) {
    if (i % 3 == 0) {
      rig.width = 64 + 16 * i;
      rig_caps(&rig, "BGRA");
    }
    g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  }
  pull_all(&rig, 0, 12);
  rig_finish(&rig);
}

static void test_host_restart(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  for (guint i = 0; i < 5; i++) push(&rig);
  pull_all(&rig, 0, 5);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  for (guint i = 0; i < 2; i++) push(&rig);
  WAIT(fake_host_n_requests(rig.host) == 7);
  fake_host_stop(rig.host);
  g_autofree char *warning = wait_message(&rig, GST_MESSAGE_WARNING);
  g_assert_nonnull(strstr(warning, "Connection lost"));
  g_usleep(400000);
  rig_host(&rig, 2, ALL_REQUESTS);
  gint64 begin = g_get_monotonic_time();
  gboolean key;
  g_assert_cmpuint(pull(&rig, &key), ==, 5);
  g_assert_true(key);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  g_assert_cmpuint(pull(&rig, &key), ==, 6);
  g_assert_false(key);
  for (guint i = 7; i < 12; i++) push(&rig);
  pull_all(&rig, 7, 12);
  g_assert_cmpuint(stat(&rig, "connects"), ==, 2);
  assert_no_message(&rig, GST_MESSAGE_ERROR);
  rig_finish(&rig);
}

static gboolean pull_force_key_unit(Rig *rig) {
  gboolean found = FALSE;
  GstEvent *event;
  while (!found && (event = gst_harness_try_pull_event(rig->harness)) != NULL) {
    found = gst_video_event_is_force_key_unit(event);
    gst_event_unref(event);
  }
  return found;
}

static void test_force_key_unit(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  push(&rig);
  push(&rig);
  pull_all(&rig, 0, 2);
  gboolean key;
  /* from downstream, as a peer connection does it */
  gst_harness_push_upstream_event(rig.harness,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1));
  push(&rig);
  g_assert_cmpuint(pull(&rig, &key), ==, 2);
  g_assert_true(key);
  g_assert_true(pull_force_key_unit(&rig));
  push(&rig);
  g_assert_cmpuint(pull(&rig, &key), ==, 3);
  g_assert_false(key);
  /* from upstream, in the stream */
  gst_harness_push_event(rig.harness, gst_video_event_new_downstream_force_key_unit(4 * FRAME_NS, GST_CLOCK_TIME_NONE,
                                                                                    GST_CLOCK_TIME_NONE, TRUE, 2));
  push(&rig);
  g_assert_cmpuint(pull(&rig, &key), ==, 4);
  g_assert_true(key);
  g_assert_true(pull_force_key_unit(&rig));
  rig_finish(&rig);
}

static void test_keyframe_interval(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  g_object_set(rig.element, "keyframe-interval", 5, NULL);
  rig_start(&rig);
  for (guint i = 0; i < 16; i++) {
    gboolean key;
    push(&rig);
    g_assert_cmpuint(pull(&rig, &key), ==, i);
    g_assert_true(key == (i % 5 == 0));
  }
  rig_finish(&rig);
}

static void test_bitrate_while_playing(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  g_object_set(rig.element, "bitrate", 3000, NULL);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  g_assert_cmpuint(fake_host_record(rig.host).config.bitrate, ==, 3000000);
  g_object_set(rig.element, "bitrate", 500, NULL);
  WAIT(fake_host_record(rig.host).config.bitrate == 500000);
  rig_finish(&rig);
}

/* The error of an element that has a host which does this. */
static void assert_error_names(guint version, guint32 features, guint flags, const char *hop) {
  Rig rig;
  rig_init(&rig, version, features);
  if (rig.host) fake_host_set_flags(rig.host, flags);
  g_object_set(rig.element, "timeout", 300, NULL);
  rig_start(&rig);
  GstFlowReturn result = GST_FLOW_OK;
  for (guint i = 0; i < 6 && result == GST_FLOW_OK; i++) result = push(&rig);
  g_assert_cmpint(result, ==, GST_FLOW_ERROR); /* the window is full, and does not stay so silently (F01) */
  g_autofree char *text = wait_message(&rig, GST_MESSAGE_ERROR);
  if (!g_str_has_prefix(text, hop)) g_error("\"%s\" does not begin with \"%s\"", text, hop);
  rig_finish(&rig);
}

static void test_error_names_the_hop(void) {
  assert_error_names(0, 0, 0, "connect: ");
  assert_error_names(2, ALL_REQUESTS, FAKE_HOST_NO_PONG, "PING: ");
  assert_error_names(2, ALL_REQUESTS, FAKE_HOST_DENY, "version: ");
  assert_error_names(2, HXFR_FEATURE_STATS, 0, "FRAME_REQUEST: ");
  assert_error_names(2, ALL_REQUESTS, FAKE_HOST_NO_ANSWERS, "first answer: ");
  assert_error_names(1, 0, FAKE_HOST_NO_ANSWERS, "first answer: ");
  assert_error_names(2, ALL_REQUESTS, FAKE_HOST_GARBAGE, "stream: ");
}

static void test_two_places(void) {
  Rig rig;
  rig_init(&rig, 0, 0);
  g_object_set(rig.element, "address", "tcp:127.0.0.1:1", NULL);
  g_assert_cmpint(gst_element_set_state(rig.element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  g_autofree char *text = wait_message(&rig, GST_MESSAGE_ERROR);
  g_assert_true(g_str_has_prefix(text, "settings: "));
  g_assert_nonnull(strstr(text, "two different places"));
  rig_finish(&rig);
}

static void test_version_1_leaves_out(void) {
  Rig rig;
  rig_init(&rig, 1, 0);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  fake_host_skip(rig.host, 2);
  for (guint i = 0; i < 5; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  pull_all(&rig, 3, 6);
  g_assert_cmpuint(stat(&rig, "lost"), ==, 2);
  assert_no_message(&rig, GST_MESSAGE_ERROR);
  rig_finish(&rig);
}

/* A frame that the host cannot encode is dropped and told; the pipeline lives. */
static void test_error_answer(void) {
  for (guint version = 1; version <= 2; version++) {
    Rig rig;
    rig_init(&rig, version, ALL_REQUESTS);
    fake_host_fail(rig.host, 3, HXFR_ERR_RESOURCE_NOT_FOUND); /* the very first, before any caps are known */
    rig_start(&rig);
    for (guint i = 0; i < 6; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
    gboolean key;
    g_assert_cmpuint(pull(&rig, &key), ==, 3);
    g_assert_true(key);
    pull_all(&rig, 4, 6);
    g_autofree char *text = wait_message(&rig, GST_MESSAGE_WARNING);
    g_assert_nonnull(strstr(text, "ERROR -2"));
    assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING); /* and told once */
    assert_size(&rig, 640, 480);
    rig_finish(&rig);
  }
}

/* F08: an access unit that cannot be read is missing in what follows, up to an IDR. */
static void test_malformed_answer(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  fake_host_set_delay(rig.host, 30);
  fake_host_mangle(rig.host, 1);
  for (guint i = 0; i < 8; i++) push(&rig);
  gboolean key;
  guint number = pull(&rig, &key);
  g_assert_true(key); /* those on their way were of no use */
  g_assert_cmpuint(number, >=, 3);
  pull_all(&rig, number + 1, 9);
  rig_finish(&rig);
}

static void test_upload(void) {
  static const struct {
    guint version;
    guint32 features;
    VsockEncUpload upload;
    gboolean pixels;
  } CASES[] = {
      {1, 0, VSOCK_ENC_UPLOAD_AUTO, FALSE},
      {1, 0, VSOCK_ENC_UPLOAD_ALWAYS, TRUE},
      {2, ALL_REQUESTS, VSOCK_ENC_UPLOAD_AUTO, FALSE},
      {2, ALL_REQUESTS | LINK_FEATURE_PIXELS, VSOCK_ENC_UPLOAD_AUTO, TRUE},
      {2, ALL_REQUESTS | LINK_FEATURE_PIXELS, VSOCK_ENC_UPLOAD_NEVER, FALSE},
      {2, ALL_REQUESTS, VSOCK_ENC_UPLOAD_ALWAYS, TRUE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    Rig rig;
    rig_init(&rig, CASES[i].version, CASES[i].features);
    g_object_set(rig.element, "upload", CASES[i].upload, NULL);
    rig_start(&rig);
    for (guint n = 0; n < 6; n++) push(&rig);
    pull_all(&rig, 0, 6);
    for (guint n = 0; n < 6; n++) {
      FakeHostRequest request = fake_host_request(rig.host, n);
      g_assert_true(request.has_pixels == CASES[i].pixels);
      g_assert_cmpuint(request.pixels_size, ==, CASES[i].pixels ? 64 * 48 * 4 : 0);
      if (CASES[i].pixels) g_assert_cmpuint(request.first_pixel[3], ==, n + 1);
      g_assert_cmpuint(request.request.resource_id, ==, 0);
    }
    rig_finish(&rig);
  }
}

static void test_upload_nv12(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS | LINK_FEATURE_PIXELS);
  rig_start(&rig);
  rig_caps(&rig, "NV12");
  gst_harness_push(rig.harness, frame(&rig, 64 * 48 * 3 / 2));
  pull_all(&rig, 0, 1);
  FakeHostRequest request = fake_host_request(rig.host, 0);
  g_assert_cmpuint(request.request.format, ==, PIXEL_FORMAT_NV12);
  g_assert_cmpuint(request.pixels_size, ==, 64 * 48 * 3 / 2);
  rig_finish(&rig);
}

/* The link is slower than the time limit: it is the host's time that counts. 16 MB a frame. */
static void test_upload_large(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS | LINK_FEATURE_PIXELS);
  rig.width = 2560;
  rig.height = 1600;
  rig_start(&rig);
  for (guint n = 0; n < 4; n++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  pull_all(&rig, 0, 4);
  rig_finish(&rig);
}

/* Nobody has to wait for a host that is silent to end a pipeline. */
static void test_stop_while_waiting(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  g_object_set(rig.element, "timeout", 60000, NULL);
  rig_start(&rig);
  for (guint i = 0; i < 4; i++) push(&rig);
  GThread *pusher = g_thread_new("waits", push_thread, &rig);
  g_usleep(50000);
  gint64 begin = g_get_monotonic_time();
  gst_element_set_state(rig.element, GST_STATE_NULL);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
  rig_finish(&rig);
}

static void test_start_again(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  for (guint round = 0; round < 20; round++) {
    gst_element_set_state(rig.element, round % 2 ? GST_STATE_NULL : GST_STATE_READY);
    gst_element_set_state(rig.element, GST_STATE_PLAYING);
  }
  gst_harness_play(rig.harness);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(rig.harness, gst_event_new_stream_start("again"));
  rig_caps(&rig, "BGRx");
  gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
  gboolean key;
  g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  g_assert_cmpuint(pull(&rig, &key), ==, 1);
  g_assert_true(key);
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

/* Downstream takes nothing for longer than the time limit: that is no fault of the host's. */
static void test_downstream_blocks(void) {
  Rig rig;
  Gate gate = {.closed = TRUE};
  g_mutex_init(&gate.mutex);
  g_cond_init(&gate.cond);
  rig_init(&rig, 2, ALL_REQUESTS);
  g_object_set(rig.element, "timeout", 200, NULL);
  rig_start(&rig);
  gst_pad_add_probe(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, wait_at_gate, &gate, NULL);
  GThread *pushers[8];
  for (guint i = 0; i < 2; i++) g_assert_cmpint(push(&rig), ==, GST_FLOW_OK);
  g_usleep(600000);
  g_mutex_lock(&gate.mutex);
  gate.closed = FALSE;
  g_cond_broadcast(&gate.cond);
  g_mutex_unlock(&gate.mutex);
  for (guint i = 0; i < G_N_ELEMENTS(pushers); i++) {
    pushers[i] = g_thread_new("push", push_thread, &rig);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pushers[i])), ==, GST_FLOW_OK);
  }
  pull_all(&rig, 0, 10);
  assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  rig_finish(&rig);
  g_mutex_clear(&gate.mutex);
  g_cond_clear(&gate.cond);
}

static void test_latency(void) {
  Rig rig;
  rig_init(&rig, 2, ALL_REQUESTS);
  rig_start(&rig);
  push(&rig);
  pull_all(&rig, 0, 1);
  GstClockTime min, max;
  gst_video_encoder_get_latency(GST_VIDEO_ENCODER(rig.element), &min, &max);
  g_assert_cmpuint(min, ==, FRAME_NS);
  g_assert_cmpuint(max, ==, FRAME_NS * VSOCK_ENC_WINDOW);
  rig_finish(&rig);
}

/* The pipeline that people have, on a real stream, decoded where there is a decoder. */
static void test_pipeline(void) {
  g_autofree char *stream = g_build_filename(g_getenv("FRAMELIFT_SOURCE_DIR"), "tests/data/page-stream.h264", NULL);
  static const char *const NEEDED[] = {"videotestsrc", "h264parse", "appsink", "avdec_h264"};
  for (guint i = 0; i < G_N_ELEMENTS(NEEDED); i++) {
    g_autoptr(GstElementFactory) factory = gst_element_factory_find(NEEDED[i]);
    if (factory) continue;
    g_test_skip(NEEDED[i]);
    return;
  }
  Rig rig;
  rig_init(&rig, 1, 0);
  fake_host_use_stream(rig.host, stream);
  gst_element_register(NULL, "vsockenc", GST_RANK_NONE, VSOCK_ENC_TYPE);
  g_autofree char *text = g_strdup_printf(
      "videotestsrc num-buffers=60 ! video/x-raw,format=BGRx,width=320,height=240,framerate=30/1 ! "
      "vsockenc socket-path=%s bitrate=10000 keyframe-interval=20 ! h264parse ! "
      "video/x-h264,profile=constrained-baseline,stream-format=byte-stream ! avdec_h264 ! appsink name=sink sync=false",
      rig.path);
  g_autoptr(GError) error = NULL;
  GstElement *pipeline = gst_parse_launch(text, &error);
  g_assert_no_error(error);
  gst_element_set_state(pipeline, GST_STATE_PLAYING);
  g_autoptr(GstElement) sink = gst_bin_get_by_name(GST_BIN(pipeline), "sink");
  guint pictures = 0;
  GstSample *sample = NULL;
  while (g_signal_emit_by_name(sink, "pull-sample", &sample), sample) {
    pictures++;
    gst_sample_unref(sample);
  }
  g_assert_cmpuint(pictures, ==, 60);
  gst_element_set_state(pipeline, GST_STATE_NULL);
  gst_object_unref(pipeline);
  rig_finish(&rig);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vsockenc/frames", test_frames);
  g_test_add_func("/vsockenc/window-of-one-F26", test_window_of_one);
  g_test_add_func("/vsockenc/four-in-flight", test_four_in_flight);
  g_test_add_func("/vsockenc/flush-under-load-F26", test_flush_under_load);
  g_test_add_func("/vsockenc/flush-same-pts", test_flush_same_pts);
  g_test_add_func("/vsockenc/eos-drains", test_eos_drains);
  g_test_add_func("/vsockenc/eos-over-restart", test_eos_over_restart);
  g_test_add_func("/vsockenc/renegotiation", test_renegotiation);
  g_test_add_func("/vsockenc/renegotiation-under-load", test_renegotiation_under_load);
  g_test_add_func("/vsockenc/host-restart", test_host_restart);
  g_test_add_func("/vsockenc/force-key-unit", test_force_key_unit);
  g_test_add_func("/vsockenc/keyframe-interval", test_keyframe_interval);
  g_test_add_func("/vsockenc/bitrate-while-playing", test_bitrate_while_playing);
  g_test_add_func("/vsockenc/error-names-the-hop-F01", test_error_names_the_hop);
  g_test_add_func("/vsockenc/two-places", test_two_places);
  g_test_add_func("/vsockenc/version-1-leaves-out", test_version_1_leaves_out);
  g_test_add_func("/vsockenc/error-answer", test_error_answer);
  g_test_add_func("/vsockenc/malformed-answer-F08", test_malformed_answer);
  g_test_add_func("/vsockenc/upload-F18", test_upload);
  g_test_add_func("/vsockenc/upload-nv12", test_upload_nv12);
  g_test_add_func("/vsockenc/upload-large", test_upload_large);
  g_test_add_func("/vsockenc/stop-while-waiting-F26", test_stop_while_waiting);
  g_test_add_func("/vsockenc/start-again", test_start_again);
  g_test_add_func("/vsockenc/downstream-blocks", test_downstream_blocks);
  g_test_add_func("/vsockenc/latency", test_latency);
  g_test_add_func("/vsockenc/pipeline", test_pipeline);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
