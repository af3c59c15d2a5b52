/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/barcode.h"

#include <string.h>

#define WIDTH 320u
#define HEIGHT 64u

typedef struct {
  guint8 pixels[HEIGHT * WIDTH * 4];
  guint8 luma[HEIGHT * WIDTH];
} Picture;

/* BT.709, limited range, of a grey; the barcode has no other colours. */
static void to_luma(Picture *picture) {
  for (guint i = 0; i < WIDTH * HEIGHT; i++) {
    g_assert_cmpuint(picture->pixels[4 * i], ==, picture->pixels[4 * i + 2]);
    picture->luma[i] = (guint8)(16 + picture->pixels[4 * i] * 219 / 255);
  }
}

static void draw(Picture *picture, guint x, guint y, guint32 number) {
  memset(picture->pixels, 0x80, sizeof picture->pixels);
  barcode_draw(picture->pixels, WIDTH * 4, x, y, number);
  to_luma(picture);
}

static void test_round_trip(void) {
  static const guint32 NUMBERS[] = {0, 1, 2, 59, 255, 256, 65535, 65536, 0x5a5a5a, 0xa5a5a5, 0x7fffff, 0xffffff};
  g_autofree Picture *picture = g_new0(Picture, 1);
  for (guint i = 0; i < G_N_ELEMENTS(NUMBERS); i++) {
    guint32 number = 0xdeadbeef;
    draw(picture, 0, 0, NUMBERS[i]);
    g_assert_true(barcode_read_luma(picture->luma, WIDTH, 0, 0, &number));
    g_assert_cmphex(number, ==, NUMBERS[i]);
  }
}

static void test_elsewhere(void) {
  g_autofree Picture *picture = g_new0(Picture, 1);
  guint32 number = 0;
  draw(picture, WIDTH - BARCODE_WIDTH, HEIGHT - BARCODE_HEIGHT, 0x123456);
  g_assert_true(barcode_read_luma(picture->luma, WIDTH, WIDTH - BARCODE_WIDTH, HEIGHT - BARCODE_HEIGHT, &number));
  g_assert_cmphex(number, ==, 0x123456);
  g_assert_false(barcode_read_luma(picture->luma, WIDTH, 0, 0, &number));
  /* nothing was drawn beside it */
  for (guint x = 0; x < WIDTH - BARCODE_WIDTH; x++)
    g_assert_cmpuint(picture->pixels[(HEIGHT - 1) * WIDTH * 4 + x * 4], ==, 0x80);
}

/* The document's example, bit by bit: the drawing is not only what the reader expects. */
static void test_layout(void) {
  g_autofree Picture *picture = g_new0(Picture, 1);
  draw(picture, 0, 0, 0x800001);
  guint32 check = (0x800001 ^ 0x8000 ^ 0x80 ^ 0x5a) & 0xff, word = 0x80000100u | check;
  for (guint cell = 0; cell < 32; cell++) {
    guint at = (cell / 16 * 16 + 8) * WIDTH + cell % 16 * 16 + 8;
    g_assert_cmpuint(picture->luma[at], ==, word >> (31 - cell) & 1 ? 235 : 16);
  }
}

static void test_higher_bits(void) {
  g_autofree Picture *picture = g_new0(Picture, 1);
  guint32 number = 0;
  draw(picture, 0, 0, 0xff000007);
  g_assert_true(barcode_read_luma(picture->luma, WIDTH, 0, 0, &number));
  g_assert_cmphex(number, ==, 7);
}

static void flip(Picture *picture, guint cell) {
  for (guint row = 0; row < 16; row++) {
    for (guint i = 0; i < 16; i++) {
      guint8 *luma = &picture->luma[(cell / 16 * 16 + row) * WIDTH + cell % 16 * 16 + i];
      *luma = (guint8)(251 - *luma);
    }
  }
}

static void test_flipped_cell(void) {
  g_autofree Picture *picture = g_new0(Picture, 1);
  for (guint cell = 0; cell < 32; cell++) {
    guint32 number = 77;
    draw(picture, 0, 0, 0x00abcd);
    flip(picture, cell);
    g_assert_false(barcode_read_luma(picture->luma, WIDTH, 0, 0, &number));
    g_assert_cmpuint(number, ==, 77);
  }
}

static void test_not_a_barcode(void) {
  g_autofree Picture *picture = g_new0(Picture, 1);
  guint32 number;
  static const guint8 LEVELS[] = {16, 126, 235};
  for (guint i = 0; i < G_N_ELEMENTS(LEVELS); i++) {
    memset(picture->luma, LEVELS[i], sizeof picture->luma);
    g_assert_false(barcode_read_luma(picture->luma, WIDTH, 0, 0, &number));
  }
}

/* What an encoder does to it: levels drawn toward the middle, and noise. */
static void test_worn(void) {
  g_autofree Picture *picture = g_new0(Picture, 1);
  guint32 number = 0;
  draw(picture, 0, 0, 123456);
  for (guint i = 0; i < WIDTH * HEIGHT; i++) {
    gint noise = (gint)(i * 2654435761u >> 27) - 16;
    picture->luma[i] = (guint8)(126 + (picture->luma[i] - 126) * 6 / 10 + noise);
  }
  g_assert_true(barcode_read_luma(picture->luma, WIDTH, 0, 0, &number));
  g_assert_cmpuint(number, ==, 123456);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/test-barcode/round-trip", test_round_trip);
  g_test_add_func("/test-barcode/elsewhere", test_elsewhere);
  g_test_add_func("/test-barcode/layout", test_layout);
  g_test_add_func("/test-barcode/higher-bits", test_higher_bits);
  g_test_add_func("/test-barcode/flipped-cell", test_flipped_cell);
  g_test_add_func("/test-barcode/not-a-barcode", test_not_a_barcode);
  g_test_add_func("/test-barcode/worn", test_worn);
  return g_test_run();
}
