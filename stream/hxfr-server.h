/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/listener.h"
#include "stream/peer.h"

/* HXFR over unix, TCP and vsock listeners, on the hub's main context. */

typedef struct HxfrServer HxfrServer;

HxfrServer *hxfr_server_create(PeerService *service, GMainContext *context);
/* Closes every connection and listener. NULL is legal. */
void hxfr_server_destroy(HxfrServer *server);

/* Listens on one more address; what its peers must prove is `trust`. In *name the address with the port the kernel
 * chose, the caller's. FALSE and error: one line for a person. */
gboolean hxfr_server_listen(HxfrServer *server, const Address *address, PeerTrust trust, char **name, GError **error);
/* Serves a connection that somebody else accepted: a stream socket, taken over. `kind` is a literal, for people. */
void hxfr_server_take(HxfrServer *server, int fd, PeerTrust trust, const char *kind);
/* Serves a listener that somebody else opened; takes it over. */
void hxfr_server_adopt(HxfrServer *server, Listener *listener, PeerTrust trust);
