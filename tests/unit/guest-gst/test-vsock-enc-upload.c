/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsockenc and a host that compares fingerprints and takes tiles. */
#include "guest/gst/vsock-enc.h"

#include "common/media/pixel-format.h"
#include "tests/unit/guest-gst/encoder-rig.h"

#include <string.h>

#define FEATURES (HXFR_FEATURE_REQUESTS | HXFR_FEATURE_PIXELS | HXFR_FEATURE_TILES)

static void rig_init(EncoderRig *rig, guint width, guint height) {
  encoder_rig_init(rig, 2, FEATURES);
  rig->width = width;
  rig->height = height;
}

/* The next frame: grey, with a square of 10 × 10 in another colour; n < 0: without. */
static GstBuffer *frame_with_square(EncoderRig *rig, gint n) {
  gsize size = (gsize)rig->width * rig->height * 4;
  GstBuffer *buffer = encoder_rig_frame(rig, size);
  gst_buffer_memset(buffer, 0, 0x80, size);
  GstMapInfo map;
  gst_buffer_map(buffer, &map, GST_MAP_WRITE);
  guint x = n < 0 ? 0 : (guint)n * 10 % (rig->width - 10), y = n < 0 ? 0 : (guint)n * 10 % (rig->height - 10);
  for (guint row = y; n >= 0 && row < y + 10; row++) memset(map.data + ((gsize)row * rig->width + x) * 4, 0xf0, 40);
  gst_buffer_unmap(buffer, &map);
  return buffer;
}

static void push_square(EncoderRig *rig, gint n) {
  g_assert_cmpint(gst_harness_push(rig->harness, frame_with_square(rig, n)), ==, GST_FLOW_OK);
}

static void assert_nothing_lost(EncoderRig *rig) {
  g_assert_cmpuint(encoder_rig_stat(rig, "lost"), ==, 0);
  g_assert_cmpuint(encoder_rig_stat(rig, "strays"), ==, 0);
  g_assert_cmpuint(encoder_rig_stat(rig, "unknown"), ==, 0);
  encoder_rig_assert_no_message(rig, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING);
}

/* What the host has made of tiles is the frame that was pushed last, or would be. */
static void assert_canvas(EncoderRig *rig, GstBuffer *expected) {
  g_autoptr(GBytes) canvas = fake_host_canvas(rig->host);
  GstMapInfo map;
  gst_buffer_map(expected, &map, GST_MAP_READ);
  gsize size;
  const guint8 *bytes = g_bytes_get_data(canvas, &size);
  g_assert_cmpmem(bytes, size, map.data, map.size);
  gst_buffer_unmap(expected, &map);
  gst_buffer_unref(expected);
}

/* The scanout shows it: no pixel crosses the link. */
static void test_agrees(void) {
  EncoderRig rig;
  rig_init(&rig, 640, 480);
  encoder_rig_start(&rig);
  for (gint i = 0; i < 10; i++) {
    push_square(&rig, i);
    encoder_rig_pull_all(&rig, (guint)i, (guint)i + 1);
  }
  for (guint i = 0; i < 10; i++) {
    FakeHostRequest request = fake_host_request(rig.host, i);
    g_assert_cmpuint(request.type, ==, HXFR_REQUEST_FINGERPRINT);
    g_assert_cmpuint(request.places, ==, i == 0 ? 256 : 64);
    g_assert_cmpuint(request.request.resource_id, ==, 0);
    g_assert_cmpuint(request.request.width, ==, 640);
    g_assert_true(request.request.force_keyframe == (i == 0));
  }
  g_assert_cmpuint(encoder_rig_stat(&rig, "fingerprints"), ==, 10);
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixel-bytes"), ==, 0);
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixels-wanted"), ==, 0);
  g_assert_cmpuint(fake_host_record(rig.host).scanouts, ==, 0); /* 0 is the default */
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

/* F27, F18: it does not, so the frame goes, and after it what changes. */
static void test_refused(void) {
  EncoderRig rig;
  rig_init(&rig, 640, 480);
  fake_host_want_pixels(rig.host, HXFR_WANTED_DIFFERENT);
  encoder_rig_start(&rig);
  for (gint i = 0; i < 10; i++) {
    push_square(&rig, i);
    encoder_rig_pull_all(&rig, (guint)i, (guint)i + 1);
    assert_canvas(&rig, frame_with_square(&rig, i));
    rig.pushed--; /* that one was to compare with */
  }
  g_assert_cmpuint(fake_host_request(rig.host, 0).type, ==, HXFR_REQUEST_FINGERPRINT);
  guint32 last = 0;
  guint64 received = 0; /* by the host */
  for (guint i = 1; i < fake_host_n_requests(rig.host); i++) {
    FakeHostRequest request = fake_host_request(rig.host, i);
    g_assert_cmpuint(request.type, ==, HXFR_REQUEST_TILES);
    g_assert_cmpuint(request.base, ==, last);
    last = request.picture;
    received += request.pixels_size;
  }
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixel-bytes"), ==, received);
  g_assert_true(fake_host_request(rig.host, 1).request.force_keyframe);
  g_assert_cmpint(fake_host_request(rig.host, 1).request.pts_ns, ==, 0); /* the refused one, under its own pts */
  /* a square that moves by its own size is in two tiles more or less, four each at the most */
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixel-bytes"), <=, 640 * 480 * 4 + 9 * 8 * 64 * 64 * 4);
  g_assert_cmpuint(encoder_rig_stat(&rig, "tiles-sent"), >=, 80 + 9);
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

static void test_still(void) {
  EncoderRig rig;
  rig_init(&rig, 640, 480);
  fake_host_want_pixels(rig.host, HXFR_WANTED_OTHER_SIZE);
  encoder_rig_start(&rig);
  push_square(&rig, -1);
  encoder_rig_pull_all(&rig, 0, 1);
  guint64 before = encoder_rig_stat(&rig, "pixel-bytes");
  for (guint i = 1; i < 20; i++) {
    push_square(&rig, -1);
    encoder_rig_pull_all(&rig, i, i + 1);
  }
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixel-bytes"), ==, before);
  g_assert_cmpuint(fake_host_request(rig.host, 15).rects, ==, 0);
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

/* The decision turns while four are on their way: every frame once, in order; and turns again, and again. */
static void test_order(void) {
  EncoderRig rig;
  rig_init(&rig, 320, 240);
  fake_host_set_delay(rig.host, 15);
  encoder_rig_start(&rig);
  gint n = 0;
  for (guint turn = 0; turn < 6; turn++) {
    fake_host_want_pixels(rig.host, turn % 2 ? HXFR_WANTED_DIFFERENT : 0);
    guint64 wanted = encoder_rig_stat(&rig, "pixels-wanted"), asked = encoder_rig_stat(&rig, "fingerprints");
    gint64 end = g_get_monotonic_time() + ENCODER_RIG_LIMIT_US;
    for (guint i = 0; i < 8 || (turn % 2 ? encoder_rig_stat(&rig, "pixels-wanted") == wanted
                                         : encoder_rig_stat(&rig, "fingerprints") < asked + 8);
         i++) {
      g_assert_cmpint(g_get_monotonic_time(), <, end);
      push_square(&rig, n++);
    }
  }
  g_assert_true(gst_harness_push_event(rig.harness, gst_event_new_eos()));
  encoder_rig_pull_all(&rig, 0, (guint)n);
  g_assert_cmpuint(fake_host_record(rig.host).most_waiting, ==, 4);
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixels-wanted"), >=, 3);
  guint in_order = 0;
  for (guint i = 0; i < fake_host_n_requests(rig.host); i++) {
    in_order += fake_host_request(rig.host, i).wanted == HXFR_WANTED_IN_ORDER;
  }
  g_assert_cmpuint(in_order, >, 0); /* some were on their way behind a refused one */
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

/* The host loses the picture while four that build on it are on their way: no frame is lost by that. */
static void test_lost_base(void) {
  EncoderRig rig;
  rig_init(&rig, 320, 240);
  g_object_set(rig.element, "upload", VSOCK_ENC_UPLOAD_ALWAYS, NULL);
  fake_host_set_delay(rig.host, 15);
  encoder_rig_start(&rig);
  for (gint i = 0; i < 40; i++) {
    if (i % 10 == 5) fake_host_lose_base(rig.host);
    push_square(&rig, i);
  }
  encoder_rig_pull_all(&rig, 0, 40);
  guint whole = 0, gone = 0;
  for (guint i = 0; i < fake_host_n_requests(rig.host); i++) {
    FakeHostRequest request = fake_host_request(rig.host, i);
    g_assert_cmpuint(request.type, ==, HXFR_REQUEST_TILES);
    whole += request.base == 0;
    gone += request.wanted == HXFR_WANTED_NO_BASE;
  }
  g_assert_cmpuint(whole, ==, 5);
  g_assert_cmpuint(gone, >=, 4);
  assert_canvas(&rig, frame_with_square(&rig, 39));
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

/* A frame that comes while one is refused and the one behind it not yet: it may not overtake that. By fingerprints that
 * do not agree, and by tiles whose base is lost. */
static void test_not_overtaken(void) {
  for (guint by_tiles = 0; by_tiles < 2; by_tiles++) {
    EncoderRig rig;
    rig_init(&rig, 64, 48);
    if (by_tiles) g_object_set(rig.element, "upload", VSOCK_ENC_UPLOAD_ALWAYS, NULL);
    encoder_rig_start(&rig);
    push_square(&rig, 0);
    encoder_rig_pull_all(&rig, 0, 1);
    fake_host_set_delay(rig.host, 200);
    fake_host_want_pixels(rig.host, HXFR_WANTED_DIFFERENT);
    fake_host_lose_base(rig.host);
    push_square(&rig, 1);
    g_usleep(100000);
    push_square(&rig, 2);
    ENCODER_RIG_WAIT(encoder_rig_stat(&rig, "pixels-wanted") == 1);
    push_square(&rig, 3);
    encoder_rig_pull_all(&rig, 1, 4);
    gint64 last = -1;
    for (guint i = 0; i < fake_host_n_requests(rig.host); i++) {
      FakeHostRequest request = fake_host_request(rig.host, i);
      if (request.wanted) continue;
      g_assert_cmpint(request.request.pts_ns, >, last);
      last = request.request.pts_ns;
    }
    assert_nothing_lost(&rig);
    encoder_rig_finish(&rig);
  }
}

/* After an error nobody knows what the host has: the next one is whole. */
static void test_error(void) {
  EncoderRig rig;
  rig_init(&rig, 320, 240);
  g_object_set(rig.element, "upload", VSOCK_ENC_UPLOAD_ALWAYS, NULL);
  encoder_rig_start(&rig);
  push_square(&rig, 0);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_fail(rig.host, 1, HXFR_ERR_ENCODE_FAILED);
  push_square(&rig, 1);
  g_autofree char *text = encoder_rig_wait_message(&rig, GST_MESSAGE_WARNING);
  g_assert_nonnull(strstr(text, "ERROR -5"));
  push_square(&rig, 2);
  encoder_rig_pull_all(&rig, 2, 3);
  g_assert_cmpuint(fake_host_request(rig.host, 1).base, !=, 0);
  g_assert_cmpuint(fake_host_request(rig.host, 2).base, ==, 0);
  assert_canvas(&rig, frame_with_square(&rig, 2));
  encoder_rig_finish(&rig);
}

/* A host that is back knows nothing: it is asked closely, and has no base. What waits for an answer is asked again. */
static void test_host_restart(void) {
  EncoderRig rig;
  rig_init(&rig, 320, 240);
  fake_host_want_pixels(rig.host, HXFR_WANTED_DARK);
  encoder_rig_start(&rig);
  for (gint i = 0; i < 5; i++) push_square(&rig, i);
  encoder_rig_pull_all(&rig, 0, 5);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  push_square(&rig, 5);
  push_square(&rig, 6);
  fake_host_stop(rig.host);
  encoder_rig_host(&rig, 2, FEATURES);
  fake_host_want_pixels(rig.host, HXFR_WANTED_DIFFERENT);
  push_square(&rig, 7);
  encoder_rig_pull_all(&rig, 5, 8);
  FakeHostRequest first = fake_host_request(rig.host, 0);
  g_assert_cmpuint(first.type, ==, HXFR_REQUEST_FINGERPRINT);
  g_assert_cmpuint(first.places, ==, 256);
  g_assert_true(first.request.force_keyframe);
  guint i = 0;
  while (fake_host_request(rig.host, i).type == HXFR_REQUEST_FINGERPRINT) i++;
  g_assert_cmpuint(fake_host_request(rig.host, i).base, ==, 0);
  assert_canvas(&rig, frame_with_square(&rig, 7));
  g_assert_cmpuint(encoder_rig_stat(&rig, "lost"), ==, 0);
  encoder_rig_finish(&rig);
}

/* What was meant for a host with tiles is asked again of one of version 1: without pixels, as ever. */
static void test_restart_as_version_1(void) {
  EncoderRig rig;
  rig_init(&rig, 320, 240);
  fake_host_want_pixels(rig.host, HXFR_WANTED_DIFFERENT);
  encoder_rig_start(&rig);
  push_square(&rig, 0);
  encoder_rig_pull_all(&rig, 0, 1);
  fake_host_set_flags(rig.host, FAKE_HOST_NO_ANSWERS);
  for (gint i = 1; i < 4; i++) push_square(&rig, i);
  fake_host_stop(rig.host);
  encoder_rig_host(&rig, 1, 0); /* aborts on anything of version 2 */
  for (gint i = 4; i < 8; i++) push_square(&rig, i);
  encoder_rig_pull_all(&rig, 1, 8);
  g_assert_cmpuint(fake_host_n_requests(rig.host), >=, 7);
  for (guint i = 0; i < fake_host_n_requests(rig.host); i++) {
    FakeHostRequest request = fake_host_request(rig.host, i);
    g_assert_false(request.has_pixels);
    g_assert_cmpuint(request.pixels_size, ==, 0);
  }
  encoder_rig_finish(&rig);
}

/* Another size while four are on their way: compared closely, and no tile builds on the old picture. */
static void test_caps_change(void) {
  EncoderRig rig;
  rig_init(&rig, 320, 240);
  fake_host_want_pixels(rig.host, HXFR_WANTED_DIFFERENT);
  fake_host_set_delay(rig.host, 10);
  encoder_rig_start(&rig);
  for (gint i = 0; i < 6; i++) push_square(&rig, i);
  rig.width = 200;
  rig.height = 100;
  encoder_rig_caps(&rig, "RGBA");
  for (gint i = 6; i < 12; i++) push_square(&rig, i);
  encoder_rig_pull_all(&rig, 0, 12);
  assert_canvas(&rig, frame_with_square(&rig, 11));
  guint first = 0;
  while (fake_host_request(rig.host, first).request.width == 320) first++;
  for (guint i = first; i < fake_host_n_requests(rig.host); i++) {
    FakeHostRequest request = fake_host_request(rig.host, i);
    if (i == first) g_assert_cmpuint(request.places, ==, 256);
    if (request.type == HXFR_REQUEST_TILES) g_assert_cmpuint(request.request.format, ==, PIXEL_FORMAT_ABGR8888);
  }
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

/* NV12 cannot be compared with what a scanout shows. */
static void test_nv12(void) {
  EncoderRig rig;
  rig_init(&rig, 64, 48);
  encoder_rig_start(&rig);
  encoder_rig_caps(&rig, "NV12");
  for (guint i = 0; i < 3; i++) gst_harness_push(rig.harness, encoder_rig_frame(&rig, 64 * 48 * 3 / 2));
  encoder_rig_pull_all(&rig, 0, 3);
  for (guint i = 0; i < 3; i++) {
    FakeHostRequest request = fake_host_request(rig.host, i);
    g_assert_cmpuint(request.type, ==, HXFR_REQUEST_TILES);
    g_assert_cmpuint(request.request.format, ==, PIXEL_FORMAT_NV12);
    g_assert_cmpuint(request.pixels_size, ==, 64 * 48 * 3 / 2);
  }
  g_assert_cmpuint(encoder_rig_stat(&rig, "fingerprints"), ==, 0);
  encoder_rig_finish(&rig);
}

static void test_always_and_never(void) {
  for (guint always = 0; always < 2; always++) {
    EncoderRig rig;
    rig_init(&rig, 64, 48);
    g_object_set(rig.element, "upload", always ? VSOCK_ENC_UPLOAD_ALWAYS : VSOCK_ENC_UPLOAD_NEVER, NULL);
    encoder_rig_start(&rig);
    for (gint i = 0; i < 5; i++) push_square(&rig, i);
    encoder_rig_pull_all(&rig, 0, 5);
    for (guint i = 0; i < 5; i++) {
      FakeHostRequest request = fake_host_request(rig.host, i);
      g_assert_cmpuint(request.type, ==, always ? HXFR_REQUEST_TILES : HXFR_FRAME_REQUEST);
      g_assert_false(request.has_pixels);
    }
    g_assert_true((encoder_rig_stat(&rig, "pixel-bytes") > 0) == always);
    encoder_rig_finish(&rig);
  }
}

/* Another scanout than 0 is named to hosts that understand it, again after each reconnect, and to no others. */
static void test_scanout(void) {
  static const guint32 WITHOUT = FEATURES & ~(guint32)HXFR_FEATURE_TILES;
  EncoderRig rig;
  rig_init(&rig, 64, 48);
  g_object_set(rig.element, "scanout", 3, NULL);
  encoder_rig_start(&rig);
  for (guint round = 0; round < 3; round++) {
    push_square(&rig, -1);
    encoder_rig_pull_all(&rig, round, round + 1);
    FakeHostRequest request = fake_host_request(rig.host, 0);
    g_assert_cmpuint(request.session_id, ==, 3);
    g_assert_cmpuint(request.scanout, ==, round < 2 ? 3 : 0);
    g_assert_cmpuint(fake_host_record(rig.host).scanouts, ==, round < 2);
    g_assert_cmpuint(fake_host_record(rig.host).scanout, ==, round < 2 ? 3 : 0);
    fake_host_stop(rig.host);
    encoder_rig_host(&rig, 2, round == 1 ? WITHOUT : FEATURES);
  }
  encoder_rig_finish(&rig);
}

/* Refused, it is tried again after a pause; when the scanout shows it at last, the pixels end. */
static void test_tried_again(void) {
  EncoderRig rig;
  rig_init(&rig, 64, 48);
  fake_host_want_pixels(rig.host, HXFR_WANTED_DIFFERENT);
  encoder_rig_start(&rig);
  guint n = 0;
  gint64 begin = g_get_monotonic_time();
  for (guint try = 1; try <= 3; try++) {
    while (encoder_rig_stat(&rig, "fingerprints") < try) {
      g_assert_cmpint(g_get_monotonic_time() - begin, <, 2 * ENCODER_RIG_LIMIT_US);
      push_square(&rig, (gint)n);
      encoder_rig_pull_all(&rig, n, n + 1);
      n++;
      g_usleep(2000);
    }
    if (try == 2) {
      g_assert_cmpint(g_get_monotonic_time() - begin, >=, G_USEC_PER_SEC);
      g_assert_cmpuint(encoder_rig_stat(&rig, "pixels-wanted"), ==, 2);
      fake_host_want_pixels(rig.host, 0);
    }
  }
  guint64 bytes = encoder_rig_stat(&rig, "pixel-bytes");
  for (guint i = 0; i < 5; i++, n++) {
    push_square(&rig, (gint)n);
    encoder_rig_pull_all(&rig, n, n + 1);
  }
  g_assert_cmpuint(encoder_rig_stat(&rig, "pixel-bytes"), ==, bytes);
  FakeHostRequest last = fake_host_request(rig.host, fake_host_n_requests(rig.host) - 1);
  g_assert_cmpuint(last.places, ==, 64);
  assert_nothing_lost(&rig);
  encoder_rig_finish(&rig);
}

/* F15: a host that is never content is not sent the same for ever. */
static void test_never_content(void) {
  EncoderRig rig;
  rig_init(&rig, 64, 48);
  g_object_set(rig.element, "upload", VSOCK_ENC_UPLOAD_ALWAYS, NULL);
  fake_host_never_content(rig.host);
  encoder_rig_start(&rig);
  push_square(&rig, 0);
  g_autofree char *text = encoder_rig_wait_message(&rig, GST_MESSAGE_WARNING);
  g_assert_nonnull(strstr(text, "wants pixels"));
  g_assert_cmpuint(fake_host_n_requests(rig.host), <, 20);
  encoder_rig_finish(&rig);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vsockenc-upload/agrees", test_agrees);
  g_test_add_func("/vsockenc-upload/refused-F27-F18", test_refused);
  g_test_add_func("/vsockenc-upload/still", test_still);
  g_test_add_func("/vsockenc-upload/order", test_order);
  g_test_add_func("/vsockenc-upload/lost-base", test_lost_base);
  g_test_add_func("/vsockenc-upload/not-overtaken", test_not_overtaken);
  g_test_add_func("/vsockenc-upload/error", test_error);
  g_test_add_func("/vsockenc-upload/host-restart", test_host_restart);
  g_test_add_func("/vsockenc-upload/restart-as-version-1", test_restart_as_version_1);
  g_test_add_func("/vsockenc-upload/caps-change", test_caps_change);
  g_test_add_func("/vsockenc-upload/nv12", test_nv12);
  g_test_add_func("/vsockenc-upload/always-and-never", test_always_and_never);
  g_test_add_func("/vsockenc-upload/scanout", test_scanout);
  g_test_add_func("/vsockenc-upload/tried-again", test_tried_again);
  g_test_add_func("/vsockenc-upload/never-content-F15", test_never_content);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
