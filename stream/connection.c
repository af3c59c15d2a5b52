/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/connection.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/socket.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/uio.h>
#include <unistd.h>

/* What one turn of the loop reads from or writes to one peer, so that a fast one does not starve the others. */
#define CONNECTION_TURN_BYTES (256u << 10)
/* How long a peer that is to be closed may take to fetch the ERROR that tells it why. */
#define CONNECTION_LINGER_US (2 * G_USEC_PER_SEC)

struct Connection {
  int fd;
  const char *kind;
  GMainContext *context;
  Peer *peer;
  Outbox *outbox;
  Framing framing;
  GSource *readable;
  GSource *writable;
  OutboxItem item; /* being written */
  gsize written;   /* of the item */
  gboolean has_item;
  gboolean paused;   /* answers pile up: what is in `framing`, and what the peer sends, waits */
  gint64 closing_us; /* no more is read; closes when the outbox is empty, or at this time */
  ConnectionClosed closed;
  gpointer data;
};

static void clear_source(GSource **source) {
  if (!*source) return;
  g_source_destroy(*source);
  g_clear_pointer(source, g_source_unref);
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data);
static gboolean on_writable(gint fd, GIOCondition condition, gpointer data);

static GSource *watch(Connection *connection, GIOCondition condition, GUnixFDSourceFunc run) {
  GSource *source = g_unix_fd_source_new(connection->fd, condition);
  g_source_set_callback(source, G_SOURCE_FUNC(run), connection, NULL);
  g_source_attach(source, connection->context);
  return source;
}

/* Only schedules: it is called from within the hub's loop over its subscriptions. */
static void wake(gpointer data) {
  Connection *connection = data;
  if (!connection->writable) connection->writable = watch(connection, G_IO_OUT, on_writable);
}

static const PeerTransport TRANSPORT = {.wake = wake, .has_pixels = TRUE};

Connection *connection_create(PeerService *service, GMainContext *context, int fd, PeerTrust trust, const char *kind,
                              ConnectionClosed closed, gpointer data) {
  Connection *connection = g_new0(Connection, 1);
  connection->peer = peer_create(service, trust, kind, &TRANSPORT, connection);
  if (!connection->peer) {
    g_autoptr(GBytes) refusal = peer_refusal();
    ssize_t sent = write(fd, g_bytes_get_data(refusal, NULL), g_bytes_get_size(refusal));
    (void)sent; /* a courtesy: it fits into any socket buffer, and nobody waits for it */
    close(fd);
    g_free(connection);
    return NULL;
  }
  connection->fd = fd;
  connection->kind = kind;
  connection->context = context;
  connection->outbox = outbox_ref(peer_outbox(connection->peer));
  connection->closed = closed;
  connection->data = data;
  framing_init(&connection->framing, 0);
  connection->readable = watch(connection, G_IO_IN, on_readable);
  return connection;
}

void connection_destroy(Connection *connection) {
  if (!connection) return;
  clear_source(&connection->readable);
  clear_source(&connection->writable);
  if (connection->has_item) outbox_item_clear(&connection->item);
  peer_destroy(connection->peer);
  outbox_unref(connection->outbox);
  framing_finish(&connection->framing);
  socket_close(&connection->fd);
  g_free(connection);
}

static void finish(Connection *connection) {
  clear_source(&connection->readable);
  clear_source(&connection->writable);
  connection->closed(connection, connection->data);
}

static void close_after_flush(Connection *connection) {
  clear_source(&connection->readable);
  connection->closing_us = g_get_monotonic_time() + CONNECTION_LINGER_US;
  wake(connection);
}

/* What may come depends on the type, and on whether the peer has shown its token. */
static FramingResult next_message(Connection *connection, HxfrHeader *header, const guint8 **payload) {
  guint8 type;
  if (framing_peek_type(&connection->framing, &type)) {
    connection->framing.max_payload = peer_max_payload(connection->peer, type);
  }
  return framing_next(&connection->framing, header, payload);
}

/* TRUE: go on, unless `paused` was set. */
static gboolean handle_messages(Connection *connection) {
  HxfrHeader header;
  const guint8 *payload;
  FramingResult result;
  while ((result = next_message(connection, &header, &payload)) == FRAMING_MESSAGE) {
    if (!peer_receive(connection->peer, &header, payload)) return FALSE;
    connection->paused = peer_is_congested(connection->peer);
    if (connection->paused) return TRUE;
  }
  if (result == FRAMING_NEED_MORE) return TRUE;
  peer_broken(connection->peer, result, &header);
  return FALSE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data) {
  Connection *connection = data;
  for (gsize total = 0; total < CONNECTION_TURN_BYTES;) {
    gsize room = 0;
    guint8 *space = framing_space(&connection->framing, &room);
    ssize_t got = space ? read(fd, space, room) : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return G_SOURCE_CONTINUE;
    if (got <= 0) {
      finish(connection);
      return G_SOURCE_REMOVE;
    }
    framing_commit(&connection->framing, (gsize)got);
    total += (gsize)got;
    if (!handle_messages(connection)) {
      close_after_flush(connection);
      return G_SOURCE_REMOVE;
    }
    if (connection->paused) {
      stats_count("connection.pauses");
      clear_source(&connection->readable);
      return G_SOURCE_REMOVE;
    }
  }
  return G_SOURCE_CONTINUE;
}

/* The answers are out: goes on with what had come, then with the socket. */
static void resume(Connection *connection) {
  connection->paused = FALSE;
  if (!handle_messages(connection)) {
    close_after_flush(connection);
  } else if (!connection->paused) {
    connection->readable = watch(connection, G_IO_IN, on_readable);
  }
}

/* The parts of the item that are still to be written. */
static int unwritten(const Connection *connection, struct iovec parts[2]) {
  const OutboxItem *item = &connection->item;
  struct iovec all[2] = {
      {.iov_base = (gpointer)item->head, .iov_len = item->head_size},
      {0},
  };
  if (item->message) {
    gsize size;
    all[1].iov_base = (gpointer)g_bytes_get_data(item->message, &size);
    all[1].iov_len = size;
  } else {
    all[1].iov_base = item->unit->body;
    all[1].iov_len = item->unit->body_size;
  }
  gsize skip = connection->written;
  int count = 0;
  for (int i = 0; i < 2; i++) {
    gsize cut = MIN(skip, all[i].iov_len);
    skip -= cut;
    if (cut == all[i].iov_len) continue;
    parts[count++] = (struct iovec){(guint8 *)all[i].iov_base + cut, all[i].iov_len - cut};
  }
  return count;
}

typedef enum {
  WRITE_DONE,
  WRITE_BLOCKED,
  WRITE_FAILED,
} WriteResult;

static WriteResult write_item(Connection *connection, gsize *total) {
  struct iovec parts[2];
  int count;
  while ((count = unwritten(connection, parts)) > 0) {
    ssize_t sent = writev(connection->fd, parts, count);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return errno == EAGAIN ? WRITE_BLOCKED : WRITE_FAILED;
    connection->written += (gsize)sent;
    *total += (gsize)sent;
  }
  return WRITE_DONE;
}

static gboolean next_item(Connection *connection) {
  guint32 idr_wanted = 0;
  connection->has_item = outbox_pop(connection->outbox, &connection->item, &idr_wanted);
  connection->written = 0;
  if (idr_wanted) peer_idr_wanted(connection->peer, idr_wanted);
  return connection->has_item;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data) {
  Connection *connection = data;
  gsize total = 0;
  while (total < CONNECTION_TURN_BYTES) {
    if (!connection->has_item && !next_item(connection)) {
      clear_source(&connection->writable);
      if (connection->closing_us) {
        finish(connection);
      } else if (connection->paused && !peer_is_congested(connection->peer)) {
        resume(connection);
      }
      return G_SOURCE_REMOVE;
    }
    WriteResult result = write_item(connection, &total);
    if (result == WRITE_BLOCKED) break;
    if (result == WRITE_FAILED) {
      finish(connection);
      return G_SOURCE_REMOVE;
    }
    outbox_item_clear(&connection->item);
    connection->has_item = FALSE;
  }
  stats_add(stats_counter("connection.bytes-sent"), (gint64)total);
  return G_SOURCE_CONTINUE;
}

gboolean connection_is_overdue(Connection *connection, gint64 now_us) {
  static LogLimit limit;
  const char *why = peer_overdue(connection->peer, now_us);
  if (!why && connection->closing_us && now_us > connection->closing_us) why = "it was to be closed";
  if (why) log_limited(&limit, LOG_INFO, "connection", "cutting off a %s peer: %s", connection->kind, why);
  return why != NULL;
}
