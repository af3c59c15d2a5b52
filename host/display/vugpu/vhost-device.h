/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/vugpu/vring.h"

/*
 * One connection with QEMU: the vhost-user back-end's side of it, from
 * GET_FEATURES to the end, and the two virtqueues of a GPU (virtio 1.2
 * section 5.7.2). The requests it knows are those that QEMU sends for a
 * vhost-user-gpu device; any other is refused where it asks for an answer.
 * On its context's thread.
 *
 * When the device is reset: at RESET_DEVICE (QEMU 8.1 and later), RESET_OWNER,
 * and the connection's end. GET_VRING_BASE alone does not tell: QEMU sends it
 * for a paused VM as well, and that one's guest keeps its resources. Without
 * RESET_DEVICE a control queue that begins at 0 after it had begun is a new
 * driver's.
 */

#define VHOST_DEVICE_QUEUES 2u /* control, cursor */

typedef struct {
  guint32 (*run)(gpointer data, const VirtqueueElement *element);
  void (*end_batch)(gpointer data);
  void (*memory_changes)(gpointer data); /* the next thing replaces the GuestMemory */
  void (*memory_changed)(gpointer data);
  void (*reset)(gpointer data);
  void (*attached)(gpointer data); /* the other side speaks: it is a front-end */
  void (*started)(gpointer data);  /* the guest's driver has started the queues; again after each stop */
  /* The connection is over; `why` NULL: QEMU closed it. Last call; vhost_device_destroy() may follow, not in here. */
  void (*closed)(gpointer data, const char *why);
} VhostDeviceEvents;

typedef struct VhostDevice VhostDevice;

/* Takes the socket over. `memory` outlives it; it is filled by the front-end. */
VhostDevice *vhost_device_create(int fd, GuestMemory *memory, const VhostDeviceEvents *events, gpointer data,
                                 GMainContext *context);
void vhost_device_destroy(VhostDevice *device); /* NULL is legal; calls nothing back; clears the memory */
