/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * The header in front of every packet of a vsock device: virtio 1.2 section
 * 5.10.6. Bytes in, a struct out, and the other way; no meanings. Any thread.
 */

#define VSOCK_PACKET_HEADER 44u

/* 5.10.6 "type": the only type that is offered here. */
#define VSOCK_TYPE_STREAM 1u

/* 5.10.6 "op" */
typedef enum {
  VSOCK_REQUEST = 1,
  VSOCK_RESPONSE,
  VSOCK_RST,
  VSOCK_SHUTDOWN,
  VSOCK_RW,
  VSOCK_CREDIT_UPDATE,
  VSOCK_CREDIT_REQUEST,
} VsockOp;

/* 5.10.6.4, flags of SHUTDOWN: the sender will not receive, not send any more. */
#define VSOCK_SHUTDOWN_RECEIVE 1u
#define VSOCK_SHUTDOWN_SEND 2u

/* CIDs (5.10.4): the host's; a guest's are from 3 on, and the last one means "any". */
#define VSOCK_HOST_CID 2u
#define VSOCK_MIN_GUEST_CID 3u
#define VSOCK_MAX_GUEST_CID 0xfffffffeu

typedef struct {
  guint64 src_cid;
  guint64 dst_cid;
  guint32 src_port;
  guint32 dst_port;
  guint32 len; /* bytes of data behind the header */
  guint16 type;
  guint16 op;
  guint32 flags;
  guint32 buf_alloc; /* the sender's whole buffer, bytes */
  guint32 fwd_cnt;   /* bytes that its reader has taken, modulo 2^32 */
} VsockPacket;

/* `size`: of the packet with its data, of which the header's bytes are given. FALSE: too short for the header, or for
 * the data that it speaks of, or data where the operation has none, or a CID of more than 32 bits. */
gboolean vsock_packet_parse(VsockPacket *packet, const guint8 header[VSOCK_PACKET_HEADER], gsize size);
void vsock_packet_write(const VsockPacket *packet, guint8 header[VSOCK_PACKET_HEADER]);
