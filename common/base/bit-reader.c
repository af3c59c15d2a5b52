/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/bit-reader.h"

void bit_reader_init(BitReader *reader, const guint8 *data, gsize size) {
  *reader = (BitReader){.data = data, .size_bits = size * 8};
}

guint32 bit_reader_bits(BitReader *reader, guint count) {
  g_assert(count <= 32);
  if (reader->failed || count > reader->size_bits - reader->position) {
    reader->failed = TRUE;
    return 0;
  }
  guint32 value = 0;
  for (guint i = 0; i < count; i++, reader->position++) {
    guint bit = (reader->data[reader->position / 8] >> (7 - reader->position % 8)) & 1;
    value = value << 1 | bit;
  }
  return value;
}

guint32 bit_reader_ue(BitReader *reader) {
  guint zeros = 0;
  while (!reader->failed && bit_reader_bits(reader, 1) == 0) {
    if (++zeros > 31) reader->failed = TRUE; /* no syntax element is longer: section 9.1 */
  }
  guint32 suffix = bit_reader_bits(reader, zeros);
  return reader->failed ? 0 : (guint32)((1u << zeros) - 1) + suffix;
}

gint32 bit_reader_se(BitReader *reader) {
  guint32 code = bit_reader_ue(reader);
  return code & 1 ? (gint32)(code / 2 + 1) : -(gint32)(code / 2);
}
