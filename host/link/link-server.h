/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/link/link-message.h"

/*
 * The display's end: tells the stream's process which scanouts there are and
 * when their shadows change, and reads resources for it.
 *
 * That process may be stopped, dead, or about to be replaced: nothing here
 * waits for it. What cannot be sent is kept as the newest state of each
 * thing, and goes when there is room; a new link is told everything from the
 * start. Its memory is bounded by what can be asked for: LINK_MAX_READERS
 * shadows.
 */

typedef struct LinkServer LinkServer;

/* The display outlives the server. `context`: where its socket is looked at (NULL:
 * the default one); create, connect and destroy are called on that thread. */
LinkServer *link_server_create(Display *display, GMainContext *context);
/* The display has been stopped. NULL is legal. */
void link_server_destroy(LinkServer *server);

/* Another stream process, or the first: takes the socket over, and closes the link before. */
void link_server_connect(LinkServer *server, int socket);

/* What the display says. Its thread, or any one at a time. The texts are copied. */
void link_server_scanout(LinkServer *server, guint id, const ScanoutInfo *info);
/* Its shadow may be another one (NULL: dark), or hold another picture. A reference is taken where it is kept. */
void link_server_captured(LinkServer *server, guint id, Shadow *shadow);
void link_server_outputs(LinkServer *server, guint count);
void link_server_state(LinkServer *server, DisplayState state, const char *text);

/* A program in the guest has connected to that port: `fd`, the callee's in any case, goes to the stream's process.
 * FALSE: it cannot, now; nothing is kept for later. Any thread. */
gboolean link_server_vsock(LinkServer *server, guint32 port, int fd);
