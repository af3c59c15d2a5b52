/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/stats.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

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
  g_ptr_array_add(names, g_strdup(name));
}

static void test_each_is_in_order(void) {
  static const char *const NAMES[] = {"order.d", "order.a", "order.c", "order.e", "order.b"};
  for (gsize i = 0; i < G_N_ELEMENTS(NAMES); i++) stats_set(stats_counter(NAMES[i]), NAMES[i][6] - 'a');
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
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

static void find_process(const char *name, gint64 pid, gint64 cpu_ms, gpointer data) {
  g_assert_cmpint(pid, ==, getpid());
  g_assert_cmpint(cpu_ms, >=, 0);
  g_string_append_printf(data, "%s ", name);
}

static void find(const char *name, gint64 value, gpointer data) {
  gint64 *found = data;
  if (strcmp(name, "shared.both") == 0) found[0] = value;
  if (strcmp(name, "shared.theirs") == 0) found[1] = value;
  if (strcmp(name, "shared.late") == 0) found[2] = value;
  if (!g_str_has_prefix(name, "shared.")) found[3]++;
}

/* The table of one process is included by another; here they are the same. */
static void test_tables_of_others(void) {
  static guint64 ours[STATS_TABLE_SIZE / 8], theirs[STATS_TABLE_SIZE / 8];
  stats_set(stats_counter("shared.both"), 3);
  stats_publish(ours);
  stats_count("shared.both");
  stats_set(stats_counter("shared.late"), 9);
  memcpy(theirs, ours, sizeof theirs);
  gint64 found[4] = {0};
  stats_each(find, found);
  g_assert_cmpint(found[0], ==, 4);
  g_assert_cmpint(found[2], ==, 9);
  gint64 own = found[3];
  for (gsize at = 0; at < sizeof theirs; at += STATS_TABLE_NAME + 8) {
    if (strcmp((char *)theirs + at, "shared.late") == 0) strcpy((char *)theirs + at, "shared.theirs");
  }
  stats_include(1, "theirs", getpid(), theirs);
  memset(found, 0, sizeof found);
  stats_each(find, found);
  g_assert_cmpint(found[0], ==, 8);
  g_assert_cmpint(found[1], ==, 9);
  g_assert_cmpint(found[2], ==, 9);
  g_assert_cmpint(found[3], ==, own); /* the same names, summed */
  g_autoptr(GString) processes = g_string_new(NULL);
  stats_each_process("own", find_process, processes);
  g_assert_cmpstr(processes->str, ==, "own theirs ");
  stats_include(1, "theirs", 0, NULL);
  memset(found, 0, sizeof found);
  stats_each(find, found);
  g_assert_cmpint(found[0], ==, 4);
}

/* Whatever stands in another's table: names are names, and nothing is read past its end. */
static void count(const char *name, gint64 value, gpointer data) {
  g_assert_cmpuint(strlen(name), <, STATS_TABLE_NAME);
  for (const char *c = name; *c; c++) g_assert_true(g_ascii_isgraph(*c));
  ++*(guint *)data;
}

static void test_hostile_table(void) {
  static guint64 table[STATS_TABLE_SIZE / 8];
  guint before = 0, after = 0;
  stats_each(count, &before);
  memset(table, 0xff, sizeof table);
  stats_include(0, "hostile", 1, table);
  stats_each(count, &after);
  g_assert_cmpuint(after, ==, before);
  memset(table, 'x', sizeof table); /* no NUL anywhere: one long name, many times */
  after = 0;
  stats_each(count, &after);
  g_assert_cmpuint(after, ==, before + 1);
  stats_include(0, "hostile", 1, NULL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stats/one-counter-a-name", test_one_counter_a_name);
  g_test_add_func("/stats/each-is-in-order", test_each_is_in_order);
  g_test_add_func("/stats/threads", test_threads);
  g_test_add_func("/stats/tables-of-others", test_tables_of_others);
  g_test_add_func("/stats/hostile-table", test_hostile_table);
  return g_test_run();
}
