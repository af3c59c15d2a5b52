/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/access-unit.h"

#include "common/base/byte-writer.h"
#include "common/base/checked.h"

#define RECT_SIZE 8u /* four u16 */

static void write_rect(ByteWriter *writer, const Rect *rect) {
  byte_writer_u16(writer, (guint16)rect->x);
  byte_writer_u16(writer, (guint16)rect->y);
  byte_writer_u16(writer, (guint16)rect->width);
  byte_writer_u16(writer, (guint16)rect->height);
}

AccessUnit *access_unit_create(const AccessUnitInfo *info, const Rect *rects, guint n_rects, const void *data,
                               gsize size) {
  g_assert(n_rects <= ACCESS_UNIT_MAX_RECTS);
  gsize rects_size = (gsize)n_rects * RECT_SIZE, total;
  if (!checked_add(ACCESS_UNIT_ROOM + rects_size, size, &total)) return NULL;
  guint8 *memory = g_try_malloc(total);
  if (!memory) return NULL;

  AccessUnit *unit = g_new0(AccessUnit, 1);
  unit->refs = 1;
  unit->info = *info;
  unit->rect_count = n_rects;
  unit->memory = memory;
  unit->body = memory + ACCESS_UNIT_ROOM;
  unit->body_size = rects_size + size;
  unit->data = unit->body + rects_size;
  unit->size = size;
  ByteWriter writer;
  byte_writer_init(&writer, unit->body, unit->body_size);
  for (guint i = 0; i < n_rects; i++) write_rect(&writer, &rects[i]);
  byte_writer_bytes(&writer, data, size);
  g_assert(byte_writer_ok(&writer));
  return unit;
}

AccessUnit *access_unit_ref(AccessUnit *unit) {
  __atomic_add_fetch(&unit->refs, 1, __ATOMIC_RELAXED);
  return unit;
}

void access_unit_unref(AccessUnit *unit) {
  if (!unit || __atomic_sub_fetch(&unit->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  g_free(unit->memory);
  g_free(unit);
}
