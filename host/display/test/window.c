/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/window.h"

#include "host/display/test/brush.h"
#include "host/display/test/text.h"

#define RADIUS 11.0
#define SHADOW_LAYERS 16

guint window_title_height(double scale) {
  return MAX((guint)(38 * scale + 0.5), 1);
}

guint window_shadow(double scale) {
  return (guint)(42 * scale) + 2;
}

/* Rounded shapes one inside the other, each faint, add up to a soft edge; lower than the window, as light comes from
 * above. */
static void draw_shadow(cairo_t *cairo, const Rect *outer, gboolean active, double scale) {
  const double reach = 28 * scale, drop = 10 * scale;
  for (gint i = 0; i < SHADOW_LAYERS; i++) {
    double grow = reach * (1 - (i + 0.5) / SHADOW_LAYERS);
    double strength = (active ? 0.36 : 0.24) * 2 * (i + 1) / (SHADOW_LAYERS * SHADOW_LAYERS);
    brush_fill_round(cairo, outer->x - grow, outer->y - grow + drop, outer->width + 2 * grow, outer->height + 2 * grow,
                     RADIUS * scale + grow, 0x000000, strength);
  }
}

static void draw_buttons(cairo_t *cairo, const Rect *outer, const WindowLook *look, const Theme *theme, double scale) {
  const double middle = outer->y + window_title_height(scale) / 2.0, arm = 3.6 * scale;
  guint32 ink = look->dark ? 0xd6dae0 : 0x4a4f57;
  for (gint i = 0; i < 3; i++) {
    double x = outer->x + outer->width - (22 + 29 * i) * scale;
    gboolean close = i == 0 && look->active;
    brush_disc(cairo, x, middle, 9.5 * scale, close ? theme->accent : ink, close ? 1 : 0.12);
    brush_colour(cairo, close ? 0xffffff : ink, look->active ? 1 : 0.6);
    cairo_set_line_width(cairo, 1.4 * scale);
    if (i == 0) {
      cairo_move_to(cairo, x - arm, middle - arm);
      cairo_line_to(cairo, x + arm, middle + arm);
      cairo_move_to(cairo, x + arm, middle - arm);
      cairo_line_to(cairo, x - arm, middle + arm);
    } else if (i == 1) {
      cairo_rectangle(cairo, x - arm, middle - arm, 2 * arm, 2 * arm);
    } else {
      cairo_move_to(cairo, x - arm, middle + arm);
      cairo_line_to(cairo, x + arm, middle + arm);
    }
    cairo_stroke(cairo);
  }
}

static void draw_title(cairo_t *cairo, const Rect *outer, const WindowLook *look, const Theme *theme, double scale) {
  const double height = window_title_height(scale);
  cairo_rectangle(cairo, outer->x, outer->y, outer->width, height);
  if (look->dark) {
    brush_gradient(cairo, outer->y, outer->y + height, 0x33383f, 0x2a2e34);
  } else {
    brush_gradient(cairo, outer->y, outer->y + height, 0xf7f8f9, 0xe9ebee);
  }
  cairo_fill(cairo);
  brush_fill(cairo, outer->x, outer->y + height - 1, outer->width, 1, 0x000000, look->dark ? 0.45 : 0.13);
  brush_fill(cairo, outer->x, outer->y, outer->width, 1, 0xffffff, look->dark ? 0.10 : 0.8);
  guint32 ink = look->dark ? (look->active ? 0xf0f2f5 : 0x9aa0a8) : (look->active ? 0x25292e : 0x868c94);
  TextStyle style = {TEXT_SANS_BOLD, 13 * scale, ink};
  text_draw_centred(cairo, outer->x + outer->width / 2.0, outer->y + (gint)((height - 16 * scale) / 2), style,
                    look->title);
  draw_buttons(cairo, outer, look, theme, scale);
}

void window_draw(cairo_t *cairo, const Rect *outer, const WindowLook *look, const Theme *theme, double scale) {
  draw_shadow(cairo, outer, look->active, scale);
  cairo_save(cairo);
  brush_round(cairo, outer->x, outer->y, outer->width, outer->height, RADIUS * scale);
  cairo_clip(cairo);
  brush_fill(cairo, outer->x, outer->y, outer->width, outer->height, look->dark ? 0x1b1e24 : 0xfcfcfd, 1);
  draw_title(cairo, outer, look, theme, scale);
  cairo_restore(cairo);
  brush_round(cairo, outer->x - 0.5, outer->y - 0.5, outer->width + 1, outer->height + 1, RADIUS * scale);
  brush_colour(cairo, 0x000000, 0.28);
  cairo_set_line_width(cairo, 1);
  cairo_stroke(cairo);
}

void window_clip(cairo_t *cairo, const Rect *outer, double scale) {
  brush_round(cairo, outer->x, outer->y, outer->width, outer->height, RADIUS * scale);
  cairo_clip(cairo);
  double title = window_title_height(scale);
  cairo_rectangle(cairo, outer->x, outer->y + title, outer->width, outer->height - title);
  cairo_clip(cairo);
}
