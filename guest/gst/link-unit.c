/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/link-unit.h"

#include "common/media/annexb.h"

#include <string.h>

static LinkUnit *malformed(const char *what, GError **error) {
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, what);
  return NULL;
}

/* Coded slices are types 1 to 5, ITU-T H.264 (08/2021) table 7-1. FALSE if there is none. */
static gboolean find_slice(LinkUnit *unit) {
  AnnexbIterator iterator;
  Nal nal;
  annexb_init(&iterator, unit->data, unit->size);
  while (annexb_next(&iterator, &nal)) {
    guint type = nal_type(&nal);
    if (type < NAL_SLICE || type > NAL_SLICE_IDR) continue;
    unit->is_key = type == NAL_SLICE_IDR;
    return TRUE;
  }
  return FALSE;
}

/* `room` is within the message's limit, because all of it is part of the message. */
static LinkUnit *create(gsize room) {
  guint8 *data = g_try_malloc(MAX(room, 1));
  if (!data) return NULL;
  LinkUnit *unit = g_new0(LinkUnit, 1);
  unit->data = data;
  unit->arrived_us = g_get_monotonic_time();
  return unit;
}

LinkUnit *link_unit_from_response(const guint8 *payload, gsize size, GError **error) {
  ByteReader reader;
  HxfrFrameResponse response;
  byte_reader_init(&reader, payload, size);
  if (!hxfr_frame_response_parse(&reader, &response)) return malformed("a malformed FRAME_RESPONSE", error);
  g_autoptr(LinkUnit) unit = create(byte_reader_left(&reader));
  if (!unit) return malformed("no memory for a FRAME_RESPONSE", error);
  for (guint32 i = 0; i < response.nal_count; i++) {
    const guint8 *nal;
    guint32 nal_size;
    if (!hxfr_nal_entry_parse(&reader, &nal, &nal_size)) {
      return malformed("a FRAME_RESPONSE that is shorter than its NAL units", error);
    }
    memcpy(unit->data + unit->size, nal, nal_size);
    unit->size += nal_size;
  }
  unit->pts_ns = response.pts_ns;
  if (!find_slice(unit)) return malformed("a FRAME_RESPONSE without a picture in it", error);
  return g_steal_pointer(&unit);
}

LinkUnit *link_unit_from_push(const guint8 *payload, gsize size, GError **error) {
  ByteReader reader;
  HxfrUnit info;
  Rect rect;
  byte_reader_init(&reader, payload, size);
  gboolean good = hxfr_unit_parse(&reader, &info);
  for (guint i = 0; good && i < info.rect_count; i++) good = hxfr_rect_parse(&reader, &rect);
  if (!good) return malformed("a malformed UNIT", error);
  gsize left = byte_reader_left(&reader);
  g_autoptr(LinkUnit) unit = create(left);
  if (!unit) return malformed("no memory for a UNIT", error);
  memcpy(unit->data, byte_reader_bytes(&reader, left), left);
  unit->size = left;
  unit->pts_ns = info.pts_ns;
  unit->has_sequence = TRUE;
  unit->sequence = info.sequence;
  if (!find_slice(unit)) return malformed("a UNIT without a picture in it", error);
  return g_steal_pointer(&unit);
}

void link_unit_destroy(LinkUnit *unit) {
  if (!unit) return;
  g_free(unit->data);
  g_free(unit);
}
