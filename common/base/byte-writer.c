/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/byte-writer.h"

#include <string.h>

void byte_writer_init(ByteWriter *writer, void *data, gsize size) {
  *writer = (ByteWriter){.data = data, .size = size};
}

static guint8 *take(ByteWriter *writer, gsize size) {
  if (writer->failed || size > writer->size - writer->position) {
    writer->failed = TRUE;
    return NULL;
  }
  guint8 *place = writer->data + writer->position;
  writer->position += size;
  return place;
}

static void write_le(ByteWriter *writer, guint64 value, guint size) {
  guint8 *place = take(writer, size);
  for (guint i = 0; place && i < size; i++) place[i] = (guint8)(value >> (8 * i));
}

void byte_writer_u8(ByteWriter *writer, guint8 value) {
  write_le(writer, value, 1);
}

void byte_writer_u16(ByteWriter *writer, guint16 value) {
  write_le(writer, value, 2);
}

void byte_writer_u32(ByteWriter *writer, guint32 value) {
  write_le(writer, value, 4);
}

void byte_writer_u64(ByteWriter *writer, guint64 value) {
  write_le(writer, value, 8);
}

void byte_writer_i32(ByteWriter *writer, gint32 value) {
  write_le(writer, (guint32)value, 4);
}

void byte_writer_i64(ByteWriter *writer, gint64 value) {
  write_le(writer, (guint64)value, 8);
}

void byte_writer_bytes(ByteWriter *writer, const void *bytes, gsize size) {
  guint8 *place = take(writer, size);
  if (place && size > 0) memcpy(place, bytes, size);
}

void byte_writer_zeros(ByteWriter *writer, gsize size) {
  guint8 *place = take(writer, size);
  if (place) memset(place, 0, size);
}

void byte_writer_text(ByteWriter *writer, const char *text, gsize size) {
  guint8 *place = take(writer, size);
  if (!place || size == 0) return;
  memset(place, 0, size);
  gsize length = strlen(text);
  if (length > size - 1) {
    length = size - 1;
    while (length > 0 && ((guchar)text[length] & 0xc0) == 0x80) length--;
  }
  memcpy(place, text, length);
}
