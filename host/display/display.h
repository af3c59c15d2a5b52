/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * Where pictures come from: a VM's scanouts, or synthetic ones. A display runs
 * a thread of its own with its own GMainContext, from display_start() to the
 * return of display_stop(); on that thread, and only there, it calls its sink.
 *
 * Scanout ids are 0 to DISPLAY_MAX_SCANOUTS - 1 and stay the same for the
 * life of the display.
 */

/* virtio-gpu's own limit: VIRTIO_GPU_MAX_SCANOUTS, virtio 1.2 section 5.7.4. */
#define DISPLAY_MAX_SCANOUTS 16u
/* Refresh where a source does not say one. */
#define DISPLAY_DEFAULT_REFRESH_MHZ 60000u

typedef struct {
  guint width; /* pixels; 0 while never lit */
  guint height;
  guint refresh_mhz;  /* thousandths of a frame a second */
  gboolean connected; /* somebody could draw here */
  gboolean lit;       /* a picture is shown */
  char name[32];      /* for people: "virtio-gpu-pci"; UTF-8, NUL-terminated */
} ScanoutInfo;

typedef enum {
  DISPLAY_STARTING, /* not attached yet */
  DISPLAY_RUNNING,
  DISPLAY_LOST, /* the VM's end is gone; the display tries to get it back by itself */
} DisplayState;

/* What a display calls. Nothing here blocks or waits. */
typedef struct {
  /* A scanout appeared or changed; `info` is borrowed for the call. Comes before the first update of a new size. */
  void (*scanout)(gpointer data, guint id, const ScanoutInfo *info);
  /* `frame` is the scanout's whole picture as it is now, of the size last told (4 bytes a pixel). Pixels may differ
   * from those of the previous call only inside the rects; n_rects 0 means nothing is known: anything may differ.
   * flush_us: when the VM showed the picture, monotonic microseconds. The frame is read before this returns and never
   * after. */
  void (*update)(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us);
  /* The device has so many outputs, plugged in or not; 0: not known (any more). NULL is legal. */
  void (*outputs)(gpointer data, guint count);
  /* `text` says, for people, what is known: "QEMU left; waiting for PATH to come back". Borrowed. */
  void (*state)(gpointer data, DisplayState state, const char *text);
} DisplaySink;

typedef struct Display Display;

/* Why a resource cannot be read. */
typedef enum {
  DISPLAY_READ_OK,
  DISPLAY_READ_NOT_FOUND,  /* no such resource, or none any more */
  DISPLAY_READ_NO_BACKING, /* it has no memory to read */
} DisplayRead;

/* frame: the resource's whole picture, borrowed for the call; NULL unless DISPLAY_READ_OK. On the display's thread. */
typedef void (*DisplayReadDone)(DisplayRead result, const Frame *frame, gpointer data);

typedef struct {
  const char *name;
  /* What can be refused at once (a malformed setting, no memory) is refused here; what can only fail later is told
   * through the sink's state and tried again. */
  gboolean (*start)(Display *display, GError **error);
  void (*stop)(Display *display);    /* blocks until its thread has ended; the sink is not called after */
  void (*destroy)(Display *display); /* a stopped one */

  /* NULL where the display has no resource table. Any thread; reads on the display's own, calls `done` there exactly
   * once (before stop() returns at the latest), and holds the resource meanwhile. */
  void (*read_resource)(Display *display, guint32 resource_id, DisplayReadDone done, gpointer data);
  /* NULL where outputs cannot be plugged. Any thread. Connects or resizes an output (not 0, the boot display), or
   * disconnects it where `connected` is FALSE; FALSE if there is no such output. The sink hears of it when the guest
   * has followed. */
  gboolean (*set_output)(Display *display, guint id, gboolean connected, guint width, guint height, guint refresh_mhz);
} DisplayInterface;

/* The head of each implementation's own struct. */
struct Display {
  const DisplayInterface *interface;
  const DisplaySink *sink;
  gpointer sink_data;
};

/* The sink must outlive the display. */
gboolean display_start(Display *display, const DisplaySink *sink, gpointer sink_data, GError **error);
void display_stop(Display *display);
void display_destroy(Display *display); /* NULL is legal */
