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

/* A container's default rules let a program make any socket but this. */
static const char *hint(AddressKind kind, int code) {
  if (kind != ADDRESS_VSOCK) return "";
  if (code == EPERM || code == EACCES) {
    return "; AF_VSOCK is forbidden here, as containers' default seccomp profiles have it: use tcp: or unix:, or a profile "
           "that allows it";
  }
  if (code == EAFNOSUPPORT) return "; this kernel has no AF_VSOCK, or its module is not loaded: use tcp: or unix:";
  return "";
}

static void make_ours(int fd) {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
#ifndef MSG_NOSIGNAL
  int one = 1; /* where it is the socket's, not the call's: see socket_send() */
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &one, sizeof one);
#endif
}

int socket_open(const Address *address, GError **error) {
  int fd = socket(address->socket.any.sa_family, SOCK_STREAM, 0);
  if (fd < 0) {
    int saved = errno;
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(saved), "cannot make a socket: %s%s", g_strerror(saved),
                hint(address->kind, saved));
    return -1;
  }
  make_ours(fd);
  return fd;
}

int socket_accept(int listening) {
  int fd = accept(listening, NULL, NULL);
  if (fd < 0) return -1;
  make_ours(fd);
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

gssize socket_send(int fd, const void *bytes, gsize size) {
#ifdef MSG_NOSIGNAL
  return send(fd, bytes, size, MSG_NOSIGNAL);
#else
  return send(fd, bytes, size, 0);
#endif
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
