/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/hxfr-v2.h"

/*
 * REQUEST_TILES as it came from a peer, checked in every number before
 * anything is allocated, so that whoever works with it has nothing left to
 * doubt. No state, any thread.
 */

typedef struct {
  HxfrRequestTiles tiles;
  Rect *rects;   /* tiles.rect_count of them, inside the picture, none empty; even where the picture is NV12 */
  GBytes *bytes; /* their pixels, one after the other, without gaps */
} RequestTiles;

/* The reader is at the payload. FALSE and why not (static storage): there is then nothing to clear. */
gboolean request_tiles_read(RequestTiles *request, ByteReader *reader, const char **why);
void request_tiles_clear(RequestTiles *request);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RequestTiles, request_tiles_clear)
