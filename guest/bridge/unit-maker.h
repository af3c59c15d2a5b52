/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"

/*
 * Access units out of an H.264 byte stream's buffers, one a buffer. Nothing
 * comes out before the first one that a decoder can begin with: an IDR with
 * an SPS that makes sense and a PPS (F08, F15). No I/O, single thread.
 */

typedef struct {
  gboolean begun; /* such a one has come */
  guint width;    /* of the last SPS, pixels */
  guint height;
  gint64 last_us; /* the last unit's flush_us */
} UnitMaker;

/* flush_us: when the picture was there, monotonic. NULL: nothing to show in it, or no memory; it has been counted. */
AccessUnit *unit_maker_make(UnitMaker *maker, const guint8 *data, gsize size, gint64 flush_us, gint64 now_us);
