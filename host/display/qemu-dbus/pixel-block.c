/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/pixel-block.h"

#include "host/display/qemu-dbus/pixman-format.h"

#include <string.h>

/* The bytes that the call's rows really need; its last row may end before the stride does. Exact: width and height are
 * within FRAME_MAX, so everything stays far below 2^63. */
static gboolean data_suffices(const PixelBlockCall *call, guint bytes_per_pixel, const char **why) {
  guint64 row = (guint64)call->width * bytes_per_pixel;
  guint64 needed = (guint64)call->stride * (guint64)(call->height - 1) + row;
  if (call->stride < row) {
    *why = "its stride is smaller than its width";
    return FALSE;
  }
  if (g_variant_get_size(call->bytes) < needed) {
    *why = "it has fewer bytes than its size needs";
    return FALSE;
  }
  return TRUE;
}

gboolean pixel_block_init(PixelBlock *block, const PixelBlockCall *call, guint picture_width, guint picture_height,
                          const char **why) {
  PixmanFormat format;
  *block = (PixelBlock){.format = call->format, .stride = call->stride, .arrival_us = g_get_monotonic_time()};
  if (call->width <= 0 || call->height <= 0 || call->width > FRAME_MAX_WIDTH || call->height > FRAME_MAX_HEIGHT) {
    *why = "its size is none that a picture can have";
    return FALSE;
  }
  if (!pixman_format_parse(call->format, &format)) {
    *why = "its pixel format is unknown here";
    return FALSE;
  }
  if (!data_suffices(call, format.bytes_per_pixel, why)) return FALSE;
  if (!rect_clip(call->x, call->y, call->width, call->height, picture_width, picture_height, &block->rect)) return TRUE;

  gsize skipped_rows = (gsize)((gint64)block->rect.y - call->y);
  gsize skipped_pixels = (gsize)((gint64)block->rect.x - call->x);
  block->bytes = g_variant_ref(call->bytes);
  block->data = (const guint8 *)g_variant_get_data(call->bytes) + skipped_rows * block->stride +
                skipped_pixels * format.bytes_per_pixel;
  return TRUE;
}

void pixel_block_finish(PixelBlock *block) {
  g_clear_pointer(&block->bytes, g_variant_unref);
  *block = (PixelBlock){0};
}

void pixel_block_write(const PixelBlock *block, guint8 *target, gsize target_stride) {
  PixmanFormat format;
  if (!pixman_format_parse(block->format, &format)) return;
  gboolean same = pixman_format_is_xrgb8888(block->format);
  const guint8 *from = block->data;
  guint8 *to = target + block->rect.y * target_stride + (gsize)block->rect.x * 4;
  for (guint row = 0; row < block->rect.height; row++, from += block->stride, to += target_stride) {
    if (same) {
      memcpy(to, from, (gsize)block->rect.width * 4);
    } else {
      pixman_format_convert_row(&format, from, to, block->rect.width);
    }
  }
}
