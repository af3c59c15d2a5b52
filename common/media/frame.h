/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/pixel-format.h"

/*
 * A picture somebody else holds: shape and place, no ownership. Valid for the
 * call it is passed to.
 */

/* The largest picture that is handled anywhere: 8K UHD and DCI 8K; H.264 level 6.2 ends at this size too. */
#define FRAME_MAX_WIDTH 8192u
#define FRAME_MAX_HEIGHT 4320u

typedef struct {
  guint32 format; /* a PixelFormat, packed 4 bytes a pixel unless said otherwise */
  guint width;    /* pixels */
  guint height;
  gsize stride; /* bytes from a row to the next */
  const guint8 *data;
} Frame;

/* In pixels; inside its picture wherever a Rect is passed, unless said otherwise. */
typedef struct {
  guint x;
  guint y;
  guint width;
  guint height;
} Rect;

/* The part of (x, y, width, height) inside a picture of the given size; the numbers may be anything. FALSE if nothing
 * is. */
static inline gboolean rect_clip(gint64 x, gint64 y, gint64 width, gint64 height, guint picture_width,
                                 guint picture_height, Rect *out) {
  const gint64 limit = G_MAXINT32; /* keeps the sums below exact */
  if (width <= 0 || height <= 0 || width > limit || height > limit || x < -limit || y < -limit) return FALSE;
  if (x >= picture_width || y >= picture_height || x + width <= 0 || y + height <= 0) return FALSE;
  gint64 left = MAX(x, 0), top = MAX(y, 0);
  gint64 right = MIN(x + width, (gint64)picture_width), bottom = MIN(y + height, (gint64)picture_height);
  *out = (Rect){(guint)left, (guint)top, (guint)(right - left), (guint)(bottom - top)};
  return TRUE;
}
