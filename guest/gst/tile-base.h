/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/hxfr-v2.h"

#include <gio/gio.h>

/*
 * The picture that a host has of this session's frames, as far as we know: a
 * copy of the last one that was sent, and its number. The next one is told as
 * the tiles that differ from it. No sockets; one thread.
 */

typedef struct {
  guint32 number;           /* of the picture kept; 0: the next one is sent whole */
  guint32 last;             /* the last number that was given */
  guint epoch;              /* counts how often the picture was forgotten */
  HxfrFrameRequest picture; /* width, height and format of what is kept */
  guint8 *pixels;           /* rows without gaps; NV12's chroma right behind its luma */
} TileBase;

typedef struct {
  guint32 number; /* this picture's */
  guint32 base;   /* 0: whole */
  guint rects;
  guint tiles; /* of 64 × 64 */
  gsize pixel_bytes;
} TileBaseSent;

void tile_base_init(TileBase *base);
void tile_base_finish(TileBase *base);

/* What the host has is not known any more: it is sent whole next. */
void tile_base_forget(TileBase *base);
/* A picture like this one builds on what is kept. */
gboolean tile_base_fits(const TileBase *base, const Frame *frame);

/* REQUEST_TILES of the frame, whole message, which is kept from here on. Of `request` the sizes are the frame's; NV12
 * must be even, with its chroma at frame->data + stride × height. NULL and error where there is no memory, or more than
 * HXFR_MAX_PIXELS; then the picture is forgotten. */
GBytes *tile_base_message(TileBase *base, guint16 session_id, const HxfrFrameRequest *request, const Frame *frame,
                          TileBaseSent *sent, GError **error);
