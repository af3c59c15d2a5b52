/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/capture/shadow.h"

#include <pthread.h>
#include <string.h>

typedef struct {
  guint width;
  guint height;
  gsize stride;
  guint8 *pixels;
} Picture;

static Picture picture_of(guint width, guint height, guint8 fill) {
  Picture picture = {width, height, (gsize)width * 4 + 12, NULL}; /* a stride of its own */
  picture.pixels = g_malloc(picture.stride * height);
  memset(picture.pixels, fill, picture.stride * height);
  return picture;
}

static Frame frame_of(const Picture *picture) {
  return (Frame){PIXEL_FORMAT_XRGB8888, picture->width, picture->height, picture->stride, picture->pixels};
}

static Shadow *make(guint width, guint height) {
  g_autoptr(GError) error = NULL;
  Shadow *shadow = shadow_create(width, height, &error);
  g_assert_no_error(error);
  return shadow;
}

/* One write of one rectangle; returns the generation after it. */
static guint64 write_rect(Shadow *shadow, const Picture *picture, Rect rect, guint *tiles) {
  Frame frame = frame_of(picture);
  shadow_write_begin(shadow);
  guint changed = shadow_write_rect(shadow, &frame, &rect);
  if (tiles) *tiles = changed;
  return shadow_write_end(shadow, 1000);
}

static guint64 write_all(Shadow *shadow, const Picture *picture, guint *tiles) {
  return write_rect(shadow, picture, (Rect){0, 0, picture->width, picture->height}, tiles);
}

static Damage damage_since(Shadow *shadow, guint64 generation) {
  Damage damage;
  damage_init(&damage, shadow_width(shadow), shadow_height(shadow));
  shadow_damage_since(shadow, generation, &damage);
  return damage;
}

static void check_same(Shadow *shadow, const Picture *picture) {
  Frame frame = shadow_frame(shadow);
  for (guint y = 0; y < picture->height; y++) {
    g_assert_cmpmem(frame.data + y * frame.stride, (gsize)picture->width * 4, picture->pixels + y * picture->stride,
                    (gsize)picture->width * 4);
  }
}

static void test_first_picture(void) {
  Shadow *shadow = make(130, 70);
  ShadowState state;
  g_assert_cmpuint(shadow_generation(shadow), ==, 0);
  g_assert_cmpuint(shadow_read_begin(shadow, &state), !=, 0);
  g_assert_cmpuint(state.generation, ==, 0);
  Picture black = picture_of(130, 70, 0);
  guint tiles;
  g_assert_cmpuint(write_all(shadow, &black, &tiles), ==, 1); /* a first picture is one even if it is black */
  g_assert_cmpuint(tiles, ==, 0);
  g_assert_cmpuint(write_all(shadow, &black, &tiles), ==, 1);
  shadow_unref(shadow);
  shadow_unref(NULL);
  g_free(black.pixels);
}

static void test_generations(void) {
  Shadow *shadow = make(200, 130); /* 4 × 3 tiles, the last ones partly outside */
  Picture picture = picture_of(200, 130, 7);
  guint tiles;
  g_assert_cmpuint(write_all(shadow, &picture, &tiles), ==, 1);
  g_assert_cmpuint(tiles, ==, 12);
  check_same(shadow, &picture);
  g_assert_cmpuint(write_all(shadow, &picture, &tiles), ==, 1); /* nothing differs */
  g_assert_cmpuint(tiles, ==, 0);

  picture.pixels[picture.stride * 129 + 199 * 4] ^= 1; /* the last pixel */
  g_assert_cmpuint(write_all(shadow, &picture, &tiles), ==, 2);
  g_assert_cmpuint(tiles, ==, 1);
  picture.pixels[0] ^= 1; /* the first */
  g_assert_cmpuint(write_all(shadow, &picture, &tiles), ==, 3);
  check_same(shadow, &picture);

  Damage damage = damage_since(shadow, 2);
  g_assert_cmpuint(damage_count(&damage), ==, 1);
  g_assert_true(damage_get(&damage, 0, 0));
  damage = damage_since(shadow, 1); /* both: a reader that was busy misses nothing */
  g_assert_cmpuint(damage_count(&damage), ==, 2);
  g_assert_true(damage_get(&damage, 3, 2));
  damage = damage_since(shadow, 0);
  g_assert_cmpuint(damage_count(&damage), ==, 12);
  damage = damage_since(shadow, 3);
  g_assert_true(damage_is_empty(&damage));
  shadow_unref(shadow);
  g_free(picture.pixels);
}

/* A picture of its own size, put anywhere into the shadow: the same as the rectangle of a whole one. */
static void test_block(void) {
  Shadow *shadow = make(200, 130), *twin = make(200, 130);
  for (guint round = 0; round < 200; round++) {
    guint width = (guint)g_test_rand_int_range(1, 200), height = (guint)g_test_rand_int_range(1, 130);
    guint x = (guint)g_test_rand_int_range(0, (gint)(201 - width));
    guint y = (guint)g_test_rand_int_range(0, (gint)(131 - height));
    Picture part = picture_of(width, height, (guint8)(round % 5)), whole = picture_of(200, 130, (guint8)(round % 5));
    Frame block = frame_of(&part);
    guint expected;
    write_rect(twin, &whole, (Rect){x, y, width, height}, &expected);
    shadow_write_begin(shadow);
    g_assert_cmpuint(shadow_write_block(shadow, &block, x, y), ==, expected);
    g_assert_cmpuint(shadow_write_end(shadow, 1), ==, shadow_generation(twin));
    Frame shown = shadow_frame(twin);
    Picture same = {200, 130, shown.stride, (guint8 *)shown.data};
    check_same(shadow, &same);
    g_free(part.pixels);
    g_free(whole.pixels);
  }
  shadow_unref(shadow);
  shadow_unref(twin);
}

/* Only what is inside the rectangle is compared and copied, to the pixel. */
static void test_rect_only(void) {
  Shadow *shadow = make(200, 130);
  Picture before = picture_of(200, 130, 1), after = picture_of(200, 130, 2);
  write_all(shadow, &before, NULL);
  const Rect rect = {60, 63, 70, 2}; /* over tile borders both ways */
  guint tiles;
  write_rect(shadow, &after, rect, &tiles);
  g_assert_cmpuint(tiles, ==, 3 * 2);
  Frame frame = shadow_frame(shadow);
  for (guint y = 0; y < 130; y++) {
    for (guint x = 0; x < 200; x++) {
      gboolean inside = x >= rect.x && x < rect.x + rect.width && y >= rect.y && y < rect.y + rect.height;
      for (guint i = 0; i < 4; i++) g_assert_cmpuint(frame.data[y * frame.stride + x * 4 + i], ==, inside ? 2 : 1);
    }
  }
  shadow_unref(shadow);
  g_free(before.pixels);
  g_free(after.pixels);
}

/* A random walk against a plain copy: pictures equal, damage no less than what differs and no more than the rectangles.
 */
static void test_random(void) {
  Shadow *shadow = make(300, 200);
  Picture picture = picture_of(300, 200, 0);
  write_all(shadow, &picture, NULL);
  for (guint round = 0; round < 300; round++) {
    guint64 generation = shadow_generation(shadow);
    Damage expected, told;
    damage_init(&expected, 300, 200);
    for (gint i = g_test_rand_int_range(0, 6); i > 0; i--) {
      guint x = (guint)g_test_rand_int_range(0, 300), y = (guint)g_test_rand_int_range(0, 200);
      picture.pixels[y * picture.stride + x * 4] ^= 0x55;
      damage_set(&expected, x / DAMAGE_TILE, y / DAMAGE_TILE);
    }
    write_all(shadow, &picture, NULL);
    check_same(shadow, &picture);
    told = damage_since(shadow, generation);
    for (guint row = 0; row < told.rows; row++) {
      for (guint column = 0; column < told.columns; column++) {
        if (damage_get(&told, column, row)) g_assert_true(damage_get(&expected, column, row));
      }
    }
    g_assert_cmpint(damage_is_empty(&told), ==, shadow_generation(shadow) == generation);
  }
  shadow_unref(shadow);
  g_free(picture.pixels);
}

static void test_times(void) {
  Shadow *shadow = make(64, 64);
  Picture picture = picture_of(64, 64, 3);
  gint64 before = g_get_monotonic_time();
  write_all(shadow, &picture, NULL);
  ShadowState state;
  guint64 ticket = shadow_read_begin(shadow, &state);
  g_assert_cmpint(state.flush_us, ==, 1000);
  g_assert_cmpint(state.captured_us, >=, before);
  g_assert_cmpint(state.captured_us, <=, g_get_monotonic_time());
  g_assert_true(shadow_read_end(shadow, ticket));
  shadow_unref(shadow);
  g_free(picture.pixels);
}

/* F09: whoever reads while it is written is told. */
static void test_torn(void) {
  Shadow *shadow = make(64, 64);
  Picture picture = picture_of(64, 64, 3);
  ShadowState state;
  guint64 ticket = shadow_read_begin(shadow, &state);
  g_assert_cmpuint(ticket, !=, 0);
  g_assert_true(shadow_read_end(shadow, ticket));
  shadow_write_begin(shadow);
  g_assert_cmpuint(shadow_read_begin(shadow, &state), ==, 0);
  g_assert_false(shadow_read_end(shadow, ticket));
  shadow_write_end(shadow, 1);
  g_assert_false(shadow_read_end(shadow, ticket)); /* a whole write came between */
  ticket = shadow_read_begin(shadow, &state);
  g_assert_true(shadow_read_end(shadow, ticket));
  g_assert_true(shadow_read_end(shadow, ticket));
  write_all(shadow, &picture, NULL);
  g_assert_false(shadow_read_end(shadow, ticket));
  shadow_unref(shadow);
  g_free(picture.pixels);
}

#define RACE_SIZE 256u

typedef struct {
  Shadow *shadow;
  int stop; /* atomic */
  guint writes;
} Race;

/* Pictures of one value each, all bytes the same, as fast as they go. */
static void *write_on_a_thread(void *data) {
  Race *race = data;
  Picture pictures[4];
  for (guint i = 0; i < 4; i++) pictures[i] = picture_of(RACE_SIZE, RACE_SIZE, (guint8)(i * 60 + 1));
  while (!__atomic_load_n(&race->stop, __ATOMIC_ACQUIRE)) {
    write_all(race->shadow, &pictures[race->writes++ % 4], NULL);
    if (race->writes % 8 == 0) g_usleep(20);
  }
  for (guint i = 0; i < 4; i++) g_free(pictures[i].pixels);
  return NULL;
}

/* Reads as a reader of a sequence lock does, without telling ThreadSanitizer, which cannot know that it is meant.
 * Returns FALSE if two pictures are seen in one. */
__attribute__((no_sanitize("thread"))) static gboolean is_of_one_piece(const Frame *frame) {
  const volatile guint8 *data = frame->data;
  guint8 first = data[0];
  gboolean same = TRUE;
  for (guint y = 0; y < RACE_SIZE; y += 3) {
    for (guint x = 0; x < RACE_SIZE * 4; x += 16) same &= data[y * frame->stride + x] == first;
  }
  return same;
}

/* F09: with a writer at work, no read that was said to be good holds two pictures; and tears do happen here, or the
 * test would show nothing. */
static void test_torn_by_a_thread(void) {
  Race race = {.shadow = make(RACE_SIZE, RACE_SIZE)};
  pthread_t thread;
  pthread_create(&thread, NULL, write_on_a_thread, &race);
  guint good = 0, torn = 0, busy = 0;
  gint64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC, enough = g_get_monotonic_time() + 300 * 1000;
  while (g_get_monotonic_time() < end && (good < 200 || torn + busy < 20 || g_get_monotonic_time() < enough)) {
    ShadowState state;
    guint64 ticket = shadow_read_begin(race.shadow, &state);
    if (ticket == 0) {
      busy++;
      continue;
    }
    Frame frame = shadow_frame(race.shadow);
    gboolean one = is_of_one_piece(&frame);
    if (!shadow_read_end(race.shadow, ticket)) {
      torn++;
      continue;
    }
    good++;
    g_assert_true(one);
  }
  __atomic_store_n(&race.stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  g_test_message("%u writes: %u good reads, %u torn, %u met the writer", race.writes, good, torn, busy);
  g_assert_cmpuint(good, >, 0);
  g_assert_cmpuint(torn + busy, >, 0);
  shadow_unref(race.shadow);
}

static void test_largest(void) {
  Shadow *shadow = make(FRAME_MAX_WIDTH, FRAME_MAX_HEIGHT);
  g_assert_cmpuint(shadow_width(shadow), ==, FRAME_MAX_WIDTH);
  g_assert_cmpuint(shadow_height(shadow), ==, FRAME_MAX_HEIGHT);
  Frame frame = shadow_frame(shadow);
  g_assert_cmpuint(frame.data[frame.stride * (FRAME_MAX_HEIGHT - 1) + FRAME_MAX_WIDTH * 4 - 1], ==, 0);
  Shadow *second = shadow_ref(shadow);
  shadow_unref(shadow);
  g_assert_cmpuint(shadow_generation(second), ==, 0);
  shadow_unref(second);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/shadow/first-picture", test_first_picture);
  g_test_add_func("/shadow/generations", test_generations);
  g_test_add_func("/shadow/rect-only", test_rect_only);
  g_test_add_func("/shadow/block", test_block);
  g_test_add_func("/shadow/random", test_random);
  g_test_add_func("/shadow/times", test_times);
  g_test_add_func("/shadow/F09-torn", test_torn);
  g_test_add_func("/shadow/F09-torn-by-a-thread", test_torn_by_a_thread);
  g_test_add_func("/shadow/largest", test_largest);
  return g_test_run();
}
