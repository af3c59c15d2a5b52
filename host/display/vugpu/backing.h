/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"
#include "host/vhost/guest-memory.h"

/*
 * A resource's backing: the guest's memory that it consists of, 1 to some
 * thousands of segments (virtio 1.2 section 5.7.6.8,
 * VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING). A view is those segments in one
 * piece in our address space, without a copy: each is mapped once more from
 * the memory's file, one after the other. Where that cannot be (segments that
 * are not whole pages, huge pages, too many maps) the bytes are copied.
 *
 * One thread. Guest addresses stay as given; a view does not survive a
 * replaced GuestMemory.
 */

/* The largest picture in single pages of 4 KiB, and a page more. A larger one must come in larger pieces. */
#define BACKING_MAX_SEGMENTS (FRAME_MAX_WIDTH / 1024u * FRAME_MAX_HEIGHT + 1u)
/* Maps of all views of a VM. The kernel gives a process 65,530 (vm.max_map_count) and tells nobody before it refuses.
 */
#define BACKING_MAX_MAPS 32768u

typedef struct Backing Backing;

/* Empty, room for `n_segments`; NULL where there is no memory for it. n_segments at most BACKING_MAX_SEGMENTS. */
Backing *backing_create(guint n_segments);
/* NULL is legal. *maps_left: as in backing_view(). */
void backing_destroy(Backing *backing, guint *maps_left);

/* The next segment. FALSE if it is not in the guest's memory. At most n_segments times. */
gboolean backing_add(Backing *backing, const GuestMemory *memory, guint64 guest, guint32 size);

/* The first `size` bytes in one piece, zeros where the backing is shorter; NULL if it has to be copied. Made at the
 * first call; the same size each time. *maps_left: what BACKING_MAX_MAPS leaves, counted here. */
const guint8 *backing_view(Backing *backing, const GuestMemory *memory, gsize size, guint *maps_left);
void backing_drop_view(Backing *backing, guint *maps_left);

/* Copies; what the backing does not have is left as it is. */
void backing_copy(const Backing *backing, const GuestMemory *memory, guint64 offset, guint8 *to, gsize size);

/* Whether all segments are in `memory`: after it was replaced. */
gboolean backing_is_in(const Backing *backing, const GuestMemory *memory);
