/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <cairo.h>
#include <glib.h>

/* Strokes that the desktop's parts share. Colours are 0xRRGGBB, alpha 0 to 1, lengths pixels. */

void brush_colour(cairo_t *cairo, guint32 rgb, double alpha);
void brush_round(cairo_t *cairo, double x, double y, double width, double height, double radius); /* a path */
void brush_fill_round(cairo_t *cairo, double x, double y, double width, double height, double radius, guint32 rgb,
                      double alpha);
void brush_fill(cairo_t *cairo, double x, double y, double width, double height, guint32 rgb, double alpha);
void brush_disc(cairo_t *cairo, double x, double y, double radius, guint32 rgb, double alpha);
/* The source becomes a gradient from (x, top) down to (x, bottom). */
void brush_gradient(cairo_t *cairo, double top, double bottom, guint32 from, guint32 to);
