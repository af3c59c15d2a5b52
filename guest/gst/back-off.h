/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * When to connect again after a connection was lost, and when to stop trying
 * (F15). Arithmetic without sockets or clock; the caller says what time it is,
 * monotonic microseconds. Zero-initialised is ready.
 */

/* A host's stream process is back within a second: look often at first. */
#define BACK_OFF_QUICK_MS 100u
#define BACK_OFF_QUICK_FOR_MS 2000u
/* Then doubling, up to this. */
#define BACK_OFF_SLOW_MS 2000u
/* A host that was away for so long is not being restarted, it is gone: somebody has to be told. */
#define BACK_OFF_GIVE_UP_MS 60000u

typedef struct {
  gint64 since_us; /* of the first failure in a row; 0: none */
  guint wait_ms;   /* the last one */
} BackOff;

/* How long to wait before the next attempt, ms; -1 to give up. */
gint back_off_next(BackOff *back_off, gint64 now_us);

/* A picture came, or the connection held: the next failure is the first. */
void back_off_reset(BackOff *back_off);
