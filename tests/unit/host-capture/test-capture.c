/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/capture/capture.h"

#include "common/base/log.h"
#include "common/base/stats.h"

#include <pthread.h>
#include <string.h>

typedef struct {
  Capture *capture;
  guint changes;
  guint scanout; /* of the last change */
  guint8 pixels[300 * 200 * 4];
} Fixture;

static void on_changed(guint scanout, gpointer data) {
  Fixture *fixture = data;
  fixture->changes++;
  fixture->scanout = scanout;
}

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->capture = capture_create(on_changed, fixture);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  capture_destroy(fixture->capture);
}

static Frame frame_of(const Fixture *fixture, guint width, guint height) {
  return (Frame){PIXEL_FORMAT_XRGB8888, width, height, (gsize)width * 4, fixture->pixels};
}

static void update(Fixture *fixture, guint width, guint height, const Rect *rects, guint count) {
  Frame frame = frame_of(fixture, width, height);
  capture_update(fixture->capture, 2, &frame, rects, count, 77);
}

static guint64 generation(Fixture *fixture) {
  Shadow *shadow = capture_get_shadow(fixture->capture, 2);
  guint64 now = shadow ? shadow_generation(shadow) : 0;
  shadow_unref(shadow);
  return now;
}

static void test_dark(Fixture *fixture, gconstpointer data) {
  g_assert_null(capture_get_shadow(fixture->capture, 2));
  capture_set_size(fixture->capture, 2, 0, 0);
  g_assert_cmpuint(fixture->changes, ==, 0); /* dark it was */
  capture_set_size(fixture->capture, 2, 300, 200);
  g_assert_cmpuint(fixture->changes, ==, 1);
  g_assert_cmpuint(fixture->scanout, ==, 2);
  g_assert_null(capture_get_shadow(fixture->capture, 1));
  Shadow *shadow = capture_get_shadow(fixture->capture, 2);
  g_assert_nonnull(shadow);
  capture_set_size(fixture->capture, 2, 300, 200); /* as it is */
  g_assert_cmpuint(fixture->changes, ==, 1);
  capture_set_size(fixture->capture, 2, 0, 200);
  g_assert_cmpuint(fixture->changes, ==, 2);
  g_assert_null(capture_get_shadow(fixture->capture, 2));
  g_assert_cmpuint(shadow_width(shadow), ==, 300); /* who holds it has it still */
  shadow_unref(shadow);
  capture_destroy(NULL);
}

static void test_resize(Fixture *fixture, gconstpointer data) {
  capture_set_size(fixture->capture, 2, 300, 200);
  update(fixture, 300, 200, NULL, 0);
  Shadow *before = capture_get_shadow(fixture->capture, 2);
  capture_set_size(fixture->capture, 2, 200, 300);
  Shadow *after = capture_get_shadow(fixture->capture, 2);
  g_assert_true(after != before);
  g_assert_cmpuint(shadow_width(after), ==, 200);
  g_assert_cmpuint(shadow_height(after), ==, 300);
  g_assert_cmpuint(shadow_generation(after), ==, 0); /* nothing shown yet */
  g_assert_cmpuint(shadow_generation(before), ==, 1);
  shadow_unref(before);
  shadow_unref(after);
}

/* What changed is told; what did not is not. */
static void test_changes(Fixture *fixture, gconstpointer data) {
  capture_set_size(fixture->capture, 2, 300, 200);
  fixture->changes = 0;
  update(fixture, 300, 200, NULL, 0);
  g_assert_cmpuint(fixture->changes, ==, 1);
  gint64 idle = stats_get(stats_counter("capture.flushes-without-change"));
  update(fixture, 300, 200, NULL, 0);
  g_assert_cmpuint(fixture->changes, ==, 1);
  g_assert_cmpint(stats_get(stats_counter("capture.flushes-without-change")), ==, idle + 1);
  fixture->pixels[299 * 4] = 1;
  update(fixture, 300, 200, &(Rect){0, 0, 299, 200}, 1); /* beside the rectangle */
  g_assert_cmpuint(fixture->changes, ==, 1);
  update(fixture, 300, 200, (const Rect[]){{0, 100, 10, 10}, {299, 0, 1, 1}}, 2);
  g_assert_cmpuint(fixture->changes, ==, 2);
  g_assert_cmpuint(generation(fixture), ==, 2);
}

/* F24: rectangles as a display might have them from a guest. */
static void test_hostile_rects(Fixture *fixture, gconstpointer data) {
  static const Rect RECTS[] = {
      {300, 0, 1, 1},
      {0, 200, 1, 1},
      {G_MAXUINT, 0, 1, 1},
      {0, 0, G_MAXUINT, 1},
      {299, 199, 50, 50},
      {0, 0, 0, 0},
      {0, 0, 1000, 1000},
      {1, 1, G_MAXINT32, G_MAXINT32},
      {0x80000000u, 0x80000000u, 0x80000001u, 0x80000001u},
  };
  capture_set_size(fixture->capture, 2, 300, 200);
  update(fixture, 300, 200, NULL, 0);
  for (gsize i = 0; i < G_N_ELEMENTS(RECTS); i++) {
    memset(fixture->pixels, (int)i + 1, sizeof fixture->pixels);
    update(fixture, 300, 200, &RECTS[i], 1);
  }
  update(fixture, 300, 200, RECTS, G_N_ELEMENTS(RECTS));
}

/* A picture that is not of the size last set, or of no known format, is dropped, counted, and never read. */
static void test_misfits(Fixture *fixture, gconstpointer data) {
  gint64 misfits = stats_get(stats_counter("capture.misfits"));
  update(fixture, 300, 200, NULL, 0); /* dark */
  capture_set_size(fixture->capture, 2, 300, 200);
  fixture->changes = 0;
  Frame frame = frame_of(fixture, 300, 200);
  frame.data = NULL; /* reading it would end the test */
  static const guint SIZES[][2] = {{299, 200}, {300, 199}, {301, 200}, {300, 201}, {0, 0}, {G_MAXUINT, 200}};
  for (gsize i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    frame.width = SIZES[i][0];
    frame.height = SIZES[i][1];
    capture_update(fixture->capture, 2, &frame, NULL, 0, 0);
  }
  static const guint32 FORMATS[] = {0, PIXEL_FORMAT_NV12, G_MAXUINT32, 0x36314752};
  frame.width = 300;
  frame.height = 200;
  for (gsize i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    frame.format = FORMATS[i];
    capture_update(fixture->capture, 2, &frame, NULL, 0, 0);
  }
  g_assert_cmpint(stats_get(stats_counter("capture.misfits")) - misfits, ==, 1 + 6 + 4);
  g_assert_cmpuint(fixture->changes, ==, 0);
  g_assert_cmpuint(generation(fixture), ==, 0);
}

/* Another channel order: the same bytes mean other colours, so nothing of the old picture holds, whatever the rectangles
 * say. A new shadow with the whole picture takes its place. */
static void test_format_change(Fixture *fixture, gconstpointer data) {
  capture_set_size(fixture->capture, 2, 300, 200);
  for (gsize i = 0; i < sizeof fixture->pixels; i += 4) fixture->pixels[i] = 0xee;
  update(fixture, 300, 200, NULL, 0);
  Shadow *before = capture_get_shadow(fixture->capture, 2);
  fixture->changes = 0;
  Frame frame = frame_of(fixture, 300, 200);
  frame.format = PIXEL_FORMAT_XBGR8888;
  capture_update(fixture->capture, 2, &frame, &(Rect){0, 0, 1, 1}, 1, 0);
  g_assert_cmpuint(fixture->changes, ==, 1);
  Shadow *shadow = capture_get_shadow(fixture->capture, 2);
  g_assert_true(shadow != before);
  g_assert_cmphex(shadow_frame(shadow).format, ==, PIXEL_FORMAT_XBGR8888);
  g_assert_cmphex(shadow_frame(before).format, ==, PIXEL_FORMAT_XRGB8888);
  Frame copy = shadow_frame(shadow);
  for (guint y = 0; y < 200; y++) {
    g_assert_cmpmem(copy.data + y * copy.stride, 300 * 4, frame.data + y * frame.stride, 300 * 4);
  }
  shadow_unref(shadow);
  shadow_unref(before);
}

typedef struct {
  Capture *capture;
  int stop; /* atomic */
} Race;

static void *read_on_a_thread(void *data) {
  Race *race = data;
  while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
    Shadow *shadow = capture_get_shadow(race->capture, 2);
    if (!shadow) continue;
    g_assert_cmpuint(shadow_width(shadow), ==, shadow_height(shadow));
    Frame frame = shadow_frame(shadow);
    g_assert_cmpuint(frame.data[frame.stride * frame.height - 1], ==, 0);
    shadow_unref(shadow);
  }
  return NULL;
}

/* Sizes change while a reader holds shadows: each is whole, and none is used after it is freed. */
static void test_resize_race(Fixture *fixture, gconstpointer data) {
  Race race = {.capture = fixture->capture};
  pthread_t thread;
  pthread_create(&thread, NULL, read_on_a_thread, &race);
  for (guint i = 0; i < 500; i++) {
    guint size = i % 5 == 0 ? 0 : 40 + i % 100;
    capture_set_size(fixture->capture, 2, size, size);
  }
  __atomic_store_n(&race.stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, run) g_test_add("/capture/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("dark", test_dark);
  ADD("F10-resize", test_resize);
  ADD("changes", test_changes);
  ADD("F24-hostile-rects", test_hostile_rects);
  ADD("misfits", test_misfits);
  ADD("format-change", test_format_change);
  ADD("resize-race", test_resize_race);
  return g_test_run();
}
