/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The host's timestamps on this machine's clock. The clocks have nothing in
 * common but their pace, nearly. What came the fastest of late is taken for
 * having taken no time; everything else came late by the difference. So a
 * buffer's time is never after it arrived, keeps the host's own distances,
 * and follows a clock that runs faster or slower.
 *
 * Nanoseconds throughout. Arithmetic only; one thread.
 */

/* How fast the estimate gives way when everything comes late: 1 ms a second, ten times what a bad crystal is wrong by.
 */
#define HOST_CLOCK_DRIFT_PPM 1000

typedef struct {
  gboolean started;
  gint64 offset;       /* here − there */
  gint64 last_arrival; /* here */
  gint64 last_out;
} HostClock;

/* A new connection has a new clock; times here still only go forward. Zero-initialised is ready. */
void host_clock_restart(HostClock *clock);

/* The time here of what the host stamped `there` and what arrived at `here`; never negative, always after the last one.
 */
gint64 host_clock_map(HostClock *clock, gint64 there, gint64 here);
