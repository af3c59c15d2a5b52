/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Bounded little-endian reader with a sticky error: a read past the end
 * returns zeros and marks the reader, so a parser reads all its fields and
 * asks once, with byte_reader_ok(). Owns nothing; single thread.
 */

typedef struct {
  const guint8 *data;
  gsize size;
  gsize position;
  gboolean failed;
} ByteReader;

void byte_reader_init(ByteReader *reader, const void *data, gsize size);

guint8 byte_reader_u8(ByteReader *reader);
guint16 byte_reader_u16(ByteReader *reader);
guint32 byte_reader_u32(ByteReader *reader);
guint64 byte_reader_u64(ByteReader *reader);
gint32 byte_reader_i32(ByteReader *reader);
gint64 byte_reader_i64(ByteReader *reader);

/* The next `size` bytes in place, borrowed from the caller's buffer; NULL (and failed) if fewer are left. With size 0
 * the pointer is valid to compare and not to read. */
const guint8 *byte_reader_bytes(ByteReader *reader, gsize size);
void byte_reader_skip(ByteReader *reader, gsize size);

static inline gsize byte_reader_left(const ByteReader *reader) {
  return reader->size - reader->position;
}

static inline gboolean byte_reader_ok(const ByteReader *reader) {
  return !reader->failed;
}
