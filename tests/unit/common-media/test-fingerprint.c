/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/fingerprint.h"

#include <string.h>

#define WIDTH 640u
#define HEIGHT 360u

typedef struct {
  guint8 *pixels;
  Frame frame;
} Picture;

static void picture_init(Picture *picture, guint32 format, guint width, guint height) {
  gsize size = (gsize)width * height * 4;
  picture->pixels = g_malloc(size); /* exactly, for AddressSanitizer */
  for (gsize i = 0; i < size; i++) picture->pixels[i] = (guint8)g_test_rand_int();
  picture->frame = (Frame){format, width, height, (gsize)width * 4, picture->pixels};
}

/* The places are the cells', in every one there is one, and each has the picture's colour. */
static void test_take(void) {
  static const guint SIZES[][2] = {{WIDTH, HEIGHT}, {1, 1}, {3, 40}, {17, 5}, {8192, 2}, {2, 4320}};
  for (guint i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    Picture picture;
    Fingerprint fingerprint;
    guint64 random = 1 + i;
    picture_init(&picture, PIXEL_FORMAT_XRGB8888, SIZES[i][0], SIZES[i][1]);
    fingerprint_take(&fingerprint, &picture.frame, 16, &random);
    guint columns = MIN(16, SIZES[i][0]), rows = MIN(16, SIZES[i][1]);
    g_assert_cmpuint(fingerprint.count, ==, columns * rows);
    for (guint n = 0; n < fingerprint.count; n++) {
      const FingerprintPlace *place = &fingerprint.places[n];
      g_assert_cmpuint(place->x, >=, n % columns * SIZES[i][0] / columns);
      g_assert_cmpuint(place->x, <, (n % columns + 1) * SIZES[i][0] / columns);
      g_assert_cmpuint(place->y, >=, n / columns * SIZES[i][1] / rows);
      g_assert_cmpuint(place->y, <, (n / columns + 1) * SIZES[i][1] / rows);
      const guint8 *bytes = picture.pixels + ((gsize)place->y * SIZES[i][0] + place->x) * 4;
      g_assert_cmphex(place->pixel, ==, (guint32)bytes[2] << 16 | (guint32)bytes[1] << 8 | bytes[0]);
    }
    g_assert_true(fingerprint_agrees(&fingerprint, &picture.frame));
    g_free(picture.pixels);
  }
}

/* The same colours in another order of bytes, with another alpha, are the same picture. */
static void test_formats(void) {
  static const guint32 FORMATS[] = {PIXEL_FORMAT_XRGB8888, PIXEL_FORMAT_ARGB8888, PIXEL_FORMAT_XBGR8888,
                                    PIXEL_FORMAT_ABGR8888};
  Picture picture, other;
  picture_init(&picture, PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT);
  for (guint i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    picture_init(&other, FORMATS[i], WIDTH, HEIGHT);
    gboolean swapped = i >= 2;
    for (gsize n = 0; n < (gsize)WIDTH * HEIGHT * 4; n += 4) {
      other.pixels[n] = picture.pixels[swapped ? n + 2 : n];
      other.pixels[n + 1] = picture.pixels[n + 1];
      other.pixels[n + 2] = picture.pixels[swapped ? n : n + 2];
    }
    Fingerprint fingerprint;
    guint64 random = 5;
    fingerprint_take(&fingerprint, &picture.frame, 16, &random);
    g_assert_true(fingerprint_agrees(&fingerprint, &other.frame));
    fingerprint_take(&fingerprint, &other.frame, 8, &random);
    g_assert_true(fingerprint_agrees(&fingerprint, &picture.frame));
    fingerprint.places[17].pixel |= 0xff000000; /* a peer's: not looked at */
    g_assert_true(fingerprint_agrees(&fingerprint, &picture.frame));
    fingerprint.places[17].pixel ^= 1;
    g_assert_false(fingerprint_agrees(&fingerprint, &picture.frame));
    g_free(other.pixels);
  }
  g_free(picture.pixels);
}

/* F27: a window of 100 × 100 that only one of the two has is met within some frames, wherever it is. */
static void test_finds(void) {
  Picture picture, other;
  picture_init(&picture, PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT);
  picture_init(&other, PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT);
  guint64 random = 12345;
  guint worst = 0;
  for (guint round = 0; round < 50; round++) {
    guint x = (guint)g_test_rand_int_range(0, WIDTH - 100), y = (guint)g_test_rand_int_range(0, HEIGHT - 100);
    memcpy(other.pixels, picture.pixels, (gsize)WIDTH * HEIGHT * 4);
    for (guint row = y; row < y + 100; row++) {
      for (guint column = x; column < x + 100; column++) other.pixels[((gsize)row * WIDTH + column) * 4] ^= 0x55;
    }
    Fingerprint fingerprint;
    guint frames = 0;
    do {
      g_assert_cmpuint(++frames, <=, 8);
      fingerprint_take(&fingerprint, &other.frame, 8, &random);
    } while (fingerprint_agrees(&fingerprint, &picture.frame));
    worst = MAX(worst, frames);
  }
  g_test_message("found after %u frames at the latest", worst);
  g_free(picture.pixels);
  g_free(other.pixels);
}

/* The same generator gives the same places; the next fingerprint has others. */
static void test_random(void) {
  Picture picture;
  picture_init(&picture, PIXEL_FORMAT_XRGB8888, WIDTH, HEIGHT);
  Fingerprint first, second, again;
  guint64 random = 99, repeated = 99;
  fingerprint_take(&first, &picture.frame, 8, &random);
  fingerprint_take(&second, &picture.frame, 8, &random);
  fingerprint_take(&again, &picture.frame, 8, &repeated);
  g_assert_cmpmem(first.places, sizeof first.places[0] * 64, again.places, sizeof again.places[0] * 64);
  guint same = 0;
  for (guint i = 0; i < 64; i++) {
    same += first.places[i].x == second.places[i].x && first.places[i].y == second.places[i].y;
  }
  g_assert_cmpuint(same, <, 4);
  g_free(picture.pixels);
}

/* A peer's places may be anywhere, and what is not packed agrees with nothing (F24). */
static void test_lies(void) {
  Picture picture;
  picture_init(&picture, PIXEL_FORMAT_XRGB8888, 4, 4);
  static const FingerprintPlace LIES[] = {{4, 0, 0}, {0, 4, 0}, {0xffff, 0xffff, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(LIES); i++) {
    Fingerprint fingerprint = {.count = 1, .places = {LIES[i]}};
    g_assert_false(fingerprint_agrees(&fingerprint, &picture.frame));
  }
  Fingerprint fingerprint;
  guint64 random = 1;
  fingerprint_take(&fingerprint, &picture.frame, 4, &random);
  picture.frame.format = PIXEL_FORMAT_NV12;
  g_assert_false(fingerprint_agrees(&fingerprint, &picture.frame));
  picture.frame.format = 0;
  g_assert_false(fingerprint_agrees(&fingerprint, &picture.frame));
  g_free(picture.pixels);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/fingerprint/take", test_take);
  g_test_add_func("/fingerprint/formats", test_formats);
  g_test_add_func("/fingerprint/finds-F27", test_finds);
  g_test_add_func("/fingerprint/random", test_random);
  g_test_add_func("/fingerprint/lies-F24", test_lies);
  return g_test_run();
}
