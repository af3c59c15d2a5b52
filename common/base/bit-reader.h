/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Bounded big-endian bit reader with a sticky error, for RBSP data: H.264
 * (ITU-T H.264, 08/2021) section 7.2 and the Exp-Golomb codes of section 9.1.
 * Reads past the end give zeros. Owns nothing; single thread.
 */

typedef struct {
  const guint8 *data;
  gsize size_bits;
  gsize position; /* in bits */
  gboolean failed;
} BitReader;

void bit_reader_init(BitReader *reader, const guint8 *data, gsize size);
guint32 bit_reader_bits(BitReader *reader, guint count); /* count 0 to 32 */
guint32 bit_reader_ue(BitReader *reader);
gint32 bit_reader_se(BitReader *reader);

static inline gboolean bit_reader_ok(const BitReader *reader) {
  return !reader->failed;
}
