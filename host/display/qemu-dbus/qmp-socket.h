/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/*
 * How QEMU's QMP socket is opened: by ourselves, or by somebody who may open
 * files where this process may not.
 */

/* Once, later, on the thread-default context of whoever asked: the connected socket, the callee's; or -1 and an errno. */
typedef void (*QmpOpened)(gpointer data, int fd, int code);

typedef struct {
  gpointer (*open)(const char *path, QmpOpened opened, gpointer data); /* what is under way */
  void (*cancel)(gpointer opening); /* it is not called any more; on the thread that asked */
} QmpOpener;

/* From here on sockets are opened by this one; static, or NULL for ourselves. Before anything is opened. */
void qmp_socket_set_opener(const QmpOpener *opener);
const QmpOpener *qmp_socket_opener(void);

/* TRUE if `path` can name a unix socket at all. */
gboolean qmp_path_check(const char *path, GError **error);
/* Connects without waiting: -1 and an errno. Any thread. */
int qmp_socket_connect(const char *path, int *code);
/* The words for that errno. */
GError *qmp_socket_error(const char *path, int code);
