/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/pixman-format.h"

/* The order of the channels, from the most significant bit; the lower two begin at bit 0, the upper two at the top. */
enum { ORDER_ARGB = 2, ORDER_ABGR = 3, ORDER_BGRA = 8, ORDER_RGBA = 9 };

static gboolean place_channels(PixmanFormat *format, guint order, guint bits) {
  guint red = format->red_bits, green = format->green_bits, blue = format->blue_bits;
  guint unused = bits - (red + green + blue);
  switch (order) {
  case ORDER_ARGB:
    format->blue_shift = 0;
    format->green_shift = blue;
    format->red_shift = blue + green;
    return TRUE;
  case ORDER_ABGR:
    format->red_shift = 0;
    format->green_shift = red;
    format->blue_shift = red + green;
    return TRUE;
  case ORDER_BGRA:
    format->red_shift = unused;
    format->green_shift = unused + red;
    format->blue_shift = unused + red + green;
    return TRUE;
  case ORDER_RGBA:
    format->blue_shift = unused;
    format->green_shift = unused + blue;
    format->red_shift = unused + blue + green;
    return TRUE;
  default:
    return FALSE;
  }
}

static gboolean bits_ok(guint bits) {
  return bits >= 4 && bits <= 10;
}

gboolean pixman_format_parse(guint32 code, PixmanFormat *format) {
  guint bits = code >> 24;
  guint order = (code >> 16) & 0xff;
  guint alpha = (code >> 12) & 0xf;
  *format = (PixmanFormat){
      .bytes_per_pixel = bits / 8,
      .red_bits = (code >> 8) & 0xf,
      .green_bits = (code >> 4) & 0xf,
      .blue_bits = code & 0xf,
  };
  if (bits != 16 && bits != 24 && bits != 32) return FALSE;
  if (!bits_ok(format->red_bits) || !bits_ok(format->green_bits) || !bits_ok(format->blue_bits)) return FALSE;
  if (alpha + format->red_bits + format->green_bits + format->blue_bits > bits) return FALSE;
  return place_channels(format, order, bits);
}

/* To 8 bits by repeating the channel's upper bits below it, so that full stays full and zero stays zero. */
static inline guint32 channel(guint32 pixel, guint shift, guint bits) {
  guint32 value = (pixel >> shift) & ((1u << bits) - 1);
  guint32 wide = value << (16 - bits);
  return (wide | wide >> bits) >> 8;
}

static inline guint32 load_pixel(const guint8 *source, guint bytes) {
  guint32 pixel = source[0] | (guint32)source[1] << 8;
  if (bytes > 2) pixel |= (guint32)source[2] << 16;
  if (bytes > 3) pixel |= (guint32)source[3] << 24;
  return pixel;
}

void pixman_format_convert_row(const PixmanFormat *format, const guint8 *source, guint8 *target, guint width) {
  const PixmanFormat f = *format; /* a copy that the stores to `target` cannot alias */
  for (guint i = 0; i < width; i++, source += f.bytes_per_pixel, target += 4) {
    guint32 pixel = load_pixel(source, f.bytes_per_pixel);
    target[0] = (guint8)channel(pixel, f.blue_shift, f.blue_bits);
    target[1] = (guint8)channel(pixel, f.green_shift, f.green_bits);
    target[2] = (guint8)channel(pixel, f.red_shift, f.red_bits);
    target[3] = 0xff;
  }
}
