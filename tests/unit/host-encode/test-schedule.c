/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/schedule.h"

#define T0 G_GINT64_CONSTANT(1000000000)
#define MS(n) ((gint64)(n)*1000)

/* What is next, done at the time it is due; returns that time. */
static gint64 step(Schedule *schedule, ScheduleInput input, gint64 now, ScheduleKind expected, gboolean finest) {
  gint64 at;
  g_assert_cmpint(schedule_next(schedule, &input, now, &at), ==, expected);
  g_assert_cmpint(at, >=, now);
  schedule_done(schedule, expected, input.is_new, finest, at);
  return at;
}

static void expect_nothing(const Schedule *schedule, ScheduleInput input, gint64 now) {
  gint64 at;
  g_assert_cmpint(schedule_next(schedule, &input, now, &at), ==, SCHEDULE_NOTHING);
  g_assert_cmpint(at, ==, G_MAXINT64);
}

/* A picture, then stillness: refinements until it is at its finest, one repeat, and then nothing, for ever. */
static void test_settles(void) {
  Schedule schedule;
  schedule_init(&schedule, 60);
  gint64 now = step(&schedule, (ScheduleInput){.is_new = TRUE}, T0, SCHEDULE_PICTURE, FALSE);
  g_assert_cmpint(now, ==, T0);
  gint64 first = step(&schedule, (ScheduleInput){0}, now, SCHEDULE_REFINEMENT, FALSE);
  g_assert_cmpint(first - now, ==, SCHEDULE_STILL_US);
  gint64 second = step(&schedule, (ScheduleInput){0}, first, SCHEDULE_REFINEMENT, TRUE);
  g_assert_cmpint(second - first, ==, SCHEDULE_REFINE_US);
  gint64 repeat = step(&schedule, (ScheduleInput){0}, second, SCHEDULE_REPEAT, TRUE);
  g_assert_cmpint(repeat - second, <=, MS(17));
  expect_nothing(&schedule, (ScheduleInput){0}, repeat);
  expect_nothing(&schedule, (ScheduleInput){0}, repeat + MS(1000000));
}

/* F19: keep-alives at their rate, only where they are needed, and they change nothing else. */
static void test_keep_alive(void) {
  Schedule schedule;
  schedule_init(&schedule, 60);
  ScheduleInput input = {.keep_alive_hz = 10};
  gint64 now = step(&schedule, (ScheduleInput){.is_new = TRUE, .keep_alive_hz = 10}, T0, SCHEDULE_PICTURE, TRUE);
  now = step(&schedule, input, now, SCHEDULE_REPEAT, TRUE);
  for (guint i = 0; i < 50; i++) {
    gint64 next = step(&schedule, input, now, SCHEDULE_KEEP_ALIVE, TRUE);
    g_assert_cmpint(next - now, ==, MS(100));
    now = next;
  }
  expect_nothing(&schedule, (ScheduleInput){0}, now);
  now = step(&schedule, (ScheduleInput){.is_new = TRUE, .keep_alive_hz = 10}, now, SCHEDULE_PICTURE, TRUE);
  step(&schedule, input, now, SCHEDULE_REPEAT, TRUE);
}

static void test_idr_wakes(void) {
  Schedule schedule;
  schedule_init(&schedule, 60);
  gint64 now = step(&schedule, (ScheduleInput){.is_new = TRUE}, T0, SCHEDULE_PICTURE, TRUE);
  now = step(&schedule, (ScheduleInput){0}, now, SCHEDULE_REPEAT, TRUE);
  expect_nothing(&schedule, (ScheduleInput){0}, now + MS(500));
  gint64 at = step(&schedule, (ScheduleInput){.idr_wanted = TRUE}, now + MS(500), SCHEDULE_PICTURE, FALSE);
  g_assert_cmpint(at, ==, now + MS(500));                             /* at once */
  step(&schedule, (ScheduleInput){0}, at, SCHEDULE_REFINEMENT, TRUE); /* it was coarse: it is refined again */
}

/* A source that is quicker than the limit: the limit, over any stretch of time. One picture may come early after a
 * pause. */
static void test_rate(void) {
  static const gdouble RATES[] = {1, 24, 29.97, 60, 240};
  for (gsize i = 0; i < G_N_ELEMENTS(RATES); i++) {
    Schedule schedule;
    schedule_init(&schedule, RATES[i]);
    gint64 now = T0;
    guint count = 0;
    while (now < T0 + 20 * G_USEC_PER_SEC) {
      now = step(&schedule, (ScheduleInput){.is_new = TRUE}, now, SCHEDULE_PICTURE, FALSE);
      count++;
    }
    g_assert_cmpfloat(count, >=, RATES[i] * 20 - 1);
    g_assert_cmpfloat(count, <=, RATES[i] * 20 + 3);
  }
}

/* A source at exactly the rate, each frame up to 3 ms late: none is held back a whole interval, and none is lost. */
static void test_jitter(void) {
  Schedule schedule;
  schedule_init(&schedule, 60);
  gint64 worst = 0;
  for (guint i = 0; i < 2000; i++) {
    gint64 comes = T0 + (gint64)i * G_USEC_PER_SEC / 60 + g_test_rand_int_range(0, 3000);
    gint64 at = step(&schedule, (ScheduleInput){.is_new = TRUE}, comes, SCHEDULE_PICTURE, FALSE);
    worst = MAX(worst, at - comes);
  }
  g_assert_cmpint(worst, <, MS(4));
}

/* Rate control's times are respected, and motion goes before refinement. */
static void test_rate_control_times(void) {
  Schedule schedule;
  schedule_init(&schedule, 60);
  gint64 at = step(&schedule, (ScheduleInput){.is_new = TRUE, .ready_us = T0 + MS(300)}, T0, SCHEDULE_PICTURE, FALSE);
  g_assert_cmpint(at, ==, T0 + MS(300));
  gint64 refined = step(&schedule, (ScheduleInput){.room_us = at + MS(900)}, at, SCHEDULE_REFINEMENT, FALSE);
  g_assert_cmpint(refined, ==, at + MS(900));
  step(&schedule, (ScheduleInput){.is_new = TRUE, .room_us = refined}, refined, SCHEDULE_PICTURE, FALSE);
}

/* Still is since the last new picture, not since the last encode: an IDR in between does not put refinement off. */
static void test_still_since_change(void) {
  Schedule schedule;
  schedule_init(&schedule, 60);
  gint64 now = step(&schedule, (ScheduleInput){.is_new = TRUE}, T0, SCHEDULE_PICTURE, FALSE);
  gint64 idr = step(&schedule, (ScheduleInput){.idr_wanted = TRUE}, now + MS(20), SCHEDULE_PICTURE, FALSE);
  gint64 refined = step(&schedule, (ScheduleInput){0}, idr, SCHEDULE_REFINEMENT, TRUE);
  g_assert_cmpint(refined, ==, MAX(T0 + SCHEDULE_STILL_US, idr + SCHEDULE_REFINE_US));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/schedule/settles", test_settles);
  g_test_add_func("/schedule/F19-keep-alive", test_keep_alive);
  g_test_add_func("/schedule/idr-wakes", test_idr_wakes);
  g_test_add_func("/schedule/rate", test_rate);
  g_test_add_func("/schedule/jitter", test_jitter);
  g_test_add_func("/schedule/rate-control-times", test_rate_control_times);
  g_test_add_func("/schedule/still-since-change", test_still_since_change);
  return g_test_run();
}
