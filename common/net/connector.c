/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/connector.h"

#include "common/net/socket.h"

#include <errno.h>
#include <poll.h>

static const char *remedy(const Address *address, int code) {
  if (code == ENOENT) return "nothing has made this socket: is frameliftd running with this --listen?";
  if (code == ECONNREFUSED && address->kind == ADDRESS_UNIX) {
    return "a stale socket file: the process that made it is gone; start frameliftd again";
  }
  if (code == ECONNREFUSED) return "nothing listens there: is frameliftd running with this --listen?";
  if (code == ECONNRESET) return "accepted and hung up on: is it a proxy whose back-end is gone?";
  if (code == EACCES || code == EPERM) return "run as the user that started frameliftd";
  if (code == ETIMEDOUT) return "no answer at all: is the address right, and does a firewall drop it?";
  if (code == EAFNOSUPPORT) return "this kernel lacks that kind of socket";
  return "check the address";
}

static int fail(const Address *address, int fd, int code, GError **error) {
  g_autofree char *text = address_to_string(address, -1);
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot connect to %s: %s (%s)", text,
              g_strerror(code), remedy(address, code));
  socket_close(&fd);
  return -1;
}

/* 0, or the errno of a connect that is under way. */
static int finish_connect(int fd, gint64 deadline_us) {
  while (TRUE) {
    gint64 left_ms = (deadline_us - g_get_monotonic_time() + 999) / 1000;
    if (left_ms <= 0) return ETIMEDOUT;
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    int ready = poll(&poll_fd, 1, (int)left_ms);
    if (ready < 0 && errno != EINTR) return errno;
    if (ready <= 0) continue;
    int code = 0;
    socklen_t size = sizeof code;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    return code;
  }
}

int connector_connect(const Address *address, guint timeout_ms, GError **error) {
  int fd = socket_open(address, error);
  if (fd < 0) {
    g_autofree char *text = address_to_string(address, -1);
    g_prefix_error(error, "cannot connect to %s: ", text);
    return -1;
  }
  gint64 deadline_us = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  while (connect(fd, &address->socket.any, address->size) != 0) {
    if (errno == EINTR) continue;
    if (errno == EAGAIN && g_get_monotonic_time() < deadline_us) {
      g_usleep(5000); /* unix: the listener's backlog is full; nothing to poll for */
      continue;
    }
    int code = errno == EINPROGRESS ? finish_connect(fd, deadline_us) : errno;
    if (code == 0) break;
    return fail(address, fd, code == EAGAIN ? ETIMEDOUT : code, error);
  }
  return fd;
}
