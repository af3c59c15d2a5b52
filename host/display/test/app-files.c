/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/app-files.h"

#include "host/display/test/brush.h"
#include "host/display/test/text.h"

#define SIDEBAR 176.0

static const char *const PLACES[] = {"Home", "Documents", "Downloads", "Music", "Pictures", "Videos", "Trash"};
static const char *const PICTURES[] = {"Lake at dusk.jpg", "First light.jpg", "Nightfall.jpg",
                                       "North ridge.jpg",  "Pines.jpg",       "Sunday.jpg"};

static void draw_sidebar(cairo_t *cairo, const Rect *area, const Theme *theme, double scale) {
  brush_fill(cairo, area->x, area->y, SIDEBAR * scale, area->height, 0xeef0f3, 1);
  brush_fill(cairo, area->x + (gint)(SIDEBAR * scale) - 1, area->y, 1, area->height, 0xd5d9de, 1);
  for (guint i = 0; i < G_N_ELEMENTS(PLACES); i++) {
    const double y = area->y + (14 + 36.0 * i) * scale;
    gboolean chosen = i == 4;
    if (chosen) {
      brush_fill_round(cairo, area->x + 8 * scale, y, (SIDEBAR - 16) * scale, 32 * scale, 7 * scale, theme->accent, 1);
    }
    brush_fill_round(cairo, area->x + 20 * scale, y + 9 * scale, 15 * scale, 13 * scale, 3 * scale,
                     chosen ? 0xffffff : 0x7b8390, 1);
    TextStyle style = {TEXT_SANS, 13 * scale, chosen ? 0xffffff : 0x363b42};
    text_draw(cairo, (gint)(area->x + 46 * scale), (gint)(y + 7 * scale), style, PLACES[i]);
  }
}

static void draw_picture(cairo_t *cairo, double x, double y, double width, double height, guint index, double scale) {
  if (width < 1 || height < 1) return; /* a window too small to have room for it */
  guint w = (guint)width, h = (guint)height;
  g_autoptr(Image) photo = photo_create(w, h, (PhotoMood)(index * 3 % PHOTO_MOODS));
  cairo_surface_t *surface =
      cairo_image_surface_create_for_data(photo->data, CAIRO_FORMAT_ARGB32, (gint)w, (gint)h, (gint)photo->stride);
  brush_fill_round(cairo, x - 1, y + 1, w + 2, h + 2, 7 * scale, 0x000000, 0.22);
  cairo_set_source_surface(cairo, surface, (gint)x, (gint)y);
  brush_round(cairo, (gint)x, (gint)y, w, h, 6 * scale);
  cairo_fill(cairo);
  cairo_surface_destroy(surface);
  cairo_set_source_rgb(cairo, 0, 0, 0); /* lets go of the surface before its pixels go */
}

void app_files_draw(cairo_t *cairo, const Rect *area, const Theme *theme, double scale) {
  draw_sidebar(cairo, area, theme, scale);
  const double left = area->x + SIDEBAR * scale, inside = area->width - SIDEBAR * scale;
  if (inside < 40 * scale) return;
  const double cell = inside / 3, picture = cell - 36 * scale;
  TextStyle style = {TEXT_SANS, 12 * scale, 0x363b42}, heading = {TEXT_SANS_BOLD, 15 * scale, 0x25292e};
  text_draw(cairo, (gint)(left + 22 * scale), (gint)(area->y + 16 * scale), heading, "Pictures");
  TextStyle note = {TEXT_SANS, 12 * scale, 0x868c94};
  text_draw(cairo, (gint)(left + 106 * scale), (gint)(area->y + 18 * scale), note, "6 items, 18.4 MB");
  for (guint i = 0; i < G_N_ELEMENTS(PICTURES); i++) {
    double x = left + cell * (i % 3) + 18 * scale, y = area->y + 56 * scale + (picture * 0.66 + 64 * scale) * (i / 3);
    draw_picture(cairo, x, y, picture, picture * 0.66, i, scale);
    text_draw_centred(cairo, x + picture / 2, (gint)(y + picture * 0.66 + 9 * scale), style, PICTURES[i]);
  }
}
