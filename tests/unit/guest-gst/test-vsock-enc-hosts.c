/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsockenc with hosts that fail, and the ways a frame goes to them. */
#include "guest/gst/vsock-enc.h"

#include "common/media/pixel-format.h"
#include "guest/gst/link-events.h"
#include "tests/unit/guest-gst/encoder-rig.h"

#include <gst/video/video.h>
#include <string.h>

/* EOS while the host is away: nothing is lost, it only comes later. */
static void test_eos_over_restart(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  for (guint i = 0; i < 3; i++) encoder_rig_push(&rig);
  ENCODER_RIG_WAIT(fake_host_n_requests(rig.host) == 4);
  fake_host_stop(rig.host);
  encoder_rig_host(&rig, 2, ENCODER_RIG_REQUESTS);
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  encoder_rig_pull_all(&rig, 1, 4);
  encoder_rig_finish(&rig);
}

static void test_host_restart(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 5; i++) encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 5);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  for (guint i = 0; i < 2; i++) encoder_rig_push(&rig);
  ENCODER_RIG_WAIT(fake_host_n_requests(rig.host) == 7);
  fake_host_stop(rig.host);
  g_autofree char *warning = encoder_rig_wait_message(&rig, GST_MESSAGE_WARNING);
  g_assert_nonnull(strstr(warning, "Connection lost"));
  g_usleep(400000);
  encoder_rig_host(&rig, 2, ENCODER_RIG_REQUESTS);
  gint64 begin = g_get_monotonic_time();
  gboolean key;
  g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 5);
  g_assert_true(key);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 6);
  g_assert_false(key);
  for (guint i = 7; i < 12; i++) encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 7, 12);
  g_assert_cmpuint(encoder_rig_stat(&rig, "connects"), ==, 2);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR);
  encoder_rig_finish(&rig);
}

/* The error of an element that has a host which does this. */
static void assert_error_names(guint version, guint32 features, guint flags, const char *hop) {
  EncoderRig rig;
  encoder_rig_init(&rig, version, features);
  if (rig.host) fake_host_set_flags(rig.host, flags);
  g_object_set(rig.element, "timeout", 300, NULL);
  encoder_rig_start(&rig);
  GstFlowReturn result = GST_FLOW_OK;
  for (guint i = 0; i < 6 && result == GST_FLOW_OK; i++) result = encoder_rig_push(&rig);
  g_assert_cmpint(result, ==, GST_FLOW_ERROR); /* the window is full, and does not stay so silently (F01) */
  g_autofree char *text = encoder_rig_wait_message(&rig, GST_MESSAGE_ERROR);
  if (!g_str_has_prefix(text, hop)) g_error("\"%s\" does not begin with \"%s\"", text, hop);
  encoder_rig_finish(&rig);
}

static void test_error_names_the_hop(void) {
  assert_error_names(0, 0, 0, "connect: ");
  assert_error_names(2, ENCODER_RIG_REQUESTS, FAKE_HOST_NO_PONG, "PING: ");
  assert_error_names(2, ENCODER_RIG_REQUESTS, FAKE_HOST_DENY, "version: ");
  assert_error_names(2, HXFR_FEATURE_STATS, 0, "FRAME_REQUEST: ");
  assert_error_names(2, ENCODER_RIG_REQUESTS, FAKE_HOST_NO_ANSWERS, "first answer: ");
  assert_error_names(1, 0, FAKE_HOST_NO_ANSWERS, "first answer: ");
  assert_error_names(2, ENCODER_RIG_REQUESTS, FAKE_HOST_GARBAGE, "stream: ");
}

static void test_two_places(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 0, 0);
  g_object_set(rig.element, "address", "tcp:127.0.0.1:1", NULL);
  g_assert_cmpint(gst_element_set_state(rig.element, GST_STATE_PAUSED), ==, GST_STATE_CHANGE_FAILURE);
  g_autofree char *text = encoder_rig_wait_message(&rig, GST_MESSAGE_ERROR);
  g_assert_true(g_str_has_prefix(text, "settings: "));
  g_assert_nonnull(strstr(text, "two different places"));
  encoder_rig_finish(&rig);
}

static void test_version_1_leaves_out(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 1, 0);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_skip(rig.host, 2);
  for (guint i = 0; i < 5; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  encoder_rig_pull_all(&rig, 3, 6);
  g_assert_cmpuint(encoder_rig_stat(&rig, "lost"), ==, 2);
  encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR);
  encoder_rig_finish(&rig);
}

/* A frame that the host cannot encode is dropped and told; the pipeline lives. */
static void test_error_answer(void) {
  for (guint version = 1; version <= 2; version++) {
    EncoderRig rig;
    encoder_rig_init(&rig, version, ENCODER_RIG_REQUESTS);
    fake_host_fail(rig.host, 3, HXFR_ERR_RESOURCE_NOT_FOUND); /* the very first, before any caps are known */
    encoder_rig_start(&rig);
    for (guint i = 0; i < 6; i++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
    gboolean key;
    g_assert_cmpuint(encoder_rig_pull(&rig, &key), ==, 3);
    g_assert_true(key);
    encoder_rig_pull_all(&rig, 4, 6);
    g_autofree char *text = encoder_rig_wait_message(&rig, GST_MESSAGE_WARNING);
    g_assert_nonnull(strstr(text, "ERROR -2"));
    encoder_rig_assert_no_message(&rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING); /* and told once */
    encoder_rig_assert_size(&rig, 640, 480);
    encoder_rig_finish(&rig);
  }
}

/* F08: an access unit that cannot be read is missing in what follows, up to an IDR. */
static void test_malformed_answer(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  encoder_rig_start(&rig);
  encoder_rig_push(&rig);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_set_delay(rig.host, 30);
  fake_host_mangle(rig.host, 1);
  for (guint i = 0; i < 8; i++) encoder_rig_push(&rig);
  gboolean key;
  guint number = encoder_rig_pull(&rig, &key);
  g_assert_true(key); /* those on their way were of no use */
  g_assert_cmpuint(number, >=, 3);
  encoder_rig_pull_all(&rig, number + 1, 9);
  encoder_rig_finish(&rig);
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
      {2, ENCODER_RIG_REQUESTS, VSOCK_ENC_UPLOAD_AUTO, FALSE},
      {2, ENCODER_RIG_REQUESTS | HXFR_FEATURE_PIXELS, VSOCK_ENC_UPLOAD_AUTO, TRUE},
      {2, ENCODER_RIG_REQUESTS | HXFR_FEATURE_PIXELS, VSOCK_ENC_UPLOAD_NEVER, FALSE},
      {2, ENCODER_RIG_REQUESTS, VSOCK_ENC_UPLOAD_ALWAYS, TRUE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    EncoderRig rig;
    encoder_rig_init(&rig, CASES[i].version, CASES[i].features);
    g_object_set(rig.element, "upload", CASES[i].upload, NULL);
    encoder_rig_start(&rig);
    for (guint n = 0; n < 6; n++) encoder_rig_push(&rig);
    encoder_rig_pull_all(&rig, 0, 6);
    for (guint n = 0; n < 6; n++) {
      FakeHostRequest request = fake_host_request(rig.host, n);
      g_assert_true(request.has_pixels == CASES[i].pixels);
      g_assert_cmpuint(request.pixels_size, ==, CASES[i].pixels ? 64 * 48 * 4 : 0);
      if (CASES[i].pixels) g_assert_cmpuint(request.first_pixel[3], ==, n + 1);
      g_assert_cmpuint(request.request.resource_id, ==, 0);
    }
    encoder_rig_finish(&rig);
  }
}

static void test_upload_nv12(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS | HXFR_FEATURE_PIXELS);
  encoder_rig_start(&rig);
  encoder_rig_caps(&rig, "NV12");
  gst_harness_push(rig.harness, encoder_rig_frame(&rig, 64 * 48 * 3 / 2));
  encoder_rig_pull_all(&rig, 0, 1);
  FakeHostRequest request = fake_host_request(rig.host, 0);
  g_assert_cmpuint(request.request.format, ==, PIXEL_FORMAT_NV12);
  g_assert_cmpuint(request.pixels_size, ==, 64 * 48 * 3 / 2);
  encoder_rig_finish(&rig);
}

/* The link is slower than the time limit: it is the host's time that counts. 16 MB a frame. */
static void test_upload_large(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS | HXFR_FEATURE_PIXELS);
  rig.width = 2560;
  rig.height = 1600;
  encoder_rig_start(&rig);
  for (guint n = 0; n < 4; n++) g_assert_cmpint(encoder_rig_push(&rig), ==, GST_FLOW_OK);
  encoder_rig_pull_all(&rig, 0, 4);
  encoder_rig_finish(&rig);
}

/* Nobody has to wait for a host that is silent to end a pipeline. */
static void test_stop_while_waiting(void) {
  EncoderRig rig;
  encoder_rig_init(&rig, 2, ENCODER_RIG_REQUESTS);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  g_object_set(rig.element, "timeout", 60000, NULL);
  encoder_rig_start(&rig);
  for (guint i = 0; i < 4; i++) encoder_rig_push(&rig);
  GThread *pusher = g_thread_new("waits", encoder_rig_push_thread, &rig);
  g_usleep(50000);
  gint64 begin = g_get_monotonic_time();
  gst_element_set_state(rig.element, GST_STATE_NULL);
  g_assert_cmpint(g_get_monotonic_time() - begin, <, G_USEC_PER_SEC);
  g_assert_cmpint(GPOINTER_TO_INT(g_thread_join(pusher)), ==, GST_FLOW_FLUSHING);
  encoder_rig_finish(&rig);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vsockenc/eos-over-restart", test_eos_over_restart);
  g_test_add_func("/vsockenc/host-restart", test_host_restart);
  g_test_add_func("/vsockenc/error-names-the-hop-F01", test_error_names_the_hop);
  g_test_add_func("/vsockenc/two-places", test_two_places);
  g_test_add_func("/vsockenc/version-1-leaves-out", test_version_1_leaves_out);
  g_test_add_func("/vsockenc/error-answer", test_error_answer);
  g_test_add_func("/vsockenc/malformed-answer-F08", test_malformed_answer);
  g_test_add_func("/vsockenc/upload-F18", test_upload);
  g_test_add_func("/vsockenc/upload-nv12", test_upload_nv12);
  g_test_add_func("/vsockenc/upload-large", test_upload_large);
  g_test_add_func("/vsockenc/stop-while-waiting-F26", test_stop_while_waiting);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
