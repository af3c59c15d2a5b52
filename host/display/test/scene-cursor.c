/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/listing.h"
#include "host/display/test/scene.h"

/* An editor whose text cursor is on at even frames and off at odd ones: not what an eye would like, but the smallest
 * change a screen can have, at every frame. */

#define CURSOR_LINE 10u
#define CURSOR_COLUMN 24u
#define INK 0xffe6e9efu

typedef struct {
  const Image *base;
  Rect cursor; /* inside the picture */
} CursorScene;

static gpointer create(Desktop *desktop) {
  desktop_add_files(desktop, 0.30, 0.36, FALSE);
  Rect outer = desktop_place(desktop, 0.56, 0.49, 1040, 760);
  Rect content = desktop_window(desktop, &outer, &(WindowLook){.title = "ferry.c", .dark = TRUE, .active = TRUE});
  guint cell_width = desktop_text_length(desktop, 9), cell_height = desktop_text_length(desktop, 20);
  guint pad = desktop_text_length(desktop, 10), line_y = content.y + pad + CURSOR_LINE * cell_height;

  cairo_t *cairo = image_cairo(desktop->image);
  window_clip(cairo, &outer, desktop->scale);
  for (guint i = 0; i * cell_height < content.height; i++) {
    listing_draw(cairo, content.x, content.y + pad + i * cell_height, cell_width, cell_height, i);
  }
  cairo_set_source_rgba(cairo, 1, 1, 1, 0.06);
  cairo_rectangle(cairo, content.x, line_y, content.width, cell_height);
  cairo_fill(cairo);
  cairo_destroy(cairo);

  CursorScene *scene = g_new0(CursorScene, 1);
  scene->base = desktop->image;
  guint width = desktop_text_length(desktop, 8), height = desktop_text_length(desktop, 16);
  guint x = content.x + (6 + CURSOR_COLUMN) * cell_width, y = line_y + (cell_height - MIN(height, cell_height)) / 2;
  /* where the window is too small for its text, at its edge */
  x = MIN(x, content.x + content.width - MIN(width, content.width));
  y = MIN(y, content.y + content.height - MIN(height, content.height));
  scene->cursor = (Rect){x, y, MIN(width, content.width), MIN(height, content.height)};
  return scene;
}

static void paint(gpointer data, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
  const CursorScene *scene = data;
  const Rect *cursor = &scene->cursor;
  if (n % 2 == 0) {
    image_fill(picture, (gint)cursor->x, (gint)cursor->y, cursor->width, cursor->height, INK);
  } else {
    image_copy(picture, (gint)cursor->x, (gint)cursor->y, scene->base, cursor);
  }
  scene_damage_add(damage, picture, (gint)cursor->x, (gint)cursor->y, cursor->width, cursor->height);
}

const SceneInterface scene_cursor = {.create = create, .destroy = g_free, .paint = paint};
