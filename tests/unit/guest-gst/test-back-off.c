/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/back-off.h"

#define MS 1000

static void test_quick_first(void) {
  BackOff back_off = {0};
  gint64 now = 5 * MS;
  guint attempts = 0;
  while (now < 1000 * MS) {
    gint wait = back_off_next(&back_off, now);
    g_assert_cmpint(wait, >, 0);
    now += wait * MS;
    attempts++;
  }
  /* a stream process that is back within a second is found within a tenth of one */
  g_assert_cmpuint(attempts, >=, 9);
}

static void test_slower_then_over(void) {
  BackOff back_off = {0};
  gint64 now = 1, begin = now;
  gint wait, last = 0;
  guint attempts = 0;
  while ((wait = back_off_next(&back_off, now)) >= 0) {
    g_assert_cmpint(wait, >=, last);
    g_assert_cmpint(wait, <=, BACK_OFF_SLOW_MS);
    last = wait;
    now += wait * MS;
    g_assert_cmpuint(++attempts, <, 100);
  }
  g_assert_cmpint(last, ==, BACK_OFF_SLOW_MS);
  g_assert_cmpint((now - begin) / MS, >=, BACK_OFF_GIVE_UP_MS);
  g_assert_cmpint((now - begin) / MS, <, BACK_OFF_GIVE_UP_MS + 2 * BACK_OFF_SLOW_MS);
  g_assert_cmpint(back_off_next(&back_off, now), ==, -1);
}

static void test_reset(void) {
  BackOff back_off = {0};
  g_assert_cmpint(back_off_next(&back_off, 1), >, 0);
  g_assert_cmpint(back_off_next(&back_off, (BACK_OFF_GIVE_UP_MS + 1) * (gint64)MS), ==, -1);
  back_off_reset(&back_off);
  g_assert_cmpint(back_off_next(&back_off, (BACK_OFF_GIVE_UP_MS + 2) * (gint64)MS), ==, BACK_OFF_QUICK_MS);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/back-off/quick-first", test_quick_first);
  g_test_add_func("/back-off/slower-then-over-F15", test_slower_then_over);
  g_test_add_func("/back-off/reset", test_reset);
  return g_test_run();
}
