/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/fingerprint.h"

/* xorshift64* (S. Vigna, "An experimental exploration of Marsaglia's xorshift generators, scrambled", section 3). */
static guint next_below(guint64 *random, guint limit) {
  guint64 state = *random;
  state ^= state >> 12;
  state ^= state << 25;
  state ^= state >> 27;
  *random = state;
  return (guint)((state * G_GUINT64_CONSTANT(2685821657736338717)) >> 32) % limit;
}

/* A shadow's readers read while it is written, on purpose (host/capture/shadow.c). */
__attribute__((no_sanitize("thread"))) static guint32 read_pixel(const Frame *frame, gboolean red_first, guint x,
                                                                 guint y) {
  const guint8 *bytes = frame->data + y * frame->stride + (gsize)x * 4;
  guint32 first = bytes[0], green = bytes[1], third = bytes[2];
  return red_first ? first << 16 | green << 8 | third : third << 16 | green << 8 | first;
}

void fingerprint_take(Fingerprint *fingerprint, const Frame *frame, guint side, guint64 *random) {
  const PixelFormatInfo *format = pixel_format_info(frame->format);
  g_assert(format && !format->planar && *random != 0 && side * side <= FINGERPRINT_MAX_PLACES);
  guint columns = MIN(side, frame->width), rows = MIN(side, frame->height);
  fingerprint->count = 0;
  for (guint row = 0; row < rows; row++) {
    guint top = row * frame->height / rows, bottom = (row + 1) * frame->height / rows;
    for (guint column = 0; column < columns; column++) {
      guint left = column * frame->width / columns, right = (column + 1) * frame->width / columns;
      guint x = left + next_below(random, right - left), y = top + next_below(random, bottom - top);
      fingerprint->places[fingerprint->count++] =
          (FingerprintPlace){(guint16)x, (guint16)y, read_pixel(frame, format->red_first, x, y)};
    }
  }
}

gboolean fingerprint_agrees(const Fingerprint *fingerprint, const Frame *frame) {
  const PixelFormatInfo *format = pixel_format_info(frame->format);
  if (!format || format->planar) return FALSE;
  for (guint i = 0; i < fingerprint->count; i++) {
    const FingerprintPlace *place = &fingerprint->places[i];
    if (place->x >= frame->width || place->y >= frame->height) return FALSE;
    if (read_pixel(frame, format->red_first, place->x, place->y) != (place->pixel & 0xffffff)) return FALSE;
  }
  return TRUE;
}
