/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/*
 * Messages between our own processes: SOCK_SEQPACKET, whole or not at all, a
 * few descriptors with each. Nothing here waits. The other end may be a
 * process that lies; what a message means is checked by whoever reads it.
 */

#define PACKET_MAX_BYTES 4096u
#define PACKET_MAX_FDS 20u

typedef struct {
  gsize size;
  guint n_fds;
  int fds[PACKET_MAX_FDS]; /* the receiver's to close, or to take: packet_take_fd() */
  _Alignas(8) guint8 bytes[PACKET_MAX_BYTES];
} Packet;

typedef enum {
  PACKET_DONE,
  PACKET_LATER, /* the socket is full, or empty */
  PACKET_OVER,  /* the other end has gone, or sent what is no message of ours */
} PacketResult;

/* Two connected ends, close-on-exec. FALSE and error: out of descriptors. */
gboolean packet_pair(int ends[2], GError **error);

/* The descriptors stay the caller's. */
PacketResult packet_send(int socket, const void *bytes, gsize size, const int *fds, guint n_fds);
/* Fills *packet; descriptors come close-on-exec. */
PacketResult packet_receive(int socket, Packet *packet);
int packet_take_fd(Packet *packet, guint index); /* -1 if there is none, or it was taken */
void packet_clear(Packet *packet);               /* closes what was not taken */
