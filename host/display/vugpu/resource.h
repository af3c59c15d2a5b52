/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/vugpu/backing.h"
#include "host/display/vugpu/rect-list.h"

/*
 * The guest's 2D resources and the table they are in: virtio 1.2 section
 * 5.7.6.8. One thread.
 *
 * Where the pixels are. By the specification a resource is the host's: a
 * TRANSFER copies a rectangle of the guest's backing into it, FLUSH shows it.
 * Here the backing itself is the resource, seen through a view in one piece,
 * and TRANSFER only notes its rectangle: what FLUSH shows is read once, by
 * capture, straight from guest memory. What a guest can see of that:
 *
 * - It draws into the backing between TRANSFER and FLUSH: the picture has the
 *   newer pixels, inside transferred rectangles. All drivers looked at (Linux,
 *   Windows, EDK II) send FLUSH right behind TRANSFER, mostly in one kick,
 *   and with two buffers draw into the other one meanwhile.
 * - It transfers, and flushes nothing for long: nothing is copied when the
 *   ring runs empty, and TRANSFER is acknowledged. A copy then would cost
 *   each flip of an older Linux, which kicks for each command, a second pass
 *   over the frame, for the sake of a guest that redraws its only buffer
 *   before it has it shown.
 * - Pixels outside of what was transferred are never read.
 *
 * A resource becomes the host's after all, with memory of its own that
 * TRANSFER copies to, where its format needs conversion (X or A first), a
 * TRANSFER reads from elsewhere than the rectangle's own place, or the
 * backing cannot be viewed in one piece (backing.h).
 */

/* Of a VM. A desktop has tens. */
#define RESOURCE_MAX_COUNT 1024u
/* Width × height × 4 of all of a VM's resources: 30 pictures of 4K. They are the guest's memory, mostly. */
#define RESOURCE_MAX_BYTES (G_GUINT64_CONSTANT(1) << 30)
/* Of these, what may be copies in the host's memory: more than three pictures of 8K. */
#define RESOURCE_MAX_OWN_BYTES (G_GUINT64_CONSTANT(512) << 20)
/* A side, in pixels: one framebuffer may span several screens, and each is shown a part of it. GPUs have this limit. */
#define RESOURCE_MAX_SIDE 16384u

typedef struct {
  guint32 id;
  guint32 format; /* a PixelFormat: of the pixels that resource_frame() gives */
  gboolean swap;  /* bytes of a pixel come in reverse */
  guint width;    /* pixels */
  guint height;
  gsize stride; /* bytes */
  gsize bytes;
  Backing *backing; /* NULL: none */
  guint8 *own;      /* the host's copy; NULL: the backing is the resource */
  RectList dirty;   /* transferred and not yet flushed */
} Resource;

typedef struct {
  GHashTable *by_id; /* of Resource */
  guint64 bytes;
  guint64 own_bytes;
  guint maps_left;
} ResourceTable;

typedef enum {
  RESOURCE_OK,
  RESOURCE_BAD_ID,        /* 0, taken, or (where it should be) not there */
  RESOURCE_BAD_PARAMETER, /* format or size */
  RESOURCE_NO_MEMORY,     /* or a limit was met */
  RESOURCE_REFUSED,       /* not in this state */
} ResourceResult;

void resource_table_init(ResourceTable *table);
void resource_table_finish(ResourceTable *table);
/* Empty again. */
void resource_table_clear(ResourceTable *table);
guint resource_table_count(const ResourceTable *table);

/* `format` is a virtio_gpu_formats value. */
ResourceResult resource_table_create(ResourceTable *table, guint32 id, guint32 format, guint32 width, guint32 height);
/* NULL if there is none. */
Resource *resource_table_find(const ResourceTable *table, guint32 id);
void resource_table_remove(ResourceTable *table, Resource *resource);
/* The guest's memory was replaced: views go, and backings that it no longer has. */
void resource_table_memory_changed(ResourceTable *table, const GuestMemory *memory);

/* Takes the backing, unless REFUSED: it has one. */
ResourceResult resource_attach(ResourceTable *table, Resource *resource, Backing *backing);
ResourceResult resource_detach(ResourceTable *table, Resource *resource);

/* TRANSFER_TO_HOST_2D: `rect` inside the resource, `offset` of its first pixel in the backing, bytes. */
ResourceResult resource_transfer(ResourceTable *table, Resource *resource, const GuestMemory *memory, const Rect *rect,
                                 guint64 offset);

/* Its pixels, all in one piece, those of the rectangle (inside the resource). Valid until the next call that takes the
 * table or the resource. FALSE if there are none: no backing, or no memory. */
gboolean resource_frame(ResourceTable *table, Resource *resource, const GuestMemory *memory, const Rect *rect,
                        Frame *frame);
