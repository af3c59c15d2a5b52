/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/idr-policy.h"

void idr_policy_want(IdrPolicy *policy, gint64 now_us, gint64 not_before_us) {
  gint64 due = MAX(now_us, not_before_us);
  if (policy->last_us > 0) due = MAX(due, policy->last_us + IDR_MIN_INTERVAL_US);
  policy->due_us = policy->due_us > 0 ? MIN(policy->due_us, due) : due;
}

gboolean idr_policy_take(IdrPolicy *policy, gint64 now_us) {
  if (policy->due_us == 0 || now_us < policy->due_us) return FALSE;
  policy->due_us = 0;
  policy->last_us = now_us;
  return TRUE;
}

void idr_policy_came(IdrPolicy *policy) {
  policy->due_us = 0;
}
