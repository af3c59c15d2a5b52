/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/host-clock.h"

#define MS 1000000

static void test_keeps_distances(void) {
  HostClock clock = {0};
  gint64 first = host_clock_map(&clock, 1000 * MS, 50 * MS);
  g_assert_cmpint(first, ==, 50 * MS);
  /* late by up to 5 ms: the distance is still the host's, within what the drift gives way */
  for (gint64 i = 1; i < 100; i++) {
    gint64 there = (1000 + 16 * i) * MS, here = (50 + 16 * i + i % 6) * MS;
    gint64 out = host_clock_map(&clock, there, here);
    g_assert_cmpint(ABS(out - first - 16 * i * MS), <=, MS);
    g_assert_cmpint(out, <=, here);
  }
}

static void test_first_was_slow(void) {
  HostClock clock = {0};
  host_clock_map(&clock, 0, 80 * MS); /* an IDR: slow to encode */
  gint64 out = host_clock_map(&clock, 16 * MS, 26 * MS + 80 * MS - 60 * MS);
  g_assert_cmpint(out, >, 80 * MS); /* never back */
  out = host_clock_map(&clock, 100 * MS, 120 * MS);
  g_assert_cmpint(out, ==, 120 * MS); /* and from then on as fast as the fastest */
}

static void test_drift(void) {
  HostClock clock = {0};
  gint64 out = 0;
  /* the host's clock is slow by 200 ppm: without giving way, everything would be seen 720 ms late after an hour */
  for (gint64 i = 0; i < 3600 * 10; i++) {
    gint64 here = i * 100 * MS;
    out = host_clock_map(&clock, here - here / 5000, here + 3 * MS);
    g_assert_cmpint(here + 3 * MS - out, <=, MS);
  }
  g_assert_cmpint(out, >, 3599 * (gint64)1000 * MS);
}

static void test_restart(void) {
  HostClock clock = {0};
  gint64 before = host_clock_map(&clock, 3600 * (gint64)1000 * MS, 10 * MS);
  host_clock_restart(&clock);
  gint64 after = host_clock_map(&clock, 0, 20 * MS);
  g_assert_cmpint(before, ==, 10 * MS);
  g_assert_cmpint(after, ==, 20 * MS);
}

static void test_lies(void) {
  static const gint64 STAMPS[] = {G_MININT64, G_MAXINT64, 0, -1, G_MAXINT64, G_MININT64, 5};
  HostClock clock = {0};
  gint64 last = -1;
  for (guint i = 0; i < G_N_ELEMENTS(STAMPS); i++) {
    gint64 out = host_clock_map(&clock, STAMPS[i], (gint64)i * 10 * MS);
    g_assert_cmpint(out, >=, 0);
    g_assert_cmpint(out, >, last);
    last = out;
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/host-clock/keeps-distances", test_keeps_distances);
  g_test_add_func("/host-clock/first-was-slow", test_first_was_slow);
  g_test_add_func("/host-clock/drift", test_drift);
  g_test_add_func("/host-clock/restart", test_restart);
  g_test_add_func("/host-clock/lies", test_lies);
  return g_test_run();
}
