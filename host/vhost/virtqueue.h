/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vhost/guest-memory.h"

/*
 * A split virtqueue, device side: virtio 1.2 section 2.7, with indirect
 * descriptors (2.7.5.3) and event index (2.7.7.1, 2.7.8.1). The ring is the
 * guest's to fill with anything: a chain that does not add up is given back
 * unread, a ring that does not add up is broken until the next start. One
 * thread.
 */

/* Sizes are powers of two (2.7); QEMU's limit is the same. */
#define VIRTQUEUE_MAX_SIZE 1024u
/* Descriptors of a chain. The specification says queue size; Linux's driver makes longer ones of indirect descriptors.
 */
#define VIRTQUEUE_MAX_CHAIN 1024u
/* Parts of a chain in our memory: a buffer that crosses from a region to the next counts twice. */
#define VIRTQUEUE_MAX_SPANS (VIRTQUEUE_MAX_CHAIN + 64u)

typedef struct {
  guint8 *data;
  gsize size;
} VirtqueueSpan;

/* A chain: what the driver gives (out) and where it wants the answer (in). Valid until the guest's memory is replaced.
 */
typedef struct {
  guint16 head;
  guint n_out;
  guint n_in;
  gsize out_size; /* bytes */
  gsize in_size;
  VirtqueueSpan spans[VIRTQUEUE_MAX_SPANS]; /* n_out, then n_in */
} VirtqueueElement;

typedef struct {
  guint size;
  guint64 user_descriptors; /* in QEMU's addresses */
  guint64 user_available;
  guint64 user_used;
  gboolean event_index; /* VIRTIO_F_EVENT_IDX was negotiated */

  const GuestMemory *memory;
  guint8 *descriptors; /* NULL while stopped */
  guint8 *available;
  guint8 *used;
  guint16 next_available; /* the ring's next entry that we take */
  guint16 next_used;
  guint16 notified_used; /* next_used when the driver was last told */
  gboolean broken;
} Virtqueue;

typedef enum {
  VIRTQUEUE_EMPTY,
  VIRTQUEUE_CHAIN,     /* *element is filled */
  VIRTQUEUE_MALFORMED, /* element->head alone: push it with 0 */
  VIRTQUEUE_BROKEN,    /* nothing more until the next start; said once, then the queue is empty */
} VirtqueueTake;

/* FALSE: no such size. */
gboolean virtqueue_set_size(Virtqueue *queue, guint32 size);

/* Finds the ring in `memory` (kept, borrowed); next_available, the addresses and event_index have been set. Also after
 * the memory was replaced. FALSE and error if it is not there; the queue is then stopped. */
gboolean virtqueue_start(Virtqueue *queue, const GuestMemory *memory, GError **error);
void virtqueue_stop(Virtqueue *queue);
gboolean virtqueue_is_started(const Virtqueue *queue);

/* The next chain. */
VirtqueueTake virtqueue_take(Virtqueue *queue, VirtqueueElement *element);
/* Whether there would be one. */
gboolean virtqueue_has_more(const Virtqueue *queue);
/* Gives a chain back, with the number of bytes that were written to it. */
void virtqueue_push(Virtqueue *queue, guint16 head, guint32 written);
/* After a push: whether the driver wants to be interrupted. */
gboolean virtqueue_wants_interrupt(Virtqueue *queue);
/* Asks for a kick at the next chain. TRUE if there is one already. */
gboolean virtqueue_rearm(Virtqueue *queue);
/* Whether the driver has not yet looked at everything that was pushed. Known with event index only, else FALSE. */
gboolean virtqueue_is_unseen(const Virtqueue *queue);

/* Copies from what the driver gives; returns how many bytes there were. */
gsize virtqueue_element_read(const VirtqueueElement *element, gsize offset, void *to, gsize size);
/* Copies to where the driver wants it; returns how many bytes found room. */
gsize virtqueue_element_write(const VirtqueueElement *element, const void *from, gsize size);
