/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream/peer.h"

/*
 * A peer on a stream socket, served by a main context: bytes in through
 * framing to the peer, the peer's outbox out. Never blocks, reads no more
 * while answers pile up, and lives until its owner destroys it.
 */

typedef struct Connection Connection;

/* The connection is at its end: destroy it now or soon. Called at most once, never from within connection_create(). */
typedef void (*ConnectionClosed)(Connection *connection, gpointer data);

/* Takes fd over. NULL where the service has all the peers it may have: they were told and closed. */
Connection *connection_create(PeerService *service, GMainContext *context, int fd, PeerTrust trust, const char *kind,
                              ConnectionClosed closed, gpointer data);
void connection_destroy(Connection *connection); /* NULL is legal */

/* TRUE: cut it off now; it has been logged and counted. */
gboolean connection_is_overdue(Connection *connection, gint64 now_us);
