/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/text.h"

/*
 * Cairo's own text calls, not Pango: all there is to lay out is one line of
 * Latin letters, and Pango's helper thread talks to it through GLib's locks,
 * which ThreadSanitizer reports as races.
 */

/* DejaVu Sans Mono: 1233 units of 2048 */
#define MONO_ADVANCE (1233.0 / 2048.0)

static void choose(cairo_t *cairo, TextStyle style) {
  cairo_select_font_face(cairo, style.face == TEXT_MONO ? "DejaVu Sans Mono" : "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                         style.face == TEXT_SANS_BOLD ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(cairo, style.size);
  /* said in full, so that a user's own font settings do not change the picture */
  cairo_font_options_t *options = cairo_font_options_create();
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_SLIGHT);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_ON);
  cairo_set_font_options(cairo, options);
  cairo_font_options_destroy(options);
}

void text_draw(cairo_t *cairo, double x, double y, TextStyle style, const char *text) {
  cairo_font_extents_t font;
  choose(cairo, style);
  cairo_font_extents(cairo, &font);
  cairo_set_source_rgb(cairo, (style.rgb >> 16 & 255) / 255.0, (style.rgb >> 8 & 255) / 255.0,
                       (style.rgb & 255) / 255.0);
  cairo_move_to(cairo, x, y + font.ascent);
  cairo_show_text(cairo, text);
  cairo_new_path(cairo); /* text leaves its end behind as the current point */
}

double text_width(cairo_t *cairo, TextStyle style, const char *text) {
  cairo_text_extents_t extents;
  choose(cairo, style);
  cairo_text_extents(cairo, text, &extents);
  return extents.x_advance;
}

void text_draw_centred(cairo_t *cairo, double middle_x, double y, TextStyle style, const char *text) {
  text_draw(cairo, (double)(gint)(middle_x - text_width(cairo, style, text) / 2), y, style, text);
}

double text_mono_size(guint cell) {
  return cell / MONO_ADVANCE;
}
