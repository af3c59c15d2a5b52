/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * A frame number in the picture that survives encoding: 32 cells of 16×16
 * pixels in two rows of 16, row by row, the most significant bit first;
 * 24 bits of number, then 8 of check: n ^ n>>8 ^ n>>16 ^ 0x5a. One is white,
 * zero is black: luma 235 and 16.
 */

#define BARCODE_CELL 16u
#define BARCODE_COLUMNS 16u
#define BARCODE_ROWS 2u
#define BARCODE_WIDTH (BARCODE_COLUMNS * BARCODE_CELL) /* pixels */
#define BARCODE_HEIGHT (BARCODE_ROWS * BARCODE_CELL)
#define BARCODE_MAX 0xffffffu

/* Draws into XRGB8888 with the corner at (x, y) pixels; all of it must be inside. Bits of `number` above 24 are
 * dropped. `stride` in bytes. */
void barcode_draw(guint8 *pixels, gsize stride, guint x, guint y, guint32 number);

/* Reads from a luma plane, limited range; the same place. FALSE if the check bits disagree, or a cell is neither light
 * nor dark; *number is then untouched. */
gboolean barcode_read_luma(const guint8 *y_plane, gsize stride, guint x, guint y, guint32 *number);
