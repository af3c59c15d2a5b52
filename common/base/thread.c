/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/thread.h"

#include <gio/gio.h>
#include <time.h>

void mutex_init(Mutex *mutex) {
  pthread_mutex_init(mutex, NULL);
}

void mutex_finish(Mutex *mutex) {
  pthread_mutex_destroy(mutex);
}

void cond_init(Cond *cond) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
#ifndef __APPLE__ /* no such attribute there; its waits are relative below */
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
#endif
  pthread_cond_init(cond, &attributes);
  pthread_condattr_destroy(&attributes);
}

void cond_finish(Cond *cond) {
  pthread_cond_destroy(cond);
}

void cond_signal(Cond *cond) {
  pthread_cond_broadcast(cond);
}

void cond_wait(Cond *cond, Mutex *mutex) {
  pthread_cond_wait(cond, mutex);
}

gboolean cond_wait_until(Cond *cond, Mutex *mutex, gint64 deadline_us) {
#ifdef __APPLE__
  gint64 left = MAX(deadline_us - g_get_monotonic_time(), 0);
  struct timespec relative = {.tv_sec = left / G_USEC_PER_SEC, .tv_nsec = (left % G_USEC_PER_SEC) * 1000};
  return pthread_cond_timedwait_relative_np(cond, mutex, &relative) == 0;
#else
  struct timespec at = {.tv_sec = deadline_us / G_USEC_PER_SEC, .tv_nsec = (deadline_us % G_USEC_PER_SEC) * 1000};
  return pthread_cond_timedwait(cond, mutex, &at) == 0;
#endif
}

typedef struct {
  char name[16];
  void (*run)(void *data);
  void *data;
} Start;

static void *thread_main(void *data) {
  g_autofree Start *start = data;
#ifndef __APPLE__
  pthread_setname_np(pthread_self(), start->name);
#endif
  start->run(start->data);
  return NULL;
}

gboolean thread_start_detached(const char *name, void (*run)(void *data), void *data, GError **error) {
  Start *start = g_new0(Start, 1);
  g_strlcpy(start->name, name, sizeof start->name);
  start->run = run;
  start->data = data;

  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  int result = pthread_create(&thread, &attributes, thread_main, start);
  pthread_attr_destroy(&attributes);
  if (result == 0) return TRUE;
  g_free(start);
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(result), "cannot start the thread \"%s\": %s", name,
              g_strerror(result));
  return FALSE;
}
