/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * Pixels as a Scanout or Update call brought them, still in QEMU's format
 * and in the message's own memory: a block holds a reference to it, no copy.
 */

typedef struct {
  Rect rect;          /* where in the console's picture, inside it */
  guint32 format;     /* pixman's code, one that pixman_format_parse() takes */
  gsize stride;       /* bytes from a row to the next */
  const guint8 *data; /* of the rect's first pixel, inside `bytes` */
  GVariant *bytes;    /* "ay"; NULL in an empty block */
  gint64 arrival_us;  /* monotonic */
} PixelBlock;

/* What a call said; the numbers may be anything. */
typedef struct {
  gint32 x;
  gint32 y;
  gint64 width;
  gint64 height;
  guint32 stride;
  guint32 format;
  GVariant *bytes; /* "ay", borrowed */
} PixelBlockCall;

/* Makes a block of what lies inside a picture of the given size. FALSE: the call does not add up, and *why says how,
 * for people. TRUE with a rect of width 0: it does, and nothing of it is visible. */
gboolean pixel_block_init(PixelBlock *block, const PixelBlockCall *call, guint picture_width, guint picture_height,
                          const char **why);
/* Gives the reference back; an empty or finished block is legal. */
void pixel_block_finish(PixelBlock *block);

static inline gsize pixel_block_bytes(const PixelBlock *block) {
  return block->stride * block->rect.height;
}

/* Every pixel of `block` lies in `rect`. */
static inline gboolean pixel_block_inside(const PixelBlock *block, const Rect *rect) {
  const Rect *own = &block->rect;
  return own->x >= rect->x && own->y >= rect->y && own->x + own->width <= rect->x + rect->width &&
         own->y + own->height <= rect->y + rect->height;
}

/* Writes the block as XRGB8888 to `target`, the first byte of a picture of that format and `target_stride`. */
void pixel_block_write(const PixelBlock *block, guint8 *target, gsize target_stride);
