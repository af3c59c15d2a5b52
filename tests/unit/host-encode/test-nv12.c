/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/nv12.h"

#include <math.h>
#include <string.h>

/* BT.709 limited in floating point, straight from the recommendation: section 3.2 and 3.4, 8 bits. */
typedef struct {
  double y, u, v;
} Yuv;

static Yuv reference(double r, double g, double b) {
  double y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
  double cb = (b - y) / 1.8556, cr = (r - y) / 1.5748;
  return (Yuv){16 + 219 * y / 255, 128 + 224 * cb / 255, 128 + 224 * cr / 255};
}

static guint32 pixel_of(guint32 format, guint8 r, guint8 g, guint8 b) {
  gboolean red_first = format == PIXEL_FORMAT_XBGR8888 || format == PIXEL_FORMAT_ABGR8888;
  return red_first ? (guint32)(r | g << 8 | b << 16) | 0x5a000000u : (guint32)(b | g << 8 | r << 16) | 0x5a000000u;
}

static const guint32 FORMATS[] = {PIXEL_FORMAT_XRGB8888, PIXEL_FORMAT_ARGB8888, PIXEL_FORMAT_XBGR8888,
                                  PIXEL_FORMAT_ABGR8888};

static void check_colour(guint32 format, guint8 r, guint8 g, guint8 b) {
  guint32 pixels[4];
  for (guint i = 0; i < 4; i++) pixels[i] = pixel_of(format, r, g, b);
  Frame frame = {format, 2, 2, 8, (const guint8 *)pixels};
  Nv12 picture;
  g_assert_true(nv12_init(&picture, 2, 2));
  nv12_convert(&picture, &frame, &(Rect){0, 0, 2, 2});
  Yuv expected = reference(r, g, b);
  for (guint i = 0; i < 4; i++) {
    g_assert_cmpfloat(fabs(picture.luma[i / 2 * picture.stride + i % 2] - expected.y), <, 1.0);
  }
  g_assert_cmpfloat(fabs(picture.chroma[0] - expected.u), <, 1.0);
  g_assert_cmpfloat(fabs(picture.chroma[1] - expected.v), <, 1.0);
  nv12_finish(&picture);
}

/* White, black, the primaries, and every corner, edge and middle of the cube. */
static void test_colours(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    for (guint r = 0; r <= 256; r += 32) {
      for (guint g = 0; g <= 256; g += 32) {
        for (guint b = 0; b <= 256; b += 32) {
          check_colour(FORMATS[i], (guint8)MIN(r, 255), (guint8)MIN(g, 255), (guint8)MIN(b, 255));
        }
      }
    }
  }
}

/* The numbers that BT.709's own colour bars have. */
static void test_known_numbers(void) {
  static const guint8 BARS[][6] = {
      {255, 255, 255, 235, 128, 128}, {0, 0, 0, 16, 128, 128},     {255, 0, 0, 63, 102, 240},
      {0, 255, 0, 173, 42, 26},       {0, 0, 255, 32, 240, 118},   {255, 255, 0, 219, 16, 138},
      {0, 255, 255, 188, 154, 16},    {255, 0, 255, 78, 214, 230},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(BARS); i++) {
    guint32 pixels[4];
    for (guint k = 0; k < 4; k++) pixels[k] = pixel_of(PIXEL_FORMAT_XRGB8888, BARS[i][0], BARS[i][1], BARS[i][2]);
    Frame frame = {PIXEL_FORMAT_XRGB8888, 2, 2, 8, (const guint8 *)pixels};
    Nv12 picture;
    g_assert_true(nv12_init(&picture, 2, 2));
    nv12_convert(&picture, &frame, &(Rect){0, 0, 2, 2});
    g_assert_cmpint(ABS(picture.luma[0] - BARS[i][3]), <=, 1);
    g_assert_cmpint(ABS(picture.chroma[0] - BARS[i][4]), <=, 1);
    g_assert_cmpint(ABS(picture.chroma[1] - BARS[i][5]), <=, 1);
    nv12_finish(&picture);
  }
}

typedef struct {
  Frame frame;
  guint8 *pixels;
} Noise;

/* Noise in an allocation that ends with the last pixel. */
static Noise noise_of(guint32 format, guint width, guint height) {
  gsize stride = (gsize)width * 4 + 4 * (gsize)g_test_rand_int_range(0, 5);
  gsize size = stride * (height - 1) + (gsize)width * 4;
  guint8 *pixels = g_malloc(size);
  for (gsize i = 0; i < size; i++) pixels[i] = (guint8)g_test_rand_int();
  return (Noise){{format, width, height, stride, pixels}, pixels};
}

static void check_same(const Nv12 *a, const Nv12 *b) {
  for (guint y = 0; y < a->height; y++) {
    g_assert_cmpmem(a->luma + y * a->stride, a->width, b->luma + y * b->stride, b->width);
    if (y % 2 == 0) g_assert_cmpmem(a->chroma + y / 2 * a->stride, a->width, b->chroma + y / 2 * b->stride, b->width);
  }
}

/* A picture converted rectangle by rectangle is the picture converted at once, bit by bit: damage hints depend on it.
 */
static void test_rects_are_exact(void) {
  static const guint SIZES[][2] = {{1, 1},   {2, 2},     {1, 7},     {7, 1},   {3, 3},     {64, 64},
                                   {65, 63}, {127, 129}, {130, 130}, {255, 3}, {641, 481}, {200, 77}};
  for (gsize i = 0; i < G_N_ELEMENTS(SIZES) * G_N_ELEMENTS(FORMATS); i++) {
    guint width = SIZES[i / 4][0], height = SIZES[i / 4][1];
    Noise noise = noise_of(FORMATS[i % 4], width, height);
    Nv12 whole, pieces;
    g_assert_true(nv12_init(&whole, width, height));
    g_assert_true(nv12_init(&pieces, width, height));
    g_assert_cmpuint(whole.width, ==, (width + 1) / 2 * 2);
    g_assert_cmpuint(whole.height, ==, (height + 1) / 2 * 2);
    nv12_convert(&whole, &noise.frame, &(Rect){0, 0, width, height});
    for (guint y = 0; y < height; y += 64) { /* tile by tile, as damage comes */
      for (guint x = 0; x < width; x += 64) {
        nv12_convert(&pieces, &noise.frame, &(Rect){x, y, MIN(64, width - x), MIN(64, height - y)});
      }
    }
    check_same(&whole, &pieces);
    for (guint round = 0; round < 100; round++) { /* and over it, anywhere */
      guint x = (guint)g_test_rand_int_range(0, (gint)width), y = (guint)g_test_rand_int_range(0, (gint)height);
      Rect rect = {x, y, (guint)g_test_rand_int_range(1, (gint)(width - x) + 1),
                   (guint)g_test_rand_int_range(1, (gint)(height - y) + 1)};
      nv12_convert(&pieces, &noise.frame, &rect);
    }
    check_same(&whole, &pieces);
    nv12_finish(&whole);
    nv12_finish(&pieces);
    g_free(noise.pixels);
  }
}

/* Outside its rectangle, grown to even borders, nothing is touched. */
static void test_nothing_outside(void) {
  Noise noise = noise_of(PIXEL_FORMAT_XRGB8888, 67, 45);
  for (guint round = 0; round < 300; round++) {
    guint x = (guint)g_test_rand_int_range(0, 67), y = (guint)g_test_rand_int_range(0, 45);
    Rect rect = {x, y, (guint)g_test_rand_int_range(1, (gint)(67 - x) + 1),
                 (guint)g_test_rand_int_range(1, (gint)(45 - y) + 1)};
    Nv12 picture;
    g_assert_true(nv12_init(&picture, 67, 45));
    memset(picture.luma, 1, picture.stride * picture.height); /* no conversion gives less than 16 */
    memset(picture.chroma, 1, picture.stride * picture.height / 2);
    nv12_convert(&picture, &noise.frame, &rect);
    for (guint py = 0; py < picture.height; py++) {
      for (guint px = 0; px < picture.stride; px++) {
        gboolean inside = px >= (rect.x & ~1u) && px < ((rect.x + rect.width + 1) & ~1u) && py >= (rect.y & ~1u) &&
                          py < ((rect.y + rect.height + 1) & ~1u);
        g_assert_cmpint(picture.luma[py * picture.stride + px] != 1, ==, inside);
        g_assert_cmpint(picture.chroma[py / 2 * picture.stride + px] != 1, ==, inside);
      }
    }
    nv12_finish(&picture);
  }
  g_free(noise.pixels);
}

/* Odd sizes: the padding repeats the last column and row. */
static void test_padding(void) {
  Noise noise = noise_of(PIXEL_FORMAT_XBGR8888, 5, 3);
  Nv12 picture;
  g_assert_true(nv12_init(&picture, 5, 3));
  nv12_convert(&picture, &noise.frame, &(Rect){0, 0, 5, 3});
  for (guint y = 0; y < 4; y++)
    g_assert_cmpuint(picture.luma[y * picture.stride + 5], ==, picture.luma[y * picture.stride + 4]);
  g_assert_cmpmem(picture.luma + 3 * picture.stride, 6, picture.luma + 2 * picture.stride, 6);
  nv12_finish(&picture);
  g_free(noise.pixels);
}

/* Chroma is the mean of four pixels and not one of them. */
static void test_chroma_mean(void) {
  const guint32 pixels[4] = {pixel_of(PIXEL_FORMAT_XRGB8888, 255, 0, 0), pixel_of(PIXEL_FORMAT_XRGB8888, 0, 0, 255),
                             pixel_of(PIXEL_FORMAT_XRGB8888, 0, 255, 0), pixel_of(PIXEL_FORMAT_XRGB8888, 0, 0, 0)};
  Frame frame = {PIXEL_FORMAT_XRGB8888, 2, 2, 8, (const guint8 *)pixels};
  Nv12 picture;
  g_assert_true(nv12_init(&picture, 2, 2));
  nv12_convert(&picture, &frame, &(Rect){0, 0, 2, 2});
  Yuv expected = reference(63.75, 63.75, 63.75);
  g_assert_cmpfloat(fabs(picture.chroma[0] - expected.u), <, 1.0);
  g_assert_cmpfloat(fabs(picture.chroma[1] - expected.v), <, 1.0);
  nv12_finish(&picture);
}

static void test_black_at_first(void) {
  Nv12 picture;
  g_assert_true(nv12_init(&picture, 101, 51));
  for (guint y = 0; y < picture.height; y++) {
    for (guint x = 0; x < picture.width; x++) {
      g_assert_cmpuint(picture.luma[y * picture.stride + x], ==, 16);
      g_assert_cmpuint(picture.chroma[y / 2 * picture.stride + x], ==, 128);
    }
  }
  nv12_finish(&picture);
  nv12_finish(&picture); /* harmless */
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/nv12/colours", test_colours);
  g_test_add_func("/nv12/known-numbers", test_known_numbers);
  g_test_add_func("/nv12/rects-are-exact", test_rects_are_exact);
  g_test_add_func("/nv12/nothing-outside", test_nothing_outside);
  g_test_add_func("/nv12/padding", test_padding);
  g_test_add_func("/nv12/chroma-mean", test_chroma_mean);
  g_test_add_func("/nv12/black-at-first", test_black_at_first);
  return g_test_run();
}
