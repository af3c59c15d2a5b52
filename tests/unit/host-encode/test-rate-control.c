/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/rate-control.h"

#include "host/encode/encoder.h"

#include <math.h>

#define T0 G_GINT64_CONSTANT(1000000000)
#define FRAME_US 16667

/* An encoder as the model has it, with its own cost: bits of a whole picture at QP 0, a sixth of the QP halves them. */
static gsize encode(gdouble bits_at_qp0, gdouble damage, guint qp) {
  return (gsize)(bits_at_qp0 * damage * exp2(-(gdouble)qp / 6) / 8) + 40;
}

typedef struct {
  gdouble bits_per_second;
  guint highest_qp;
  guint lowest_qp;
  guint pictures;
} Run;

/* `seconds` of pictures of one kind, at 60 a second or when there is room. */
static Run run(guint64 ceiling, gdouble cost, gdouble damage, guint seconds) {
  RateControl control;
  rate_control_init(&control, ceiling);
  Run result = {.lowest_qp = G_MAXUINT};
  gdouble bits = 0;
  gint64 now = T0;
  for (gint64 end = T0 + (gint64)seconds * G_USEC_PER_SEC; now < end;) {
    now = MAX(now, rate_control_ready_at(&control, now));
    RatePicture picture = {result.pictures == 0, result.pictures == 0 ? 1 : damage};
    guint qp = rate_control_choose(&control, &picture, picture.idr ? RATE_IDR_QP : RATE_BASE_QP, now);
    g_assert_cmpuint(qp, >=, ENCODER_MIN_QP);
    g_assert_cmpuint(qp, <=, ENCODER_MAX_QP);
    gsize size = encode(cost, picture.damage, qp);
    rate_control_encoded(&control, &picture, qp, size);
    bits += (gdouble)size * 8;
    if (result.pictures++ > 30) {
      result.highest_qp = MAX(result.highest_qp, qp);
      result.lowest_qp = MIN(result.lowest_qp, qp);
    }
    now += FRAME_US;
  }
  result.bits_per_second = bits / ((gdouble)(now - T0) / G_USEC_PER_SEC);
  return result;
}

/* A desktop's small changes never touch the ceiling: the base quantiser throughout. */
static void test_desktop(void) {
  Run result = run(10000000, 40e6, 0.005, 10);
  g_assert_cmpuint(result.highest_qp, ==, RATE_BASE_QP);
  g_assert_cmpfloat(result.bits_per_second, <, 10e6);
}

/* A film rides on the ceiling: never over it by more than the bucket, and not far under it. */
static void test_film(void) {
  static const guint64 CEILINGS[] = {2000000, 10000000, 50000000};
  for (gsize i = 0; i < G_N_ELEMENTS(CEILINGS); i++) {
    gdouble ceiling = (gdouble)CEILINGS[i];
    Run result = run(CEILINGS[i], ceiling, 1, 20);
    g_assert_cmpfloat(result.bits_per_second, <=, ceiling * 1.05);
    g_assert_cmpfloat(result.bits_per_second, >=, ceiling * 0.5);
    g_assert_cmpuint(result.lowest_qp, >, RATE_BASE_QP);
    g_assert_cmpuint(result.pictures, >=, 20 * 55);
  }
}

/* More than even the highest quantiser can hold: fewer pictures, and the ceiling stands. */
static void test_too_much(void) {
  Run result = run(1000000, 20e6, 1, 20);
  g_assert_cmpuint(result.lowest_qp, ==, ENCODER_MAX_QP);
  g_assert_cmpuint(result.pictures, <, 20 * 10);
  g_assert_cmpuint(result.pictures, >, 20 * 3);
  g_assert_cmpfloat(result.bits_per_second, <=, 1.1e6);
}

static void test_floor(void) {
  RateControl control;
  rate_control_init(&control, 10000000);
  g_assert_cmpuint(rate_control_choose(&control, &(RatePicture){FALSE, 0}, 18, T0), ==, 18);
  g_assert_cmpuint(rate_control_choose(&control, &(RatePicture){FALSE, 0}, 0, T0), ==, ENCODER_MIN_QP);
  g_assert_cmpuint(rate_control_choose(&control, &(RatePicture){TRUE, 1}, 99, T0), ==, ENCODER_MAX_QP);
}

/* P and IDR are learnt apart: a large IDR makes no P coarse once it has drained. */
static void test_kinds_are_apart(void) {
  RateControl control;
  rate_control_init(&control, 10000000);
  RatePicture idr = {TRUE, 1}, small = {FALSE, 0.01};
  rate_control_encoded(&control, &small, 24, 500);
  rate_control_choose(&control, &idr, RATE_IDR_QP, T0);
  rate_control_encoded(&control, &idr, RATE_IDR_QP, 400000);
  gint64 later = T0 + G_USEC_PER_SEC;
  g_assert_cmpuint(rate_control_choose(&control, &small, RATE_BASE_QP, later), ==, RATE_BASE_QP);
  g_assert_cmpuint(rate_control_choose(&control, &idr, RATE_IDR_QP, later), >=, RATE_IDR_QP);
}

/* The times that it tells are when there is room, and no later. */
static void test_times(void) {
  RateControl control;
  rate_control_init(&control, 8000000); /* bucket: 3.2 Mbit */
  g_assert_cmpint(rate_control_ready_at(&control, T0), ==, T0);
  g_assert_cmpint(rate_control_room_at(&control, T0), ==, T0);
  RatePicture picture = {TRUE, 1};
  rate_control_choose(&control, &picture, RATE_IDR_QP, T0);
  rate_control_encoded(&control, &picture, RATE_IDR_QP, 600000); /* 4.8 Mbit: 0.2 s too much */
  g_assert_cmpint(ABS(rate_control_ready_at(&control, T0) - (T0 + 200000)), <, 1000);
  g_assert_cmpint(ABS(rate_control_room_at(&control, T0) - (T0 + 400000)), <, 1000);
  g_assert_cmpint(rate_control_ready_at(&control, T0 + 900000), ==, T0 + 900000);
  rate_control_set_ceiling(&control, 16000000); /* twice the bucket, and drained twice as fast */
  g_assert_cmpint(rate_control_ready_at(&control, T0), ==, T0);
}

/* Numbers at the ends: no division by zero, no time before now, nothing that overflows. */
static void test_extremes(void) {
  static const guint64 CEILINGS[] = {0, 1, G_MAXUINT32, G_MAXUINT64};
  for (gsize i = 0; i < G_N_ELEMENTS(CEILINGS); i++) {
    RateControl control;
    rate_control_init(&control, CEILINGS[i]);
    for (guint k = 0; k < 20; k++) {
      RatePicture picture = {k % 3 == 0, k % 2 ? 0 : 1};
      guint qp = rate_control_choose(&control, &picture, 24, T0 + k);
      g_assert_cmpuint(qp, <=, ENCODER_MAX_QP);
      rate_control_encoded(&control, &picture, qp, 64 << 20);
      g_assert_cmpint(rate_control_ready_at(&control, T0 + k), >=, T0 + k);
      g_assert_cmpint(rate_control_room_at(&control, T0 + k), >=, T0 + k);
    }
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/rate-control/desktop", test_desktop);
  g_test_add_func("/rate-control/film", test_film);
  g_test_add_func("/rate-control/too-much", test_too_much);
  g_test_add_func("/rate-control/floor", test_floor);
  g_test_add_func("/rate-control/kinds-are-apart", test_kinds_are_apart);
  g_test_add_func("/rate-control/times", test_times);
  g_test_add_func("/rate-control/extremes", test_extremes);
  return g_test_run();
}
