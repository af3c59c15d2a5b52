/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/schedule.h"

void schedule_init(Schedule *schedule, gdouble fps) {
  *schedule = (Schedule){.interval_us = (gint64)(G_USEC_PER_SEC / MAX(fps, 0.1))};
}

ScheduleKind schedule_next(const Schedule *schedule, const ScheduleInput *input, gint64 now_us, gint64 *at_us) {
  if (input->is_new || input->idr_wanted) {
    *at_us = MAX(MAX(schedule->next_due_us, input->ready_us), now_us);
    return SCHEDULE_PICTURE;
  }
  if (!schedule->settled) {
    gint64 still = schedule->changed_us + SCHEDULE_STILL_US, spaced = schedule->last_us + SCHEDULE_REFINE_US;
    *at_us = MAX(MAX(still, spaced), MAX(input->room_us, now_us));
    return SCHEDULE_REFINEMENT;
  }
  if (!schedule->repeated) {
    *at_us = MAX(schedule->last_us + schedule->interval_us, now_us);
    return SCHEDULE_REPEAT;
  }
  if (input->keep_alive_hz > 0) {
    *at_us = MAX(schedule->last_us + G_USEC_PER_SEC / input->keep_alive_hz, now_us);
    return SCHEDULE_KEEP_ALIVE;
  }
  *at_us = G_MAXINT64;
  return SCHEDULE_NOTHING;
}

void schedule_done(Schedule *schedule, ScheduleKind kind, gboolean was_new, gboolean finest, gint64 now_us) {
  if (kind == SCHEDULE_PICTURE) {
    /* Stays on the grid where the source does, so that a frame that comes a little late is not followed by one held
     * back; after a pause the grid begins anew. */
    schedule->next_due_us = MAX(schedule->next_due_us + schedule->interval_us, now_us);
    if (was_new) schedule->changed_us = now_us;
    schedule->settled = finest;
    schedule->repeated = FALSE;
  } else if (kind == SCHEDULE_REFINEMENT) {
    schedule->settled = finest;
  } else if (kind == SCHEDULE_REPEAT) {
    schedule->repeated = TRUE;
  }
  schedule->last_us = now_us;
}
