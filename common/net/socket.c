/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#ifdef __linux__
#include <linux/vm_sockets.h>
#endif

int socket_open(const Address *address, GError **error) {
  int fd = socket(address->socket.any.sa_family, SOCK_STREAM, 0);
  if (fd < 0) {
    int saved = errno;
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(saved), "cannot make a socket: %s", g_strerror(saved));
    return -1;
  }
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

void socket_tune_stream(int fd, AddressKind kind) {
  int one = 1, lowat = SOCKET_NOTSENT_LOWAT, buffer = SOCKET_UNIX_SNDBUF;
  if (kind == ADDRESS_TCP) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
#ifdef TCP_NOTSENT_LOWAT
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof lowat);
#endif
  } else if (kind == ADDRESS_UNIX) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
  }
}

gboolean socket_peer_cid(int fd, guint32 *cid) {
#ifdef __linux__
  struct sockaddr_vm name = {0};
  socklen_t size = sizeof name;
  if (getpeername(fd, (struct sockaddr *)&name, &size) != 0 || name.svm_family != AF_VSOCK) return FALSE;
  *cid = name.svm_cid;
  return TRUE;
#else
  return FALSE;
#endif
}

void socket_close(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}
