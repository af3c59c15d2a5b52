/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/thread.h"

#include "common/base/checked.h"

#include <string.h>

typedef struct {
  Mutex mutex;
  Cond cond;
  gboolean done;
  char name[32];
} Shared;

static void run(void *data) {
  Shared *shared = data;
  mutex_lock(&shared->mutex);
  pthread_getname_np(pthread_self(), shared->name, sizeof shared->name);
  shared->done = TRUE;
  cond_signal(&shared->cond);
  mutex_unlock(&shared->mutex);
}

static void test_detached(void) {
  static Shared shared; /* the thread may be at its last line when this function is gone */
  mutex_init(&shared.mutex);
  cond_init(&shared.cond);
  g_autoptr(GError) error = NULL;
  mutex_lock(&shared.mutex);
  g_assert_true(thread_start_detached("a-name-of-more-than-fifteen", run, &shared, &error));
  gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
  while (!shared.done) g_assert_true(cond_wait_until(&shared.cond, &shared.mutex, end));
  mutex_unlock(&shared.mutex);
  g_assert_cmpstr(shared.name, ==, "a-name-of-more-");
}

/* The deadline is on the clock of g_get_monotonic_time(), not on the wall's. */
static void test_deadline(void) {
  Mutex mutex;
  Cond cond;
  mutex_init(&mutex);
  cond_init(&cond);
  mutex_lock(&mutex);
  gint64 begun = g_get_monotonic_time();
  while (cond_wait_until(&cond, &mutex, begun + 50000)) {
  }
  gint64 waited = g_get_monotonic_time() - begun;
  g_assert_cmpint(waited, >=, 50000);
  g_assert_cmpint(waited, <, 10 * G_USEC_PER_SEC);
  g_assert_false(cond_wait_until(&cond, &mutex, begun - 1)); /* in the past: at once */
  mutex_unlock(&mutex);
  cond_finish(&cond);
  mutex_finish(&mutex);
}

static void test_checked(void) {
  gsize result;
  g_assert_true(checked_add(G_MAXSIZE - 1, 1, &result));
  g_assert_cmpuint(result, ==, G_MAXSIZE);
  g_assert_false(checked_add(G_MAXSIZE, 1, &result));
  g_assert_true(checked_mul(G_MAXSIZE / 3, 3, &result));
  g_assert_cmpuint(result, ==, G_MAXSIZE / 3 * 3);
  g_assert_false(checked_mul(G_MAXSIZE / 3 + 1, 3, &result));
  g_assert_true(checked_mul(0, G_MAXSIZE, &result));
  g_assert_cmpuint(result, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/thread/detached", test_detached);
  g_test_add_func("/thread/deadline", test_deadline);
  g_test_add_func("/checked", test_checked);
  return g_test_run();
}
