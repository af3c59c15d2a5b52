/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/gpu-scanouts.h"

#include "common/base/log.h"
#include "common/base/stats.h"

#include <stdio.h>

void gpu_scanouts_init(GpuScanouts *scanouts, ResourceTable *table, const GuestMemory *memory, const DisplaySink *sink,
                       gpointer sink_data) {
  *scanouts = (GpuScanouts){.sink = sink, .sink_data = sink_data, .table = table, .memory = memory};
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    ScanoutInfo *info = &scanouts->scanouts[id].info;
    info->refresh_mhz = DISPLAY_DEFAULT_REFRESH_MHZ;
    snprintf(info->name, sizeof info->name, "vugpu.%u", id);
  }
}

static void tell(GpuScanouts *scanouts, guint id) {
  scanouts->sink->scanout(scanouts->sink_data, id, &scanouts->scanouts[id].info);
}

void gpu_scanouts_set_connected(GpuScanouts *scanouts, guint id, gboolean connected, guint refresh_mhz) {
  ScanoutInfo *info = &scanouts->scanouts[id].info;
  if (info->connected == connected && info->refresh_mhz == refresh_mhz) return;
  info->connected = connected;
  info->refresh_mhz = refresh_mhz;
  tell(scanouts, id);
}

static void note(GpuScanout *scanout) {
  scanout->flush_us = g_get_monotonic_time();
}

static void forget_notes(GpuScanout *scanout) {
  scanout->flush_us = 0;
  scanout->whole = FALSE;
  rect_list_clear(&scanout->damage);
}

void gpu_scanouts_darken(GpuScanouts *scanouts, guint id) {
  GpuScanout *scanout = &scanouts->scanouts[id];
  forget_notes(scanout);
  scanout->resource = NULL;
  if (!scanout->info.lit) return;
  scanout->info.lit = FALSE;
  tell(scanouts, id);
}

void gpu_scanouts_darken_all(GpuScanouts *scanouts) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) gpu_scanouts_darken(scanouts, id);
}

/* A guest's driver may send this with each frame, changed or not. */
void gpu_scanouts_show(GpuScanouts *scanouts, guint id, Resource *resource, const Rect *rect) {
  GpuScanout *scanout = &scanouts->scanouts[id];
  ScanoutInfo *info = &scanout->info;
  gboolean same = scanout->resource == resource && scanout->rect.x == rect->x && scanout->rect.y == rect->y;
  gboolean same_size = info->lit && info->width == rect->width && info->height == rect->height;
  if (same && same_size) return;
  if (scanout->flush_us != 0) stats_count("vugpu.superseded");
  scanout->resource = resource;
  scanout->rect = *rect;
  scanout->whole = TRUE;
  note(scanout);
  if (same_size) return;
  info->lit = TRUE;
  info->width = rect->width;
  info->height = rect->height;
  tell(scanouts, id);
}

/* What was transferred and is flushed now; what the flush has only a part of stays noted. */
static void flush_scanout(GpuScanout *scanout, const RectList *dirty, const Rect *rect) {
  gboolean any = FALSE;
  for (guint i = 0; i < dirty->count; i++) {
    Rect flushed, shown;
    if (!rect_list_intersect(&dirty->rects[i], rect, &flushed)) continue;
    if (!rect_list_intersect(&flushed, &scanout->rect, &shown)) continue;
    rect_list_add(&scanout->damage, &shown);
    any = TRUE;
  }
  if (any || scanout->whole) note(scanout);
}

void gpu_scanouts_flush(GpuScanouts *scanouts, Resource *resource, const Rect *rect) {
  RectList *dirty = &resource->dirty;
  guint kept = 0;
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    if (scanouts->scanouts[id].resource == resource) flush_scanout(&scanouts->scanouts[id], dirty, rect);
  }
  for (guint i = 0; i < dirty->count; i++) {
    if (!rect_list_contains(rect, &dirty->rects[i])) dirty->rects[kept++] = dirty->rects[i];
  }
  dirty->count = kept;
}

/* ---- capture ---- */

static gboolean is_shown_elsewhere(const GpuScanouts *scanouts, guint id) {
  for (guint other = 0; other < DISPLAY_MAX_SCANOUTS; other++) {
    if (other != id && scanouts->scanouts[other].resource == scanouts->scanouts[id].resource) return TRUE;
  }
  return FALSE;
}

/* Older Linux kicks for SET_SCANOUT and for the FLUSH behind it: the second is not to compare the same frame again. */
static void settle_dirty(GpuScanouts *scanouts, guint id) {
  GpuScanout *scanout = &scanouts->scanouts[id];
  RectList *dirty = &scanout->resource->dirty;
  guint kept = 0;
  if (is_shown_elsewhere(scanouts, id)) return;
  for (guint i = 0; i < dirty->count; i++) {
    if (!rect_list_contains(&scanout->rect, &dirty->rects[i])) dirty->rects[kept++] = dirty->rects[i];
  }
  dirty->count = kept;
}

static void capture(GpuScanouts *scanouts, guint id) {
  GpuScanout *scanout = &scanouts->scanouts[id];
  if (scanout->flush_us == 0) return;
  Frame frame;
  RectList damage = scanout->damage;
  guint count = scanout->whole ? 0 : damage.count;
  gint64 flush_us = scanout->flush_us;
  if (scanout->whole) settle_dirty(scanouts, id);
  forget_notes(scanout);
  if (!resource_frame(scanouts->table, scanout->resource, scanouts->memory, &scanout->rect, &frame)) {
    static LogLimit limit;
    stats_count("vugpu.no-pixels");
    log_limited(&limit, LOG_WARN, "vugpu", "scanout %u: resource %u has no memory to show", id, scanout->resource->id);
    return;
  }
  for (guint i = 0; i < count; i++) {
    damage.rects[i].x -= scanout->rect.x;
    damage.rects[i].y -= scanout->rect.y;
  }
  stats_count("vugpu.frames");
  scanouts->sink->update(scanouts->sink_data, id, &frame, damage.rects, count, flush_us);
}

void gpu_scanouts_capture(GpuScanouts *scanouts) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) capture(scanouts, id);
}

void gpu_scanouts_capture_of(GpuScanouts *scanouts, const Resource *resource) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    if (scanouts->scanouts[id].resource == resource) capture(scanouts, id);
  }
}

void gpu_scanouts_forget(GpuScanouts *scanouts, const Resource *resource) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    if (scanouts->scanouts[id].resource != resource) continue;
    capture(scanouts, id);
    gpu_scanouts_darken(scanouts, id);
  }
}
