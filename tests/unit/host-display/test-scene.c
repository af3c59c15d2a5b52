/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/test-scene.h"

#include "common/base/thread.h"
#include "host/display/test/barcode.h"
#include "host/display/test/test-display.h"
#include "tests/unit/support/support.h"

#include <string.h>

static const guint SIZES[][2] = {{256, 64}, {257, 65}, {480, 360}};

#define SCENES 7u

static TestScene *make_scene(TestSceneKind kind, guint width, guint height, gboolean barcode) {
  TestSettings settings = {width, height, 60000, kind, barcode, 1};
  return test_scene_create(&settings, 0);
}

static guint8 *pixels_of(const TestScene *scene) {
  Frame frame = test_scene_frame(scene);
  guint8 *copy = g_malloc((gsize)frame.width * frame.height * 4);
  for (guint row = 0; row < frame.height; row++) {
    memcpy(copy + (gsize)row * frame.width * 4, frame.data + row * frame.stride, (gsize)frame.width * 4);
  }
  return copy;
}

static guint paint(TestScene *scene, guint64 n, Rect rects[TEST_SCENE_MAX_RECTS]) {
  guint count = test_scene_paint(scene, n, rects, TEST_SCENE_MAX_RECTS);
  g_assert_cmpuint(count, <=, TEST_SCENE_MAX_RECTS);
  Frame frame = test_scene_frame(scene);
  for (guint i = 0; i < count; i++) {
    g_assert_cmpuint(rects[i].width, >, 0);
    g_assert_cmpuint(rects[i].height, >, 0);
    g_assert_cmpuint(rects[i].x + rects[i].width, <=, frame.width);
    g_assert_cmpuint(rects[i].y + rects[i].height, <=, frame.height);
  }
  return count;
}

static gboolean inside(const Rect *rects, guint count, guint x, guint y) {
  for (guint i = 0; i < count; i++) {
    if (x >= rects[i].x && x < rects[i].x + rects[i].width && y >= rects[i].y && y < rects[i].y + rects[i].height)
      return TRUE;
  }
  return FALSE;
}

/* Pixels that differ; each must be inside a rect. */
static guint count_changes(const guint8 *before, const guint8 *after, guint width, guint height, const Rect *rects,
                           guint count) {
  guint changes = 0;
  for (guint y = 0; y < height; y++) {
    gsize row = (gsize)y * width * 4;
    if (memcmp(before + row, after + row, (gsize)width * 4) == 0) continue;
    for (guint x = 0; x < width; x++) {
      gsize at = ((gsize)y * width + x) * 4;
      if (memcmp(before + at, after + at, 4) == 0) continue;
      changes++;
      if (!inside(rects, count, x, y)) g_error("(%u, %u) changed outside the damage", x, y);
    }
  }
  return changes;
}

static void for_each_scene(void (*check)(TestSceneKind kind, guint width, guint height, gboolean barcode)) {
  guint sizes = G_N_ELEMENTS(SIZES) - (support_is_emulated() ? 1 : 0); /* the last takes minutes there */
  for (guint kind = 0; kind < SCENES; kind++) {
    for (guint i = 0; i < sizes; i++) {
      check((TestSceneKind)kind, SIZES[i][0], SIZES[i][1], i % 2 == 0);
    }
  }
}

static void check_jump(TestScene *jumper, guint64 n, const guint8 *expected, gsize size) {
  Rect rects[TEST_SCENE_MAX_RECTS];
  Frame frame = test_scene_frame(jumper);
  paint(jumper, n + 1000, rects);
  guint count = paint(jumper, n, rects);
  g_assert_cmpuint(count, ==, 1);
  g_assert_cmpuint(rects[0].width, ==, frame.width);
  g_assert_cmpuint(rects[0].height, ==, frame.height);
  g_autofree guint8 *actual = pixels_of(jumper);
  g_assert_true(memcmp(actual, expected, size) == 0);
}

static void check_determinism(TestSceneKind kind, guint width, guint height, gboolean barcode) {
  TestScene *walker = make_scene(kind, width, height, barcode), *jumper = make_scene(kind, width, height, barcode);
  Rect rects[TEST_SCENE_MAX_RECTS];
  for (guint64 n = 0; n < 90; n++) {
    paint(walker, n, rects);
    if (n % 7 != 0 && n < 85) continue;
    g_autofree guint8 *expected = pixels_of(walker);
    check_jump(jumper, n, expected, (gsize)width * height * 4);
  }
  test_scene_destroy(walker);
  test_scene_destroy(jumper);
}

static void test_determinism(void) {
  for_each_scene(check_determinism);
}

static void check_damage(TestSceneKind kind, guint width, guint height, gboolean barcode) {
  TestScene *scene = make_scene(kind, width, height, barcode);
  Rect rects[TEST_SCENE_MAX_RECTS];
  g_assert_cmpuint(paint(scene, 0, rects), ==, 1);
  g_autofree guint8 *before = pixels_of(scene);
  for (guint64 n = 1; n < 80; n++) {
    guint count = paint(scene, n, rects);
    g_autofree guint8 *after = pixels_of(scene);
    guint changes = count_changes(before, after, width, height, rects, count);
    if (kind == TEST_SCENE_IDLE) g_assert_cmpuint(count, ==, 0);
    if (count > 0 && kind != TEST_SCENE_DRAG) g_assert_cmpuint(changes, >, 0);
    g_free(g_steal_pointer(&before));
    before = g_steal_pointer(&after);
  }
  test_scene_destroy(scene);
}

static void test_damage(void) {
  for_each_scene(check_damage);
}

static guint64 damaged_area(TestSceneKind kind, guint width, guint height) {
  TestScene *scene = make_scene(kind, width, height, FALSE);
  Rect rects[TEST_SCENE_MAX_RECTS];
  guint64 largest = 0;
  paint(scene, 0, rects);
  for (guint64 n = 1; n < 60; n++) {
    guint64 area = 0;
    guint count = paint(scene, n, rects);
    for (guint i = 0; i < count; i++) area += (guint64)rects[i].width * rects[i].height;
    largest = MAX(largest, area);
  }
  test_scene_destroy(scene);
  return largest;
}

/* At the size the benchmarks run, scenes damage what facts-encoder.md says they do. */
static void test_damage_is_small(void) {
  if (support_is_too_slow()) return;
  g_assert_cmpuint(damaged_area(TEST_SCENE_CURSOR, 1920, 1080), ==, 8 * 16);
  g_assert_cmpuint(damaged_area(TEST_SCENE_TYPING, 1920, 1080), ==, 2 * 10 * 20);
  g_assert_cmpuint(damaged_area(TEST_SCENE_SCROLL, 1920, 1080), ==, 1200 * 800);
  g_assert_cmpuint(damaged_area(TEST_SCENE_CUBE, 1920, 1080), <=, 640 * 640);
  g_assert_cmpuint(damaged_area(TEST_SCENE_DRAG, 1920, 1080), <, 920 * 720);
  g_assert_cmpuint(damaged_area(TEST_SCENE_VIDEO, 1920, 1080), ==, 1920 * 1080);
  g_assert_cmpuint(damaged_area(TEST_SCENE_CURSOR, 256, 64), <, 256 * 64 / 16);
  g_assert_cmpuint(damaged_area(TEST_SCENE_DRAG, 256, 64), <, 256 * 64);
}

/* Through every wrap and clear of the terminal: more frames than it has characters. */
static void test_typing_all(void) {
  TestScene *walker = make_scene(TEST_SCENE_TYPING, 256, 64, FALSE);
  TestScene *jumper = make_scene(TEST_SCENE_TYPING, 256, 64, FALSE);
  Rect rects[TEST_SCENE_MAX_RECTS];
  for (guint64 n = 0; n < 2500; n++) {
    paint(walker, n, rects);
    if (n % 13 != 0) continue;
    g_autofree guint8 *expected = pixels_of(walker);
    check_jump(jumper, n, expected, 256 * 64 * 4);
  }
  test_scene_destroy(walker);
  test_scene_destroy(jumper);
}

static void test_far_frames(void) {
  if (support_is_too_slow()) return;
  Rect rects[TEST_SCENE_MAX_RECTS];
  for (guint kind = 0; kind < SCENES; kind++) {
    TestScene *scene = make_scene((TestSceneKind)kind, 320, 180, TRUE);
    paint(scene, G_MAXUINT64 - 2, rects);
    paint(scene, G_MAXUINT64 - 1, rects);
    paint(scene, G_MAXUINT32, rects);
    test_scene_destroy(scene);
  }
}

static void test_same_frame_again(void) {
  Rect rects[TEST_SCENE_MAX_RECTS];
  TestScene *scene = make_scene(TEST_SCENE_VIDEO, 256, 64, TRUE);
  paint(scene, 5, rects);
  g_assert_cmpuint(paint(scene, 5, rects), ==, 0);
  g_assert_cmpuint(paint(scene, 6, rects), >, 0);
  test_scene_destroy(scene);
}

static void test_joined_rects(void) {
  Rect many[TEST_SCENE_MAX_RECTS], one;
  TestScene *scene = make_scene(TEST_SCENE_CURSOR, 640, 360, TRUE),
            *other = make_scene(TEST_SCENE_CURSOR, 640, 360, TRUE);
  for (guint64 n = 0; n < 2; n++) {
    test_scene_paint(other, n, &one, 1);
    if (paint(scene, n, many) == 1) continue;
    for (guint i = 0; i < 2; i++) {
      g_assert_true(inside(&one, 1, many[i].x, many[i].y));
      g_assert_true(inside(&one, 1, many[i].x + many[i].width - 1, many[i].y + many[i].height - 1));
    }
  }
  g_assert_cmpuint(one.height, <, 360);
  test_scene_destroy(scene);
  test_scene_destroy(other);
}

static gboolean read_barcode(const Frame *frame, guint32 *number) {
  guint8 luma[BARCODE_WIDTH * BARCODE_HEIGHT];
  for (guint y = 0; y < BARCODE_HEIGHT; y++) {
    for (guint x = 0; x < BARCODE_WIDTH; x++)
      luma[y * BARCODE_WIDTH + x] = (guint8)(16 + frame->data[y * frame->stride + x * 4 + 1] * 219 / 255);
  }
  return barcode_read_luma(luma, BARCODE_WIDTH, 0, 0, number);
}

static void test_barcode_numbers(void) {
  static const guint64 NUMBERS[] = {0, 1, 2, 400, 401, 0xfffffe, 0xffffff, 0x1000000, 0x1000001};
  Rect rects[TEST_SCENE_MAX_RECTS];
  for (guint kind = 0; kind < SCENES; kind++) {
    TestScene *scene = make_scene((TestSceneKind)kind, 320, 180, TRUE);
    for (guint i = 0; i < G_N_ELEMENTS(NUMBERS); i++) {
      guint32 number = 99;
      paint(scene, NUMBERS[i], rects);
      Frame frame = test_scene_frame(scene);
      g_assert_true(read_barcode(&frame, &number));
      g_assert_cmpuint(number, ==, kind == TEST_SCENE_IDLE ? 0 : NUMBERS[i] & 0xffffff);
    }
    test_scene_destroy(scene);
  }
}

static void test_scanouts_differ(void) {
  TestSettings settings = {256, 64, 60000, TEST_SCENE_IDLE, FALSE, 4};
  g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  g_autofree guint8 *first = NULL;
  for (guint id = 0; id < 4; id++) {
    Rect rects[TEST_SCENE_MAX_RECTS];
    TestScene *scene = test_scene_create(&settings, id);
    paint(scene, 0, rects);
    g_assert_cmpuint(strlen(test_scene_name(scene)), <, sizeof((ScanoutInfo){0}).name);
    g_assert_true(g_hash_table_add(names, g_strdup(test_scene_name(scene))));
    g_autofree guint8 *pixels = pixels_of(scene);
    if (first) g_assert_true(memcmp(first, pixels, 256 * 64 * 4) != 0);
    if (!first) first = g_steal_pointer(&pixels);
    test_scene_destroy(scene);
  }
}

/* What the display's thread said, guarded by `mutex`. */
typedef struct {
  Mutex mutex;
  Cond cond;
  guint scanouts, updates[TEST_SETTINGS_MAX_SCANOUTS], wrong;
  gint64 first_us, last_us;
  DisplayState state;
  gboolean stopped;
} Sink;

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  Sink *sink = data;
  mutex_lock(&sink->mutex);
  if (sink->stopped || sink->state == DISPLAY_RUNNING || id != sink->scanouts || info->width != 320 ||
      info->height != 180 || !info->connected || !info->lit || info->name[0] == '\0') {
    sink->wrong++;
  }
  sink->scanouts++;
  mutex_unlock(&sink->mutex);
}

static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  Sink *sink = data;
  guint32 number = 0;
  gboolean readable = read_barcode(frame, &number);
  gint64 now = g_get_monotonic_time();
  mutex_lock(&sink->mutex);
  if (sink->stopped || sink->state != DISPLAY_RUNNING || !readable || number != sink->updates[id] || n_rects == 0 ||
      frame->width != 320 || frame->height != 180 || flush_us > now || flush_us < sink->last_us) {
    sink->wrong++;
  }
  if (sink->first_us == 0) sink->first_us = flush_us;
  sink->last_us = flush_us;
  sink->updates[id]++;
  cond_signal(&sink->cond);
  mutex_unlock(&sink->mutex);
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  Sink *sink = data;
  mutex_lock(&sink->mutex);
  if (sink->stopped || state == DISPLAY_LOST || text[0] == '\0') sink->wrong++;
  sink->state = state;
  mutex_unlock(&sink->mutex);
}

static const DisplaySink SINK = {.scanout = on_scanout, .update = on_update, .state = on_state};

/* Waits until scanout `id` has had that many updates; FALSE if that takes a minute. */
static gboolean wait_for(Sink *sink, guint id, guint updates) {
  gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
  gboolean in_time = TRUE;
  mutex_lock(&sink->mutex);
  while (sink->updates[id] < updates && in_time) in_time = cond_wait_until(&sink->cond, &sink->mutex, deadline);
  mutex_unlock(&sink->mutex);
  return in_time;
}

static void sink_init(Sink *sink) {
  *sink = (Sink){.state = DISPLAY_STARTING};
  mutex_init(&sink->mutex);
  cond_init(&sink->cond);
}

static void sink_finish(Sink *sink) {
  mutex_finish(&sink->mutex);
  cond_finish(&sink->cond);
}

static void run_display(Display *display, guint scanouts, guint frames, Sink *sink) {
  g_autoptr(GError) error = NULL;
  sink_init(sink);
  g_assert_true(display_start(display, &SINK, sink, &error));
  g_assert_no_error(error);
  for (guint id = 0; id < scanouts; id++) g_assert_true(wait_for(sink, id, frames));
  display_stop(display);
  mutex_lock(&sink->mutex);
  sink->stopped = TRUE;
  mutex_unlock(&sink->mutex);
  g_assert_cmpuint(sink->wrong, ==, 0);
  g_assert_cmpuint(sink->scanouts, ==, scanouts);
}

static void test_display_runs(void) {
  TestSettings settings = {320, 180, 120000, TEST_SCENE_CUBE, TRUE, 2};
  Display *display = test_display_create(&settings);
  Sink sink;
  run_display(display, 2, 100, &sink);
  /* 99 periods of 8.3 ms: never sooner, or frames came in bursts; how much later is the machine's affair */
  g_assert_cmpint(sink.last_us - sink.first_us, >=, 99 * 8333 - 250000);
  g_test_message("%u frames in %.1f ms", sink.updates[0], (double)(sink.last_us - sink.first_us) / 1000);
  sink_finish(&sink);
  /* again, from frame 0 */
  run_display(display, 2, 5, &sink);
  sink_finish(&sink);
  display_destroy(display);
}

static void test_display_idle(void) {
  TestSettings settings = {320, 180, 60000, TEST_SCENE_IDLE, TRUE, 1};
  Display *display = test_display_create(&settings);
  Sink sink;
  sink_init(&sink);
  g_assert_true(display_start(display, &SINK, &sink, NULL));
  g_assert_true(wait_for(&sink, 0, 1));
  g_usleep(100000);
  display_stop(display);
  g_assert_cmpuint(sink.updates[0], ==, 1);
  g_assert_cmpuint(sink.wrong, ==, 0);
  sink_finish(&sink);
  display_destroy(display);
}

static void test_display_stops_at_once(void) {
  TestSettings settings = {320, 180, 240000, TEST_SCENE_DRAG, TRUE, 1};
  for (guint i = 0; i < 20; i++) {
    Display *display = test_display_create(&settings);
    Sink sink;
    sink_init(&sink);
    g_assert_true(display_start(display, &SINK, &sink, NULL));
    g_usleep(i * 4000);
    display_stop(display);
    sink_finish(&sink); /* a call after the stop would now be seen by the sanitizers */
    display_stop(display);
    display_destroy(display);
  }
  display_destroy(NULL);
}

/* Read by LeakSanitizer where there is one. fontconfig keeps offsets where it looks for pointers, so that what Cairo's
 * font cache holds, and fontconfig's own configuration, would be called leaked. */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));

const char *__lsan_default_suppressions(void) {
  return "leak:libfontconfig";
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/test-scene/determinism", test_determinism);
  g_test_add_func("/test-scene/damage", test_damage);
  g_test_add_func("/test-scene/damage-is-small", test_damage_is_small);
  g_test_add_func("/test-scene/typing-all", test_typing_all);
  g_test_add_func("/test-scene/far-frames", test_far_frames);
  g_test_add_func("/test-scene/same-frame-again", test_same_frame_again);
  g_test_add_func("/test-scene/joined-rects", test_joined_rects);
  g_test_add_func("/test-scene/barcode", test_barcode_numbers);
  g_test_add_func("/test-scene/scanouts-differ", test_scanouts_differ);
  g_test_add_func("/test-scene/display-runs", test_display_runs);
  g_test_add_func("/test-scene/display-idle", test_display_idle);
  g_test_add_func("/test-scene/display-stops-at-once", test_display_stops_at_once);
  return g_test_run();
}
