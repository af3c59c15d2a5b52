/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/brush.h"
#include "host/display/test/scene.h"
#include "host/display/test/session-text.h"
#include "host/display/test/text.h"

#include <string.h>

/*
 * A terminal in which one character appears per frame. Long lines wrap; a
 * full page clears and typing goes on at the top. Every character has its
 * cell, known beforehand: each page is drawn whole, and typing copies cell by
 * cell, so that frame n is the same however it was reached.
 */

#define BACKGROUND 0x14171c
#define CURSOR 0xffe6e9efu

typedef struct {
  guint16 column, row;
  guint page;
  char character;
  guint32 rgb;
} Cell;

typedef struct {
  Rect area; /* the page, in the picture */
  guint cell_width, cell_height, columns, rows;
  GArray *cells;    /* Cell, one per frame */
  GPtrArray *pages; /* Image, the size of `area` */
} TypingScene;

static guint32 ink_of(const char *line, guint at) {
  const char *prompt = strstr(line, "$ ");
  if (!g_str_has_prefix(line, "guest@") || !prompt) return 0xc3c9d2;
  guint end = (guint)(prompt - line);
  return at < 8 ? 0x8fd17c : at < end ? 0x6fb1f0 : prompt[2] == '#' && at > end ? 0x7f8a99 : 0xf1f3f6;
}

static void lay_out(TypingScene *scene) {
  guint row = 0, page = 0;
  for (guint i = 0; i < SESSION_TEXT_LINES; i++) {
    guint column = 0;
    for (guint at = 0; SESSION_TEXT[i][at]; at++) {
      if (column == scene->columns) column = 0, row++;
      if (row == scene->rows) row = 0, page++;
      Cell cell = {(guint16)column++, (guint16)row, page, SESSION_TEXT[i][at], ink_of(SESSION_TEXT[i], at)};
      g_array_append_val(scene->cells, cell);
    }
    row++;
  }
}

static const Cell *cell_at(const TypingScene *scene, guint index) {
  return &g_array_index(scene->cells, Cell, index);
}

static void draw_pages(TypingScene *scene) {
  TextStyle style = {TEXT_MONO, text_mono_size(scene->cell_width), 0};
  const double drop = (gint)((scene->cell_height - style.size * 1.17) / 2);
  cairo_t *cairo = NULL;
  for (guint i = 0; i < scene->cells->len; i++) {
    const Cell *cell = cell_at(scene, i);
    if (cell->page == scene->pages->len) {
      Image *page = image_create(scene->area.width, scene->area.height);
      g_ptr_array_add(scene->pages, page);
      g_clear_pointer(&cairo, cairo_destroy);
      cairo = image_cairo(page);
      brush_fill(cairo, 0, 0, page->width, page->height, BACKGROUND, 1);
    }
    style.rgb = cell->rgb;
    text_draw(cairo, cell->column * scene->cell_width, cell->row * scene->cell_height + drop, style,
              (const char[]){cell->character, '\0'});
  }
  g_clear_pointer(&cairo, cairo_destroy);
}

static gpointer create(Desktop *desktop) {
  desktop_add_monitor(desktop, 0.78, 0.33);
  desktop_add_files(desktop, 0.28, 0.38, FALSE);
  Rect outer = desktop_place(desktop, 0.52, 0.52, 1000, 600);
  Rect content = desktop_window(desktop, &outer, &(WindowLook){.title = "guest@vm: ~", .dark = TRUE, .active = TRUE});
  cairo_t *cairo = image_cairo(desktop->image);
  window_clip(cairo, &outer, desktop->scale);
  brush_fill(cairo, content.x, content.y, content.width, content.height, BACKGROUND, 1);
  cairo_destroy(cairo);

  TypingScene *scene = g_new0(TypingScene, 1);
  guint pad = desktop_text_length(desktop, 11);
  pad = MIN(pad, MIN(content.width, content.height) / 4);
  scene->cell_width = MIN(desktop_text_length(desktop, 10), content.width - 2 * pad);
  scene->cell_height = MIN(desktop_text_length(desktop, 20), content.height - 2 * pad);
  scene->columns = (content.width - 2 * pad) / scene->cell_width;
  scene->rows = (content.height - 2 * pad) / scene->cell_height;
  scene->area =
      (Rect){content.x + pad, content.y + pad, scene->columns * scene->cell_width, scene->rows * scene->cell_height};
  scene->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
  scene->pages = g_ptr_array_new_with_free_func((GDestroyNotify)image_destroy);
  lay_out(scene);
  draw_pages(scene);
  return scene;
}

static void destroy(gpointer data) {
  TypingScene *scene = data;
  g_array_unref(scene->cells);
  g_ptr_array_unref(scene->pages);
  g_free(scene);
}

static Rect cell_rect(const TypingScene *scene, const Cell *cell) {
  return (Rect){cell->column * scene->cell_width, cell->row * scene->cell_height, scene->cell_width,
                scene->cell_height};
}

static void reveal(const TypingScene *scene, Image *picture, guint index) {
  const Cell *cell = cell_at(scene, index);
  Rect part = cell_rect(scene, cell);
  image_copy(picture, (gint)(scene->area.x + part.x), (gint)(scene->area.y + part.y),
             g_ptr_array_index(scene->pages, cell->page), &part);
}

static void damage_cell(const TypingScene *scene, const Image *picture, const Cell *cell, SceneDamage *damage) {
  Rect part = cell_rect(scene, cell);
  scene_damage_add(damage, picture, (gint)(scene->area.x + part.x), (gint)(scene->area.y + part.y), part.width,
                   part.height);
}

/* The cursor stands where the next character of this page will. */
static void draw_cursor(const TypingScene *scene, Image *picture, guint index, SceneDamage *damage) {
  const Cell *cell = cell_at(scene, index), *next = cell + 1;
  if (index + 1 == scene->cells->len || next->page != cell->page) return;
  Rect part = cell_rect(scene, next);
  image_fill(picture, (gint)(scene->area.x + part.x), (gint)(scene->area.y + part.y), part.width, part.height, CURSOR);
  damage_cell(scene, picture, next, damage);
}

static void clear_page(const TypingScene *scene, Image *picture, SceneDamage *damage) {
  const Rect *area = &scene->area;
  image_fill(picture, (gint)area->x, (gint)area->y, area->width, area->height, 0xff000000u | BACKGROUND);
  scene_damage_add(damage, picture, (gint)area->x, (gint)area->y, area->width, area->height);
}

static void paint(gpointer data, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
  const TypingScene *scene = data;
  guint index = (guint)(n % scene->cells->len), first = index;
  const Cell *cell = cell_at(scene, index);
  while (first > 0 && cell_at(scene, first - 1)->page == cell->page) first--;
  if (first == index) {
    clear_page(scene, picture, damage);
  } else {
    damage_cell(scene, picture, cell, damage);
  }
  for (guint i = fresh ? first : index; i <= index; i++) reveal(scene, picture, i);
  draw_cursor(scene, picture, index, damage);
}

const SceneInterface scene_typing = {.create = create, .destroy = destroy, .paint = paint};
