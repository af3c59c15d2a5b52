/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vhost/virtqueue.h"
#include "host/vsock/vsock-flow.h"

/*
 * One connection of the guest: packets on one side, one end of a stream
 * socket pair on the other. On its context's thread; nothing waits.
 *
 * What the socket does not take is kept, VSOCK_CONNECTION_BUFFER bytes at
 * most: the guest has no credit for more. What the guest does not take stays
 * in the socket. Where the socket's other end is closed, what was in it is
 * still sent, then RST.
 */

/* Our buf_alloc; Linux's default for a socket of its own. */
#define VSOCK_CONNECTION_BUFFER (256u << 10)
/* Data of one packet to the guest: Linux's limit for its own. */
#define VSOCK_CONNECTION_PACKET (64u << 10)

typedef struct VsockConnection VsockConnection;

/* vsock_connection_has_output() may have become TRUE. Not from within a call. */
typedef void (*VsockConnectionChanged)(gpointer data);

/* Takes the socket over; it becomes non-blocking. The guest is owed a RESPONSE. */
VsockConnection *vsock_connection_create(guint32 guest_port, guint32 host_port, int fd, GMainContext *context,
                                         VsockConnectionChanged changed, gpointer data);
void vsock_connection_destroy(VsockConnection *connection); /* NULL is legal */
gboolean vsock_connection_is(const VsockConnection *connection, guint32 guest_port, guint32 host_port);

/* A packet of the guest's: SHUTDOWN, RW, CREDIT_UPDATE or CREDIT_REQUEST. RW's data is behind the header in the
 * element. FALSE: it breaks the rules; RST is due. */
gboolean vsock_connection_input(VsockConnection *connection, const VsockPacket *packet,
                                const VirtqueueElement *element);

/* Whether there is a packet for the guest. */
gboolean vsock_connection_has_output(const VsockConnection *connection);
/* That packet: ports, operation, flags, credit and length, with its data written behind the place of the header. After
 * a RST the connection is over. The element has room for a header at least. */
void vsock_connection_output(VsockConnection *connection, const VirtqueueElement *element, VsockPacket *packet);
