/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/*
 * The guest's memory as QEMU shares it: regions, each a part of a file
 * (vhost-user, "Memory regions description"). Addresses are the guest's
 * physical ones; the rings alone are named by QEMU's own virtual addresses
 * ("user" here).
 *
 * What is in this memory changes at any time: read each thing once, into
 * memory of our own, and check it there. One thread.
 */

/* What QEMU sends without the CONFIGURE_MEM_SLOTS feature. */
#define GUEST_MEMORY_MAX_REGIONS 8u

typedef struct {
  guint64 guest; /* address in the guest, bytes */
  guint64 size;
  guint64 user;   /* the same byte's address in QEMU */
  guint64 offset; /* of it in the file */
  int fd;
  guint8 *map; /* the whole file up to the region's end */
} GuestMemoryRegion;

typedef struct {
  GuestMemoryRegion regions[GUEST_MEMORY_MAX_REGIONS];
  guint n_regions;
} GuestMemory;

/* Zero-initialised is empty. Unmaps and closes; empty again. */
void guest_memory_clear(GuestMemory *memory);

/* Replaces the table: guest, size, user, offset and fd of each are given, and the fds are the callee's in any case.
 * FALSE and error if a region does not add up or cannot be mapped; the table is then empty. */
gboolean guest_memory_set(GuestMemory *memory, const GuestMemoryRegion *regions, guint n_regions, GError **error);

/* The memory from `guest` on, as far as it is contiguous here, `wanted` bytes at most; *size says how far, at least 1.
 * NULL if there is none, or wanted is 0. */
guint8 *guest_memory_span(const GuestMemory *memory, guint64 guest, guint64 wanted, gsize *size);

/* All `size` bytes in one piece, by QEMU's address; NULL if they are not. */
guint8 *guest_memory_user(const GuestMemory *memory, guint64 user, gsize size);

/* Whether all of it is there; it may cross regions. */
gboolean guest_memory_has(const GuestMemory *memory, guint64 guest, guint64 size);

/* Copies; FALSE if a part is not there (what is copied then is unspecified). */
gboolean guest_memory_read(const GuestMemory *memory, guint64 guest, void *to, gsize size);

/* The file behind a span: its descriptor (borrowed) and the place of guest address `guest` in it. FALSE if the bytes
 * are not in one region. */
gboolean guest_memory_file(const GuestMemory *memory, guint64 guest, guint64 size, int *fd, guint64 *offset);
