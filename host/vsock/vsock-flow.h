/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vsock/vsock-packet.h"

/*
 * The credit of one connection, both ways: virtio 1.2 section 5.10.6.3. All
 * counts are bytes modulo 2^32. One thread.
 *
 * A sender stalls for good when nobody tells it that room has come back, and
 * Linux sends only when what it knows of is enough. So an update is due as
 * soon as the room that the guest knows of has shrunk below half and there is
 * more: after data, and again when a reader goes on.
 */

typedef struct {
  guint32 buf_alloc; /* ours: never more than this waits for the reader */
  guint32 received;  /* from the guest */
  guint32 forwarded; /* of it: taken by the reader */
  guint32 told;      /* `forwarded`, as the guest was last told */
  gboolean asked;    /* by CREDIT_REQUEST */

  guint32 peer_buf_alloc;
  guint32 peer_forwarded;
  guint32 sent; /* to the guest */
} VsockFlow;

void vsock_flow_init(VsockFlow *flow, guint32 buf_alloc);

/* Data has come. FALSE: more than the guest knew to have room. */
gboolean vsock_flow_receive(VsockFlow *flow, guint32 bytes);
/* The reader has taken so much of what was received. */
void vsock_flow_forward(VsockFlow *flow, guint32 bytes);
void vsock_flow_ask(VsockFlow *flow);
/* Whether the guest has to be told now. */
gboolean vsock_flow_is_due(const VsockFlow *flow);
/* Our credit into a packet that is sent now. */
void vsock_flow_tell(VsockFlow *flow, VsockPacket *packet);

/* The guest's credit out of any packet of its. */
void vsock_flow_hear(VsockFlow *flow, const VsockPacket *packet);
/* How much the guest has room for. */
guint32 vsock_flow_room(const VsockFlow *flow);
/* So much was sent to it, at most its room. */
void vsock_flow_send(VsockFlow *flow, guint32 bytes);
