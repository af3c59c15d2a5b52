/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/display.h"
#include "host/display/vugpu/resource.h"

/*
 * What each scanout shows, and telling the sink. SET_SCANOUT and FLUSH only
 * note; gpu_scanouts_capture(), at the end of a batch of commands, hands the
 * newest state of each scanout to the sink, once. So a guest that flips faster
 * than it is read has its oldest pictures left out, not torn: those buffers
 * are being drawn again by then. Commands are acknowledged after that (F09).
 * One thread.
 */

typedef struct {
  Resource *resource; /* NULL: dark */
  Rect rect;          /* the part of it that is shown */
  gboolean whole;     /* all of it is to be told */
  RectList damage;    /* in the resource's pixels */
  gint64 flush_us;    /* monotonic, of the newest of these; 0: nothing is to be told */
  ScanoutInfo info;   /* as the sink knows it */
} GpuScanout;

typedef struct {
  const DisplaySink *sink;
  gpointer sink_data;
  ResourceTable *table;
  const GuestMemory *memory;
  GpuScanout scanouts[DISPLAY_MAX_SCANOUTS];
} GpuScanouts;

/* All dark and not connected; nothing is told. What it borrows outlives it. */
void gpu_scanouts_init(GpuScanouts *scanouts, ResourceTable *table, const GuestMemory *memory, const DisplaySink *sink,
                       gpointer sink_data);

/* Tells the sink where it is news. */
void gpu_scanouts_set_connected(GpuScanouts *scanouts, guint id, gboolean connected, guint refresh_mhz);

/* SET_SCANOUT: `rect` inside the resource and no larger than FRAME_MAX_*. */
void gpu_scanouts_show(GpuScanouts *scanouts, guint id, Resource *resource, const Rect *rect);
void gpu_scanouts_darken(GpuScanouts *scanouts, guint id);
/* RESOURCE_FLUSH: `rect` inside the resource. */
void gpu_scanouts_flush(GpuScanouts *scanouts, Resource *resource, const Rect *rect);

/* Hands on what is noted. */
void gpu_scanouts_capture(GpuScanouts *scanouts);
/* The same for those that show the resource: before its memory goes. */
void gpu_scanouts_capture_of(GpuScanouts *scanouts, const Resource *resource);
/* That, and they go dark: the resource is going. */
void gpu_scanouts_forget(GpuScanouts *scanouts, const Resource *resource);
/* All dark, nothing noted is captured: for a reset. */
void gpu_scanouts_darken_all(GpuScanouts *scanouts);
