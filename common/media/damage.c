/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/damage.h"

#include <string.h>

void damage_init(Damage *damage, guint width, guint height) {
  g_assert(width <= FRAME_MAX_WIDTH && height <= FRAME_MAX_HEIGHT);
  damage->width = width;
  damage->height = height;
  damage->columns = (width + DAMAGE_TILE - 1) / DAMAGE_TILE;
  damage->rows = (height + DAMAGE_TILE - 1) / DAMAGE_TILE;
  damage_clear(damage);
}

void damage_clear(Damage *damage) {
  memset(damage->bits, 0, sizeof damage->bits[0] * damage->rows);
}

void damage_set_all(Damage *damage) {
  for (guint row = 0; row < damage->rows; row++) {
    for (guint column = 0; column < damage->columns; column++) damage_set(damage, column, row);
  }
}

void damage_set_rect(Damage *damage, const Rect *rect) {
  Rect inside;
  if (!rect_clip(rect->x, rect->y, rect->width, rect->height, damage->width, damage->height, &inside)) return;
  guint last_column = (inside.x + inside.width - 1) / DAMAGE_TILE;
  guint last_row = (inside.y + inside.height - 1) / DAMAGE_TILE;
  for (guint row = inside.y / DAMAGE_TILE; row <= last_row; row++) {
    for (guint column = inside.x / DAMAGE_TILE; column <= last_column; column++) damage_set(damage, column, row);
  }
}

void damage_union(Damage *damage, const Damage *other) {
  g_assert(damage->width == other->width && damage->height == other->height);
  for (guint row = 0; row < damage->rows; row++) {
    for (guint word = 0; word < G_N_ELEMENTS(damage->bits[0]); word++)
      damage->bits[row][word] |= other->bits[row][word];
  }
}

gboolean damage_is_empty(const Damage *damage) {
  for (guint row = 0; row < damage->rows; row++) {
    for (guint word = 0; word < G_N_ELEMENTS(damage->bits[0]); word++) {
      if (damage->bits[row][word]) return FALSE;
    }
  }
  return TRUE;
}

guint damage_count(const Damage *damage) {
  guint count = 0;
  for (guint row = 0; row < damage->rows; row++) {
    for (guint word = 0; word < G_N_ELEMENTS(damage->bits[0]); word++) {
      count += (guint)__builtin_popcountll(damage->bits[row][word]);
    }
  }
  return count;
}

Rect damage_tile_rect(const Damage *damage, guint column, guint row) {
  guint x = column * DAMAGE_TILE, y = row * DAMAGE_TILE;
  return (Rect){x, y, MIN(DAMAGE_TILE, damage->width - x), MIN(DAMAGE_TILE, damage->height - y)};
}

static Rect rect_around(const Rect *a, const Rect *b) {
  guint x = MIN(a->x, b->x), y = MIN(a->y, b->y);
  guint right = MAX(a->x + a->width, b->x + b->width), bottom = MAX(a->y + a->height, b->y + b->height);
  return (Rect){x, y, right - x, bottom - y};
}

/* Grows the rectangle right above an equal run instead of adding one; looks only at the last row's. */
static gboolean join_above(Rect *rects, guint from, guint count, const Rect *run) {
  for (guint i = from; i < count; i++) {
    if (rects[i].x == run->x && rects[i].width == run->width && rects[i].y + rects[i].height == run->y) {
      rects[i].height += run->height;
      return TRUE;
    }
  }
  return FALSE;
}

guint damage_to_rects(const Damage *damage, Rect *rects, guint max) {
  g_assert(max > 0);
  Rect around = {0};
  guint count = 0;
  gboolean any = FALSE, overflow = FALSE;
  for (guint row = 0; row < damage->rows; row++) {
    for (guint column = 0; column < damage->columns; column++) {
      if (!damage_get(damage, column, row)) continue;
      Rect run = damage_tile_rect(damage, column, row);
      while (column + 1 < damage->columns && damage_get(damage, column + 1, row)) {
        run.width += damage_tile_rect(damage, ++column, row).width;
      }
      around = any ? rect_around(&around, &run) : run;
      any = TRUE;
      if (overflow || join_above(rects, 0, count, &run)) continue;
      if (count == max) {
        overflow = TRUE;
      } else {
        rects[count++] = run;
      }
    }
  }
  if (!overflow) return count;
  rects[0] = around;
  return 1;
}
