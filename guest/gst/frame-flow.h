/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base/thread.h"
#include "guest/gst/link-events.h"

#include <gst/video/video.h>

/*
 * The frames of an encoder on their way: asked for, answered, delivered
 * downstream. Three threads meet here: the one that brings frames and waits
 * for room, the link's that brings answers and never waits, and the one that
 * delivers and waits for something to deliver.
 *
 * Who waits here must not hold the encoder's stream lock, because delivering
 * needs it (F26). Every wait ends when frames are answered, lost (the link
 * has the time limits), flushed, failed or stopped.
 */

typedef struct {
  guint64 id;
  GstVideoCodecFrame *frame; /* a reference of ours */
  gint64 asked_us;           /* monotonic */
} FrameFlowEntry;

/* A frame's end: its access unit, or NULL where it got none. */
typedef struct {
  GstVideoCodecFrame *frame;
  gint64 asked_us;
  LinkUnit *unit;
} FrameFlowDone;

typedef struct {
  Mutex mutex; /* for all below */
  Cond changed;
  guint limit;
  gboolean open; /* the host is known */
  LinkHost host;
  gboolean stopping;
  gboolean flushing;
  gboolean failed;
  GstFlowReturn result; /* of the last delivery */
  guint64 last_id;
  GQueue asked;  /* FrameFlowEntry */
  guint at_host; /* unanswered, those that were flushed away included */
  GQueue done;   /* FrameFlowDone */
  gboolean delivering;
  gboolean need_key; /* something was dropped: nothing but an IDR is of use (F08) */
  gboolean ask_key;  /* the next request asks for one */
  guint64 key_id;    /* the last request that asked for one */
} FrameFlow;

/* limit: how many frames may be between wait_room and delivered. */
void frame_flow_init(FrameFlow *flow, guint limit);
void frame_flow_finish(FrameFlow *flow);

/* As after init, whatever was before. No thread may be inside. */
void frame_flow_reset(FrameFlow *flow);

/* The host is there. */
void frame_flow_open(FrameFlow *flow, const LinkHost *host);
void frame_flow_host(FrameFlow *flow, LinkHost *host);

/* Waits for the host to be known and for room; anything but GST_FLOW_OK says that the frame will not be taken. */
GstFlowReturn frame_flow_wait_room(FrameFlow *flow);
/* Takes a reference over; returns the frame's id. *force_key: whether the request asks for an IDR, set where it has to.
 */
guint64 frame_flow_ask(FrameFlow *flow, GstVideoCodecFrame *frame, gboolean *force_key);
/* Waits until nothing is on its way (or can come any more). */
GstFlowReturn frame_flow_drain(FrameFlow *flow);

/* A request's end; takes the unit over. A frame that was flushed away is none any more. FALSE: the unit was dropped. */
gboolean frame_flow_answer(FrameFlow *flow, guint64 id, LinkUnit *unit);
/* need: what comes next refers to something that was dropped, so that only an IDR is of use. ask: the next request asks
 * for one. */
void frame_flow_want_key(FrameFlow *flow, gboolean need, gboolean ask);

/* The next frame to deliver; FALSE when it is over. */
gboolean frame_flow_take(FrameFlow *flow, FrameFlowDone *done);
void frame_flow_delivered(FrameFlow *flow, GstFlowReturn result);

/* From a FLUSH_START on, nobody waits. */
void frame_flow_begin_flush(FrameFlow *flow);
/* Forgets every frame, and waits for the one being delivered. */
void frame_flow_end_flush(FrameFlow *flow);
void frame_flow_fail(FrameFlow *flow);
void frame_flow_stop(FrameFlow *flow);
