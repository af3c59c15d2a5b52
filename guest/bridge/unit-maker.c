/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/unit-maker.h"

#include "common/base/stats.h"
#include "common/media/frame.h"
#include "common/media/sps.h"
#include "common/wire/hxfr-v2.h"

/* Room for the headers of whatever message it becomes, a NAL entry for each of its NALs included. */
#define UNIT_MAX_SIZE (HXFR_MAX_RESPONSE - (1u << 20))

typedef struct {
  gboolean sps;
  gboolean pps;
  gboolean idr;
  gboolean slice; /* an IDR's, too */
} Content;

static gboolean take_sps(UnitMaker *maker, const Nal *nal) {
  Sps sps;
  if (!sps_parse(nal, &sps)) return FALSE;
  if (sps.width == 0 || sps.height == 0 || sps.width > FRAME_MAX_WIDTH || sps.height > FRAME_MAX_HEIGHT) return FALSE;
  maker->width = sps.width;
  maker->height = sps.height;
  return TRUE;
}

static Content look(UnitMaker *maker, const guint8 *data, gsize size) {
  Content content = {0};
  AnnexbIterator iterator;
  Nal nal;
  annexb_init(&iterator, data, size);
  while (annexb_next(&iterator, &nal)) {
    guint type = nal_type(&nal);
    if (type == NAL_SPS) content.sps |= take_sps(maker, &nal);
    if (type == NAL_PPS) content.pps = TRUE;
    if (type == NAL_SLICE_IDR) content.idr = TRUE;
    if (type >= NAL_SLICE && type <= NAL_SLICE_IDR) content.slice = TRUE;
  }
  return content;
}

AccessUnit *unit_maker_make(UnitMaker *maker, const guint8 *data, gsize size, gint64 flush_us, gint64 now_us) {
  if (size > UNIT_MAX_SIZE) {
    stats_count("bridge.units-too-large");
    maker->begun = FALSE; /* those after it build on it */
    return NULL;
  }
  Content content = look(maker, data, size);
  gboolean key = content.idr && content.sps && content.pps;
  if (!content.slice || (!maker->begun && !key)) {
    stats_count(content.slice ? "bridge.units-before-idr" : "bridge.units-without-picture");
    return NULL;
  }
  maker->last_us = MAX(MIN(flush_us, now_us), maker->last_us + 1);
  AccessUnitInfo info = {
      .flush_us = maker->last_us,
      .encoded_us = now_us,
      .width = maker->width,
      .height = maker->height,
      .is_key = key,
  };
  AccessUnit *unit = access_unit_create(&info, NULL, 0, data, size);
  maker->begun = unit != NULL; /* what is lost here is lost to all: only an IDR mends it (F08) */
  if (!unit) stats_count("bridge.no-memory");
  return unit;
}
