/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * The pixel formats that QEMU names: pixman's format codes, which spell out
 * a pixel's size, the order of its channels and the bits of each:
 *
 *   31      24 23      16 15   12 11    8 7     4 3     0
 *  | bits    | order     | alpha | red   | green | blue  |
 *
 * A pixel is a native-endian word; the hosts we build for are little-endian.
 * No state; any thread.
 */

#define PIXMAN_FORMAT_XRGB8888 0x20020888u /* x8r8g8b8: bytes B G R X */
#define PIXMAN_FORMAT_ARGB8888 0x20028888u /* a8r8g8b8: bytes B G R A */

typedef struct {
  guint bytes_per_pixel; /* 2 to 4 */
  guint red_shift, red_bits;
  guint green_shift, green_bits;
  guint blue_shift, blue_bits;
} PixmanFormat;

/* FALSE for a code that is not packed RGB of 16, 24 or 32 bits a pixel with 4 to 10 bits a channel. */
gboolean pixman_format_parse(guint32 code, PixmanFormat *format);

/* Already laid out as XRGB8888: bytes B, G, R and one that does not count. */
static inline gboolean pixman_format_is_xrgb8888(guint32 code) {
  return code == PIXMAN_FORMAT_XRGB8888 || code == PIXMAN_FORMAT_ARGB8888;
}

/* `width` pixels to XRGB8888, X being 0xff. The rows do not overlap. */
void pixman_format_convert_row(const PixmanFormat *format, const guint8 *source, guint8 *target, guint width);
