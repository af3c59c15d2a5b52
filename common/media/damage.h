/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * Damage: which 64×64 tiles of a picture changed. A bit a tile, row by row.
 * Tiles at the right and lower edge may be partly outside the picture. One
 * thread at a time.
 */

#define DAMAGE_TILE 64u
#define DAMAGE_MAX_COLUMNS (FRAME_MAX_WIDTH / DAMAGE_TILE)                   /* 128 */
#define DAMAGE_MAX_ROWS ((FRAME_MAX_HEIGHT + DAMAGE_TILE - 1) / DAMAGE_TILE) /* 68 */
#define DAMAGE_MAX_TILES (DAMAGE_MAX_COLUMNS * DAMAGE_MAX_ROWS)

typedef struct {
  guint width; /* of the picture, pixels */
  guint height;
  guint columns;
  guint rows;
  guint64 bits[DAMAGE_MAX_ROWS][(DAMAGE_MAX_COLUMNS + 63) / 64];
} Damage;

/* Nothing damaged. Width and height at most FRAME_MAX_*. */
void damage_init(Damage *damage, guint width, guint height);
void damage_clear(Damage *damage);
void damage_set_all(Damage *damage);

static inline void damage_set(Damage *damage, guint column, guint row) {
  damage->bits[row][column / 64] |= G_GUINT64_CONSTANT(1) << (column % 64);
}

static inline gboolean damage_get(const Damage *damage, guint column, guint row) {
  return (damage->bits[row][column / 64] >> (column % 64)) & 1;
}

/* Every tile that the rectangle touches; the rectangle is clipped to the picture. */
void damage_set_rect(Damage *damage, const Rect *rect);
/* Both of the same picture size. */
void damage_union(Damage *damage, const Damage *other);
gboolean damage_is_empty(const Damage *damage);
guint damage_count(const Damage *damage); /* tiles */

/* The tile's part of the picture. */
Rect damage_tile_rect(const Damage *damage, guint column, guint row);

/* Damage as rectangles: runs of tiles in a row, joined with an equal run above. Writes at most `max`; where there are
 * more, the one rectangle around all of them. Returns how many. */
guint damage_to_rects(const Damage *damage, Rect *rects, guint max);
