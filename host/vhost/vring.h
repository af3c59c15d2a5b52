/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vhost/virtqueue.h"

/*
 * A virtqueue at work: kicks in, interrupts out, chains in batches. On its
 * context's thread.
 *
 * A ring is looked at when it starts, when it is enabled, at each kick, and
 * VRING_POLL_MS after it was last looked at: a kick that was lost costs no
 * more than that (F14). An interrupt whose chains the driver has not looked at
 * by then is repeated, and again, for a second.
 */

#define VRING_POLL_MS 50
/* A repeated interrupt may be lost as well; a driver that looks by itself wants none. */
#define VRING_REPEATS 20u
/* A batch ends after so many chains or so much time: then the chains go back, and whoever else waits has a turn. */
#define VRING_BATCH 64u
#define VRING_BATCH_US 8000

typedef struct {
  /* Whether a chain of queue `index` can be used now: while it says FALSE chains stay in the ring, and vring_wake() is
   * due when that changes. NULL: always. */
  gboolean (*ready)(gpointer data, guint index);
  /* Carries out a chain; returns how many bytes were written to it. */
  guint32 (*run)(gpointer data, guint index, const VirtqueueElement *element);
  /* The batch has ended; its chains are given back after this. */
  void (*end_batch)(gpointer data);
} VringHandler;

typedef struct {
  Virtqueue queue;
  const char *name; /* of the device: of its counters and in the log */
  guint index;
  const VringHandler *handler;
  gpointer data;
  GMainContext *context;
  int kick; /* eventfds of the front-end; -1: none */
  int call;
  int error;
  gboolean enabled;
  GSource *kicked;    /* set while there is a kick */
  GSource *timer;     /* made at init; its ready time is the next look */
  gboolean continues; /* the timer is set because a batch ended early */
  guint repeats; /* of the interrupt for the chains up to repeated_used */
  guint16 repeated_used;
  VirtqueueElement element;
} Vring;

/* `name` and the handler are static. */
void vring_init(Vring *vring, const char *name, guint index, const VringHandler *handler, gpointer data,
                GMainContext *context);
void vring_finish(Vring *vring);

/* Each takes the descriptor, -1 for none. */
void vring_set_kick(Vring *vring, int fd);
void vring_set_call(Vring *vring, int fd);
void vring_set_error(Vring *vring, int fd);
void vring_set_enabled(Vring *vring, gboolean enabled);

/* Size, base and addresses are in vring->queue. */
gboolean vring_start(Vring *vring, const GuestMemory *memory, GError **error);
/* And closes kick and call, as GET_VRING_BASE wants it. */
void vring_stop(Vring *vring);
/* The handler has become ready: looks at the ring, from the loop. */
void vring_wake(Vring *vring);

/* Counts "name.what". */
void vring_count(const char *name, const char *what);
