/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "common/wire/hxfr-v2.h"

/*
 * What waits to be sent to one peer: messages and access units in order, both
 * bounded, so that a peer that does not read costs a fixed amount and delays
 * nobody (F06, F07).
 *
 * A lane is one subscription of the peer. A lane that holds OUTBOX_MAX_UNITS
 * access units when another comes loses all it holds and waits for an IDR:
 * never a P picture without the one before it (F08). The IDR is asked for
 * when the peer reads again, not while it does not, so that a stopped viewer
 * makes no key frames for the others.
 *
 * Pushed to on one thread, taken from on another: everything here locks, and
 * nothing waits.
 */

/* 133 ms at 60 a second: what is older is worth less than what is new. */
#define OUTBOX_MAX_UNITS 8u
/* Answers that a peer asked for and does not read; then it is cut off. */
#define OUTBOX_MAX_MESSAGES 256u
#define OUTBOX_MAX_MESSAGE_BYTES (1u << 20)
/* From here on the peer is not read from. */
#define OUTBOX_CONGESTED_MESSAGES 64u
#define OUTBOX_CONGESTED_BYTES (256u << 10)

typedef struct Outbox Outbox;

/* Something to send: a whole message, or a unit with its HXFR and UNIT headers. Clear with outbox_item_clear(). */
typedef struct {
  GBytes *message;
  AccessUnit *unit;
  guint8 head[HXFR_HEADER_SIZE + HXFR_UNIT_FIXED_SIZE];
  gsize head_size;
} OutboxItem;

Outbox *outbox_create(void);
Outbox *outbox_ref(Outbox *outbox);
void outbox_unref(Outbox *outbox); /* NULL is legal */

/* Takes the message over. FALSE: too much is waiting already, the peer is to be cut off. */
gboolean outbox_push_message(Outbox *outbox, GBytes *message);
/* The same for a picture that was asked for: never refused, because it may be large, and what is owed is bounded where it is
 * asked for (REQUESTS_MAX_IN_FLIGHT). */
void outbox_push_answer(Outbox *outbox, GBytes *message);

/* Opens the lane of a scanout, which then waits for an IDR. version 1 peers get FRAME_RESPONSE, others UNIT. */
void outbox_open_lane(Outbox *outbox, guint scanout, guint version);
void outbox_close_lane(Outbox *outbox, guint scanout); /* and drops what it holds */

typedef enum {
  OUTBOX_QUEUED,
  OUTBOX_WAITING, /* the lane waits for an IDR; this one was not for it */
  OUTBOX_DROPPED, /* the lane was full: it has lost what it held and waits for an IDR */
} OutboxPush;

OutboxPush outbox_push_unit(Outbox *outbox, guint scanout, AccessUnit *unit);
/* For version 2 lanes that got nothing since idle_us ago. TRUE if one was queued. */
gboolean outbox_push_heartbeat(Outbox *outbox, guint scanout, guint64 sequence, gint64 now_us, gint64 idle_us);

/* At least `units` wait in the lane, or it has lost them and nothing was taken since: what back-pressure is made of. */
gboolean outbox_is_behind(Outbox *outbox, guint scanout, guint units);
/* So many answers wait that nothing more is to be read from the peer for now. */
gboolean outbox_is_congested(Outbox *outbox);

/* The next thing to send; FALSE if there is none. Call it only when the peer takes data: in *idr_wanted it tells the
 * scanouts (a bit each) whose lane needs an IDR now that the peer reads again, each once. */
gboolean outbox_pop(Outbox *outbox, OutboxItem *item, guint32 *idr_wanted);
void outbox_item_clear(OutboxItem *item);

/* How long ago the peer last took something, though there was more for it, or it has not come for more since; 0 where
 * it has taken all there was. Microseconds. */
gint64 outbox_stalled_us(Outbox *outbox, gint64 now_us);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Outbox, outbox_unref)
