/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/test-display.h"

#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/display/test/test-scene.h"
#include "host/display/test/ticker.h"

#include <gio/gio.h>
#include <pthread.h>
#include <stdatomic.h>

/* Behind by this much, the machine stood still or cannot keep up; catching up would be a burst that nobody wants to
 * see. */
#define LATE_US 250000

typedef struct {
  Display base;
  TestSettings settings;
  pthread_t thread;
  gboolean started;
  atomic_bool stopping;

  /* the thread's, while it runs */
  GMainContext *context;
  Ticker *ticker;
  TestScene *scenes[TEST_SETTINGS_MAX_SCANOUTS];
  guint64 frame;       /* the next to paint */
  guint64 since_frame; /* due at since_us */
  gint64 since_us;
} TestDisplay;

static gint64 deadline_of(const TestDisplay *test, guint64 frame) {
  guint64 frames = frame - test->since_frame;
  /* frames × 10^9 overflows after some years of one run */
  return test->since_us + (gint64)(frames * G_GUINT64_CONSTANT(1000000000) / test->settings.refresh_mhz);
}

static void start_clock(TestDisplay *test) {
  test->since_us = g_get_monotonic_time();
  test->since_frame = test->frame;
}

static void paint_scanout(TestDisplay *test, guint id) {
  Rect rects[TEST_SCENE_MAX_RECTS];
  TestScene *scene = test->scenes[id];
  guint count = test_scene_paint(scene, test->frame, rects, TEST_SCENE_MAX_RECTS);
  if (count == 0) return;
  Frame frame = test_scene_frame(scene);
  test->base.sink->update(test->base.sink_data, id, &frame, rects, count, g_get_monotonic_time());
}

static void tick(gpointer data) {
  TestDisplay *test = data;
  if (g_get_monotonic_time() - deadline_of(test, test->frame) > LATE_US) {
    stats_count("test.late");
    start_clock(test);
  }
  for (guint id = 0; id < test->settings.scanouts; id++) paint_scanout(test, id);
  test->frame++;
  /* an idle scene is idle: not even the clock runs */
  if (test->settings.scene != TEST_SCENE_IDLE) ticker_arm(test->ticker, deadline_of(test, test->frame));
}

static void announce(TestDisplay *test) {
  const TestSettings *settings = &test->settings;
  const DisplaySink *sink = test->base.sink;
  for (guint id = 0; id < settings->scanouts; id++) {
    ScanoutInfo info = {.width = settings->width,
                        .height = settings->height,
                        .refresh_mhz = settings->refresh_mhz,
                        .connected = TRUE,
                        .lit = TRUE};
    g_strlcpy(info.name, test_scene_name(test->scenes[id]), sizeof info.name);
    sink->scanout(test->base.sink_data, id, &info);
  }
  g_autofree char *text =
      g_strdup_printf("test scene %s, %ux%u, %g frames a second", test_settings_scene_name(settings->scene),
                      settings->width, settings->height, settings->refresh_mhz / 1000.0);
  sink->state(test->base.sink_data, DISPLAY_RUNNING, text);
}

static gboolean make_scenes(TestDisplay *test) {
  for (guint id = 0; id < test->settings.scanouts; id++) {
    if (atomic_load(&test->stopping)) return FALSE;
    test->scenes[id] = test_scene_create(&test->settings, id);
  }
  return TRUE;
}

static void *thread_main(void *data) {
  TestDisplay *test = data;
#ifndef __APPLE__
  thread_set_name("test-display");
#endif
  g_main_context_push_thread_default(test->context);
  test->base.sink->state(test->base.sink_data, DISPLAY_STARTING, "painting the test scene");
  if (make_scenes(test)) {
    announce(test);
    test->frame = 0;
    start_clock(test);
    ticker_arm(test->ticker, test->since_us);
  }
  while (!atomic_load(&test->stopping)) g_main_context_iteration(test->context, TRUE);
  for (guint id = 0; id < test->settings.scanouts; id++) g_clear_pointer(&test->scenes[id], test_scene_destroy);
  g_main_context_pop_thread_default(test->context);
  return NULL;
}

static void release(TestDisplay *test) {
  g_clear_pointer(&test->ticker, ticker_destroy);
  g_clear_pointer(&test->context, g_main_context_unref);
}

static gboolean start(Display *display, GError **error) {
  TestDisplay *test = (TestDisplay *)display;
  g_assert(!test->started);
  atomic_store(&test->stopping, FALSE);
  test->context = g_main_context_new();
  test->ticker = ticker_create(test->context, tick, test, error);
  if (!test->ticker) {
    release(test);
    return FALSE;
  }
  gint result = pthread_create(&test->thread, NULL, thread_main, test);
  if (result != 0) {
    release(test);
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(result), "cannot start the test display's thread: %s",
                g_strerror(result));
    return FALSE;
  }
  return test->started = TRUE;
}

static void stop(Display *display) {
  TestDisplay *test = (TestDisplay *)display;
  if (!test->started) return;
  atomic_store(&test->stopping, TRUE);
  g_main_context_wakeup(test->context);
  pthread_join(test->thread, NULL);
  test->started = FALSE;
  release(test);
}

static void destroy(Display *display) {
  TestDisplay *test = (TestDisplay *)display;
  g_assert(!test->started);
  g_free(test);
}

static const DisplayInterface INTERFACE = {.name = "test", .start = start, .stop = stop, .destroy = destroy};

Display *test_display_create(const TestSettings *settings) {
  TestDisplay *test = g_new0(TestDisplay, 1);
  test->base.interface = &INTERFACE;
  test->settings = *settings;
  atomic_init(&test->stopping, FALSE);
  return &test->base;
}
