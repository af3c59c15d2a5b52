/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Bounded little-endian writer into the caller's memory, with a sticky error:
 * a write past the end is dropped and marks the writer. Single thread.
 */

typedef struct {
  guint8 *data;
  gsize size;
  gsize position; /* bytes written */
  gboolean failed;
} ByteWriter;

void byte_writer_init(ByteWriter *writer, void *data, gsize size);

void byte_writer_u8(ByteWriter *writer, guint8 value);
void byte_writer_u16(ByteWriter *writer, guint16 value);
void byte_writer_u32(ByteWriter *writer, guint32 value);
void byte_writer_u64(ByteWriter *writer, guint64 value);
void byte_writer_i32(ByteWriter *writer, gint32 value);
void byte_writer_i64(ByteWriter *writer, gint64 value);
void byte_writer_bytes(ByteWriter *writer, const void *bytes, gsize size);
void byte_writer_zeros(ByteWriter *writer, gsize size);
/* `text` in a field of `size` bytes: cut at a UTF-8 boundary if need be, always NUL-terminated, the rest zero. */
void byte_writer_text(ByteWriter *writer, const char *text, gsize size);

static inline gboolean byte_writer_ok(const ByteWriter *writer) {
  return !writer->failed;
}
