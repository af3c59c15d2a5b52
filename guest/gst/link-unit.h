/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/hxfr-v2.h"

/*
 * An access unit as it came from a host, whole, in Annex B form: the answer
 * to a FRAME_REQUEST, or pushed by a subscription (version 1 as
 * FRAME_RESPONSE, version 2 as UNIT). Belongs to one owner at a time.
 */

typedef struct {
  guint8 *data; /* g_free() */
  gsize size;   /* bytes, at least 1 */
  gint64 pts_ns;
  gint64 arrived_us;     /* monotonic, this machine's: when it was complete */
  gboolean is_key;       /* its first slice is an IDR's; a peer's flag is not believed */
  gboolean has_sequence; /* version 2 */
  guint64 sequence;      /* of the stream; a gap is what was not sent to us */
} LinkUnit;

/* From a whole payload. NULL and error (G_IO_ERROR_INVALID_DATA) if it is malformed or has no slice in it. */
LinkUnit *link_unit_from_response(const guint8 *payload, gsize size, GError **error);
LinkUnit *link_unit_from_push(const guint8 *payload, gsize size, GError **error);

void link_unit_destroy(LinkUnit *unit); /* NULL is legal */

G_DEFINE_AUTOPTR_CLEANUP_FUNC(LinkUnit, link_unit_destroy)
