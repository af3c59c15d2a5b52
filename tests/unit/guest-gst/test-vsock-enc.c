/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/vsock-enc.h"

#include "common/media/pixel-format.h"
#include "guest/gst/link-events.h"
#include "tests/unit/guest-gst/encoder-rig.h"

#include <gst/video/video.h>
#include <string.h>

static void test_frames(void) {
  for (guint version = 1; version <= 2; version++) {
    EncoderRig rig;
    encoder_rig_init(&rig, version, ENCODER_RIG_REQUESTS);
    fake_host_set_size(rig.host, 1366, 768); /* the scanout's size is not the caps' */
    encoder_rig_start(&rig);
    for (guint i = 0; i < 30; i++) {
      gboolean key;
      g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
      g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, i);
      g_assert_true(key == (i == 0));
      FakeHostRequest request = fake_host_request(rig.host, i);
      g_assert_cmpint(request.request.pts_ns, ==, (gint64)(i * ENCODER_RIG_FRAME_NS));
      g_assert_cmpuint(request.request.resource_id, ==, 0);
      g_assert_cmpuint(request.request.width, ==, 64);
      g_assert_cmpuint(request.request.stride, ==, 256);
      g_assert_true(request.request.force_keyframe == (i == 0));
      g_assert_false(request.has_pixels);
      /* what hosts in the field know */
      g_assert_cmpuint(request.request.format, ==, version == 1 ? PIXEL_FORMAT_ARGB8888 : PIXEL_FORMAT_XRGB8888);
    }
    encoder_rig_assert_size(&rig, 1366, 768);
    FakeHostRecord record = fake_host_record(rig.host);
    g_assert_cmpuint(record.config.bitrate, ==, 10000000);
    g_assert_cmpuint(record.config.framerate_num, ==, 60);
    g_assert_cmpuint(record.ping_bytes, ==, 0);
    encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
    encoder_rig_finish(&rig);
  }
}

/* F26: the receive thread needs the stream lock to finish a frame; whoever waits for room must not hold it. */
static void test_window_of_one(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  vsock_enc_set_window(VSOCK_ENC(rig.element), 1);
  fake_host_set_delay(rig.host, 20);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 20; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  encoder_rig_pull_all(&rig, 0, 20);
  g_assert_cmpuint(fake_host_record(rig.host).most_waiting, ==, 1);
  encoder_rig_finish(&rig);
}

static void test_four_in_flight(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_delay(rig.host, 50);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 12; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  encoder_rig_pull_all(&rig, 0, 12);
  g_assert_cmpuint(fake_host_record(rig.host).most_waiting, ==, 4);
  encoder_rig_finish(&rig);
}

static void flush(EncoderRig *rig) {
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_start()));
  GThread *pusher = g_thread_new("join-me", encoder_rig_push_thread, rig); /* whoever comes now is sent away */
  g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_segment(&segment)));
}

/* F26, F08: a flush while the window is full and somebody waits; what comes after begins with an IDR. */
static void test_flush_under_load(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_set_delay(rig.host, 300);
  for (guint round = 0; round < 3; round++) {
    guint before = fake_host_n_requests(rig.host);
    for (guint i = 0; i < 4; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
    ENCODER_RIG_WAIT(fake_host_n_requests(rig.host) == before + 4);
    GThread *pusher = g_thread_new("waits", encoder_rig_push_thread, &rig);
    g_usleep(20000);
    flush(&rig);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
    /* everything before the flush is gone: the next one out is the next one in */
    guint first = rig.pushed;
    gboolean key;
    g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
    g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
    g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, first);
    g_assert_true(key);
    g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, first + 1);
    g_assert_false(key);
  }
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR);
  encoder_rig_finish(&rig);
}

/* After a seek the same timestamps come again, while answers of before are still on their way. */
static void test_flush_same_pts(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  fake_host_set_delay(rig.host, 100);
  for (guint i = 0; i < 4; i++) encoder_rig_push(&rig);
  flush(&rig);
  rig.pushed = 0;
  for (guint i = 0; i < 4; i++) encoder_rig_push(&rig);
  for (guint i = 0; i < 4; i++) {
    gboolean key;
    g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, i);
    g_assert_true(key == (i == 0));
  }
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 0);
  encoder_rig_finish(&rig);
}

static gboolean pull_eos(EncoderRig *rig) {
  gboolean eos = FALSE;
  GstEvent *event;
  while (!eos && (event = gst_harness_try_pull_event(rig->harness)) != NULL) {
    eos = GST_EVENT_TYPE(event) == GST_EVENT_EOS;
    gst_event_unref(event);
  }
  return eos;
}

static void test_eos_drains(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_delay(rig.host, 30);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 20; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  /* push_event came back: all of it is out */
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 20);
  g_assert_true(pull_eos(&rig));
  encoder_rig_pull_all(&rig, 0, 20);
  encoder_rig_finish(&rig);
}

static void test_renegotiation(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_size(rig.host, 64, 48);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  encoder_rig_assert_size(&rig, 64, 48);
  rig.width = 128;
  rig.height = 96;
  encoder_rig_caps(&rig, "RGBA");
  fake_host_set_size(rig.host, 128, 96);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 1, 2);
  FakeHostRequest request = fake_host_request(rig.host, 1);
  g_assert_cmpuint(request.request.width, ==, 128);
  g_assert_cmpuint(request.request.stride, ==, 512);
  g_assert_cmpuint(request.request.format, ==, PIXEL_FORMAT_ABGR8888);
  g_assert_true(request.request.force_keyframe);
  g_assert_cmpuint(fake_host_record(rig.host).config.height, ==, 96);
  encoder_rig_assert_size(&rig, 128, 96);
  /* the host's scanout changes its size, and nobody here did */
  fake_host_set_size(rig.host, 1280, 720);
  g_assert_true(gst_harness_push_upstream_event(
      rig.harness, gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1)));
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 2, 3);
  encoder_rig_assert_size(&rig, 1280, 720);
  encoder_rig_finish(&rig);
}

/* Nothing that was under way is dropped by new caps. */
static void test_renegotiation_under_load(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_delay(rig.host, 40);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 12; i++) {
    if (i % 3 == 0) {
      rig.width = 64 + 16 * i;
      encoder_rig_caps(&rig, "BGRA");
    }
    g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  }
  encoder_rig_pull_all(&rig, 0, 12);
  encoder_rig_finish(&rig);
}

static gboolean pull_force_key_unit(EncoderRig *rig) {
  gboolean found = FALSE;
  GstEvent *event;
  while (!found && (event = gst_harness_try_pull_event(rig->harness)) != NULL) {
    found = gst_video_event_is_force_key_unit(event);
    gst_event_unref(event);
  }
  return found;
}

static void test_force_key_unit(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 2);
  gboolean key;
  /* from downstream, as a peer connection does it */
  gst_harness_push_upstream_event(rig.harness,
                                  gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 1));
  encoder_rig_push(&rig);
  g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 2);
  g_assert_true(key);
  g_assert_true(pull_force_key_unit(&rig));
  encoder_rig_push(&rig);
  g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 3);
  g_assert_false(key);
  /* from upstream, in the stream */
  gst_harness_push_event(rig.harness, gst_video_event_new_downstream_force_key_unit(
                                          4 * ENCODER_RIG_FRAME_NS, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE, TRUE, 2));
  encoder_rig_push(&rig);
  g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 4);
  g_assert_true(key);
  g_assert_true(pull_force_key_unit(&rig));
  encoder_rig_finish(&rig);
}

static void test_keyframe_interval(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  g_object_set(rig.element, "keyframe-interval", 5, NULL);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 16; i++) {
    gboolean key;
    encoder_rig_push(&rig);
    g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, i);
    g_assert_true(key == (i % 5 == 0));
  }
  encoder_rig_finish(&rig);
}

static void test_bitrate_while_playing(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  g_object_set(rig.element, "bitrate", 3000, NULL);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  g_assert_cmpuint(fake_host_record(rig.host).config.bitrate, ==, 3000000);
  g_object_set(rig.element, "bitrate", 500, NULL);
  ENCODER_RIG_WAIT(fake_host_record(rig.host).config.bitrate == 500000);
  encoder_rig_finish(&rig);
}

static void test_start_again(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  for (guint round = 0; round < 20; round++) {
    gst_element_set_state(rig.element, round % 2 ? GST_STATE_NULL : GST_STATE_READY);
    gst_element_set_state(rig.element, GST_STATE_PLAYING);
  }
  gst_harness_play(rig.harness);
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  gst_harness_push_event(rig.harness, gst_event_new_stream_start("again"));
  encoder_rig_caps(&rig, "BGRx");
  gst_harness_push_event(rig.harness, gst_event_new_segment(&segment));
  gboolean key;
  g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 1);
  g_assert_true(key);
  encoder_rig_finish(&rig);
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
  EncoderRig rig;
  Gate gate = {.closed = TRUE};
  g_mutex_init(&gate.mutex);
  g_cond_init(&gate.cond);
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  g_object_set(rig.element, "timeout", 1000, NULL);
  encoder_rig_start(&rig);
  gst_pad_add_probe(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER, wait_at_gate, &gate, NULL);
  GThread *pushers[8];
  for (guint i = 0; i < 2; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  g_usleep(1500000);
  g_mutex_lock(&gate.mutex);
  gate.closed = FALSE;
  g_cond_broadcast(&gate.cond);
  g_mutex_unlock(&gate.mutex);
  for (guint i = 0; i < G_N_ELEMENTS(pushers); i++) {
    pushers[i] = g_thread_new("push", encoder_rig_push_thread, &rig);
    g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pushers[i])), ==, GST_FLOW_OK);
  }
  encoder_rig_pull_all(&rig, 0, 10);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  encoder_rig_finish(&rig);
  g_mutex_clear(&gate.mutex);
  g_cond_clear(&gate.cond);
}

static void test_latency(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  GstClockTime min, max;
  gst_video_encoder_get_latency(GST_VIDEO_ENCODER(rig.element), &min, &max);
  g_assert_cmpuint(min, ==, ENCODER_RIG_FRAME_NS);
  g_assert_cmpuint(max, ==, ENCODER_RIG_FRAME_NS * VSOCK_ENC_WINDOW);
  encoder_rig_finish(&rig);
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
  EncoderRig rig;
  encoder_rig_init(&rig, 1, 0);
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
  encoder_rig_finish(&rig);
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
  g_test_add_func("/vsockenc/renegotiation", test_renegotiation);
  g_test_add_func("/vsockenc/renegotiation-under-load", test_renegotiation_under_load);
  g_test_add_func("/vsockenc/force-key-unit", test_force_key_unit);
  g_test_add_func("/vsockenc/keyframe-interval", test_keyframe_interval);
  g_test_add_func("/vsockenc/bitrate-while-playing", test_bitrate_while_playing);
  g_test_add_func("/vsockenc/start-again", test_start_again);
  g_test_add_func("/vsockenc/downstream-blocks", test_downstream_blocks);
  g_test_add_func("/vsockenc/latency", test_latency);
  g_test_add_func("/vsockenc/pipeline", test_pipeline);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
