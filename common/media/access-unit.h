/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * One encoded picture on its way from an encoder to any number of
 * subscribers. Reference-counted from any thread; immutable once it is
 * published, but for the room in front of the body, which belongs to the web
 * thread alone (a WebSocket needs its headers in the same memory as its
 * payload, and one buffer serves every client).
 *
 * Memory: [room][rectangles as UNIT has them][Annex B access unit].
 */

/* Room for a WebSocket library's own header (LWS_PRE is 16), HXFR's and UNIT's fixed part. */
#define ACCESS_UNIT_ROOM 128u
#define ACCESS_UNIT_MAX_RECTS 64u

typedef struct {
  guint64 sequence;  /* set by the hub when it is published */
  gint64 flush_us;   /* monotonic: when the VM showed the picture */
  gint64 encoded_us; /* monotonic: when the encoder was done with it */
  guint width;       /* true size, pixels */
  guint height;
  gboolean is_key;        /* IDR, SPS and PPS before it */
  gboolean is_refinement; /* nothing changed but the quality */
  gboolean is_keep_alive; /* nothing changed */
  gboolean is_settled;    /* final quality reached, silence follows */
  guint32 capture_us;
  guint32 queue_us;
  guint32 convert_us;
  guint32 encode_us;
  guint32 frames_merged;
  guint qp; /* mean */
} AccessUnitInfo;

typedef struct {
  int refs; /* atomic */
  AccessUnitInfo info;
  guint rect_count;
  guint8 *memory;
  guint8 *body; /* memory + ACCESS_UNIT_ROOM: the rectangles, then the access unit */
  gsize body_size;
  guint8 *data; /* the access unit */
  gsize size;
} AccessUnit;

/* Copies; NULL where no memory could be had. */
AccessUnit *access_unit_create(const AccessUnitInfo *info, const Rect *rects, guint n_rects, const void *data,
                               gsize size);
AccessUnit *access_unit_ref(AccessUnit *unit);
void access_unit_unref(AccessUnit *unit); /* NULL is legal */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(AccessUnit, access_unit_unref)
