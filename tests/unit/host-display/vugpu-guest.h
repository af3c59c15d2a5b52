/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/thread.h"
#include "host/display/vugpu/gpu-commands.h"
#include "host/display/vugpu/vugpu-display.h"
#include "tests/unit/host-vhost/fake-vhost.h"

/*
 * What the tests of a vugpu display share: the display with 2 outputs of
 * 800x600, QEMU's double at its socket, a sink that remembers, and the guest's
 * commands in short. Everything here aborts on failure.
 */

#define VUGPU_GUEST_PAGE 4096u
#define VUGPU_GUEST_BGRX 2u
/* The pictures: 64x64, rows of 256 bytes, 16 to a page. */
#define VUGPU_GUEST_WIDTH 64u
#define VUGPU_GUEST_HEIGHT 64u
#define VUGPU_GUEST_BYTES (VUGPU_GUEST_WIDTH * VUGPU_GUEST_HEIGHT * 4u)
/* Places for two of them. */
#define VUGPU_GUEST_PICTURE_A FAKE_VHOST_FREE
#define VUGPU_GUEST_PICTURE_B (FAKE_VHOST_FREE + VUGPU_GUEST_BYTES)

/* What the sink heard of a scanout. */
typedef struct {
  ScanoutInfo info;
  guint updates;
  guint n_rects; /* of the last update */
  Rect rects[RECT_LIST_MAX];
  Frame frame;                                            /* its data is gone */
  guint32 pixels[VUGPU_GUEST_WIDTH * VUGPU_GUEST_HEIGHT]; /* the upper left part */
} VugpuGuestSeen;

typedef struct {
  char *folder;
  char *path;
  Display *display;
  FakeVhost fake;
  Mutex mutex; /* the rest is written by the display's thread */
  Cond changed;
  VugpuGuestSeen seen[DISPLAY_MAX_SCANOUTS];
  DisplayState state;
  char *text;
  guint reads; /* calls of vugpu_guest_on_read() */
  DisplayRead read;
  guint32 first_pixel; /* of the last one with a frame */
} VugpuGuest;

/* Until the expression is true; the display's thread says when to look. */
#define VUGPU_GUEST_WAIT(f, expression)                                                                                \
  do {                                                                                                                 \
    gint64 deadline = g_get_monotonic_time() + FAKE_VHOST_LIMIT_MS * 1000;                                             \
    mutex_lock(&(f)->mutex);                                                                                           \
    while (!(expression)) g_assert_true(cond_wait_until(&(f)->changed, &(f)->mutex, deadline));                        \
    mutex_unlock(&(f)->mutex);                                                                                         \
  } while (0)

const DisplaySink *vugpu_guest_sink(void); /* its data is the VugpuGuest */

/* For g_test_add(): connected alone, or greeted and started. */
void vugpu_guest_set_up(VugpuGuest *f, gconstpointer data);
void vugpu_guest_set_up_started(VugpuGuest *f, gconstpointer data);
void vugpu_guest_tear_down(VugpuGuest *f, gconstpointer data);

/* Commands, done; each returns its answer's type. */
guint32 vugpu_guest_create(VugpuGuest *f, guint32 id, guint32 width, guint32 height);
guint32 vugpu_guest_attach(VugpuGuest *f, guint32 id, guint64 address, guint32 size);
guint32 vugpu_guest_show(VugpuGuest *f, guint32 scanout, guint32 id, guint32 x, guint32 y, guint32 width,
                         guint32 height);
guint32 vugpu_guest_transfer(VugpuGuest *f, guint32 id, guint32 x, guint32 y, guint32 width, guint32 height);
guint32 vugpu_guest_flush(VugpuGuest *f, guint32 id, guint32 x, guint32 y, guint32 width, guint32 height);
guint32 vugpu_guest_run(VugpuGuest *f, const void *command, guint32 size);
guint32 vugpu_guest_by_id(VugpuGuest *f, guint32 type, guint32 id);

/* Pixels `pixel`, `pixel` + 1 and so on. */
void vugpu_guest_paint(VugpuGuest *f, guint64 address, guint32 pixel);
/* A resource with a picture's place as its backing. */
void vugpu_guest_picture(VugpuGuest *f, guint32 id, guint64 address);
/* All of it on scanout 0. */
void vugpu_guest_flip(VugpuGuest *f, guint32 id);

/* For read_resource(); and one of these, waited for. */
void vugpu_guest_on_read(DisplayRead result, const Frame *frame, gpointer data);
DisplayRead vugpu_guest_read(VugpuGuest *f, guint32 id);
