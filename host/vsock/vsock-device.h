/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vhost/virtqueue.h"
#include "host/vsock/vsock-packet.h"

/*
 * A vsock device (virtio 1.2 section 5.10) for connections that the guest
 * makes to the host: its packets in, packets for it out, and for each
 * connection one end of a socket pair to whoever accepts. On its context's
 * thread; nothing waits.
 *
 * The guest may send anything. What breaks the rules, what goes to another
 * CID, to a port that nobody accepts, or is one too many, is answered with
 * RST and counted. Memory is bounded by VSOCK_DEVICE_CONNECTIONS buffers and
 * VSOCK_DEVICE_RESETS answers: a guest that takes no answers is not heard.
 */

/* At the same time. A desktop needs a handful; each holds two descriptors and a buffer. */
#define VSOCK_DEVICE_CONNECTIONS 64u
/* RSTs without a connection that wait for a buffer of the guest's. */
#define VSOCK_DEVICE_RESETS 64u

typedef struct {
  /* The guest connects to `port` of the host: `fd` is its end of a stream socket pair, the callee's in any case. FALSE:
   * refused. */
  gboolean (*accept)(gpointer data, guint32 port, int fd);
  /* vsock_device_has_output() has become TRUE; vsock_device_takes_input() may have. */
  void (*changed)(gpointer data);
} VsockDeviceEvents;

typedef struct VsockDevice VsockDevice;

/* `cid`: the guest's. `events` is static. */
VsockDevice *vsock_device_create(guint32 cid, const VsockDeviceEvents *events, gpointer data, GMainContext *context);
void vsock_device_destroy(VsockDevice *device); /* NULL is legal; closes every connection */
/* The guest's driver begins anew, or is gone: every connection is closed, and nothing is told. */
void vsock_device_reset(VsockDevice *device);

/* Whether the transmit queue may be read: FALSE while too many answers wait. */
gboolean vsock_device_takes_input(const VsockDevice *device);
/* A chain of the transmit queue. */
void vsock_device_input(VsockDevice *device, const VirtqueueElement *element);
/* Whether there is a packet for the receive queue. */
gboolean vsock_device_has_output(const VsockDevice *device);
/* Fills a chain of the receive queue with it; returns how many bytes were written. */
guint32 vsock_device_output(VsockDevice *device, const VirtqueueElement *element);
