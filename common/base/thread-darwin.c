/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/thread.h"

#include <time.h>

/* A condition has no clock of its own there, but a wait for a time from now. */
void cond_init(Cond *cond) {
  pthread_cond_init(cond, NULL);
}

gboolean cond_wait_until(Cond *cond, Mutex *mutex, gint64 deadline_us) {
  gint64 left = MAX(deadline_us - g_get_monotonic_time(), 0);
  struct timespec relative = {.tv_sec = left / G_USEC_PER_SEC, .tv_nsec = (left % G_USEC_PER_SEC) * 1000};
  return pthread_cond_timedwait_relative_np(cond, mutex, &relative) == 0;
}

void thread_set_name(const char *name) {
  pthread_setname_np(name);
}
