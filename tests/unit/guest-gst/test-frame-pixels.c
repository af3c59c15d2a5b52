/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/frame-pixels.h"

#include "common/media/pixel-format.h"

static GstBuffer *numbered_buffer(gsize size) {
  guint8 *bytes = g_malloc(size);
  for (gsize i = 0; i < size; i++) bytes[i] = (guint8)(i * 7);
  return gst_buffer_new_wrapped(bytes, size);
}

static void test_fourcc(void) {
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_BGRx, FALSE), ==, PIXEL_FORMAT_XRGB8888);
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_BGRx, TRUE), ==, PIXEL_FORMAT_ARGB8888);
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_BGRA, FALSE), ==, PIXEL_FORMAT_ARGB8888);
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_RGBx, FALSE), ==, PIXEL_FORMAT_XBGR8888);
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_RGBA, TRUE), ==, PIXEL_FORMAT_ABGR8888);
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_NV12, FALSE), ==, PIXEL_FORMAT_NV12);
  g_assert_cmpuint(frame_pixels_fourcc(GST_VIDEO_FORMAT_I420, FALSE), ==, 0);
}

static void test_in_place(void) {
  static const GstVideoFormat FORMATS[] = {GST_VIDEO_FORMAT_BGRx, GST_VIDEO_FORMAT_NV12};
  for (guint i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    GstVideoInfo info;
    gst_video_info_set_format(&info, FORMATS[i], 64, 32);
    g_autoptr(GstBuffer) buffer = numbered_buffer(GST_VIDEO_INFO_SIZE(&info));
    GstMapInfo map;
    gst_buffer_map(buffer, &map, GST_MAP_READ);
    guint stride;
    g_autoptr(GBytes) pixels = frame_pixels_map(buffer, &info, &stride, NULL);
    g_assert_nonnull(pixels);
    g_assert_cmpuint(stride, ==, frame_pixels_stride(buffer, &info));
    gsize size;
    g_assert_true(g_bytes_get_data(pixels, &size) == map.data); /* not copied */
    g_assert_cmpuint(size, ==, map.size);
    gst_buffer_unmap(buffer, &map);
  }
}

/* A producer whose planes lie apart, and whose rows are wider than the picture. */
static void test_repacked(void) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_NV12, 10, 6);
  g_autoptr(GstBuffer) buffer = numbered_buffer(1000);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {8, 500};
  gint strides[GST_VIDEO_MAX_PLANES] = {32, 48};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_NV12, 10, 6, 2, offsets, strides);
  guint stride;
  g_autoptr(GError) error = NULL;
  g_autoptr(GBytes) pixels = frame_pixels_map(buffer, &info, &stride, &error);
  g_assert_no_error(error);
  g_assert_cmpuint(stride, ==, 10);
  gsize size;
  const guint8 *data = g_bytes_get_data(pixels, &size);
  g_assert_cmpuint(size, ==, 10 * 9);
  for (guint y = 0; y < 9; y++) {
    guint from = y < 6 ? 8 + 32 * y : 500 + 48 * (y - 6);
    for (guint x = 0; x < 10; x++) g_assert_cmpuint(data[y * 10 + x], ==, (guint8)((from + x) * 7));
  }
}

static void test_wide_rows(void) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRA, 10, 4);
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {64};
  g_autoptr(GstBuffer) buffer = numbered_buffer(64 * 4);
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRA, 10, 4, 1, offsets, strides);
  guint stride;
  g_autoptr(GBytes) pixels = frame_pixels_map(buffer, &info, &stride, NULL);
  g_assert_cmpuint(stride, ==, 64);
  g_assert_cmpuint(g_bytes_get_size(pixels), ==, 256);

  /* its last row ends with its last pixel: nothing beyond it is read */
  g_autoptr(GstBuffer) cut = numbered_buffer(64 * 3 + 40);
  gst_buffer_add_video_meta_full(cut, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRA, 10, 4, 1, offsets, strides);
  g_autoptr(GBytes) packed = frame_pixels_map(cut, &info, &stride, NULL);
  g_assert_nonnull(packed);
  g_assert_cmpuint(stride, ==, 40);
  gsize size;
  const guint8 *data = g_bytes_get_data(packed, &size);
  g_assert_cmpuint(size, ==, 160);
  g_assert_cmpuint(data[159], ==, (guint8)((64 * 3 + 39) * 7));
}

static void test_too_small(void) {
  GstVideoInfo info;
  gst_video_info_set_format(&info, GST_VIDEO_FORMAT_BGRA, 64, 64);
  g_autoptr(GstBuffer) buffer = numbered_buffer(64 * 63 * 4);
  guint stride;
  g_autoptr(GError) error = NULL;
  g_assert_null(frame_pixels_map(buffer, &info, &stride, &error));
  g_assert_nonnull(error);

  /* a GstVideoMeta that promises more than there is */
  gsize offsets[GST_VIDEO_MAX_PLANES] = {0};
  gint strides[GST_VIDEO_MAX_PLANES] = {256};
  gst_buffer_add_video_meta_full(buffer, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_FORMAT_BGRA, 64, 64, 1, offsets, strides);
  g_autoptr(GError) again = NULL;
  g_assert_null(frame_pixels_map(buffer, &info, &stride, &again));
  g_assert_error(again, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/frame-pixels/fourcc", test_fourcc);
  g_test_add_func("/frame-pixels/in-place", test_in_place);
  g_test_add_func("/frame-pixels/repacked", test_repacked);
  g_test_add_func("/frame-pixels/wide-rows", test_wide_rows);
  g_test_add_func("/frame-pixels/too-small", test_too_small);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
