/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <pthread.h>

/*
 * The locks of state that threads share. Thin names over pthread instead of
 * GLib's own, because ThreadSanitizer sees pthread and cannot see into
 * GMutex's futexes: with these it reports our races and nobody else's.
 * Waits with a deadline and threads' names are not POSIX everywhere: they are
 * in thread-posix.c or thread-darwin.c.
 */

typedef pthread_mutex_t Mutex;
typedef pthread_cond_t Cond;

#define MUTEX_INIT PTHREAD_MUTEX_INITIALIZER

void mutex_init(Mutex *mutex);
void mutex_finish(Mutex *mutex);

static inline void mutex_lock(Mutex *mutex) {
  pthread_mutex_lock(mutex);
}

static inline void mutex_unlock(Mutex *mutex) {
  pthread_mutex_unlock(mutex);
}

/* Conditions wait on the monotonic clock, the clock of g_get_monotonic_time(). */
void cond_init(Cond *cond);
void cond_finish(Cond *cond);
void cond_signal(Cond *cond);
void cond_wait(Cond *cond, Mutex *mutex);
/* Returns FALSE when deadline_us (monotonic, microseconds) has passed. */
gboolean cond_wait_until(Cond *cond, Mutex *mutex, gint64 deadline_us);

/* Names the calling thread; longer than 15 characters is no name. */
void thread_set_name(const char *name);

/* Starts a thread that nobody joins; what it needs it owns. The name shows in `top -H`, 15 characters at most. Returns
 * FALSE and sets error where the system refuses another thread. */
gboolean thread_start_detached(const char *name, void (*run)(void *data), void *data, GError **error);
