/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/stats.h"

#include <pthread.h>
#include <string.h>

static void test_one_counter_a_name(void) {
  char copy[] = "test.one"; /* another pointer, the same name */
  StatsCounter *counter = stats_counter("test.one");
  g_assert_true(stats_counter(copy) == counter);
  g_assert_true(stats_counter("test.on") != counter);
  g_assert_cmpint(stats_get(counter), ==, 0);
  stats_add(counter, 5);
  stats_add(counter, -7);
  stats_count("test.one");
  g_assert_cmpint(stats_get(counter), ==, -1);
  stats_set(counter, G_MAXINT64);
  g_assert_cmpint(stats_get(counter), ==, G_MAXINT64);
}

static void check_order(const char *name, gint64 value, gpointer data) {
  GPtrArray *names = data;
  if (!g_str_has_prefix(name, "order.")) return;
  g_assert_cmpint(value, ==, name[6] - 'a');
  g_ptr_array_add(names, (gpointer)name);
}

static void test_each_is_in_order(void) {
  static const char *const NAMES[] = {"order.d", "order.a", "order.c", "order.e", "order.b"};
  for (gsize i = 0; i < G_N_ELEMENTS(NAMES); i++) stats_set(stats_counter(NAMES[i]), NAMES[i][6] - 'a');
  g_autoptr(GPtrArray) names = g_ptr_array_new();
  stats_each(check_order, names);
  g_assert_cmpuint(names->len, ==, G_N_ELEMENTS(NAMES));
  for (guint i = 1; i < names->len; i++) {
    g_assert_cmpstr(g_ptr_array_index(names, i - 1), <, g_ptr_array_index(names, i));
  }
}

/* Threads make counters and add to them at once: nothing is lost, nothing doubled. */
static void *add_from_a_thread(void *data) {
  static const char *const NAMES[] = {"thread.a", "thread.b", "thread.c", "thread.d"};
  for (guint i = 0; i < 4000; i++) stats_count(NAMES[i % G_N_ELEMENTS(NAMES)]);
  return NULL;
}

static void test_threads(void) {
  pthread_t threads[4];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) pthread_create(&threads[i], NULL, add_from_a_thread, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) pthread_join(threads[i], NULL);
  g_assert_cmpint(stats_get(stats_counter("thread.a")), ==, 4000);
  g_assert_cmpint(stats_get(stats_counter("thread.d")), ==, 4000);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stats/one-counter-a-name", test_one_counter_a_name);
  g_test_add_func("/stats/each-is-in-order", test_each_is_in_order);
  g_test_add_func("/stats/threads", test_threads);
  return g_test_run();
}
