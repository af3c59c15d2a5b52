/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/request-tiles.h"

#include <string.h>

void request_tiles_clear(RequestTiles *request) {
  g_clear_pointer(&request->rects, g_free);
  g_clear_pointer(&request->bytes, g_bytes_unref);
}

/* The whole picture as it would be with FRAME_REQUEST: the same sizes and the same limit. */
static const char *check_picture(const HxfrFrameRequest *picture) {
  const PixelFormatInfo *format = pixel_format_info(picture->format);
  gsize size;
  if (picture->width == 0 || picture->height == 0 || picture->width > FRAME_MAX_WIDTH ||
      picture->height > FRAME_MAX_HEIGHT) {
    return "REQUEST_TILES of a picture whose size is 0 or over 8192x4320";
  }
  if (!format) return "REQUEST_TILES of an unknown format";
  if (format->planar && (picture->width % 2 || picture->height % 2)) return "REQUEST_TILES with NV12 of an odd size";
  gsize stride = (gsize)picture->width * format->bytes_per_pixel;
  if (!pixel_format_size(picture->format, picture->width, picture->height, stride, &size) || size > HXFR_MAX_PIXELS) {
    return "REQUEST_TILES of a picture of more than 64 MiB";
  }
  return NULL;
}

static gboolean fits(const Rect *rect, const HxfrFrameRequest *picture) {
  gboolean inside = rect->width > 0 && rect->height > 0 && rect->x + rect->width <= picture->width &&
                    rect->y + rect->height <= picture->height;
  gboolean odd = (rect->x | rect->y | rect->width | rect->height) % 2 != 0;
  return inside && !(odd && picture->format == PIXEL_FORMAT_NV12);
}

/* The bytes that they have altogether; at most rect_count pictures of 64 MiB, so that it cannot overflow. */
static const char *read_rects(RequestTiles *request, ByteReader *reader, guint64 *size) {
  const HxfrFrameRequest *picture = &request->tiles.request;
  gboolean planar = picture->format == PIXEL_FORMAT_NV12;
  *size = 0;
  for (guint i = 0; i < request->tiles.rect_count; i++) {
    Rect *rect = &request->rects[i];
    if (!hxfr_rect_parse(reader, rect)) return "REQUEST_TILES with fewer rectangles than it says";
    if (!fits(rect, picture))
      return "REQUEST_TILES with a rectangle that is empty, outside the picture, or odd in NV12";
    guint64 pixels = (guint64)rect->width * rect->height;
    *size += planar ? pixels * 3 / 2 : pixels * 4;
  }
  return NULL;
}

static const char *read_all(RequestTiles *request, ByteReader *reader) {
  if (!hxfr_request_tiles_parse(reader, &request->tiles)) return "a malformed REQUEST_TILES";
  const char *why = check_picture(&request->tiles.request);
  if (why) return why;
  guint64 size;
  request->rects = g_new(Rect, request->tiles.rect_count); /* at most HXFR_MAX_TILE_RECTS: 139 KB */
  why = read_rects(request, reader, &size);
  if (why) return why;
  if (byte_reader_left(reader) != size) return "REQUEST_TILES with more or fewer pixels than its rectangles say";
  guint8 *copy = g_try_malloc(MAX(size, 1));
  if (!copy) return "no memory for the pixels of REQUEST_TILES";
  if (size > 0) memcpy(copy, byte_reader_bytes(reader, size), size);
  request->bytes = g_bytes_new_take(copy, size);
  return NULL;
}

gboolean request_tiles_read(RequestTiles *request, ByteReader *reader, const char **why) {
  *request = (RequestTiles){0};
  *why = read_all(request, reader);
  if (*why) request_tiles_clear(request);
  return *why == NULL;
}
