/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <cairo.h>
#include <glib.h>

/* Anti-aliased text, one line, DejaVu where it is installed. Any thread. */

typedef enum {
  TEXT_SANS,
  TEXT_SANS_BOLD,
  TEXT_MONO,
} TextFace;

typedef struct {
  TextFace face;
  double size; /* of an em, pixels */
  guint32 rgb; /* 0xRRGGBB */
} TextStyle;

/* (x, y) is the upper left corner, pixels. */
void text_draw(cairo_t *cairo, double x, double y, TextStyle style, const char *text);
void text_draw_centred(cairo_t *cairo, double middle_x, double y, TextStyle style, const char *text);
double text_width(cairo_t *cairo, TextStyle style, const char *text);

/* The em of the monospaced face whose characters are `cell` pixels wide. */
double text_mono_size(guint cell);
