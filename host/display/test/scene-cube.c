/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/brush.h"
#include "host/display/test/cube.h"
#include "host/display/test/scene.h"
#include "host/display/test/text.h"

#define SIDE 640
#define WIDTH 780
#define HEIGHT 720

typedef struct {
  const Image *base;
  Cube *cube;
  gint x, y; /* of the cube's square */
} CubeScene;

static void draw_stage(Desktop *desktop, const Rect *outer, const Rect *content) {
  cairo_t *cairo = image_cairo(desktop->image);
  window_clip(cairo, outer, desktop->scale);
  cairo_rectangle(cairo, content->x, content->y, content->width, content->height);
  brush_gradient(cairo, content->y, content->y + content->height, 0x39424f, 0x171b22);
  cairo_fill(cairo);
  const double middle_x = content->x + content->width / 2.0, floor_y = content->y + content->height * 0.90;
  cairo_pattern_t *shade = cairo_pattern_create_radial(0, 0, 0, 0, 0, 1);
  cairo_pattern_add_color_stop_rgba(shade, 0, 0, 0, 0, 0.55);
  cairo_pattern_add_color_stop_rgba(shade, 1, 0, 0, 0, 0);
  cairo_save(cairo);
  cairo_translate(cairo, middle_x, floor_y);
  cairo_scale(cairo, content->width * 0.40, content->height * 0.07);
  cairo_set_source(cairo, shade);
  cairo_arc(cairo, 0, 0, 1, 0, 2 * G_PI);
  cairo_fill(cairo);
  cairo_restore(cairo);
  cairo_pattern_destroy(shade);
  TextStyle style = {TEXT_SANS, 12 * desktop->scale, 0x9aa4b2};
  text_draw(cairo, content->x + (gint)(14 * desktop->scale), content->y + (gint)(10 * desktop->scale), style,
            "6 faces   12 edges   3 photographs");
  cairo_destroy(cairo);
}

static gpointer create(Desktop *desktop) {
  desktop_add_monitor(desktop, 0.80, 0.34);
  desktop_add_files(desktop, 0.27, 0.44, FALSE);
  guint title = window_title_height(desktop->scale);
  Rect outer = desktop_place(desktop, 0.54, 0.47, WIDTH, HEIGHT + title / desktop->geometry);
  Rect content = desktop_window(desktop, &outer, &(WindowLook){.title = "Cube", .dark = TRUE, .active = TRUE});
  draw_stage(desktop, &outer, &content);
  guint side = MIN(desktop_length(desktop, SIDE), MIN(content.width, content.height));
  CubeScene *scene = g_new0(CubeScene, 1);
  scene->base = desktop->image;
  scene->cube = cube_create(side);
  scene->x = (gint)(content.x + (content.width - side) / 2);
  scene->y = (gint)(content.y + (content.height - side) / 2);
  return scene;
}

static void destroy(gpointer data) {
  CubeScene *scene = data;
  cube_destroy(scene->cube);
  g_free(scene);
}

static void paint(gpointer data, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
  const CubeScene *scene = data;
  Rect now = cube_bounds(scene->cube, n), before = n > 0 ? cube_bounds(scene->cube, n - 1) : now;
  guint left = MIN(now.x, before.x), top = MIN(now.y, before.y);
  guint right = MAX(now.x + now.width, before.x + before.width);
  guint bottom = MAX(now.y + now.height, before.y + before.height);
  gint x = scene->x + (gint)left, y = scene->y + (gint)top;
  Rect changed = {(guint)x, (guint)y, right - left, bottom - top};
  image_copy(picture, x, y, scene->base, &changed);
  cube_paint(scene->cube, picture, scene->x, scene->y, n);
  scene_damage_add(damage, picture, x, y, changed.width, changed.height);
}

const SceneInterface scene_cube = {.create = create, .destroy = destroy, .paint = paint};
