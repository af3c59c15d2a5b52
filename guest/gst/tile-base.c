/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/tile-base.h"

#include <string.h>

/* A frame and what is kept of the one before, as planes of bytes: luma and chroma differ in their rows alone. */
typedef struct {
  const guint8 *from;
  gsize from_stride;
  guint8 *kept;
  gsize kept_stride;
  guint bytes_per_pixel;
  guint row_divisor; /* 2: a row is two rows of pixels */
} Plane;

typedef struct {
  Plane planes[2];
  guint count;
} Planes;

void tile_base_init(TileBase *base) {
  *base = (TileBase){0};
}

void tile_base_finish(TileBase *base) {
  g_clear_pointer(&base->pixels, g_free);
  base->number = 0;
}

void tile_base_forget(TileBase *base) {
  base->number = 0;
  base->epoch++;
}

gboolean tile_base_fits(const TileBase *base, const Frame *frame) {
  const HxfrFrameRequest *kept = &base->picture;
  return base->number != 0 && kept->width == frame->width && kept->height == frame->height &&
         kept->format == frame->format;
}

static gsize tight_size(const Frame *frame) {
  gsize pixels = (gsize)frame->width * frame->height;
  return frame->format == PIXEL_FORMAT_NV12 ? pixels * 3 / 2 : pixels * 4;
}

static Planes planes_of(const TileBase *base, const Frame *frame) {
  gsize pixels = (gsize)frame->width * frame->height;
  if (frame->format != PIXEL_FORMAT_NV12) {
    return (Planes){{{frame->data, frame->stride, base->pixels, (gsize)frame->width * 4, 4, 1}}, 1};
  }
  const guint8 *chroma = frame->data + frame->stride * frame->height;
  return (Planes){{{frame->data, frame->stride, base->pixels, frame->width, 1, 1},
                   {chroma, frame->stride, base->pixels + pixels, frame->width, 1, 2}},
                  2};
}

/* The rectangle of a plane: compared up to the first row that differs, copied from there on. */
static gboolean keep(const Plane *plane, const Rect *rect) {
  gsize x = (gsize)rect->x * plane->bytes_per_pixel, bytes = (gsize)rect->width * plane->bytes_per_pixel;
  gsize row = rect->y / plane->row_divisor, end = row + rect->height / plane->row_divisor;
  const guint8 *from = plane->from + x;
  guint8 *kept = plane->kept + x;
  while (row < end && memcmp(kept + row * plane->kept_stride, from + row * plane->from_stride, bytes) == 0) row++;
  gboolean differs = row < end;
  for (; row < end; row++) memcpy(kept + row * plane->kept_stride, from + row * plane->from_stride, bytes);
  return differs;
}

static gboolean keep_tile(const Planes *planes, const Rect *tile) {
  gboolean differs = FALSE;
  for (guint i = 0; i < planes->count; i++) differs |= keep(&planes->planes[i], tile);
  return differs;
}

/* What differs, as runs of tiles. */
static GArray *keep_changes(TileBase *base, const Frame *frame, guint *tiles) {
  GArray *rects = g_array_new(FALSE, FALSE, sizeof(Rect));
  Planes planes = planes_of(base, frame);
  for (guint y = 0; y < frame->height; y += DAMAGE_TILE) {
    Rect run = {0, y, 0, MIN(DAMAGE_TILE, frame->height - y)};
    for (guint x = 0; x < frame->width; x += DAMAGE_TILE) {
      Rect tile = {x, y, MIN(DAMAGE_TILE, frame->width - x), run.height};
      if (!keep_tile(&planes, &tile)) continue;
      ++*tiles;
      if (run.width > 0 && run.x + run.width == x) {
        run.width += tile.width;
        continue;
      }
      if (run.width > 0) g_array_append_val(rects, run);
      run = tile;
    }
    if (run.width > 0) g_array_append_val(rects, run);
  }
  return rects;
}

/* The whole picture, as one rectangle. */
static GArray *keep_all(TileBase *base, const Frame *frame, guint *tiles) {
  GArray *rects = g_array_new(FALSE, FALSE, sizeof(Rect));
  Planes planes = planes_of(base, frame);
  Rect whole = {0, 0, frame->width, frame->height};
  keep_tile(&planes, &whole);
  g_array_append_val(rects, whole);
  *tiles = ((frame->width + DAMAGE_TILE - 1) / DAMAGE_TILE) * ((frame->height + DAMAGE_TILE - 1) / DAMAGE_TILE);
  return rects;
}

static void write_pixels(ByteWriter *writer, const TileBase *base, const Frame *frame, const Rect *rect) {
  Planes planes = planes_of(base, frame);
  for (guint i = 0; i < planes.count; i++) {
    const Plane *plane = &planes.planes[i];
    gsize row = rect->y / plane->row_divisor, end = row + rect->height / plane->row_divisor;
    for (; row < end; row++) {
      byte_writer_bytes(writer, plane->from + row * plane->from_stride + (gsize)rect->x * plane->bytes_per_pixel,
                        (gsize)rect->width * plane->bytes_per_pixel);
    }
  }
}

static gsize pixel_bytes(const GArray *rects, const Frame *frame) {
  gsize sum = 0;
  for (guint i = 0; i < rects->len; i++) {
    const Rect *rect = &g_array_index(rects, Rect, i);
    sum += tight_size(&(Frame){.format = frame->format, .width = rect->width, .height = rect->height});
  }
  return sum;
}

static GBytes *write_message(TileBase *base, guint16 session_id, const HxfrFrameRequest *request, const Frame *frame,
                             const GArray *rects, TileBaseSent *sent) {
  gsize payload = HXFR_TILES_FIXED_SIZE + rects->len * HXFR_RECT_SIZE + sent->pixel_bytes;
  guint8 *bytes = g_try_malloc(HXFR_HEADER_SIZE + payload);
  if (!bytes) return NULL;
  ByteWriter writer;
  byte_writer_init(&writer, bytes, HXFR_HEADER_SIZE + payload);
  hxfr_header_write(&writer, &(HxfrHeader){HXFR_REQUEST_TILES, 0, session_id, (guint32)payload});
  HxfrRequestTiles tiles = {*request, sent->number, sent->base, (guint16)rects->len};
  hxfr_request_tiles_write(&writer, &tiles);
  for (guint i = 0; i < rects->len; i++) hxfr_rect_write(&writer, &g_array_index(rects, Rect, i));
  for (guint i = 0; i < rects->len; i++) write_pixels(&writer, base, frame, &g_array_index(rects, Rect, i));
  g_assert(byte_writer_ok(&writer) && writer.position == writer.size);
  return g_bytes_new_take(bytes, HXFR_HEADER_SIZE + payload);
}

/* Room for a picture like this one. */
static gboolean begin_anew(TileBase *base, const Frame *frame, GError **error) {
  gsize size = tight_size(frame);
  g_clear_pointer(&base->pixels, g_free);
  base->number = 0;
  base->picture = (HxfrFrameRequest){.width = frame->width, .height = frame->height, .format = frame->format};
  if (size > HXFR_MAX_PIXELS) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "more than 64 MiB of pixels in a frame");
    return FALSE;
  }
  base->pixels = g_try_malloc0(size);
  if (!base->pixels) g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no memory for a frame's pixels");
  return base->pixels != NULL;
}

GBytes *tile_base_message(TileBase *base, guint16 session_id, const HxfrFrameRequest *request, const Frame *frame,
                          TileBaseSent *sent, GError **error) {
  g_assert(frame->format != PIXEL_FORMAT_NV12 || (frame->width % 2 == 0 && frame->height % 2 == 0));
  g_autoptr(GArray) rects = NULL;
  *sent = (TileBaseSent){.base = tile_base_fits(base, frame) ? base->number : 0};
  if (sent->base == 0 && !begin_anew(base, frame, error)) return NULL;
  rects = sent->base != 0 ? keep_changes(base, frame, &sent->tiles) : keep_all(base, frame, &sent->tiles);
  if (++base->last == 0) base->last = 1;
  sent->number = base->last;
  sent->rects = rects->len;
  sent->pixel_bytes = pixel_bytes(rects, frame);
  GBytes *message = write_message(base, session_id, request, frame, rects, sent);
  if (message) {
    base->number = sent->number;
  } else {
    tile_base_forget(base);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no memory for a frame's pixels");
  }
  return message;
}
