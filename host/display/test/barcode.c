/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/barcode.h"

/* The middle of limited range is 126; a cell this close to it was something else, or was lost in encoding. */
#define MIDDLE 126u
#define UNSURE 24u
/* Cells are judged by their middle: encoders ring at the edges. */
#define MARGIN 4u

static guint32 word_of(guint32 number) {
  number &= BARCODE_MAX;
  guint32 check = (number ^ (number >> 8) ^ (number >> 16) ^ 0x5a) & 0xff;
  return number << 8 | check;
}

static void draw_cell(guint8 *pixels, gsize stride, guint x, guint y, guint32 pixel) {
  for (guint row = 0; row < BARCODE_CELL; row++) {
    guint32 *at = (guint32 *)(gpointer)(pixels + (gsize)(y + row) * stride) + x;
    for (guint i = 0; i < BARCODE_CELL; i++) at[i] = pixel;
  }
}

void barcode_draw(guint8 *pixels, gsize stride, guint x, guint y, guint32 number) {
  guint32 word = word_of(number);
  for (guint cell = 0; cell < BARCODE_COLUMNS * BARCODE_ROWS; cell++) {
    guint left = x + cell % BARCODE_COLUMNS * BARCODE_CELL, top = y + cell / BARCODE_COLUMNS * BARCODE_CELL;
    draw_cell(pixels, stride, left, top, word >> (31 - cell) & 1 ? 0xffffffffu : 0xff000000u);
  }
}

static guint cell_luma(const guint8 *plane, gsize stride, guint x, guint y) {
  const guint side = BARCODE_CELL - 2 * MARGIN;
  guint sum = 0;
  for (guint row = 0; row < side; row++) {
    const guint8 *at = plane + (gsize)(y + MARGIN + row) * stride + x + MARGIN;
    for (guint i = 0; i < side; i++) sum += at[i];
  }
  return sum / (side * side);
}

gboolean barcode_read_luma(const guint8 *y_plane, gsize stride, guint x, guint y, guint32 *number) {
  guint32 word = 0;
  for (guint cell = 0; cell < BARCODE_COLUMNS * BARCODE_ROWS; cell++) {
    guint left = x + cell % BARCODE_COLUMNS * BARCODE_CELL, top = y + cell / BARCODE_COLUMNS * BARCODE_CELL;
    guint luma = cell_luma(y_plane, stride, left, top);
    if (luma > MIDDLE - UNSURE && luma < MIDDLE + UNSURE) return FALSE;
    word = word << 1 | (luma > MIDDLE);
  }
  if (word != word_of(word >> 8)) return FALSE;
  *number = word >> 8;
  return TRUE;
}
