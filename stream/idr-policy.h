/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * When a stream's next IDR is made: joiners of the same moment share one, and
 * nobody gets them in a stream. Arithmetic on a clock the caller passes; no
 * timers, no threads.
 */

/* An IDR costs every subscriber 50 to 400 KB: five a second is the most that one who asks for ever may cause. */
#define IDR_MIN_INTERVAL_US (200 * 1000)
/* A subscriber that lags again and again is the reason for one a second. */
#define IDR_LAGGARD_INTERVAL_US (1000 * 1000)

typedef struct {
  gint64 last_us; /* when the last IDR was asked of the encoder; 0: never */
  gint64 due_us;  /* when the pending one is to be asked for; 0: none pending */
} IdrPolicy;

/* Somebody needs an IDR, no sooner than not_before_us (0: at once). The result is policy->due_us. */
void idr_policy_want(IdrPolicy *policy, gint64 now_us, gint64 not_before_us);

/* TRUE once, when a pending IDR is due: ask the encoder for it now. */
gboolean idr_policy_take(IdrPolicy *policy, gint64 now_us);

/* An IDR came, whatever made it come: everybody who waited has it. */
void idr_policy_came(IdrPolicy *policy);
