/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <cairo.h>
#include <glib.h>

/* A program's text with its syntax coloured, as an editor on a dark ground shows it. */

#define LISTING_BACKGROUND 0x1b1e24u

/* Lines there are; line numbers beyond repeat the text. */
guint listing_lines(void);
/* Line `line` (from 0) at (x, y), its number in front; cells in pixels. */
void listing_draw(cairo_t *cairo, double x, double y, guint cell_width, guint cell_height, guint line);
