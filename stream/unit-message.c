/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/unit-message.h"

#include "common/media/annexb.h"

G_STATIC_ASSERT(ACCESS_UNIT_MAX_RECTS <= HXFR_MAX_UNIT_RECTS);
G_STATIC_ASSERT(ACCESS_UNIT_ROOM >= 16 + HXFR_HEADER_SIZE + HXFR_UNIT_FIXED_SIZE);

static gint64 pts_ns(const AccessUnit *unit, gint64 opened_us) {
  /* a joiner's first picture may have been shown long before it came */
  return MAX(unit->info.flush_us - opened_us, 0) * 1000;
}

GBytes *unit_message_v1(const AccessUnit *unit, guint16 session_id, gint64 opened_us) {
  return unit_message_response(unit, session_id, pts_ns(unit, opened_us));
}

GBytes *unit_message_response(const AccessUnit *unit, guint16 session_id, gint64 pts) {
  AnnexbIterator iterator;
  Nal nal;
  guint count = 0;
  gsize payload = HXFR_FRAME_RESPONSE_SIZE;
  annexb_init(&iterator, unit->data, unit->size);
  while (annexb_next(&iterator, &nal)) {
    count++;
    payload += 4 + nal.entry_size;
  }
  gsize size = HXFR_HEADER_SIZE + payload;
  guint8 *bytes = g_malloc(size);
  ByteWriter writer;
  byte_writer_init(&writer, bytes, size);
  hxfr_header_write(
      &writer, &(HxfrHeader){.type = HXFR_FRAME_RESPONSE, .session_id = session_id, .payload_size = (guint32)payload});
  hxfr_frame_response_write(&writer, &(HxfrFrameResponse){pts, pts, unit->info.is_key, count});
  annexb_init(&iterator, unit->data, unit->size);
  while (annexb_next(&iterator, &nal)) {
    byte_writer_u32(&writer, (guint32)nal.entry_size);
    byte_writer_bytes(&writer, nal.entry, nal.entry_size);
  }
  g_assert(byte_writer_ok(&writer));
  return g_bytes_new_take(bytes, size);
}

static guint32 unit_flags(const AccessUnitInfo *info) {
  return (info->is_key ? HXFR_UNIT_KEY : 0u) | (info->is_refinement ? HXFR_UNIT_REFINEMENT : 0u) |
         (info->is_keep_alive ? HXFR_UNIT_KEEP_ALIVE : 0u) | (info->is_settled ? HXFR_UNIT_SETTLED : 0u);
}

gsize unit_message_head(const AccessUnit *unit, guint16 session_id, gint64 opened_us, guint8 *head) {
  const AccessUnitInfo *info = &unit->info;
  ByteWriter writer;
  byte_writer_init(&writer, head, HXFR_HEADER_SIZE + HXFR_UNIT_FIXED_SIZE);
  hxfr_header_write(&writer, &(HxfrHeader){.type = HXFR_UNIT,
                                           .session_id = session_id,
                                           .payload_size = (guint32)(HXFR_UNIT_FIXED_SIZE + unit->body_size)});
  hxfr_unit_write(&writer, &(HxfrUnit){.sequence = info->sequence,
                                       .pts_ns = pts_ns(unit, opened_us),
                                       .flags = unit_flags(info),
                                       .width = (guint16)info->width,
                                       .height = (guint16)info->height,
                                       .capture_us = info->capture_us,
                                       .queue_us = info->queue_us,
                                       .convert_us = info->convert_us,
                                       .encode_us = info->encode_us,
                                       .send_us = (guint32)MAX(g_get_monotonic_time() - info->encoded_us, 0),
                                       .frames_merged = info->frames_merged,
                                       .rect_count = (guint16)unit->rect_count,
                                       .qp = (guint16)info->qp});
  g_assert(byte_writer_ok(&writer));
  return writer.position;
}
