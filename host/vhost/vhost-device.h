/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vhost/vring.h"

/*
 * One connection with QEMU: the vhost-user back-end's side of it, from
 * GET_FEATURES to the end, and the virtqueues of one device, whose type says
 * what is particular. The requests it knows are those that QEMU sends for
 * such devices; any other is refused where it asks for an answer. On its
 * context's thread.
 *
 * When the device is reset: at RESET_DEVICE (QEMU 8.1 and later), RESET_OWNER,
 * and the connection's end. GET_VRING_BASE alone does not tell: QEMU sends it
 * for a paused VM as well, and that one's guest keeps its resources. Without
 * RESET_DEVICE a first queue that begins at 0 after it had begun is a new
 * driver's.
 */

#define VHOST_DEVICE_MAX_QUEUES 2u
/* Bytes of the configuration space that a front-end can ask for. */
#define VHOST_DEVICE_CONFIG 256u

/* "Protocol features": those that a type may offer. */
#define VHOST_PROTOCOL_MULTI_QUEUE (1u << 0)
#define VHOST_PROTOCOL_REPLY_ACK (1u << 3)
#define VHOST_PROTOCOL_CONFIG (1u << 9)
#define VHOST_PROTOCOL_RESET_DEVICE (1u << 13)

typedef struct {
  const char *name;      /* of its counters and in the log */
  guint queues;          /* at most VHOST_DEVICE_MAX_QUEUES */
  guint64 features;      /* virtio's, of this kind of device; those that all have are added */
  guint64 protocol;      /* VHOST_PROTOCOL_* */
  gboolean takes_socket; /* GPU_SET_SOCKET; nothing is said there */
  /* The device's configuration: zeroed, VHOST_DEVICE_CONFIG bytes. */
  void (*write_config)(gpointer data, guint8 *config);
} VhostDeviceType;

typedef struct {
  gboolean (*ready)(gpointer data, guint queue); /* as VringHandler's; NULL: always */
  guint32 (*run)(gpointer data, guint queue, const VirtqueueElement *element);
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

/* Takes the socket over. `memory` outlives it; it is filled by the front-end. Type and events are static. */
VhostDevice *vhost_device_create(int fd, const VhostDeviceType *type, GuestMemory *memory,
                                 const VhostDeviceEvents *events, gpointer data, GMainContext *context);
/* vring_wake() of that queue. */
void vhost_device_wake(VhostDevice *device, guint queue);
void vhost_device_destroy(VhostDevice *device); /* NULL is legal; calls nothing back; clears the memory */
