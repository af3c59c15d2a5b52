/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/stream-state.h"

#define S ((gint64)G_USEC_PER_SEC)
#define MS 1000

/* One with the default times, watched, and its pipeline playing since 1 s. */
static void make_starting(StreamState *state) {
  stream_state_init(state, &STREAM_TIMING);
  g_assert_cmpint(stream_state_watch(state, TRUE, 1 * S), ==, STREAM_START);
  stream_state_playing(state, 1 * S);
}

static void make_up(StreamState *state) {
  make_starting(state);
  g_assert_true(stream_state_heard(state, TRUE, 1 * S + 100 * MS));
}

/* Fails and is torn down at once; TRUE if there is a pause now. */
static gboolean fail_at(StreamState *state, gint64 now) {
  g_assert_cmpint(stream_state_failed(state, FALSE, now), ==, STREAM_STOP);
  g_assert_cmpint(stream_state_ended(state, now), ==, STREAM_NOTHING);
  return state->phase == STREAM_WAITING;
}

static StreamAction tick(StreamState *state, gint64 now) {
  const char *why;
  return stream_state_tick(state, now, &why);
}

static void test_nothing_without_a_viewer(void) {
  StreamState state;
  stream_state_init(&state, &STREAM_TIMING);
  g_assert_cmpint(stream_state_due(&state), ==, G_MAXINT64);
  g_assert_cmpint(tick(&state, 1000 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(state.phase, ==, STREAM_IDLE);
}

static void test_up_needs_a_decodable_picture(void) {
  StreamState state;
  make_starting(&state);
  g_assert_false(stream_state_heard(&state, FALSE, 2 * S));
  g_assert_cmpint(state.phase, ==, STREAM_STARTING);
  g_assert_true(stream_state_heard(&state, TRUE, 3 * S));
  g_assert_cmpint(state.phase, ==, STREAM_UP);
  g_assert_false(stream_state_heard(&state, TRUE, 4 * S)); /* once */
}

static void test_stall_before_the_first_buffer(void) {
  StreamState state;
  const char *why;
  make_starting(&state);
  g_assert_cmpint(stream_state_due(&state), ==, 6 * S);
  g_assert_cmpint(stream_state_tick(&state, 6 * S - 1, &why), ==, STREAM_NOTHING);
  g_assert_null(why);
  g_assert_cmpint(stream_state_tick(&state, 6 * S, &why), ==, STREAM_STOP);
  g_assert_nonnull(why);
  g_assert_cmpuint(state.failures, ==, 1);
}

/* Choosing an encoder takes its time, and has limits of its own. */
static void test_no_stall_before_it_plays(void) {
  StreamState state;
  stream_state_init(&state, &STREAM_TIMING);
  stream_state_watch(&state, TRUE, 1 * S);
  g_assert_cmpint(stream_state_due(&state), ==, G_MAXINT64);
  g_assert_cmpint(tick(&state, 100 * S), ==, STREAM_NOTHING);
}

static void test_garbage_is_not_up(void) {
  StreamState state;
  const char *why = NULL;
  make_starting(&state);
  gint64 now = 1 * S;
  StreamAction action = STREAM_NOTHING;
  while (action == STREAM_NOTHING && now < 100 * S) {
    now += 33 * MS;
    g_assert_false(stream_state_heard(&state, FALSE, now));
    action = stream_state_tick(&state, now, &why);
  }
  g_assert_cmpint(action, ==, STREAM_STOP);
  g_assert_cmpstr(why, ==, "what comes out of the pipeline cannot be decoded");
  g_assert_cmpint(now, >=, 11 * S);
  g_assert_cmpint(now, <, 11 * S + 34 * MS);
}

static void test_silence_of_a_source_that_may_be_silent(void) {
  StreamState state;
  make_up(&state);
  g_assert_cmpint(tick(&state, 61 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(tick(&state, 62 * S), ==, STREAM_STOP);
  StreamTiming timing = STREAM_TIMING;
  timing.silent_us = 0;
  make_up(&state);
  state.timing = timing;
  g_assert_cmpint(tick(&state, 10000 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(stream_state_due(&state), ==, G_MAXINT64);
}

/* 0.25, 0.5, 1, 2, 4, 5, 5 … s, then no more. */
static void test_back_off_and_give_up(void) {
  static const gint64 PAUSES_MS[] = {250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000};
  StreamState state;
  make_starting(&state);
  gint64 now = 1 * S;
  for (guint i = 0; i < G_N_ELEMENTS(PAUSES_MS); i++) {
    g_assert_true(fail_at(&state, now));
    g_assert_cmpint(stream_state_due(&state), ==, now + PAUSES_MS[i] * MS);
    g_assert_cmpint(tick(&state, stream_state_due(&state) - 1), ==, STREAM_NOTHING);
    now = stream_state_due(&state);
    g_assert_cmpint(tick(&state, now), ==, STREAM_START);
    stream_state_playing(&state, now);
  }
  g_assert_false(fail_at(&state, now));
  g_assert_cmpint(state.phase, ==, STREAM_GIVEN_UP);
  g_assert_cmpint(stream_state_due(&state), ==, G_MAXINT64);
  g_assert_cmpint(tick(&state, now + 1000000 * S), ==, STREAM_NOTHING);
}

static void give_up(StreamState *state) {
  make_starting(state);
  gint64 now = 1 * S;
  while (fail_at(state, now)) {
    now = stream_state_due(state);
    tick(state, now);
  }
  g_assert_cmpint(state->phase, ==, STREAM_GIVEN_UP);
}

static void test_only_a_subscriber_revives(void) {
  StreamState state;
  give_up(&state);
  g_assert_cmpint(stream_state_joined(&state, 100 * S), ==, STREAM_START);
  g_assert_cmpuint(state.failures, ==, 0);
  g_assert_true(fail_at(&state, 100 * S));
  g_assert_cmpint(stream_state_due(&state), ==, 100 * S + 250 * MS);

  give_up(&state);
  g_assert_cmpint(stream_state_watch(&state, FALSE, 100 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(state.phase, ==, STREAM_GIVEN_UP);
  g_assert_cmpint(stream_state_watch(&state, TRUE, 101 * S), ==, STREAM_START);
}

/* A person said no: asking again by a timer is no way to treat one. */
static void test_final(void) {
  StreamState state;
  make_starting(&state);
  g_assert_cmpint(stream_state_failed(&state, TRUE, 2 * S), ==, STREAM_STOP);
  g_assert_cmpint(stream_state_ended(&state, 2 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(state.phase, ==, STREAM_GIVEN_UP);
  g_assert_cmpint(stream_state_joined(&state, 3 * S), ==, STREAM_START);
}

/* While the last of its pipelines is still being torn down: not two at a time, and not forgotten either. */
static void test_a_subscriber_while_it_ends(void) {
  StreamState state;
  make_starting(&state);
  state.failures = STREAM_TIMING.tries - 1;
  g_assert_cmpint(stream_state_failed(&state, FALSE, 2 * S), ==, STREAM_STOP);
  g_assert_cmpint(stream_state_joined(&state, 2 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(stream_state_ended(&state, 3 * S), ==, STREAM_START);
}

static void test_joining_hurries_nothing_else(void) {
  StreamState state;
  make_up(&state);
  g_assert_cmpint(stream_state_joined(&state, 2 * S), ==, STREAM_NOTHING);
  g_assert_true(fail_at(&state, 2 * S));
  g_assert_cmpint(stream_state_joined(&state, 2 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(state.phase, ==, STREAM_WAITING);
}

/* An encoder that dies every second is never given up, and is not started four times a second either. */
static void test_up_and_down_again(void) {
  StreamState state;
  make_up(&state);
  gint64 now = 2 * S;
  for (guint i = 0; i < 50; i++) {
    g_assert_true(fail_at(&state, now));
    g_assert_cmpuint(state.failures, ==, 1);
    now = stream_state_due(&state);
    g_assert_cmpint(tick(&state, now), ==, STREAM_START);
    stream_state_playing(&state, now);
    g_assert_true(stream_state_heard(&state, TRUE, now));
    now += 1 * S;
  }
  g_assert_true(fail_at(&state, now));
  g_assert_cmpint(stream_state_due(&state), ==, now + 5 * S);
  now = stream_state_due(&state);
  tick(&state, now);
  stream_state_heard(&state, TRUE, now);
  stream_state_heard(&state, FALSE, now + 10 * S); /* steady: the next pause is short again */
  g_assert_true(fail_at(&state, now + 11 * S));
  g_assert_cmpint(stream_state_due(&state), ==, now + 11 * S + 250 * MS);
}

static void test_idle_stop(void) {
  StreamState state;
  make_up(&state);
  g_assert_cmpint(stream_state_watch(&state, FALSE, 2 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(stream_state_due(&state), ==, 7 * S);
  g_assert_cmpint(stream_state_watch(&state, TRUE, 6 * S), ==, STREAM_NOTHING); /* back in time */
  g_assert_cmpint(tick(&state, 8 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(stream_state_watch(&state, FALSE, 9 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(tick(&state, 14 * S), ==, STREAM_STOP);
  g_assert_cmpuint(state.failures, ==, 0);
  g_assert_cmpint(stream_state_ended(&state, 15 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(state.phase, ==, STREAM_IDLE);
  g_assert_cmpint(stream_state_watch(&state, TRUE, 16 * S), ==, STREAM_START);
}

static void test_a_viewer_while_it_stops(void) {
  StreamState state;
  make_up(&state);
  stream_state_watch(&state, FALSE, 2 * S);
  g_assert_cmpint(tick(&state, 7 * S), ==, STREAM_STOP);
  g_assert_cmpint(stream_state_watch(&state, TRUE, 7 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(stream_state_ended(&state, 8 * S), ==, STREAM_START);
}

/* Leaving and coming again is no way around the pause. */
static void test_pause_outlives_its_viewer(void) {
  StreamState state;
  make_starting(&state);
  for (guint i = 0; i < 4; i++) {
    fail_at(&state, (2 + i) * 10 * S);
    tick(&state, stream_state_due(&state));
  }
  fail_at(&state, 100 * S);
  gint64 due = stream_state_due(&state);
  g_assert_cmpint(due, ==, 104 * S);
  g_assert_cmpint(stream_state_watch(&state, FALSE, 101 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(tick(&state, 103 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(stream_state_watch(&state, TRUE, 103 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(tick(&state, due), ==, STREAM_START);
  g_assert_cmpint(stream_state_failed(&state, FALSE, 105 * S), ==, STREAM_STOP);
  stream_state_watch(&state, FALSE, 105 * S);
  g_assert_cmpint(stream_state_ended(&state, 106 * S), ==, STREAM_NOTHING);
  g_assert_cmpint(tick(&state, 1000 * S), ==, STREAM_NOTHING); /* nobody watches: no retry */
  g_assert_cmpint(state.phase, ==, STREAM_IDLE);
}

/* What comes late from a pipeline that is being torn down changes nothing. */
static void test_late_news(void) {
  StreamState state;
  make_up(&state);
  g_assert_cmpint(stream_state_failed(&state, FALSE, 2 * S), ==, STREAM_STOP);
  g_assert_cmpint(stream_state_failed(&state, FALSE, 2 * S), ==, STREAM_NOTHING);
  g_assert_false(stream_state_heard(&state, TRUE, 2 * S));
  g_assert_cmpint(tick(&state, 1000 * S), ==, STREAM_NOTHING);
  g_assert_cmpuint(state.failures, ==, 1);
}

/* Never two pipelines, never an END without one, whatever happens in whatever order. */
static void test_any_order(void) {
  for (guint32 seed = 0; seed < 200; seed++) {
    g_autoptr(GRand) random = g_rand_new_with_seed(seed);
    StreamState state;
    stream_state_init(&state, &STREAM_TIMING);
    gint64 now = 1;
    gboolean exists = FALSE, ending = FALSE, watched = FALSE;
    for (guint i = 0; i < 2000; i++) {
      StreamAction action = STREAM_NOTHING;
      now += g_rand_int_range(random, 0, 3 * S);
      switch (g_rand_int_range(random, 0, 7)) {
      case 0:
        watched = !watched;
        action = stream_state_watch(&state, watched, now);
        break;
      case 1:
        if (watched) action = stream_state_joined(&state, now);
        break;
      case 2:
        if (exists && !ending) stream_state_playing(&state, now);
        break;
      case 3:
        if (exists) stream_state_heard(&state, g_rand_boolean(random), now);
        break;
      case 4:
        if (exists) action = stream_state_failed(&state, FALSE, now);
        break;
      case 5:
        if (!ending) break;
        exists = ending = FALSE;
        action = stream_state_ended(&state, now);
        break;
      default:
        action = tick(&state, now);
      }
      if (action == STREAM_START) g_assert_false(exists);
      if (action == STREAM_STOP) g_assert_true(exists && !ending);
      exists |= action == STREAM_START;
      ending |= action == STREAM_STOP;
      if (!exists && watched) g_assert_true(state.phase == STREAM_WAITING || state.phase == STREAM_GIVEN_UP);
    }
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/stream-state/nothing-without-a-viewer", test_nothing_without_a_viewer);
  g_test_add_func("/stream-state/up-needs-a-decodable-picture-F15", test_up_needs_a_decodable_picture);
  g_test_add_func("/stream-state/stall-before-the-first-buffer", test_stall_before_the_first_buffer);
  g_test_add_func("/stream-state/no-stall-before-it-plays", test_no_stall_before_it_plays);
  g_test_add_func("/stream-state/garbage-is-not-up-F15", test_garbage_is_not_up);
  g_test_add_func("/stream-state/silence", test_silence_of_a_source_that_may_be_silent);
  g_test_add_func("/stream-state/back-off-and-give-up-F15", test_back_off_and_give_up);
  g_test_add_func("/stream-state/only-a-subscriber-revives-F15", test_only_a_subscriber_revives);
  g_test_add_func("/stream-state/final", test_final);
  g_test_add_func("/stream-state/a-subscriber-while-it-ends", test_a_subscriber_while_it_ends);
  g_test_add_func("/stream-state/joining-hurries-nothing-else", test_joining_hurries_nothing_else);
  g_test_add_func("/stream-state/up-and-down-again-F15", test_up_and_down_again);
  g_test_add_func("/stream-state/idle-stop", test_idle_stop);
  g_test_add_func("/stream-state/a-viewer-while-it-stops", test_a_viewer_while_it_stops);
  g_test_add_func("/stream-state/pause-outlives-its-viewer", test_pause_outlives_its_viewer);
  g_test_add_func("/stream-state/late-news", test_late_news);
  g_test_add_func("/stream-state/any-order", test_any_order);
  return g_test_run();
}
