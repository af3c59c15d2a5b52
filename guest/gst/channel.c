/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/channel.h"

#include "common/net/connector.h"
#include "common/net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

gboolean channel_open(Channel *channel, const Address *address, guint timeout_ms, GError **error) {
  *channel = (Channel){.fd = connector_connect(address, timeout_ms, error)};
  if (channel->fd < 0) return FALSE;
  if (address->kind == ADDRESS_TCP) {
    int one = 1; /* requests are small and each is waited for */
    setsockopt(channel->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  framing_init(&channel->framing, 0);
  g_queue_init(&channel->outgoing);
  channel->received_us = channel->progress_us = g_get_monotonic_time();
  return TRUE;
}

static void drop_outgoing(Channel *channel) {
  g_queue_clear_full(&channel->outgoing, (GDestroyNotify)g_bytes_unref);
  channel->first_sent = 0;
}

void channel_close(Channel *channel) {
  if (channel->fd > 0) socket_close(&channel->fd);
  channel->fd = -1;
  framing_finish(&channel->framing);
  drop_outgoing(channel);
}

void channel_queue(Channel *channel, GBytes *message) {
  channel->queued += g_bytes_get_size(message);
  if (channel->send_ended) {
    g_bytes_unref(message);
    return;
  }
  if (g_queue_is_empty(&channel->outgoing)) channel->progress_us = g_get_monotonic_time();
  g_queue_push_tail(&channel->outgoing, message);
}

/* A failed send is not the end yet: the peer may have said why it closed, and that is still to be read. */
static void send_some(Channel *channel) {
  GBytes *message;
  while ((message = g_queue_peek_head(&channel->outgoing)) != NULL) {
    gsize size;
    const guint8 *bytes = g_bytes_get_data(message, &size);
    ssize_t count = socket_send(channel->fd, bytes + channel->first_sent, size - channel->first_sent);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (count < 0) {
      channel->send_ended = TRUE;
      drop_outgoing(channel);
      return;
    }
    channel->first_sent += (gsize)count;
    channel->sent += (gsize)count;
    channel->progress_us = g_get_monotonic_time();
    if (channel->first_sent < size) continue;
    g_bytes_unref(g_queue_pop_head(&channel->outgoing));
    channel->first_sent = 0;
  }
}

/* Bytes that came, 0 if none are there; -1 and error at the end of the connection. */
static gssize read_once(Channel *channel, GError **error) {
  gsize room = 0;
  guint8 *space = framing_space(&channel->framing, &room);
  if (!space) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no memory for what the host sends");
    return -1;
  }
  ssize_t count;
  do {
    count = read(channel->fd, space, room);
  } while (count < 0 && errno == EINTR);
  if (count > 0) {
    framing_commit(&channel->framing, (gsize)count);
    channel->received_us = g_get_monotonic_time();
    return count;
  }
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return 0;
  int code = errno;
  if (count == 0 || code == ECONNRESET || code == EPIPE) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED,
                        count == 0 ? "the host closed the connection" : "the host broke the connection off");
  } else {
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "reading: %s", g_strerror(code));
  }
  return -1;
}

/* What comes together with the end is handed out first: the end is found again in the next turn. */
static gboolean read_some(Channel *channel, GError **error) {
  gsize total = 0;
  while (total < CHANNEL_TURN_BYTES) {
    g_autoptr(GError) end = NULL;
    gssize count = read_once(channel, &end);
    if (count < 0 && total == 0) {
      g_propagate_error(error, g_steal_pointer(&end));
      return FALSE;
    }
    if (count <= 0) return TRUE;
    total += (gsize)count;
  }
  return TRUE;
}

gboolean channel_turn(Channel *channel, int wake_fd, gint64 deadline_us, GError **error) {
  send_some(channel);
  gint64 left_ms = (deadline_us - g_get_monotonic_time() + 999) / 1000;
  gboolean waiting = !g_queue_is_empty(&channel->outgoing);
  struct pollfd fds[] = {
      {.fd = channel->fd, .events = (short)(waiting ? POLLIN | POLLOUT : POLLIN)},
      {.fd = wake_fd, .events = POLLIN},
  };
  poll(fds, G_N_ELEMENTS(fds), (int)CLAMP(left_ms, 0, G_MAXINT));
  if (fds[0].revents & POLLOUT) send_some(channel);
  return !(fds[0].revents & (POLLIN | POLLHUP | POLLERR)) || read_some(channel, error);
}

FramingResult channel_next(Channel *channel, HxfrHeader *header, const guint8 **payload) {
  return framing_next(&channel->framing, header, payload);
}

gboolean channel_in_message(const Channel *channel) {
  return channel->framing.start < channel->framing.end;
}
