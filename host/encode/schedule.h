/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * What a stream encodes next, and when: the newest picture at no more than its
 * rate, refinements once the screen is still, one repeated picture at the end
 * (a decoder may hold its last one until another comes), keep-alives for whom
 * silence is death, and otherwise nothing. Arithmetic on times that the caller
 * passes; monotonic microseconds.
 */

/* Still for this long, and the picture is refined; shorter than anybody looks, longer than a dropped frame. */
#define SCHEDULE_STILL_US (70 * 1000)
/* Between refinements: they share the link with what may come. */
#define SCHEDULE_REFINE_US (60 * 1000)

typedef enum {
  SCHEDULE_NOTHING, /* until something happens */
  SCHEDULE_PICTURE, /* the newest, as P or as IDR */
  SCHEDULE_REFINEMENT,
  SCHEDULE_REPEAT,     /* the last of a still screen */
  SCHEDULE_KEEP_ALIVE, /* the same again, for version 1 */
} ScheduleKind;

typedef struct {
  gint64 interval_us;
  gint64 next_due_us; /* grid of the frame rate */
  gint64 last_us;     /* of the last encode */
  gint64 changed_us;  /* of the last picture that was new */
  gboolean settled;   /* at its finest */
  gboolean repeated;  /* and sent once more */
} Schedule;

typedef struct {
  gboolean is_new; /* the screen shows what was not encoded yet */
  gboolean idr_wanted;
  guint keep_alive_hz;
  gint64 ready_us; /* rate control: when another picture fits */
  gint64 room_us;  /* and when a refinement does */
} ScheduleInput;

/* fps in frames a second, at most; a fraction is fine. */
void schedule_init(Schedule *schedule, gdouble fps);

/* What is to be done at *at_us, the next thing if nothing happens before. */
ScheduleKind schedule_next(const Schedule *schedule, const ScheduleInput *input, gint64 now_us, gint64 *at_us);

/* It was done, begun at now_us; `finest`: the picture cannot get better. */
void schedule_done(Schedule *schedule, ScheduleKind kind, gboolean was_new, gboolean finest, gint64 now_us);
