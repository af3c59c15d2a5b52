/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/brush.h"

static double channel(guint32 rgb, guint shift) {
  return (rgb >> shift & 255) / 255.0;
}

void brush_colour(cairo_t *cairo, guint32 rgb, double alpha) {
  cairo_set_source_rgba(cairo, channel(rgb, 16), channel(rgb, 8), channel(rgb, 0), alpha);
}

void brush_round(cairo_t *cairo, double x, double y, double width, double height, double radius) {
  const double quarter = G_PI / 2;
  radius = MIN(radius, MIN(width, height) / 2);
  cairo_new_sub_path(cairo);
  cairo_arc(cairo, x + width - radius, y + radius, radius, -quarter, 0);
  cairo_arc(cairo, x + width - radius, y + height - radius, radius, 0, quarter);
  cairo_arc(cairo, x + radius, y + height - radius, radius, quarter, 2 * quarter);
  cairo_arc(cairo, x + radius, y + radius, radius, 2 * quarter, 3 * quarter);
  cairo_close_path(cairo);
}

void brush_fill_round(cairo_t *cairo, double x, double y, double width, double height, double radius, guint32 rgb,
                      double alpha) {
  brush_round(cairo, x, y, width, height, radius);
  brush_colour(cairo, rgb, alpha);
  cairo_fill(cairo);
}

void brush_fill(cairo_t *cairo, double x, double y, double width, double height, guint32 rgb, double alpha) {
  cairo_rectangle(cairo, x, y, width, height);
  brush_colour(cairo, rgb, alpha);
  cairo_fill(cairo);
}

void brush_disc(cairo_t *cairo, double x, double y, double radius, guint32 rgb, double alpha) {
  cairo_arc(cairo, x, y, radius, 0, 2 * G_PI);
  brush_colour(cairo, rgb, alpha);
  cairo_fill(cairo);
}

void brush_gradient(cairo_t *cairo, double top, double bottom, guint32 from, guint32 to) {
  cairo_pattern_t *pattern = cairo_pattern_create_linear(0, top, 0, bottom);
  cairo_pattern_add_color_stop_rgb(pattern, 0, channel(from, 16), channel(from, 8), channel(from, 0));
  cairo_pattern_add_color_stop_rgb(pattern, 1, channel(to, 16), channel(to, 8), channel(to, 0));
  cairo_set_source(cairo, pattern);
  cairo_pattern_destroy(pattern);
}
