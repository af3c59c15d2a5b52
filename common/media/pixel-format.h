/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Pixel formats, named by DRM fourcc (drm_fourcc.h): the letters give the
 * channels from the most to the least significant bit of a little-endian
 * word, so DRM's XRGB8888 has the bytes B, G, R, X in memory.
 */

typedef enum {
  PIXEL_FORMAT_XRGB8888 = 0x34325258, /* bytes B G R X: GStreamer's BGRx */
  PIXEL_FORMAT_ARGB8888 = 0x34325241, /* bytes B G R A: HXFR's "BGRA8888" */
  PIXEL_FORMAT_XBGR8888 = 0x34324258, /* bytes R G B X */
  PIXEL_FORMAT_ABGR8888 = 0x34324241, /* bytes R G B A: HXFR's "RGBA8888" */
  PIXEL_FORMAT_NV12 = 0x3231564e,     /* Y plane, then interleaved U V at half size */
} PixelFormat;

typedef struct {
  PixelFormat format;
  const char *name;
  guint bytes_per_pixel; /* of the first plane */
  gboolean red_first;    /* packed formats: R at byte 0, else B at byte 0 */
  gboolean planar;       /* NV12 */
} PixelFormatInfo;

/* NULL for a fourcc that is not in the table; static storage. */
const PixelFormatInfo *pixel_format_info(guint32 fourcc);

/* Bytes of a picture of `height` rows: stride × height, × 3/2 for NV12. FALSE if that overflows, the format is unknown,
 * or the stride is too small for `width`. */
gboolean pixel_format_size(guint32 fourcc, guint width, guint height, gsize stride, gsize *size);
