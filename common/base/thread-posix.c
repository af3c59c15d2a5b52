/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/thread.h"

#include <time.h>

void cond_init(Cond *cond) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(cond, &attributes);
  pthread_condattr_destroy(&attributes);
}

gboolean cond_wait_until(Cond *cond, Mutex *mutex, gint64 deadline_us) {
  struct timespec at = {.tv_sec = deadline_us / G_USEC_PER_SEC, .tv_nsec = (deadline_us % G_USEC_PER_SEC) * 1000};
  return pthread_cond_timedwait(cond, mutex, &at) == 0;
}

void thread_set_name(const char *name) {
  pthread_setname_np(pthread_self(), name);
}
