/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/image.h"

#include <string.h>

Image *image_create(guint width, guint height) {
  Image *image = g_new0(Image, 1);
  image->width = width;
  image->height = height;
  image->stride = ((gsize)width * 4 + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
  image->data = g_aligned_alloc0(height, image->stride, IMAGE_ALIGN);
  return image;
}

void image_destroy(Image *image) {
  if (!image) return;
  g_aligned_free(image->data);
  g_free(image);
}

/* The part of `from` that lands inside `to`, and where; FALSE if none does. */
static gboolean overlap(const Image *to, gint x, gint y, const Image *from, const Rect *part, Rect *source,
                        Rect *target) {
  Rect inside;
  if (!rect_clip(part->x, part->y, part->width, part->height, from->width, from->height, &inside)) return FALSE;
  if (!rect_clip(x, y, inside.width, inside.height, to->width, to->height, target)) return FALSE;
  *source = (Rect){inside.x + (guint)((gint)target->x - x), inside.y + (guint)((gint)target->y - y), target->width,
                   target->height};
  return TRUE;
}

void image_copy(Image *to, gint x, gint y, const Image *from, const Rect *part) {
  Rect source, target;
  if (!overlap(to, x, y, from, part, &source, &target)) return;
  for (guint row = 0; row < target.height; row++) {
    memcpy(image_row(to, target.y + row) + target.x, image_row(from, source.y + row) + source.x,
           (gsize)target.width * 4);
  }
}

/* a × b ÷ 255, rounded, in two channels at once */
static inline guint32 scale_pair(guint32 pair, guint32 factor) {
  guint32 product = pair * factor + 0x00800080u;
  return ((product + ((product >> 8) & 0x00ff00ffu)) >> 8) & 0x00ff00ffu;
}

static inline guint32 over(guint32 source, guint32 target) {
  guint32 rest = 255 - (source >> 24);
  return source + (scale_pair(target & 0x00ff00ffu, rest) | scale_pair((target >> 8) & 0x00ff00ffu, rest) << 8);
}

static void blend_row(guint32 *to, const guint32 *from, guint count) {
  for (guint i = 0; i < count; i++) {
    guint32 pixel = from[i];
    if (pixel >> 24 == 255) {
      to[i] = pixel;
    } else if (pixel) {
      to[i] = over(pixel, to[i]);
    }
  }
}

void image_blend(Image *to, gint x, gint y, const Image *from, const Rect *part) {
  Rect source, target;
  if (!overlap(to, x, y, from, part, &source, &target)) return;
  for (guint row = 0; row < target.height; row++) {
    blend_row(image_row(to, target.y + row) + target.x, image_row(from, source.y + row) + source.x, target.width);
  }
}

void image_fill(Image *to, gint x, gint y, guint width, guint height, guint32 pixel) {
  Rect area;
  if (!rect_clip(x, y, width, height, to->width, to->height, &area)) return;
  for (guint row = 0; row < area.height; row++) {
    guint32 *pixels = image_row(to, area.y + row) + area.x;
    for (guint i = 0; i < area.width; i++) pixels[i] = pixel;
  }
}

cairo_t *image_cairo(Image *image) {
  cairo_surface_t *surface = cairo_image_surface_create_for_data(image->data, CAIRO_FORMAT_ARGB32, (gint)image->width,
                                                                 (gint)image->height, (gint)image->stride);
  cairo_t *cairo = cairo_create(surface);
  cairo_surface_destroy(surface); /* the context keeps it */
  return cairo;
}
