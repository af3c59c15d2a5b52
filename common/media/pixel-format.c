/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/pixel-format.h"

#include "common/base/checked.h"

static const PixelFormatInfo FORMATS[] = {
    {PIXEL_FORMAT_XRGB8888, "XRGB8888", 4, FALSE, FALSE}, {PIXEL_FORMAT_ARGB8888, "ARGB8888", 4, FALSE, FALSE},
    {PIXEL_FORMAT_XBGR8888, "XBGR8888", 4, TRUE, FALSE},  {PIXEL_FORMAT_ABGR8888, "ABGR8888", 4, TRUE, FALSE},
    {PIXEL_FORMAT_NV12, "NV12", 1, FALSE, TRUE},
};

const PixelFormatInfo *pixel_format_info(guint32 fourcc) {
  for (gsize i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    if ((guint32)FORMATS[i].format == fourcc) return &FORMATS[i];
  }
  return NULL;
}

gboolean pixel_format_size(guint32 fourcc, guint width, guint height, gsize stride, gsize *size) {
  const PixelFormatInfo *info = pixel_format_info(fourcc);
  gsize row, luma;
  if (!info || !checked_mul(width, info->bytes_per_pixel, &row) || stride < row) return FALSE;
  if (!checked_mul(stride, height, &luma)) return FALSE;
  if (!info->planar) {
    *size = luma;
    return TRUE;
  }
  gsize chroma;
  return checked_mul(stride, ((gsize)height + 1) / 2, &chroma) && checked_add(luma, chroma, size);
}
