/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/thread.h"

#include <gio/gio.h>

void mutex_init(Mutex *mutex) {
  pthread_mutex_init(mutex, NULL);
}

void mutex_finish(Mutex *mutex) {
  pthread_mutex_destroy(mutex);
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

typedef struct {
  char name[16];
  void (*run)(void *data);
  void *data;
} Start;

static void *thread_main(void *data) {
  g_autofree Start *start = data;
  thread_set_name(start->name);
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
