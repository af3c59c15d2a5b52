/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

#include <cairo.h>

/*
 * Pixels of our own: 4 bytes a pixel, B G R A in memory, alpha premultiplied,
 * so that Cairo draws into them. What is shown is opaque throughout and is
 * XRGB8888 as it stands. One thread at a time.
 */

/* A cache line, and 16 pixels: loops over whole rows need no tail. */
#define IMAGE_ALIGN 64u

typedef struct {
  guint width; /* pixels */
  guint height;
  gsize stride; /* bytes, a multiple of IMAGE_ALIGN; the padding may be written */
  guint8 *data;
} Image;

/* Transparent black. Sizes are ours, within FRAME_MAX_* and a margin: aborts without memory. */
Image *image_create(guint width, guint height);
void image_destroy(Image *image); /* NULL is legal */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Image, image_destroy)

static inline guint32 *image_row(const Image *image, guint y) {
  return (guint32 *)(gpointer)(image->data + (gsize)y * image->stride);
}

/* Both clip to both pictures. `part` is of `from`; (x, y) is where its corner goes, anywhere. */
void image_copy(Image *to, gint x, gint y, const Image *from, const Rect *part);
void image_blend(Image *to, gint x, gint y, const Image *from, const Rect *part); /* over */

/* Clips. `pixel` is a whole word, 0xAARRGGBB premultiplied. */
void image_fill(Image *to, gint x, gint y, guint width, guint height, guint32 pixel);

/* A context that draws into the image, which must outlive it; cairo_destroy() it before reading pixels. */
cairo_t *image_cairo(Image *image);
