/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/request-canvas.h"

#include <string.h>

void request_canvas_finish(RequestCanvas *canvas) {
  shadow_unref(canvas->shadow);
  nv12_finish(&canvas->planar);
  *canvas = (RequestCanvas){0};
}

static gboolean builds_on(const RequestCanvas *canvas, const RequestCanvasTiles *tiles) {
  return canvas->number == tiles->base && canvas->format == tiles->format && canvas->width == tiles->width &&
         canvas->height == tiles->height;
}

/* Black, of that size and format. */
static gboolean begin_anew(RequestCanvas *canvas, const RequestCanvasTiles *tiles) {
  request_canvas_finish(canvas);
  canvas->format = tiles->format;
  canvas->width = tiles->width;
  canvas->height = tiles->height;
  if (tiles->format == PIXEL_FORMAT_NV12) return nv12_init(&canvas->planar, tiles->width, tiles->height);
  canvas->shadow = shadow_create(tiles->width, tiles->height, NULL);
  return canvas->shadow != NULL;
}

static void put_packed(RequestCanvas *canvas, const RequestCanvasTiles *tiles) {
  const guint8 *bytes = tiles->bytes;
  shadow_write_begin(canvas->shadow);
  for (guint i = 0; i < tiles->count; i++) {
    const Rect *rect = &tiles->rects[i];
    gsize stride = (gsize)rect->width * 4;
    Frame block = {tiles->format, rect->width, rect->height, stride, bytes};
    shadow_write_block(canvas->shadow, &block, rect->x, rect->y);
    bytes += stride * rect->height;
  }
  shadow_write_end(canvas->shadow, g_get_monotonic_time());
}

static const guint8 *put_rows(guint8 *to, gsize stride, const guint8 *from, gsize row_bytes, guint rows) {
  for (guint row = 0; row < rows; row++) memcpy(to + row * stride, from + row * row_bytes, row_bytes);
  return from + row_bytes * rows;
}

static void put_planar(RequestCanvas *canvas, const RequestCanvasTiles *tiles) {
  const Nv12 *to = &canvas->planar;
  const guint8 *bytes = tiles->bytes;
  for (guint i = 0; i < tiles->count; i++) {
    const Rect *rect = &tiles->rects[i];
    guint8 *luma = to->luma + rect->y * to->stride + rect->x;
    guint8 *chroma = to->chroma + rect->y / 2 * to->stride + rect->x;
    bytes = put_rows(luma, to->stride, bytes, rect->width, rect->height);
    bytes = put_rows(chroma, to->stride, bytes, rect->width, rect->height / 2);
  }
}

RequestCanvasResult request_canvas_apply(RequestCanvas *canvas, const RequestCanvasTiles *tiles) {
  if (tiles->base != 0 && !builds_on(canvas, tiles)) return REQUEST_CANVAS_NO_BASE;
  if (tiles->base == 0 && !begin_anew(canvas, tiles)) {
    request_canvas_finish(canvas);
    return REQUEST_CANVAS_NO_MEMORY;
  }
  if (canvas->shadow)
    put_packed(canvas, tiles);
  else
    put_planar(canvas, tiles);
  canvas->number = tiles->picture;
  return REQUEST_CANVAS_OK;
}

PictureSourceChange request_canvas_show(RequestCanvas *canvas, PictureSource *source, gboolean anew, gboolean *is_new) {
  *is_new = FALSE;
  if (anew) picture_source_finish(source);
  if (!canvas->shadow) {
    Frame frame = {PIXEL_FORMAT_NV12, canvas->width, canvas->height, canvas->planar.stride, canvas->planar.luma};
    return picture_source_load_nv12(source, &frame, is_new);
  }
  PictureSourceChange change = picture_source_set_shadow(source, shadow_ref(canvas->shadow));
  if (change == PICTURE_SOURCE_DARK) return change;
  *is_new = picture_source_is_new(source) && picture_source_take(source); /* nobody else writes to it */
  if (!*is_new) damage_clear(&source->damage);
  return change;
}
