/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/qmp-socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const QmpOpener *set_opener;

void qmp_socket_set_opener(const QmpOpener *opener) {
  set_opener = opener;
}

const QmpOpener *qmp_socket_opener(void) {
  return set_opener;
}

gboolean qmp_path_check(const char *path, GError **error) {
  struct sockaddr_un address;
  if (!path || !*path) {
    g_set_error(
        error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
        "the display \"qemu:\" needs the path of QEMU's QMP socket: --display qemu:PATH, for a QEMU that was started "
        "with -display dbus,p2p=yes -qmp unix:PATH,server=on,wait=off");
    return FALSE;
  }
  if (strlen(path) >= sizeof address.sun_path) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "the path \"%s\" is too long for a unix socket: %zu bytes, and %zu are possible; use a shorter one",
                path, strlen(path), sizeof address.sun_path - 1);
    return FALSE;
  }
  return TRUE;
}

GError *qmp_socket_error(const char *path, int code) {
  GIOErrorEnum kind = g_io_error_from_errno(code);
  const char *hint = "";
  if (code == ENOENT) hint = " (is QEMU running, with -qmp unix:PATH,server=on,wait=off?)";
  if (code == ECONNREFUSED) hint = " (no process listens on it; the file is left over)";
  if (code == EACCES || code == EPERM) hint = " (run framelift as the user that runs QEMU)";
  if (code == EAGAIN) hint = " (its queue is full: another program holds this monitor; give QEMU a second -qmp socket)";
  if (code == ECONNREFUSED) kind = G_IO_ERROR_CONNECTION_REFUSED;
  return g_error_new(G_IO_ERROR, (gint)kind, "cannot connect to QEMU's QMP socket \"%s\": %s%s", path,
                     g_strerror(code), hint);
}

int qmp_socket_connect(const char *path, int *code) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) return fd;
  *code = errno;
  if (fd >= 0) close(fd);
  return -1;
}
