/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/panel.h"

#include "host/display/test/brush.h"
#include "host/display/test/text.h"

#define HEIGHT 32
#define ICON 50.0
#define GAP 14.0

static void draw_indicators(cairo_t *cairo, double right, double middle, double scale) {
  brush_colour(cairo, 0xf2f4f7, 0.95);
  cairo_set_line_width(cairo, 1.3 * scale);
  brush_round(cairo, right - 40 * scale, middle - 5.5 * scale, 22 * scale, 11 * scale, 3 * scale);
  cairo_stroke(cairo);
  brush_fill_round(cairo, right - 38 * scale, middle - 3.5 * scale, 14 * scale, 7 * scale, 1.5 * scale, 0xf2f4f7, 0.95);
  brush_fill(cairo, right - 17 * scale, middle - 2 * scale, 2 * scale, 4 * scale, 0xf2f4f7, 0.95);
  cairo_set_line_width(cairo, 2 * scale);
  for (gint i = 0; i < 3; i++) {
    brush_colour(cairo, 0xf2f4f7, 0.95);
    cairo_arc(cairo, right - 66 * scale, middle + 6 * scale, (2 + 5 * i) * scale, -2.25, -0.89);
    cairo_stroke(cairo);
  }
  for (gint i = 0; i < 4; i++) {
    double height = (4 + 3 * i) * scale;
    brush_fill(cairo, right - (108 - 5 * i) * scale, middle + 6 * scale - height, 3 * scale, height, 0xf2f4f7, 0.95);
  }
}

void panel_draw(cairo_t *cairo, guint width, const Theme *theme, double scale) {
  const double height = (gint)(HEIGHT * scale + 0.5), middle = height / 2, text_y = (gint)((height - 17 * scale) / 2);
  brush_fill(cairo, 0, 0, width, height, 0x0e1116, 0.78);
  brush_disc(cairo, 20 * scale, middle, 6 * scale, theme->accent, 1);
  brush_disc(cairo, 20 * scale, middle, 2.4 * scale, 0xffffff, 0.95);
  TextStyle bold = {TEXT_SANS_BOLD, 13 * scale, 0xf5f6f8}, plain = {TEXT_SANS, 13 * scale, 0xe2e5ea};
  text_draw(cairo, 36 * scale, text_y, bold, "framelift");
  static const char *const MENU[] = {"Places", "Windows", "Help"};
  double x = 128 * scale;
  for (guint i = 0; i < G_N_ELEMENTS(MENU); i++) {
    text_draw(cairo, (gint)x, text_y, plain, MENU[i]);
    x += text_width(cairo, plain, MENU[i]) + 24 * scale;
  }
  text_draw_centred(cairo, width / 2.0, text_y, bold, "Tue 14 May   10:42");
  draw_indicators(cairo, width - 4 * scale, middle, scale);
}

static void glyph_folder(cairo_t *cairo, double s) {
  brush_round(cairo, -13 * s, -11 * s, 12 * s, 8 * s, 2 * s);
  brush_round(cairo, -13 * s, -8 * s, 26 * s, 19 * s, 3 * s);
  cairo_fill(cairo);
}

static void glyph_prompt(cairo_t *cairo, double s) {
  cairo_move_to(cairo, -11 * s, -8 * s);
  cairo_line_to(cairo, -3 * s, 0);
  cairo_line_to(cairo, -11 * s, 8 * s);
  cairo_move_to(cairo, 1 * s, 9 * s);
  cairo_line_to(cairo, 12 * s, 9 * s);
  cairo_stroke(cairo);
}

static void glyph_globe(cairo_t *cairo, double s) {
  cairo_arc(cairo, 0, 0, 12 * s, 0, 2 * G_PI);
  cairo_move_to(cairo, -12 * s, 0);
  cairo_line_to(cairo, 12 * s, 0);
  cairo_stroke(cairo);
  cairo_save(cairo);
  cairo_scale(cairo, 0.45, 1);
  cairo_arc(cairo, 0, 0, 12 * s, 0, 2 * G_PI);
  cairo_restore(cairo);
  cairo_stroke(cairo);
}

static void glyph_lines(cairo_t *cairo, double s) {
  for (gint i = 0; i < 4; i++) {
    cairo_move_to(cairo, -10 * s, (-9 + 6 * i) * s);
    cairo_line_to(cairo, (i == 3 ? 2 : 10) * s, (-9 + 6 * i) * s);
  }
  cairo_stroke(cairo);
}

static void glyph_cube(cairo_t *cairo, double s) {
  cairo_move_to(cairo, 0, -13 * s);
  cairo_line_to(cairo, 11 * s, -6.5 * s);
  cairo_line_to(cairo, 11 * s, 6.5 * s);
  cairo_line_to(cairo, 0, 13 * s);
  cairo_line_to(cairo, -11 * s, 6.5 * s);
  cairo_line_to(cairo, -11 * s, -6.5 * s);
  cairo_close_path(cairo);
  cairo_line_to(cairo, 0, 0);
  cairo_move_to(cairo, -11 * s, -6.5 * s);
  cairo_line_to(cairo, 0, 0);
  cairo_line_to(cairo, 11 * s, -6.5 * s);
  cairo_move_to(cairo, 0, 0);
  cairo_line_to(cairo, 0, 13 * s);
  cairo_stroke(cairo);
}

static void glyph_play(cairo_t *cairo, double s) {
  cairo_move_to(cairo, -7 * s, -11 * s);
  cairo_line_to(cairo, 12 * s, 0);
  cairo_line_to(cairo, -7 * s, 11 * s);
  cairo_close_path(cairo);
  cairo_fill(cairo);
}

static void glyph_chart(cairo_t *cairo, double s) {
  cairo_move_to(cairo, -13 * s, 2 * s);
  cairo_line_to(cairo, -6 * s, 2 * s);
  cairo_line_to(cairo, -2 * s, -10 * s);
  cairo_line_to(cairo, 3 * s, 10 * s);
  cairo_line_to(cairo, 6 * s, 2 * s);
  cairo_line_to(cairo, 13 * s, 2 * s);
  cairo_stroke(cairo);
}

typedef struct {
  guint32 top, bottom;
  void (*draw)(cairo_t *cairo, double scale);
} Icon;

static const Icon ICONS[] = {
    {0x6fb3f2, 0x2f6fc4, glyph_folder}, {0x4a515c, 0x23272e, glyph_prompt}, {0x58cfd6, 0x1b7f9c, glyph_globe},
    {0xf6c65b, 0xe08a2b, glyph_lines},  {0xb692f0, 0x6a46bd, glyph_cube},   {0xf58a86, 0xc9414d, glyph_play},
    {0x7ed99a, 0x2c9a5d, glyph_chart},
};

static void draw_icon(cairo_t *cairo, const Icon *icon, double x, double y, double scale) {
  const double size = ICON * scale;
  brush_fill_round(cairo, x, y + 2 * scale, size, size, 12 * scale, 0x000000, 0.25);
  brush_round(cairo, x, y, size, size, 12 * scale);
  brush_gradient(cairo, y, y + size, icon->top, icon->bottom);
  cairo_fill(cairo);
  cairo_save(cairo);
  cairo_translate(cairo, x + size / 2, y + size / 2);
  brush_colour(cairo, 0xffffff, 0.96);
  cairo_set_line_width(cairo, 2.6 * scale);
  cairo_set_line_cap(cairo, CAIRO_LINE_CAP_ROUND);
  cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
  icon->draw(cairo, scale);
  cairo_restore(cairo);
}

void panel_draw_dock(cairo_t *cairo, guint width, guint height, const Theme *theme, double scale) {
  const double bar_width = ((ICON + GAP) * G_N_ELEMENTS(ICONS) + GAP) * scale, bar_height = (ICON + 2 * 11) * scale;
  const double x = (gint)((width - bar_width) / 2), y = (gint)(height - bar_height - 14 * scale);
  brush_fill_round(cairo, x, y, bar_width, bar_height, 20 * scale, 0xf4f6fa, 0.30);
  brush_round(cairo, x + 0.5, y + 0.5, bar_width - 1, bar_height - 1, 20 * scale);
  brush_colour(cairo, 0xffffff, 0.35);
  cairo_set_line_width(cairo, 1);
  cairo_stroke(cairo);
  for (guint i = 0; i < G_N_ELEMENTS(ICONS); i++) {
    double left = x + (GAP + (ICON + GAP) * i) * scale;
    draw_icon(cairo, &ICONS[i], left, y + 10 * scale, scale);
    if (i < 3) brush_disc(cairo, left + ICON * scale / 2, y + bar_height - 5.5 * scale, 2.2 * scale, theme->accent, 1);
  }
}
