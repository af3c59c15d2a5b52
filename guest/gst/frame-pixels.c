/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/frame-pixels.h"

#include "common/media/pixel-format.h"

#include <string.h>

guint32 frame_pixels_fourcc(GstVideoFormat format, gboolean with_alpha) {
  switch (format) {
  case GST_VIDEO_FORMAT_BGRx:
    return with_alpha ? PIXEL_FORMAT_ARGB8888 : PIXEL_FORMAT_XRGB8888;
  case GST_VIDEO_FORMAT_BGRA:
    return PIXEL_FORMAT_ARGB8888;
  case GST_VIDEO_FORMAT_RGBx:
    return with_alpha ? PIXEL_FORMAT_ABGR8888 : PIXEL_FORMAT_XBGR8888;
  case GST_VIDEO_FORMAT_RGBA:
    return PIXEL_FORMAT_ABGR8888;
  case GST_VIDEO_FORMAT_NV12:
    return PIXEL_FORMAT_NV12;
  default:
    return 0;
  }
}

guint frame_pixels_stride(GstBuffer *buffer, const GstVideoInfo *info) {
  const GstVideoMeta *meta = gst_buffer_get_video_meta(buffer);
  gint stride = meta ? meta->stride[0] : GST_VIDEO_INFO_PLANE_STRIDE(info, 0);
  return stride > 0 ? (guint)stride : 0;
}

static void unmap(gpointer data) {
  GstVideoFrame *frame = data;
  gst_video_frame_unmap(frame);
  g_free(frame);
}

/* How NV12's second plane lies is the only thing that can differ: one stride for both, right behind the first. */
static gboolean is_packed(const GstVideoFrame *frame) {
  if (GST_VIDEO_FRAME_N_PLANES(frame) == 1) return TRUE;
  const guint8 *luma = GST_VIDEO_FRAME_PLANE_DATA(frame, 0), *chroma = GST_VIDEO_FRAME_PLANE_DATA(frame, 1);
  gsize stride = (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0);
  return stride == (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(frame, 1) &&
         (gsize)(chroma - luma) == stride * (gsize)GST_VIDEO_FRAME_HEIGHT(frame);
}

/* With a GstVideoMeta each plane has a mapping of its own; nobody has checked it against the sizes. */
static gboolean fits(const GstVideoFrame *frame, guint plane, gsize size) {
  const GstMapInfo *map = &frame->map[frame->meta ? plane : 0];
  const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
  return data >= map->data && (gsize)(data - map->data) <= map->size && map->size - (gsize)(data - map->data) >= size;
}

/* Copies rows of row_size bytes one behind the other; what the buffer's stride does not have stays zero. */
static guint8 *copy_plane(const GstVideoFrame *frame, guint plane, gsize rows, gsize row_size, guint8 *out) {
  const guint8 *row = GST_VIDEO_FRAME_PLANE_DATA(frame, plane);
  gsize stride = (gsize)GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane), used = MIN(row_size, stride);
  if (GST_VIDEO_FRAME_PLANE_STRIDE(frame, plane) <= 0 || !fits(frame, plane, stride * (rows - 1) + used)) return NULL;
  for (gsize y = 0; y < rows; y++) memcpy(out + y * row_size, row + y * stride, used);
  return out + rows * row_size;
}

static GBytes *repack(const GstVideoFrame *frame, guint32 fourcc, guint *stride, GError **error) {
  guint width = (guint)GST_VIDEO_FRAME_WIDTH(frame), height = (guint)GST_VIDEO_FRAME_HEIGHT(frame);
  gboolean planar = GST_VIDEO_FRAME_N_PLANES(frame) == 2;
  gsize row = planar ? ((gsize)width + 1) / 2 * 2 : (gsize)width * 4, size = 0;
  g_autofree guint8 *data = pixel_format_size(fourcc, width, height, row, &size) ? g_try_malloc0(size) : NULL;
  if (!data) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no memory for a frame's pixels");
    return NULL;
  }
  guint8 *next = copy_plane(frame, 0, height, row, data);
  if (next && planar) next = copy_plane(frame, 1, ((gsize)height + 1) / 2, row, next);
  if (!next) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the frame is smaller than its caps");
    return NULL;
  }
  *stride = (guint)row;
  return g_bytes_new_take(g_steal_pointer(&data), size);
}

GBytes *frame_pixels_map(GstBuffer *buffer, const GstVideoInfo *info, guint *stride, GError **error) {
  g_autofree GstVideoFrame *frame = g_new0(GstVideoFrame, 1);
  if (!gst_video_frame_map(frame, (GstVideoInfo *)info, buffer, GST_MAP_READ)) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "the frame's memory cannot be read");
    return NULL;
  }
  gsize size;
  guint32 fourcc = frame_pixels_fourcc(GST_VIDEO_INFO_FORMAT(info), FALSE);
  gint row = GST_VIDEO_FRAME_PLANE_STRIDE(frame, 0);
  guint width = (guint)GST_VIDEO_FRAME_WIDTH(frame), height = (guint)GST_VIDEO_FRAME_HEIGHT(frame);
  gboolean sane = row > 0 && pixel_format_size(fourcc, width, height, (gsize)row, &size);
  /* the last row may end with its last pixel instead of its stride; on the wire it is whole */
  if (sane && is_packed(frame) && fits(frame, 0, size)) {
    *stride = (guint)row;
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA(frame, 0);
    return g_bytes_new_with_free_func(data, size, unmap, g_steal_pointer(&frame));
  }
  GBytes *bytes = repack(frame, fourcc, stride, error);
  gst_video_frame_unmap(frame);
  return bytes;
}
