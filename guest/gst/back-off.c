/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/back-off.h"

gint back_off_next(BackOff *back_off, gint64 now_us) {
  if (back_off->since_us == 0) back_off->since_us = now_us;
  gint64 passed_ms = (now_us - back_off->since_us) / 1000;
  if (passed_ms >= BACK_OFF_GIVE_UP_MS) return -1;
  back_off->wait_ms =
      passed_ms < BACK_OFF_QUICK_FOR_MS ? BACK_OFF_QUICK_MS : MIN(back_off->wait_ms * 2, BACK_OFF_SLOW_MS);
  return (gint)back_off->wait_ms;
}

void back_off_reset(BackOff *back_off) {
  *back_off = (BackOff){0};
}
