/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/desktop.h"

#include "host/display/test/app-files.h"
#include "host/display/test/app-monitor.h"
#include "host/display/test/panel.h"

/* Text never gets smaller than three quarters of its design size, unless the whole picture is smaller than this. */
#define SMALLEST_TEXT 0.75
#define READABLE_HEIGHT 450.0

Desktop *desktop_create(guint width, guint height, const Theme *theme) {
  Desktop *desktop = g_new0(Desktop, 1);
  desktop->image = photo_create(width, height, theme->mood);
  desktop->theme = theme;
  desktop->geometry = MIN(width / 1920.0, height / 1080.0);
  desktop->scale = MAX(desktop->geometry, MIN(SMALLEST_TEXT, height / READABLE_HEIGHT));
  cairo_t *cairo = image_cairo(desktop->image);
  panel_draw(cairo, width, theme, desktop->scale);
  panel_draw_dock(cairo, width, height, theme, desktop->scale);
  cairo_destroy(cairo);
  return desktop;
}

void desktop_destroy(Desktop *desktop) {
  if (!desktop) return;
  image_destroy(desktop->image);
  g_free(desktop);
}

guint desktop_length(const Desktop *desktop, double length) {
  return MAX((guint)(length * desktop->geometry + 0.5), 1);
}

guint desktop_text_length(const Desktop *desktop, double length) {
  return MAX((guint)(length * desktop->scale + 0.5), 1);
}

static guint place(double centre, guint length, guint available) {
  double start = centre * available - length / 2.0;
  return (guint)CLAMP(start, 0, available - length);
}

Rect desktop_place(const Desktop *desktop, double x, double y, double width, double height) {
  const Image *image = desktop->image;
  guint title = window_title_height(desktop->scale);
  guint w = MIN(desktop_length(desktop, width), image->width);
  guint h = MIN(MAX(desktop_length(desktop, height), 2 * title), image->height);
  return (Rect){place(x, w, image->width), place(y, h, image->height), w, h};
}

Rect desktop_window_content(const Desktop *desktop, const Rect *outer) {
  guint title = window_title_height(desktop->scale);
  return (Rect){outer->x, outer->y + title, outer->width, outer->height - title};
}

Rect desktop_window(Desktop *desktop, const Rect *outer, const WindowLook *look) {
  cairo_t *cairo = image_cairo(desktop->image);
  window_draw(cairo, outer, look, desktop->theme, desktop->scale);
  cairo_destroy(cairo);
  return desktop_window_content(desktop, outer);
}

void desktop_add_files(Desktop *desktop, double x, double y, gboolean active) {
  Rect outer = desktop_place(desktop, x, y, 820, 540);
  Rect content = desktop_window(desktop, &outer, &(WindowLook){.title = "Pictures", .active = active});
  cairo_t *cairo = image_cairo(desktop->image);
  window_clip(cairo, &outer, desktop->scale);
  app_files_draw(cairo, &content, desktop->theme, desktop->scale);
  cairo_destroy(cairo);
}

void desktop_add_monitor(Desktop *desktop, double x, double y) {
  Rect outer = desktop_place(desktop, x, y, 620, 440);
  Rect content = desktop_window(desktop, &outer, &(WindowLook){.title = "System monitor", .dark = TRUE});
  cairo_t *cairo = image_cairo(desktop->image);
  window_clip(cairo, &outer, desktop->scale);
  app_monitor_draw(cairo, &content, desktop->theme, desktop->scale);
  cairo_destroy(cairo);
}
