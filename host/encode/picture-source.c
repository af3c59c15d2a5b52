/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/picture-source.h"

#include "common/base/stats.h"

#include <string.h>

/* A writer needs a millisecond in sixteen: meeting it twice is rare, four times means that it never rests. */
#define PICTURE_SOURCE_TRIES 4

PictureSourceChange picture_source_set_shadow(PictureSource *source, Shadow *shadow) {
  if (!shadow) {
    picture_source_finish(source);
    return PICTURE_SOURCE_DARK;
  }
  if (shadow == source->shadow) {
    shadow_unref(shadow);
    return PICTURE_SOURCE_SAME;
  }
  picture_source_finish(source);
  guint width = shadow_width(shadow), height = shadow_height(shadow);
  if (!nv12_init(&source->nv12, width, height)) {
    stats_count("encode.no-memory");
    shadow_unref(shadow);
    return PICTURE_SOURCE_DARK;
  }
  source->shadow = shadow;
  source->width = width;
  source->height = height;
  damage_init(&source->damage, width, height);
  return PICTURE_SOURCE_REPLACED;
}

void picture_source_finish(PictureSource *source) {
  shadow_unref(source->shadow);
  nv12_finish(&source->nv12);
  *source = (PictureSource){0};
}

gboolean picture_source_has_picture(const PictureSource *source) {
  return source->shadow && shadow_generation(source->shadow) > 0;
}

gboolean picture_source_is_new(const PictureSource *source) {
  return source->shadow && shadow_generation(source->shadow) > source->generation;
}

static void convert_damage(PictureSource *source) {
  const Damage *damage = &source->damage;
  Frame frame = shadow_frame(source->shadow);
  for (guint row = 0; row < damage->rows; row++) {
    for (guint column = 0; column < damage->columns; column++) {
      if (!damage_get(damage, column, row)) continue;
      Rect run = damage_tile_rect(damage, column, row);
      while (column + 1 < damage->columns && damage_get(damage, column + 1, row)) {
        run.width += damage_tile_rect(damage, ++column, row).width;
      }
      nv12_convert(&source->nv12, &frame, &run);
    }
  }
}

gboolean picture_source_take(PictureSource *source) {
  damage_clear(&source->damage);
  if (source->generation == 0) damage_set_all(&source->damage);
  for (guint tries = 0; tries < PICTURE_SOURCE_TRIES; tries++) {
    ShadowState state;
    guint64 ticket = shadow_read_begin(source->shadow, &state);
    if (ticket == 0) {
      g_thread_yield();
      continue;
    }
    if (source->generation > 0) shadow_damage_since(source->shadow, source->generation, &source->damage);
    convert_damage(source);
    if (!shadow_read_end(source->shadow, ticket)) {
      stats_count("encode.torn-reads");
      continue;
    }
    guint64 steps = state.generation - source->generation;
    source->merged = source->generation > 0 && steps > 1 ? (guint)(steps - 1) : 0;
    stats_add(stats_counter("encode.frames-merged"), source->merged);
    source->generation = state.generation;
    source->state = state;
    return TRUE;
  }
  return FALSE;
}

static gboolean copy_block(guint8 *to, gsize to_stride, const guint8 *from, gsize from_stride, gsize bytes,
                           guint rows) {
  gboolean differs = FALSE;
  for (guint row = 0; row < rows; row++) {
    if (memcmp(to + row * to_stride, from + row * from_stride, bytes) == 0) continue;
    memcpy(to + row * to_stride, from + row * from_stride, bytes);
    differs = TRUE;
  }
  return differs;
}

static gboolean load_tile(PictureSource *source, const Frame *frame, const Rect *tile) {
  Nv12 *to = &source->nv12;
  const guint8 *chroma = frame->data + frame->stride * frame->height;
  gboolean luma_differs =
      copy_block(to->luma + tile->y * to->stride + tile->x, to->stride, frame->data + tile->y * frame->stride + tile->x,
                 frame->stride, tile->width, tile->height);
  gboolean chroma_differs =
      copy_block(to->chroma + tile->y / 2 * to->stride + tile->x, to->stride,
                 chroma + tile->y / 2 * frame->stride + tile->x, frame->stride, tile->width, tile->height / 2);
  return luma_differs || chroma_differs;
}

PictureSourceChange picture_source_load_nv12(PictureSource *source, const Frame *frame, gboolean *is_new) {
  g_assert(frame->width % 2 == 0 && frame->height % 2 == 0);
  PictureSourceChange change = PICTURE_SOURCE_SAME;
  *is_new = FALSE;
  if (source->shadow || source->width != frame->width || source->height != frame->height) {
    picture_source_finish(source);
    if (!nv12_init(&source->nv12, frame->width, frame->height)) return PICTURE_SOURCE_DARK;
    source->width = frame->width;
    source->height = frame->height;
    damage_init(&source->damage, frame->width, frame->height);
    change = PICTURE_SOURCE_REPLACED;
    *is_new = TRUE;
  }
  damage_clear(&source->damage);
  for (guint row = 0; row < source->damage.rows; row++) {
    for (guint column = 0; column < source->damage.columns; column++) {
      Rect tile = damage_tile_rect(&source->damage, column, row);
      if (!load_tile(source, frame, &tile)) continue;
      damage_set(&source->damage, column, row);
      *is_new = TRUE;
    }
  }
  gint64 now = g_get_monotonic_time();
  if (*is_new) source->state = (ShadowState){source->state.generation + 1, now, now};
  source->merged = 0;
  return change;
}
