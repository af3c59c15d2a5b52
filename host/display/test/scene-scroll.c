/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/brush.h"
#include "host/display/test/listing.h"
#include "host/display/test/scene.h"
#include "host/display/test/text.h"

/* Dense text, 1200×800, that moves up 16 pixels a frame (as scaled), round and round over a surface drawn beforehand.
 */

#define WIDTH 1200
#define HEIGHT 800
#define STEP 16
#define FOOT 28

typedef struct {
  Rect area;   /* in the picture */
  Image *text; /* as wide as the area, of any height */
  guint step;  /* pixels a frame */
} ScrollScene;

static Image *draw_text(const Desktop *desktop, guint width, guint height) {
  guint cell_width = desktop_text_length(desktop, 8), cell_height = desktop_text_length(desktop, 17);
  guint lines = listing_lines();
  while (lines * cell_height < height) lines += listing_lines();
  Image *text = image_create(width, lines * cell_height);
  cairo_t *cairo = image_cairo(text);
  brush_fill(cairo, 0, 0, text->width, text->height, LISTING_BACKGROUND, 1);
  const double half = (gint)(width / 2);
  for (guint i = 0; i < lines; i++) {
    /* two columns, as an editor with a split view: the text is dense across all its width */
    cairo_save(cairo);
    cairo_rectangle(cairo, 0, i * cell_height, half - 1, cell_height);
    cairo_clip(cairo);
    listing_draw(cairo, 0, i * cell_height, cell_width, cell_height, i);
    cairo_restore(cairo);
    listing_draw(cairo, half, i * cell_height, cell_width, cell_height, i + 31);
  }
  brush_fill(cairo, half - 1, 0, 1, text->height, 0x343a44, 1);
  cairo_destroy(cairo);
  return text;
}

static void draw_foot(Desktop *desktop, const Rect *outer, const Rect *content, guint foot) {
  cairo_t *cairo = image_cairo(desktop->image);
  window_clip(cairo, outer, desktop->scale);
  const double y = content->y + content->height - foot;
  brush_fill(cairo, content->x, y, content->width, foot, desktop->theme->accent, 1);
  TextStyle style = {TEXT_SANS, 12 * desktop->scale, 0xffffff};
  text_draw(cairo, content->x + (gint)(16 * desktop->scale), y + (gint)(6 * desktop->scale), style,
            "main    ferry.c    UTF-8    C    two views, scrolled together");
  cairo_destroy(cairo);
}

static gpointer create(Desktop *desktop) {
  desktop_add_monitor(desktop, 0.17, 0.30);
  desktop_add_files(desktop, 0.80, 0.60, FALSE);
  guint title = window_title_height(desktop->scale);
  guint foot = desktop_text_length(desktop, FOOT);
  Rect outer = desktop_place(desktop, 0.5, 0.46, WIDTH, HEIGHT + (foot + title) / desktop->geometry);
  Rect content = desktop_window(desktop, &outer, &(WindowLook){.title = "ferry.c", .dark = TRUE, .active = TRUE});
  foot = MIN(foot, content.height / 2);
  draw_foot(desktop, &outer, &content, foot);

  ScrollScene *scene = g_new0(ScrollScene, 1);
  scene->area = (Rect){content.x, content.y, content.width, content.height - foot};
  scene->text = draw_text(desktop, scene->area.width, scene->area.height);
  scene->step = desktop_length(desktop, STEP);
  return scene;
}

static void destroy(gpointer data) {
  ScrollScene *scene = data;
  image_destroy(scene->text);
  g_free(scene);
}

static void paint(gpointer data, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
  const ScrollScene *scene = data;
  const Rect *area = &scene->area;
  guint top = (guint)(n % scene->text->height * scene->step % scene->text->height);
  Rect upper = {0, top, area->width, MIN(area->height, scene->text->height - top)};
  Rect lower = {0, 0, area->width, area->height - upper.height};
  image_copy(picture, (gint)area->x, (gint)area->y, scene->text, &upper);
  image_copy(picture, (gint)area->x, (gint)(area->y + upper.height), scene->text, &lower);
  scene_damage_add(damage, picture, (gint)area->x, (gint)area->y, area->width, area->height);
}

const SceneInterface scene_scroll = {.create = create, .destroy = destroy, .paint = paint};
