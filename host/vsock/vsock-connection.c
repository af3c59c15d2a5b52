/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-connection.h"

#include "common/base/stats.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Parts of the guest's buffer that one read fills; Linux's have one or two. */
#define CONNECTION_PARTS 16u

struct VsockConnection {
  guint32 guest_port;
  guint32 host_port;
  int fd;
  VsockFlow flow;
  guint8 *buffer; /* a ring of VSOCK_CONNECTION_BUFFER bytes; NULL until it is needed */
  guint32 begin;
  guint32 fill;
  gboolean readable;    /* the socket may have bytes, or its end */
  gboolean read_ended;  /* nothing more is read from it */
  gboolean unwritable;  /* nobody reads its other end: what the guest sends is dropped */
  gboolean guest_ended; /* the guest sends no more: the socket is told behind the buffer */
  gboolean closing;     /* the guest has closed it both ways: RST behind the buffer */
  gboolean response_due;
  gboolean shutdown_due;
  gboolean reset_due;
  GSource *watch;
  gpointer tag; /* of the socket in it; NULL: not looked at */
  VsockConnectionChanged changed;
  gpointer data;
};

typedef struct {
  GSource base;
  VsockConnection *connection;
} Watch;

/* ---- what is waited for ---- */

static void look_at(VsockConnection *connection) {
  gboolean in = !connection->readable && !connection->read_ended && vsock_flow_room(&connection->flow) > 0;
  GIOCondition events = (in ? G_IO_IN : 0) | (connection->fill > 0 ? G_IO_OUT : 0);
  /* A socket whose other end is closed reports that whatever is asked for: it is not asked while it is known. */
  gboolean silent = connection->reset_due || (connection->readable && connection->fill == 0);
  if (connection->tag && silent) {
    g_source_remove_unix_fd(connection->watch, connection->tag);
    connection->tag = NULL;
  } else if (connection->tag) {
    g_source_modify_unix_fd(connection->watch, connection->tag, events);
  } else if (!silent) {
    connection->tag = g_source_add_unix_fd(connection->watch, connection->fd, events);
  }
}

static void end_when_empty(VsockConnection *connection) {
  if (connection->fill > 0) return;
  if (connection->closing) {
    connection->reset_due = TRUE;
  } else if (connection->guest_ended) {
    shutdown(connection->fd, SHUT_WR);
  }
}

static void forget_reader(VsockConnection *connection) {
  connection->unwritable = TRUE;
  vsock_flow_forward(&connection->flow, connection->fill);
  connection->fill = 0;
  end_when_empty(connection);
}

/* How many bytes the socket took. */
static guint32 write_some(VsockConnection *connection, const guint8 *bytes, gsize size) {
  gssize sent = send(connection->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS) {
    forget_reader(connection);
  }
  if (sent <= 0) return 0;
  vsock_flow_forward(&connection->flow, (guint32)sent);
  return (guint32)sent;
}

static void flush(VsockConnection *connection) {
  while (connection->fill > 0) {
    guint32 part = MIN(connection->fill, VSOCK_CONNECTION_BUFFER - connection->begin);
    guint32 sent = write_some(connection, connection->buffer + connection->begin, part);
    if (connection->unwritable) return;
    connection->begin = (connection->begin + sent) % VSOCK_CONNECTION_BUFFER;
    connection->fill -= sent;
    if (sent < part) return;
  }
  end_when_empty(connection);
}

static gboolean on_watch(GSource *source, GSourceFunc callback, gpointer data) {
  VsockConnection *connection = ((Watch *)source)->connection;
  GIOCondition found = connection->tag ? g_source_query_unix_fd(source, connection->tag) : 0;
  if (found & (G_IO_OUT | G_IO_HUP | G_IO_ERR)) flush(connection);
  if (found & (G_IO_HUP | G_IO_ERR)) {
    if (!connection->unwritable) forget_reader(connection);
    if (connection->read_ended) connection->reset_due = TRUE;
  }
  if (found & (G_IO_IN | G_IO_HUP | G_IO_ERR)) connection->readable = !connection->read_ended;
  look_at(connection);
  if (vsock_connection_has_output(connection)) connection->changed(connection->data);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs watch_functions = {.dispatch = on_watch};

/* ---- life ---- */

VsockConnection *vsock_connection_create(guint32 guest_port, guint32 host_port, int fd, GMainContext *context,
                                         VsockConnectionChanged changed, gpointer data) {
  VsockConnection *connection = g_new0(VsockConnection, 1);
  connection->guest_port = guest_port;
  connection->host_port = host_port;
  connection->fd = fd;
  connection->response_due = TRUE;
  connection->changed = changed;
  connection->data = data;
  g_unix_set_fd_nonblocking(fd, TRUE, NULL);
  vsock_flow_init(&connection->flow, VSOCK_CONNECTION_BUFFER);
  connection->watch = g_source_new(&watch_functions, sizeof(Watch));
  ((Watch *)connection->watch)->connection = connection;
  g_source_attach(connection->watch, context);
  look_at(connection);
  return connection;
}

void vsock_connection_destroy(VsockConnection *connection) {
  if (!connection) return;
  g_source_destroy(connection->watch);
  g_source_unref(connection->watch);
  close(connection->fd);
  g_free(connection->buffer);
  g_free(connection);
}

gboolean vsock_connection_is(const VsockConnection *connection, guint32 guest_port, guint32 host_port) {
  return connection->guest_port == guest_port && connection->host_port == host_port;
}

/* ---- from the guest ---- */

/* FALSE: no memory, or a guest that lied about its credit in a way that was not seen. */
static gboolean keep(VsockConnection *connection, const guint8 *bytes, gsize size) {
  if (size > VSOCK_CONNECTION_BUFFER - connection->fill) return FALSE;
  if (!connection->buffer) connection->buffer = g_try_malloc(VSOCK_CONNECTION_BUFFER);
  if (!connection->buffer) return FALSE;
  guint32 end = (connection->begin + connection->fill) % VSOCK_CONNECTION_BUFFER;
  gsize first = MIN(size, VSOCK_CONNECTION_BUFFER - end);
  memcpy(connection->buffer + end, bytes, first);
  memcpy(connection->buffer, bytes + first, size - first);
  connection->fill += (guint32)size;
  return TRUE;
}

static gboolean take_part(VsockConnection *connection, const guint8 *bytes, gsize size) {
  guint32 sent = connection->fill == 0 && !connection->unwritable ? write_some(connection, bytes, size) : 0;
  if (connection->unwritable) {
    vsock_flow_forward(&connection->flow, (guint32)size - sent);
    return TRUE;
  }
  return sent == size || keep(connection, bytes + sent, size - sent);
}

static gboolean take_data(VsockConnection *connection, guint32 length, const VirtqueueElement *element) {
  if (connection->guest_ended) return FALSE;
  if (!vsock_flow_receive(&connection->flow, length)) {
    stats_count("vsock.credit-overruns");
    return FALSE;
  }
  gsize skip = VSOCK_PACKET_HEADER, left = length;
  for (guint i = 0; i < element->n_out && left > 0; i++) {
    const VirtqueueSpan *span = &element->spans[i];
    gsize from = MIN(skip, span->size), part = MIN(span->size - from, left);
    skip -= from;
    left -= part;
    if (part > 0 && !take_part(connection, span->data + from, part)) return FALSE;
  }
  return left == 0;
}

static void take_shutdown(VsockConnection *connection, guint32 flags) {
  if (flags & VSOCK_SHUTDOWN_RECEIVE) {
    connection->read_ended = TRUE;
    connection->readable = FALSE;
  }
  if (flags & VSOCK_SHUTDOWN_SEND) connection->guest_ended = TRUE;
  connection->closing = connection->guest_ended && connection->read_ended;
  end_when_empty(connection);
}

gboolean vsock_connection_input(VsockConnection *connection, const VsockPacket *packet,
                                const VirtqueueElement *element) {
  gboolean ok = TRUE;
  vsock_flow_hear(&connection->flow, packet);
  switch ((VsockOp)packet->op) {
  case VSOCK_RW:
    ok = take_data(connection, packet->len, element);
    break;
  case VSOCK_SHUTDOWN:
    take_shutdown(connection, packet->flags);
    break;
  case VSOCK_CREDIT_REQUEST:
    vsock_flow_ask(&connection->flow);
    break;
  case VSOCK_CREDIT_UPDATE:
    break;
  default:
    ok = FALSE;
    break;
  }
  look_at(connection);
  return ok;
}

/* ---- to the guest ---- */

gboolean vsock_connection_has_output(const VsockConnection *connection) {
  return connection->response_due || connection->reset_due || connection->shutdown_due ||
         vsock_flow_is_due(&connection->flow) || (connection->readable && vsock_flow_room(&connection->flow) > 0);
}

/* The element's parts behind the header, `size` bytes at most; returns how many parts. */
static guint data_parts(const VirtqueueElement *element, gsize size, struct iovec *parts) {
  gsize skip = VSOCK_PACKET_HEADER;
  guint count = 0;
  for (guint i = 0; i < element->n_in && size > 0 && count < CONNECTION_PARTS; i++) {
    const VirtqueueSpan *span = &element->spans[element->n_out + i];
    gsize from = MIN(skip, span->size), part = MIN(span->size - from, size);
    skip -= from;
    size -= part;
    if (part > 0) parts[count++] = (struct iovec){span->data + from, part};
  }
  return count;
}

static gboolean is_hung_up(int fd) {
  struct pollfd poller = {.fd = fd};
  return poll(&poller, 1, 0) == 1 && (poller.revents & (POLLHUP | POLLERR));
}

/* The socket says no more: its other end is closed, or has said all it has to. */
static void end_reading(VsockConnection *connection, gboolean failed) {
  connection->read_ended = TRUE;
  connection->readable = FALSE;
  if (failed || is_hung_up(connection->fd)) {
    connection->reset_due = TRUE;
  } else {
    connection->shutdown_due = TRUE;
  }
}

/* How many bytes were put into the element. */
static guint32 read_data(VsockConnection *connection, const VirtqueueElement *element) {
  struct iovec parts[CONNECTION_PARTS];
  gsize room = MIN(vsock_flow_room(&connection->flow), VSOCK_CONNECTION_PACKET);
  guint count = data_parts(element, room, parts);
  if (count == 0) return 0;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
  gssize got = recvmsg(connection->fd, &message, MSG_DONTWAIT);
  if (got > 0) {
    gsize wanted = 0;
    for (guint i = 0; i < count; i++) wanted += parts[i].iov_len;
    connection->readable = (gsize)got == wanted; /* else the socket has said all it had */
    vsock_flow_send(&connection->flow, (guint32)got);
    return (guint32)got;
  }
  connection->readable = FALSE;
  if (got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) end_reading(connection, got < 0);
  return 0;
}

void vsock_connection_output(VsockConnection *connection, const VirtqueueElement *element, VsockPacket *packet) {
  packet->op = VSOCK_CREDIT_UPDATE; /* where nothing else turns out to be due: never wrong */
  if (connection->response_due) {
    packet->op = VSOCK_RESPONSE;
    connection->response_due = FALSE;
  } else if (!connection->reset_due && connection->readable && vsock_flow_room(&connection->flow) > 0) {
    packet->len = read_data(connection, element);
    if (packet->len > 0) packet->op = VSOCK_RW;
  }
  if (packet->op == VSOCK_CREDIT_UPDATE && connection->reset_due) {
    packet->op = VSOCK_RST;
  } else if (packet->op == VSOCK_CREDIT_UPDATE && connection->shutdown_due) {
    packet->op = VSOCK_SHUTDOWN;
    packet->flags = VSOCK_SHUTDOWN_SEND;
    connection->shutdown_due = FALSE;
  }
  packet->src_port = connection->host_port;
  packet->dst_port = connection->guest_port;
  vsock_flow_tell(&connection->flow, packet);
  look_at(connection);
}
