/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/upload-way.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

static guint ask(UploadWay *way, gint64 now) {
  guint side = upload_way_side(way, 640, 480, now);
  if (side > 0) upload_way_asked(way, 640, 480);
  return side;
}

/* The first is looked at closely, and all on their way before its answer; then less. */
static void test_agrees(void) {
  UploadWay way;
  upload_way_init(&way);
  for (guint i = 0; i < 4; i++) g_assert_cmpuint(ask(&way, i), ==, UPLOAD_WAY_DECIDING_SIDE);
  g_assert_true(upload_way_agreed(&way, 640, 480, 10));
  g_assert_cmpuint(ask(&way, 20), ==, UPLOAD_WAY_SIDE);
  g_assert_false(upload_way_agreed(&way, 640, 480, 30));
  g_assert_cmpuint(ask(&way, 100 * SECOND), ==, UPLOAD_WAY_SIDE);
}

/* Tries after 1, 2, 4, 8, 8 … seconds, one at a time, each a close look. */
static void test_pauses(void) {
  static const guint PAUSES[] = {1, 2, 4, 8, 8, 8};
  UploadWay way;
  gint64 now = 1000;
  upload_way_init(&way);
  ask(&way, now);
  for (guint i = 0; i < G_N_ELEMENTS(PAUSES); i++) {
    g_assert_true(upload_way_refused(&way, 640, 480, now) == (i == 0));
    now += PAUSES[i] * SECOND;
    g_assert_cmpuint(ask(&way, now - 1), ==, 0);
    g_assert_cmpuint(ask(&way, now), ==, UPLOAD_WAY_DECIDING_SIDE);
    g_assert_cmpuint(ask(&way, now + 100 * SECOND), ==, 0); /* that one is not answered yet */
  }
}

/* A scanout that agrees now and then does not make pauses short; one that agreed for long does. */
static void test_back_and_forth(void) {
  UploadWay way;
  gint64 now = 1000;
  upload_way_init(&way);
  ask(&way, now);
  upload_way_refused(&way, 640, 480, now);
  now += SECOND;
  ask(&way, now);
  upload_way_agreed(&way, 640, 480, now);
  now += SECOND;
  ask(&way, now);
  upload_way_refused(&way, 640, 480, now);
  g_assert_cmpuint(ask(&way, now + 2 * SECOND - 1), ==, 0);
  now += 2 * SECOND;
  g_assert_cmpuint(ask(&way, now), ==, UPLOAD_WAY_DECIDING_SIDE);
  for (guint i = 0; i < 10; i++) upload_way_agreed(&way, 640, 480, now += SECOND);
  upload_way_refused(&way, 640, 480, now);
  g_assert_cmpuint(ask(&way, now + SECOND - 1), ==, 0);
  g_assert_cmpuint(ask(&way, now + SECOND), ==, UPLOAD_WAY_DECIDING_SIDE);
}

static void test_size(void) {
  UploadWay way;
  upload_way_init(&way);
  ask(&way, 0);
  upload_way_refused(&way, 640, 480, 0);
  g_assert_cmpuint(ask(&way, 1), ==, 0);
  g_assert_cmpuint(upload_way_side(&way, 640, 481, 1), ==, UPLOAD_WAY_DECIDING_SIDE);
  upload_way_asked(&way, 640, 481);
  g_assert_false(upload_way_agreed(&way, 640, 480, 2)); /* an answer to what was before says nothing */
  g_assert_false(upload_way_refused(&way, 640, 480, 2));
  g_assert_cmpuint(upload_way_side(&way, 640, 481, 3), ==, UPLOAD_WAY_DECIDING_SIDE);
  g_assert_true(upload_way_agreed(&way, 640, 481, 4));
}

/* A try that ends in an error is made again. */
static void test_failed(void) {
  UploadWay way;
  upload_way_init(&way);
  ask(&way, 0);
  upload_way_refused(&way, 640, 480, 0);
  g_assert_cmpuint(ask(&way, SECOND), ==, UPLOAD_WAY_DECIDING_SIDE);
  upload_way_failed(&way, SECOND);
  g_assert_cmpuint(ask(&way, SECOND + 1), ==, 0);
  g_assert_cmpuint(ask(&way, 3 * SECOND), ==, UPLOAD_WAY_DECIDING_SIDE);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/upload-way/agrees", test_agrees);
  g_test_add_func("/upload-way/pauses", test_pauses);
  g_test_add_func("/upload-way/back-and-forth", test_back_and_forth);
  g_test_add_func("/upload-way/size", test_size);
  g_test_add_func("/upload-way/failed", test_failed);
  return g_test_run();
}
