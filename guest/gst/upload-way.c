/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/upload-way.h"

void upload_way_init(UploadWay *way) {
  *way = (UploadWay){0};
}

static gboolean knows(const UploadWay *way, guint width, guint height) {
  return way->width == width && way->height == height;
}

guint upload_way_side(const UploadWay *way, guint width, guint height, gint64 now_us) {
  if (!knows(way, width, height)) return UPLOAD_WAY_DECIDING_SIDE;
  if (way->pixels && now_us < way->try_us) return 0;
  return way->agreed ? UPLOAD_WAY_SIDE : UPLOAD_WAY_DECIDING_SIDE;
}

void upload_way_asked(UploadWay *way, guint width, guint height) {
  if (!knows(way, width, height)) *way = (UploadWay){.width = width, .height = height};
  way->try_us = G_MAXINT64;
}

gboolean upload_way_agreed(UploadWay *way, guint width, guint height, gint64 now_us) {
  if (!knows(way, width, height)) return FALSE;
  gboolean news = !way->agreed;
  if (news) way->agreed_us = now_us;
  if (now_us - way->agreed_us >= (gint64)UPLOAD_WAY_MAX_PAUSE_MS * 1000) way->pause_ms = 0;
  way->agreed = TRUE;
  way->pixels = FALSE;
  return news;
}

gboolean upload_way_refused(UploadWay *way, guint width, guint height, gint64 now_us) {
  if (!knows(way, width, height)) return FALSE;
  gboolean news = !way->pixels;
  way->pause_ms = CLAMP(way->pause_ms * 2, UPLOAD_WAY_PAUSE_MS, UPLOAD_WAY_MAX_PAUSE_MS);
  way->try_us = now_us + (gint64)way->pause_ms * 1000;
  way->agreed = FALSE;
  way->agreed_us = 0;
  way->pixels = TRUE;
  return news;
}

void upload_way_failed(UploadWay *way, gint64 now_us) {
  way->try_us = now_us + (gint64)MAX(way->pause_ms, UPLOAD_WAY_PAUSE_MS) * 1000;
}
