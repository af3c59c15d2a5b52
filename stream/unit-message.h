/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "common/wire/hxfr-v2.h"

/*
 * An access unit as a message: FRAME_RESPONSE for version 1 peers, UNIT for
 * later ones. Any thread. opened_us: when the peer's SUBSCRIBE was accepted,
 * monotonic; pts count from there.
 */

/* A whole FRAME_RESPONSE, a NAL entry for each NAL; the caller's. Never NULL. */
GBytes *unit_message_v1(const AccessUnit *unit, guint16 session_id, gint64 opened_us);
/* The same as the answer to a request, whose pts it carries untouched. */
GBytes *unit_message_response(const AccessUnit *unit, guint16 session_id, gint64 pts_ns);

/* HXFR's header and UNIT's fixed part; unit->body follows on the wire. `head` holds HXFR_HEADER_SIZE +
 * HXFR_UNIT_FIXED_SIZE bytes; returns how many were written. */
gsize unit_message_head(const AccessUnit *unit, guint16 session_id, gint64 opened_us, guint8 *head);
