/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/host-clock.h"

/* 36 years: a host may say anything, and sums and differences of two are to stay exact. */
#define STAMP_LIMIT (G_GINT64_CONSTANT(1) << 60)

void host_clock_restart(HostClock *clock) {
  clock->started = FALSE;
}

gint64 host_clock_map(HostClock *clock, gint64 there, gint64 here) {
  there = CLAMP(there, -STAMP_LIMIT, STAMP_LIMIT);
  gint64 transit = here - there;
  if (!clock->started) {
    clock->started = TRUE;
    clock->offset = transit;
  } else {
    gint64 passed = MAX(here - clock->last_arrival, 0);
    clock->offset += MIN(passed / (1000000 / HOST_CLOCK_DRIFT_PPM), MAX(transit - clock->offset, 0));
    clock->offset = MIN(clock->offset, transit);
  }
  clock->last_arrival = here;
  clock->last_out = MAX(there + clock->offset, clock->last_out + 1);
  return clock->last_out;
}
