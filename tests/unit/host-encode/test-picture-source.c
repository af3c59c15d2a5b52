/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/picture-source.h"

#include "common/base/stats.h"

#include <pthread.h>
#include <string.h>

#define WIDTH 200u
#define HEIGHT 130u

typedef struct {
  PictureSource source;
  Shadow *shadow;
  guint32 pixels[WIDTH * HEIGHT];
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->shadow = shadow_create(WIDTH, HEIGHT, NULL);
  g_assert_nonnull(fixture->shadow);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  picture_source_finish(&fixture->source);
  shadow_unref(fixture->shadow);
}

static void write_all(Fixture *fixture) {
  Frame frame = {PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT, WIDTH * 4, (const guint8 *)fixture->pixels};
  shadow_write_begin(fixture->shadow);
  shadow_write_rect(fixture->shadow, &frame, &(Rect){0, 0, WIDTH, HEIGHT});
  shadow_write_end(fixture->shadow, 5);
}

static PictureSourceChange set_shadow(Fixture *fixture) {
  return picture_source_set_shadow(&fixture->source, shadow_ref(fixture->shadow));
}

/* What the source holds is what converting the whole picture gives. */
static void check(Fixture *fixture) {
  Nv12 whole;
  Frame frame = {PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT, WIDTH * 4, (const guint8 *)fixture->pixels};
  g_assert_true(nv12_init(&whole, WIDTH, HEIGHT));
  nv12_convert(&whole, &frame, &(Rect){0, 0, WIDTH, HEIGHT});
  for (guint y = 0; y < HEIGHT; y++) {
    g_assert_cmpmem(fixture->source.nv12.luma + y * whole.stride, WIDTH, whole.luma + y * whole.stride, WIDTH);
  }
  nv12_finish(&whole);
}

static void test_changes(Fixture *fixture, gconstpointer data) {
  PictureSource *source = &fixture->source;
  g_assert_cmpint(picture_source_set_shadow(source, NULL), ==, PICTURE_SOURCE_DARK);
  g_assert_false(picture_source_has_picture(source));
  g_assert_cmpint(set_shadow(fixture), ==, PICTURE_SOURCE_REPLACED);
  g_assert_cmpint(set_shadow(fixture), ==, PICTURE_SOURCE_SAME);
  g_assert_false(picture_source_has_picture(source)); /* nothing was ever written */
  g_assert_false(picture_source_is_new(source));
  write_all(fixture);
  g_assert_true(picture_source_has_picture(source));
  g_assert_true(picture_source_is_new(source));
  g_assert_true(picture_source_take(source));
  g_assert_false(picture_source_is_new(source));
  g_assert_cmpint(picture_source_set_shadow(source, NULL), ==, PICTURE_SOURCE_DARK);
  g_assert_cmpint(set_shadow(fixture), ==, PICTURE_SOURCE_REPLACED); /* after dark all begins anew */
  g_assert_true(picture_source_is_new(source));
}

/* Follows the shadow tile by tile, over pictures that were never taken, and knows how many those were. */
static void test_follows(Fixture *fixture, gconstpointer data) {
  PictureSource *source = &fixture->source;
  set_shadow(fixture);
  write_all(fixture);
  g_assert_true(picture_source_take(source));
  g_assert_cmpuint(damage_count(&source->damage), ==, source->damage.columns * source->damage.rows);
  g_assert_cmpuint(source->merged, ==, 0);
  g_assert_cmpint(source->state.flush_us, ==, 5);
  check(fixture);
  for (guint round = 0; round < 200; round++) {
    guint64 before = shadow_generation(fixture->shadow);
    Damage expected;
    damage_init(&expected, WIDTH, HEIGHT);
    for (gint flushes = g_test_rand_int_range(0, 4); flushes > 0; flushes--) {
      guint at = (guint)g_test_rand_int_range(0, WIDTH * HEIGHT);
      fixture->pixels[at] += 0x101010;
      damage_set(&expected, at % WIDTH / DAMAGE_TILE, at / WIDTH / DAMAGE_TILE);
      write_all(fixture);
    }
    guint64 steps = shadow_generation(fixture->shadow) - before;
    g_assert_cmpint(picture_source_is_new(source), ==, steps > 0);
    g_assert_true(picture_source_take(source));
    g_assert_cmpuint(source->merged, ==, steps > 1 ? steps - 1 : 0);
    g_assert_cmpmem(source->damage.bits, sizeof source->damage.bits[0] * source->damage.rows, expected.bits,
                    sizeof expected.bits[0] * expected.rows);
    check(fixture);
  }
}

/* The writer is at it and stays: nothing is taken, and what was missed comes with the next take. */
static void test_busy_writer(Fixture *fixture, gconstpointer data) {
  PictureSource *source = &fixture->source;
  set_shadow(fixture);
  write_all(fixture);
  g_assert_true(picture_source_take(source));
  fixture->pixels[0] = 0xffffff;
  write_all(fixture);
  shadow_write_begin(fixture->shadow);
  g_assert_false(picture_source_take(source));
  g_assert_true(picture_source_is_new(source));
  shadow_write_end(fixture->shadow, 6);
  g_assert_true(picture_source_take(source));
  g_assert_cmpuint(damage_count(&source->damage), ==, 1);
  check(fixture);
}

typedef struct {
  Shadow *shadow;
  int stop; /* atomic */
} Writer;

/* Grey pictures, each of one value, as fast as they go. */
static void *write_on_a_thread(void *data) {
  Writer *writer = data;
  g_autofree guint32 *pixels = g_new(guint32, WIDTH * HEIGHT);
  Frame frame = {PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT, WIDTH * 4, (const guint8 *)pixels};
  for (guint round = 0; !__atomic_load_n(&writer->stop, __ATOMIC_ACQUIRE); round++) {
    memset(pixels, (int)(round * 60 % 256), sizeof *pixels * WIDTH * HEIGHT);
    shadow_write_begin(writer->shadow);
    shadow_write_rect(writer->shadow, &frame, &(Rect){0, 0, WIDTH, HEIGHT});
    shadow_write_end(writer->shadow, 1);
    if (round % 4 == 0) g_usleep(30);
  }
  return NULL;
}

/* F09: with a writer at work, no picture that was taken is of two. */
static void test_torn(Fixture *fixture, gconstpointer data) {
  PictureSource *source = &fixture->source;
  Writer writer = {.shadow = fixture->shadow};
  pthread_t thread;
  gint64 torn = stats_get(stats_counter("encode.torn-reads"));
  write_all(fixture);
  set_shadow(fixture);
  pthread_create(&thread, NULL, write_on_a_thread, &writer);
  guint taken = 0;
  gint64 begun = g_get_monotonic_time();
  while (g_get_monotonic_time() < begun + 400 * 1000 ||
         (g_get_monotonic_time() < begun + 5 * G_USEC_PER_SEC &&
          (taken < 50 || stats_get(stats_counter("encode.torn-reads")) == torn))) {
    if (!picture_source_take(source)) continue;
    taken++;
    guint8 first = source->nv12.luma[0];
    for (guint y = 0; y < HEIGHT; y++) {
      for (guint x = 0; x < WIDTH; x++) g_assert_cmpuint(source->nv12.luma[y * source->nv12.stride + x], ==, first);
    }
  }
  __atomic_store_n(&writer.stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  g_test_message("%u pictures taken, %d torn reads thrown away", taken,
                 (int)(stats_get(stats_counter("encode.torn-reads")) - torn));
  g_assert_cmpuint(taken, >, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, run) g_test_add("/picture-source/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("changes", test_changes);
  ADD("follows", test_follows);
  ADD("F09-busy-writer", test_busy_writer);
  ADD("F09-torn", test_torn);
  return g_test_run();
}
