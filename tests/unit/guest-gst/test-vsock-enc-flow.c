/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What vsockenc does with frames on their way when the stream ends, is flushed, changes, or loses its host. */
#include "guest/gst/vsock-enc.h"

#include "guest/gst/h264-caps.h"
#include "tests/unit/guest-gst/encoder-rig.h"

#include <string.h>

/* F26: finish waits for answers, which need the stream lock that finish is called with. */
static void test_eos_window_of_one(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  vsock_enc_set_window(VSOCK_ENC(rig.element), 1);
  fake_host_set_delay(rig.host, 30);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 8; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 8);
  encoder_rig_pull_all(&rig, 0, 8);
  g_assert_cmpuint(fake_host_record(rig.host).most_waiting, ==, 1);
  encoder_rig_finish(&rig);
}

static void test_eos_of_nothing(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 0);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  encoder_rig_finish(&rig);
}

static gpointer push_eos_thread(gpointer data) {
  EncoderRig *rig = data;
  return GINT_TO_POINTER(gst_harness_push_event(rig->harness, gst_event_new_eos()));
}

/* F01: a host that never answers ends the wait for the end, with an error that names the hop. */
static void test_eos_silent_host(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  g_object_set(rig.element, "timeout", 300, NULL);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 3; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  gint64 begin = g_get_monotonic_time();
  gst_harness_push_event(rig.harness, gst_event_new_eos());
  g_assert_cmpint(g_get_monotonic_time() - begin, <, ENCODER_RIG_LIMIT_US);
  g_autofree char *text = encoder_rig_wait_message(&rig, GST_MESSAGE_ERROR);
  g_assert_true(g_str_has_prefix(text, "first answer: "));
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 0);
  encoder_rig_finish(&rig);
}

/* A rig whose host never answers, and a thread that waits for three frames' answers at EOS. */
static GThread *begin_endless_drain(EncoderRig *rig) {
  encoder_rig_init(rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_flags(rig->host, FAKE_HOST_NO_ANSWERS);
  g_object_set(rig->element, "timeout", 60000, NULL);
  encoder_rig_start(rig);
  for (guint i = 0; i < 3; i++) g_assert_cmpint(encoder_rig_push(rig), ==, GST_FLOW_OK);
  ENCODER_RIG_WAIT(fake_host_n_requests(rig->host) == 3);
  GThread *ender = g_thread_new("ends", push_eos_thread, rig);
  g_usleep(50000); /* it waits; where it does not yet, the test proves less and is right all the same */
  return ender;
}

static void test_stop_while_draining(void) {
  EncoderRig rig;
  GThread *ender = begin_endless_drain(&rig);
  gint64 begin = g_get_monotonic_time();
  gst_element_set_state(rig.element, GST_STATE_NULL);
  g_thread_join(ender);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  encoder_rig_finish(&rig);
}

static void flush(EncoderRig *rig) {
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_start()));
}

static void flush_stop(EncoderRig *rig) {
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_flush_stop(TRUE)));
  GstSegment segment;
  gst_segment_init(&segment, GST_FORMAT_TIME);
  g_assert_true(gst_harness_push_event(rig->harness, gst_event_new_segment(&segment)));
}

/* The next one out is the next one in, an IDR (F08), and nothing of before comes after it. */
static void assert_begins_anew(EncoderRig *rig) {
  guint first = rig->pushed;
  gboolean key;
  for (guint i = 0; i < 3; i++) g_assert_cmpint(encoder_rig_push(rig), ==, GST_FLOW_OK);
  g_assert_cmpuint(encoder_rig_pull(rig, &key), ==, first);
  g_assert_true(key);
  encoder_rig_pull_all(rig, first + 1, first + 3);
}

static void test_flush_while_draining(void) {
  EncoderRig rig;
  GThread *ender = begin_endless_drain(&rig);
  gint64 begin = g_get_monotonic_time();
  flush(&rig);
  g_thread_join(ender);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  flush_stop(&rig);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR);
  encoder_rig_finish(&rig);
}

/* F26, F08: at any moment, with answers in every state. */
static void test_flush_at_any_moment(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  for (guint round = 0; round < 60; round++) {
    fake_host_set_delay(rig.host, (guint)g_test_rand_int_range(0, 8));
    gint frames = g_test_rand_int_range(0, 8);
    for (gint i = 0; i < frames; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
    GThread *pusher = g_thread_new("push", encoder_rig_push_thread, &rig);
    g_usleep((gulong)g_test_rand_int_range(0, 6000));
    flush(&rig);
    g_thread_join(pusher);
    while (gst_harness_buffers_in_queue(rig.harness) > 0) gst_buffer_unref(gst_harness_pull(rig.harness));
    flush_stop(&rig);
    assert_begins_anew(&rig);
  }
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
  encoder_rig_finish(&rig);
}

/* Whoever waits for a host that is away is sent on by a flush; its frames are not asked for when it comes back. */
static void test_flush_while_host_is_away(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  for (guint i = 0; i < 4; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  ENCODER_RIG_WAIT(fake_host_n_requests(rig.host) == 5);
  fake_host_stop(rig.host);
  g_autofree char *warning = encoder_rig_wait_message(&rig, GST_MESSAGE_WARNING);
  GThread *pusher = g_thread_new("waits", encoder_rig_push_thread, &rig);
  g_usleep(20000);
  flush(&rig);
  g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
  flush_stop(&rig);
  encoder_rig_host(&rig, 2, ENCODER_RIG_REQUESTS);
  assert_begins_anew(&rig);
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 0);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR);
  encoder_rig_finish(&rig);
}

typedef struct {
  gint caps_width; /* of the last caps */
  guint changes;
  guint keys;
  guint misfits; /* IDRs that the caps before them do not describe */
} Seen;

static GstPadProbeReturn on_passing(GstPad *pad, GstPadProbeInfo *info, gpointer data) {
  Seen *seen = data;
  if (info->type & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    GstCaps *caps;
    if (GST_EVENT_TYPE(info->data) != GST_EVENT_CAPS) return GST_PAD_PROBE_OK;
    gst_event_parse_caps(info->data, &caps);
    gst_structure_get_int(gst_caps_get_structure(caps, 0), "width", &seen->caps_width);
    seen->changes++;
    return GST_PAD_PROBE_OK;
  }
  GstBuffer *buffer = info->data;
  GstMapInfo map;
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT)) return GST_PAD_PROBE_OK;
  g_assert_true(gst_buffer_map(buffer, &map, GST_MAP_READ));
  Sps sps;
  g_autoptr(GstCaps) own = h264_caps_from_unit(map.data, map.size, &sps);
  seen->keys++;
  if (!own || (gint)sps.width != seen->caps_width) seen->misfits++;
  gst_buffer_unmap(buffer, &map);
  return GST_PAD_PROBE_OK;
}

/* New caps in and new sizes out, with frames under way: none is lost, and downstream knows each size before it comes.
 */
static void test_sizes_under_load(void) {
  EncoderRig rig;
  Seen seen = {0};
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  gst_pad_add_probe(rig.harness->sinkpad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_passing,
                    &seen, NULL);
  fake_host_set_delay(rig.host, 15);
  for (guint round = 0; round < 10; round++) {
    rig.width = 64 + 16 * round;
    fake_host_set_size(rig.host, rig.width, rig.height);
    encoder_rig_caps(&rig, round % 2 ? "BGRA" : "RGBx");
    for (guint i = 0; i < 6; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  }
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  encoder_rig_pull_all(&rig, 0, 60);
  g_assert_cmpuint(seen.keys, >=, 10);
  g_assert_cmpuint(seen.changes, >=, 9);
  g_assert_cmpuint(seen.misfits, ==, 0);
  encoder_rig_assert_size(&rig, (gint)rig.width, (gint)rig.height);
  encoder_rig_finish(&rig);
}

static gpointer push_many_thread(gpointer data) {
  EncoderRig *rig = data;
  for (guint i = 0; i < 120; i++) {
    if (encoder_rig_push(rig) != GST_FLOW_OK) return GINT_TO_POINTER(FALSE);
  }
  return GINT_TO_POINTER(gst_harness_push_event(rig->harness, gst_event_new_eos()));
}

/* The host dies again and again under load: every frame comes, once and in order, an IDR after each death. */
static void restart_under_load(guint window) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  vsock_enc_set_window(VSOCK_ENC(rig.element), window);
  fake_host_set_delay(rig.host, 8);
  encoder_rig_start(&rig);
  GThread *pusher = g_thread_new("push", push_many_thread, &rig);
  for (guint round = 0; round < 4; round++) {
    ENCODER_RIG_WAIT(fake_host_record(rig.host).answers >= 5);
    fake_host_stop(rig.host);
    encoder_rig_host(&rig, 2, ENCODER_RIG_REQUESTS);
    fake_host_set_delay(rig.host, 8);
  }
  g_assert_true(GPOINTER_TO_INT(g_thread_join(pusher)));
  guint keys = 0;
  for (guint i = 0; i < 120; i++) {
    gboolean key;
    g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, i);
    keys += key ? 1 : 0;
  }
  g_assert_cmpuint(gst_harness_buffers_in_queue(rig.harness), ==, 0);
  g_assert_cmpuint(keys, ==, 5);
  g_assert_cmpuint(encoder_rig_stat(&rig, "connects"), ==, 5);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR);
  encoder_rig_finish(&rig);
}

static void test_restart_under_load(void) {
  restart_under_load(VSOCK_ENC_WINDOW);
}

static void test_restart_window_of_one(void) {
  restart_under_load(1);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vsockenc/eos-window-of-one-F26", test_eos_window_of_one);
  g_test_add_func("/vsockenc/eos-of-nothing", test_eos_of_nothing);
  g_test_add_func("/vsockenc/eos-silent-host-F01", test_eos_silent_host);
  g_test_add_func("/vsockenc/stop-while-draining-F26", test_stop_while_draining);
  g_test_add_func("/vsockenc/flush-while-draining-F26", test_flush_while_draining);
  g_test_add_func("/vsockenc/flush-at-any-moment-F26-F08", test_flush_at_any_moment);
  g_test_add_func("/vsockenc/flush-while-host-is-away-F26", test_flush_while_host_is_away);
  g_test_add_func("/vsockenc/sizes-under-load", test_sizes_under_load);
  g_test_add_func("/vsockenc/restart-under-load", test_restart_under_load);
  g_test_add_func("/vsockenc/restart-window-of-one-F26", test_restart_window_of_one);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
