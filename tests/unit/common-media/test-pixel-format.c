/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/pixel-format.h"

static guint32 fourcc(const char *code) {
  return (guint32)code[0] | (guint32)code[1] << 8 | (guint32)code[2] << 16 | (guint32)code[3] << 24;
}

/* drm_fourcc.h's own spelling, and the numbers of the wire protocol. */
static void test_names(void) {
  static const struct {
    const char *code;
    guint32 number;
    gboolean red_first;
  } FORMATS[] = {
      {"XR24", 0x34325258, FALSE}, {"AR24", 0x34325241, FALSE}, {"XB24", 0x34324258, TRUE},
      {"AB24", 0x34324241, TRUE},  {"NV12", 0x3231564e, FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    g_assert_cmphex(fourcc(FORMATS[i].code), ==, FORMATS[i].number);
    const PixelFormatInfo *info = pixel_format_info(FORMATS[i].number);
    g_assert_nonnull(info);
    g_assert_cmphex(info->format, ==, FORMATS[i].number);
    g_assert_cmpint(info->red_first, ==, FORMATS[i].red_first);
    g_assert_cmpint(info->planar, ==, i == 4);
    g_assert_cmpuint(info->bytes_per_pixel, ==, i == 4 ? 1 : 4);
  }
  g_assert_null(pixel_format_info(0));
  g_assert_null(pixel_format_info(G_MAXUINT32));
  g_assert_null(pixel_format_info(fourcc("RG24")));
}

static void test_size(void) {
  gsize size = 0;
  g_assert_true(pixel_format_size(PIXEL_FORMAT_XRGB8888, 1920, 1080, 7680, &size));
  g_assert_cmpuint(size, ==, 7680 * 1080);
  g_assert_true(pixel_format_size(PIXEL_FORMAT_XRGB8888, 1920, 1080, 8192, &size));
  g_assert_cmpuint(size, ==, 8192 * 1080);
  g_assert_false(pixel_format_size(PIXEL_FORMAT_XRGB8888, 1920, 1080, 7679, &size));
  g_assert_true(pixel_format_size(PIXEL_FORMAT_NV12, 1920, 1080, 1920, &size));
  g_assert_cmpuint(size, ==, 1920 * 1620);
  g_assert_true(pixel_format_size(PIXEL_FORMAT_NV12, 3, 3, 4, &size));
  g_assert_cmpuint(size, ==, 4 * 3 + 4 * 2);
  g_assert_false(pixel_format_size(PIXEL_FORMAT_NV12, 1920, 1080, 1919, &size));
  g_assert_false(pixel_format_size(0x12345678, 16, 16, 64, &size));
}

/* F24: numbers that a peer would choose. */
static void test_size_hostile(void) {
  gsize size;
  const gsize huge = G_MAXSIZE / 2;
  g_assert_false(pixel_format_size(PIXEL_FORMAT_XRGB8888, 16, 3, huge, &size));
  g_assert_false(pixel_format_size(PIXEL_FORMAT_XRGB8888, 16, G_MAXUINT32, G_MAXSIZE / 1000, &size));
  g_assert_false(pixel_format_size(PIXEL_FORMAT_XRGB8888, G_MAXUINT32, 1, G_MAXUINT32, &size)); /* × 4 is more */
  g_assert_false(pixel_format_size(PIXEL_FORMAT_NV12, 16, 2, huge, &size)); /* luma fits, with chroma it does not */
  g_assert_true(pixel_format_size(PIXEL_FORMAT_XRGB8888, 16, 2, huge, &size));
  g_assert_false(pixel_format_size(PIXEL_FORMAT_NV12, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32, &size));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/pixel-format/names", test_names);
  g_test_add_func("/pixel-format/size", test_size);
  g_test_add_func("/pixel-format/size-hostile", test_size_hostile);
  return g_test_run();
}
