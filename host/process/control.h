/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/process/packet.h"

/*
 * What the parent and its two children say to each other, over the socket
 * that a child is started with: one struct in one packet, with descriptors.
 *
 *   parent → child  SETUP   everything that the parent opened for it
 *   child → parent  READY   it took that; descriptor: its counters
 *   parent → child  LINK    the socket to the other child; for `stream` also the display's counters. Again whenever the
 *                           other one was started again
 *   child → parent  SERVING `stream` has heard of the display and takes connections
 *   child → parent  OPEN    `display` wants QEMU's QMP socket connected: the one that the options name
 *   parent → child  OPENED  the socket, or an errno and none
 *
 * The socket's end is the order to stop. A child that is not READY when it
 * ends has said on stderr why.
 */

/* Where a child finds that socket. */
#define CONTROL_FD 3
#define CONTROL_MAX_TOKEN 256u

typedef enum { CONTROL_SETUP = 1, CONTROL_READY, CONTROL_LINK, CONTROL_SERVING, CONTROL_OPEN, CONTROL_OPENED } ControlType;

typedef struct {
  guint32 type;
  gint32 pid;                        /* LINK: of the other child, for people */
  guint32 serial;                    /* OPENED has its OPEN's */
  gint32 code;                       /* OPENED: 0, or an errno */
  char token[CONTROL_MAX_TOKEN + 1]; /* SETUP of `stream` */
} ControlMessage;

/* SETUP's descriptors: `stream` gets the parent's counters, then its listening sockets in the order of the options, HTTP
 * last. `display` gets the vhost-user sockets that the options speak of: the display's, then vsock's. */

/* The descriptors stay the caller's. FALSE: the other end has gone, or takes nothing. */
gboolean control_send(int socket, const ControlMessage *message, const int *fds, guint n_fds);
/* FALSE if the packet is no such message. Texts are ended. */
gboolean control_parse(const Packet *packet, ControlMessage *message);
