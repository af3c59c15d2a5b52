/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/vsock/vsock-settings.h"

#include <gio/gio.h>

/*
 * A vsock device at work, as a vhost-user back-end for one QEMU after the
 * other, on a thread of its own.
 */

typedef struct VsockService VsockService;

/* On the service's thread: the guest connects to the port of the settings. `fd` is a stream socket, the callee's in any
 * case. FALSE: nobody is there who would serve it. */
typedef gboolean (*VsockServiceAccept)(gpointer data, guint32 port, int fd);

/* `fd`: the listening socket of settings->path, taken over. NULL and error: no thread. */
VsockService *vsock_service_start(const VsockSettings *settings, int fd, VsockServiceAccept accept, gpointer data,
                                  GError **error);
void vsock_service_stop(VsockService *service); /* NULL is legal */
