/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/encode/picture-source.h"

/*
 * What a request session's tiles have made: one picture, and its number. Packed
 * pictures are a shadow, so that what really changed is known by tile and
 * nothing else is encoded; NV12 is kept as it is. One thread.
 */

typedef struct {
  guint32 number; /* of the picture; 0: there is none to build on */
  guint32 format;
  guint width;
  guint height;
  Shadow *shadow; /* packed */
  Nv12 planar;    /* NV12 */
} RequestCanvas;

/* Checked before: the rectangles are inside the picture, none is empty, NV12 is even throughout, and the bytes are as
 * many as they say. */
typedef struct {
  guint32 picture; /* its number, not 0 */
  guint32 base;    /* 0: black */
  guint32 format;
  guint width;
  guint height;
  const Rect *rects;
  guint count;
  const guint8 *bytes; /* of one rectangle after the other, without gaps */
} RequestCanvasTiles;

typedef enum {
  REQUEST_CANVAS_OK,
  REQUEST_CANVAS_NO_BASE,   /* nothing was done */
  REQUEST_CANVAS_NO_MEMORY, /* there is no picture any more */
} RequestCanvasResult;

/* Zeroes are a canvas without a picture. */
void request_canvas_finish(RequestCanvas *canvas);

RequestCanvasResult request_canvas_apply(RequestCanvas *canvas, const RequestCanvasTiles *tiles);

/* Brings the source to the picture, which must be there. anew: nothing of what the source held is compared with. */
PictureSourceChange request_canvas_show(RequestCanvas *canvas, PictureSource *source, gboolean anew, gboolean *is_new);
