/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/app-files.h"
#include "host/display/test/brush.h"
#include "host/display/test/scene.h"

#include <math.h>

/* An 800×600 window dragged along a curve over the wallpaper and other windows; its shadow falls on them. */

#define WIDTH 800
#define HEIGHT 600

typedef struct {
  const Image *base;
  Image *window;        /* with its shadow and the pointer that drags it */
  guint shadow;         /* from the window's frame to the layer's edge, pixels */
  guint room_x, room_y; /* where the frame can go */
} DragScene;

static void draw_pointer(cairo_t *cairo, double x, double y, double scale) {
  static const double SHAPE[][2] = {{0, 0}, {0, 17}, {4, 13.2}, {6.8, 19.6}, {9.6, 18.4}, {6.9, 12.2}, {12.2, 12}};
  cairo_new_path(cairo);
  for (guint i = 0; i < G_N_ELEMENTS(SHAPE); i++) {
    cairo_line_to(cairo, x + SHAPE[i][0] * scale, y + SHAPE[i][1] * scale);
  }
  cairo_close_path(cairo);
  brush_colour(cairo, 0x16181c, 1);
  cairo_fill_preserve(cairo);
  brush_colour(cairo, 0xffffff, 1);
  cairo_set_line_width(cairo, 1.4 * scale);
  cairo_stroke(cairo);
}

static gpointer create(Desktop *desktop) {
  desktop_add_monitor(desktop, 0.79, 0.30);
  desktop_add_files(desktop, 0.28, 0.42, FALSE);
  DragScene *scene = g_new0(DragScene, 1);
  scene->base = desktop->image;
  scene->shadow = window_shadow(desktop->scale);
  Rect frame = desktop_place(desktop, 0, 0, WIDTH, HEIGHT);
  scene->room_x = desktop->image->width - frame.width;
  scene->room_y = desktop->image->height - frame.height;
  frame.x = frame.y = scene->shadow;
  scene->window = image_create(frame.width + 2 * scene->shadow, frame.height + 2 * scene->shadow);
  cairo_t *cairo = image_cairo(scene->window);
  window_draw(cairo, &frame, &(WindowLook){.title = "Pictures, by date", .active = TRUE}, desktop->theme,
              desktop->scale);
  cairo_save(cairo);
  window_clip(cairo, &frame, desktop->scale);
  Rect content = desktop_window_content(desktop, &frame);
  app_files_draw(cairo, &content, desktop->theme, desktop->scale);
  cairo_restore(cairo);
  draw_pointer(cairo, frame.x + frame.width * 0.3, frame.y + window_title_height(desktop->scale) * 0.45,
               desktop->scale);
  cairo_destroy(cairo);
  return scene;
}

static void destroy(gpointer data) {
  DragScene *scene = data;
  image_destroy(scene->window);
  g_free(scene);
}

/* The layer's corner at frame n; may be outside the picture. */
static void place(const DragScene *scene, guint64 n, gint *x, gint *y) {
  double across = 2 * G_PI * (double)((n + 45) % 360) / 360, down = 2 * G_PI * (double)((n + 60) % 283) / 283;
  *x = (gint)(scene->room_x * (0.5 + 0.44 * sin(across)) + 0.5) - (gint)scene->shadow;
  *y = (gint)(scene->room_y * (0.54 - 0.38 * cos(down)) + 0.5) - (gint)scene->shadow;
}

static void restore(const DragScene *scene, Image *picture, gint x, gint y, guint width, guint height) {
  Rect area;
  if (!rect_clip(x, y, width, height, picture->width, picture->height, &area)) return;
  image_copy(picture, (gint)area.x, (gint)area.y, scene->base, &area);
}

static void paint(gpointer data, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
  const DragScene *scene = data;
  const Image *window = scene->window;
  gint x, y, old_x, old_y;
  place(scene, n, &x, &y);
  place(scene, n > 0 ? n - 1 : n, &old_x, &old_y);
  if (!fresh && x == old_x && y == old_y) return;
  guint width = window->width + (guint)ABS(x - old_x), height = window->height + (guint)ABS(y - old_y);
  restore(scene, picture, MIN(x, old_x), MIN(y, old_y), width, height);
  image_blend(picture, x, y, window, &(Rect){0, 0, window->width, window->height});
  scene_damage_add(damage, picture, MIN(x, old_x), MIN(y, old_y), width, height);
}

const SceneInterface scene_drag = {.create = create, .destroy = destroy, .paint = paint};
