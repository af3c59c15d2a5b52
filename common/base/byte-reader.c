/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/byte-reader.h"

void byte_reader_init(ByteReader *reader, const void *data, gsize size) {
  *reader = (ByteReader){.data = data, .size = size};
}

const guint8 *byte_reader_bytes(ByteReader *reader, gsize size) {
  if (reader->failed || size > byte_reader_left(reader)) {
    reader->failed = TRUE;
    reader->position = reader->size;
    return NULL;
  }
  const guint8 *bytes = reader->data + reader->position;
  reader->position += size;
  return bytes;
}

void byte_reader_skip(ByteReader *reader, gsize size) {
  byte_reader_bytes(reader, size);
}

static guint64 read_le(ByteReader *reader, guint size) {
  const guint8 *bytes = byte_reader_bytes(reader, size);
  guint64 value = 0;
  for (guint i = 0; bytes && i < size; i++) value |= (guint64)bytes[i] << (8 * i);
  return value;
}

guint8 byte_reader_u8(ByteReader *reader) {
  return (guint8)read_le(reader, 1);
}

guint16 byte_reader_u16(ByteReader *reader) {
  return (guint16)read_le(reader, 2);
}

guint32 byte_reader_u32(ByteReader *reader) {
  return (guint32)read_le(reader, 4);
}

guint64 byte_reader_u64(ByteReader *reader) {
  return read_le(reader, 8);
}

gint32 byte_reader_i32(ByteReader *reader) {
  return (gint32)byte_reader_u32(reader);
}

gint64 byte_reader_i64(ByteReader *reader) {
  return (gint64)byte_reader_u64(reader);
}
