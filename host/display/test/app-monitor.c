/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/app-monitor.h"

#include "host/display/test/brush.h"
#include "host/display/test/noise.h"
#include "host/display/test/text.h"

typedef struct {
  const char *title, *value;
  guint32 rgb;
  float level, swing;
  guint32 seed;
} Curve;

#define POINTS 72

static void trace(cairo_t *cairo, const Curve *curve, const Rect *box) {
  for (gint i = 0; i <= POINTS; i++) {
    float height = curve->level + curve->swing * noise_fractal((float)i * 0.16f, 1.7f, 4, curve->seed);
    double x = box->x + (double)box->width * i / POINTS, y = box->y + box->height * (1 - CLAMP(height, 0.03f, 0.97f));
    if (i == 0) cairo_move_to(cairo, x, y);
    cairo_line_to(cairo, x, y);
  }
}

static void draw_curve(cairo_t *cairo, const Curve *curve, const Rect *box, double scale) {
  brush_fill_round(cairo, box->x, box->y, box->width, box->height, 6 * scale, 0x12151a, 1);
  for (gint i = 1; i < 4; i++) {
    brush_fill(cairo, box->x, box->y + (gint)(box->height * i / 4), box->width, 1, 0xffffff, 0.07);
  }
  trace(cairo, curve, box);
  cairo_line_to(cairo, box->x + box->width, box->y + box->height);
  cairo_line_to(cairo, box->x, box->y + box->height);
  cairo_close_path(cairo);
  brush_colour(cairo, curve->rgb, 0.22);
  cairo_fill(cairo);
  trace(cairo, curve, box);
  brush_colour(cairo, curve->rgb, 1);
  cairo_set_line_width(cairo, 2 * scale);
  cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
  cairo_stroke(cairo);
}

void app_monitor_draw(cairo_t *cairo, const Rect *area, const Theme *theme, double scale) {
  const Curve curves[] = {{"Processor", "2 cores, 23 %", theme->accent, 0.30f, 0.62f, 5},
                          {"Network", "14.2 Mbit/s", 0x57b7e8, 0.42f, 0.75f, 23}};
  const double margin = 18 * scale, share = (double)area->height / G_N_ELEMENTS(curves);
  TextStyle title = {TEXT_SANS_BOLD, 13 * scale, 0xe8ebef}, value = {TEXT_SANS, 12 * scale, 0x9aa2ad};
  for (guint i = 0; i < G_N_ELEMENTS(curves); i++) {
    double top = area->y + share * i + 12 * scale, height = share - 58 * scale, width = area->width - 2 * margin;
    text_draw(cairo, (gint)(area->x + margin), (gint)top, title, curves[i].title);
    double shift = text_width(cairo, value, curves[i].value);
    text_draw(cairo, (gint)(area->x + area->width - margin - shift), (gint)top, value, curves[i].value);
    if (height < 4 || width < 4) continue;
    Rect box = {(guint)(area->x + margin), (guint)(top + 26 * scale), (guint)width, (guint)height};
    draw_curve(cairo, &curves[i], &box, scale);
  }
}
