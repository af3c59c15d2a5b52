/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/h264-caps.h"

#include "tests/unit/guest-gst/fake-unit.h"

static void test_unit(void) {
  g_autoptr(GByteArray) unit = fake_unit_make(TRUE, 1366, 768, 1);
  Sps sps;
  g_autoptr(GstCaps) caps = h264_caps_from_unit(unit->data, unit->len, &sps);
  g_assert_nonnull(caps);
  g_autofree char *text = gst_caps_to_string(caps);
  g_test_message("%s", text);
  g_autoptr(GstCaps) expected =
      gst_caps_from_string("video/x-h264, stream-format = byte-stream, alignment = au, width = 1366, height = 768, "
                           "profile = constrained-baseline, level = (string) 4");
  g_assert_true(gst_caps_is_equal(caps, expected));
}

static void test_no_sps(void) {
  g_autoptr(GByteArray) unit = fake_unit_make(FALSE, 0, 0, 1);
  Sps sps;
  g_assert_null(h264_caps_from_unit(unit->data, unit->len, &sps));
  g_autoptr(GByteArray) key = fake_unit_make(TRUE, 64, 64, 1);
  for (guint size = 0; size < 9; size++) g_assert_null(h264_caps_from_unit(key->data, size, &sps));
}

static void test_level(void) {
  g_assert_cmpuint(h264_caps_level(1280, 720, 60, 1), ==, 40);
  g_assert_cmpuint(h264_caps_level(1920, 1080, 30, 1), ==, 40);
  g_assert_cmpuint(h264_caps_level(1920, 1080, 60, 1), ==, 42);
  g_assert_cmpuint(h264_caps_level(1920, 1080, 0, 1), ==, 42);
  g_assert_cmpuint(h264_caps_level(3840, 2160, 30, 1), ==, 51);
  g_assert_cmpuint(h264_caps_level(3840, 2160, 60, 1), ==, 52);
  g_assert_cmpuint(h264_caps_level(8192, 4320, 240, 1), ==, 62);
  g_assert_cmpuint(h264_caps_level(G_MAXUINT, G_MAXUINT, G_MAXUINT, 1), ==, 62);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/h264-caps/unit", test_unit);
  g_test_add_func("/h264-caps/no-sps", test_no_sps);
  g_test_add_func("/h264-caps/level", test_level);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
