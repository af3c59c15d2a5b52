/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-gst/fake-canvas.h"

#include <string.h>

void fake_canvas_finish(FakeCanvas *canvas) {
  g_clear_pointer(&canvas->pixels, g_free);
}

static void put_rows(guint8 *to, gsize stride, gsize row_bytes, guint rows, ByteReader *reader) {
  for (guint row = 0; row < rows; row++) {
    const guint8 *bytes = byte_reader_bytes(reader, row_bytes);
    if (!bytes) g_error("fake host: REQUEST_TILES with too few pixels");
    memcpy(to + row * stride, bytes, row_bytes);
  }
}

static void put(FakeCanvas *canvas, const Rect *rect, ByteReader *reader) {
  g_assert_cmpuint(rect->width * rect->height, >, 0);
  g_assert_cmpuint(rect->x + rect->width, <=, canvas->width);
  g_assert_cmpuint(rect->y + rect->height, <=, canvas->height);
  if (canvas->format != PIXEL_FORMAT_NV12) {
    gsize stride = (gsize)canvas->width * 4;
    put_rows(canvas->pixels + rect->y * stride + (gsize)rect->x * 4, stride, (gsize)rect->width * 4, rect->height,
             reader);
    return;
  }
  guint8 *chroma = canvas->pixels + (gsize)canvas->width * canvas->height;
  g_assert_cmpuint((rect->x | rect->y | rect->width | rect->height) % 2, ==, 0);
  put_rows(canvas->pixels + (gsize)rect->y * canvas->width + rect->x, canvas->width, rect->width, rect->height, reader);
  put_rows(chroma + (gsize)rect->y / 2 * canvas->width + rect->x, canvas->width, rect->width, rect->height / 2, reader);
}

gboolean fake_canvas_apply(FakeCanvas *canvas, const HxfrRequestTiles *tiles, ByteReader *reader) {
  const HxfrFrameRequest *picture = &tiles->request;
  gboolean fits =
      canvas->width == picture->width && canvas->height == picture->height && canvas->format == picture->format;
  if (tiles->base != 0 && !(fits && canvas->number == tiles->base)) return FALSE;
  if (tiles->base == 0) {
    fake_canvas_finish(canvas);
    *canvas = (FakeCanvas){.format = picture->format, .width = picture->width, .height = picture->height};
    canvas->pixels = g_malloc0((gsize)canvas->width * canvas->height * 4);
  }
  g_autofree Rect *rects = g_new(Rect, tiles->rect_count);
  for (guint i = 0; i < tiles->rect_count; i++) g_assert_true(hxfr_rect_parse(reader, &rects[i]));
  for (guint i = 0; i < tiles->rect_count; i++) put(canvas, &rects[i], reader);
  g_assert_cmpuint(byte_reader_left(reader), ==, 0);
  canvas->number = tiles->picture;
  return TRUE;
}
