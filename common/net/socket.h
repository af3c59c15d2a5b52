/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"

/*
 * Small things about stream sockets that listeners and connections share.
 * Every socket here is non-blocking and close-on-exec.
 */

/* Unsent bytes the kernel may hold for a viewer: with its default, its buffer alone held 3.6 s of video for a slow
 * reader, and what is in there can no longer be replaced by something newer. */
#define SOCKET_NOTSENT_LOWAT (32 << 10)
/* A unix socket has no such setting: its whole buffer is what a stopped reader will still be shown. */
#define SOCKET_UNIX_SNDBUF (64 << 10)

/* -1 and error on failure. */
int socket_open(const Address *address, GError **error);

/* accept(); -1 and errno. */
int socket_accept(int listening);

/* Options of a connection that carries pictures; failures are harmless. */
void socket_tune_stream(int fd, AddressKind kind);

/* write() to a socket of one of these, but without SIGPIPE: how many bytes the kernel took, or -1 and errno. */
gssize socket_send(int fd, const void *bytes, gsize size);

/* The CID of a vsock socket's other end; FALSE: it is no vsock socket, or not connected. */
gboolean socket_peer_cid(int fd, guint32 *cid);

/* Closes and sets to -1; -1 is legal. */
void socket_close(int *fd);
