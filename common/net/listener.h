/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"

/*
 * A listening socket on a main context. A unix socket is 0600; a socket file
 * left behind by a dead process is replaced, one that a live process answers
 * on is refused (F02), and any other file is never touched. A vsock socket
 * lets in address->peer_cid alone.
 */

typedef struct Listener Listener;

/* `fd` is non-blocking, tuned for streams and now the callee's. */
typedef void (*ListenerAccepted)(int fd, const Address *address, gpointer data);

/* Listens from here on; whoever connects waits until listener_accept(). NULL and error on failure: one line with what
 * failed, on what, why and what to do. For starting: it may block for some hundred milliseconds where the place is
 * taken. */
Listener *listener_open(const Address *address, GError **error);
/* A socket that somebody else opened and listens on; `fd` is the callee's. Its file, if any, is not ours to remove. */
Listener *listener_adopt(int fd, const Address *address);
/* Accepts on `context` (NULL: the default one) from here on. */
void listener_accept(Listener *listener, GMainContext *context, ListenerAccepted accepted, gpointer data);
/* listener_open() and listener_accept(). */
Listener *listener_create(const Address *address, GMainContext *context, ListenerAccepted accepted, gpointer data,
                          GError **error);
/* Closes, and removes its own unix socket file. NULL is legal. */
void listener_destroy(Listener *listener);

int listener_fd(const Listener *listener); /* borrowed */
/* The address with the port the kernel chose; owned by the caller. */
char *listener_to_string(const Listener *listener);
