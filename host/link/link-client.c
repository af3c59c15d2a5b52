/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/link/link-client.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/process/packet.h"

#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

/* Messages read in a row before the rest of the loop has its turn. */
#define LINK_CLIENT_BATCH 32

typedef struct {
  guint32 serial; /* 0: nothing is under way */
  LinkReadDone done;
  gpointer data;
} Read;

struct LinkClient {
  GMainContext *context;
  const LinkClientEvents *events;
  gpointer data;
  GSource *readable;
  GSource *writable; /* while something below is untold for want of room */
  Shadow *shadows[LINK_MAX_READERS];
  guint32 watched;
  gboolean watch_untold;
  guint32 ends_untold;    /* a bit for each reader; atomic */
  guint32 outputs_untold; /* a bit for each output */
  LinkMessage outputs[DISPLAY_MAX_SCANOUTS];

  Mutex mutex; /* the rest; held while a message is handed to the kernel, which does not wait */
  int socket;  /* -1: no link */
  guint32 serial;
  Read reads[LINK_MAX_READERS];
};

static gboolean send_locked(LinkClient *client, const LinkMessage *message) {
  if (client->socket < 0) return FALSE;
  if (packet_send(client->socket, message, sizeof *message, NULL, 0) == PACKET_DONE) return TRUE;
  static LogLimit limit;
  stats_count("link.unsent");
  log_limited(&limit, LOG_WARN, "link", "the display's process takes no messages; is it stopped?");
  return FALSE;
}

static gboolean send_message(LinkClient *client, const LinkMessage *message) {
  mutex_lock(&client->mutex);
  gboolean sent = send_locked(client, message);
  mutex_unlock(&client->mutex);
  return sent;
}

static gboolean tell_all(LinkClient *client) {
  for (guint i = 0; i < LINK_MAX_READERS; i++) {
    if (!(__atomic_load_n(&client->ends_untold, __ATOMIC_ACQUIRE) >> i & 1)) continue;
    if (!send_message(client, &(LinkMessage){.type = LINK_READ_END, .id = i})) return FALSE;
    __atomic_and_fetch(&client->ends_untold, ~(1u << i), __ATOMIC_ACQ_REL);
  }
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) {
    if (!(client->outputs_untold >> i & 1)) continue;
    if (!send_message(client, &client->outputs[i])) return FALSE;
    client->outputs_untold &= ~(1u << i);
  }
  if (!client->watch_untold) return TRUE;
  client->watch_untold = !send_message(client, &(LinkMessage){.type = LINK_WATCH, .mask = client->watched});
  return !client->watch_untold;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data);

static void tell(LinkClient *client) {
  if (client->socket < 0 || client->writable || tell_all(client)) return;
  client->writable = g_unix_fd_source_new(client->socket, G_IO_OUT | G_IO_ERR | G_IO_HUP);
  g_source_set_callback(client->writable, G_SOURCE_FUNC(on_writable), client, NULL);
  g_source_attach(client->writable, client->context);
}

static void clear_source(GSource **source) {
  if (!*source) return;
  g_source_destroy(*source);
  g_clear_pointer(source, g_source_unref);
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data) {
  LinkClient *client = data;
  clear_source(&client->writable);
  if (!(condition & (G_IO_ERR | G_IO_HUP))) tell(client);
  return G_SOURCE_REMOVE;
}

/* The read's end, if it is still the one with that serial (0: whichever it is). */
static void finish_read(LinkClient *client, guint reader, guint32 serial, LinkRead result) {
  mutex_lock(&client->mutex);
  Read read = client->reads[reader];
  gboolean is_it = read.serial != 0 && (serial == 0 || read.serial == serial);
  if (is_it) client->reads[reader].serial = 0;
  mutex_unlock(&client->mutex);
  if (!is_it) return;
  Shadow *shadow = result == LINK_READ_OK ? client->shadows[reader] : NULL;
  if (result == LINK_READ_OK && !shadow) result = LINK_READ_FAILED;
  read.done(result, shadow, read.data);
}

static void drop_reader(LinkClient *client, guint reader) {
  finish_read(client, reader, 0, LINK_READ_NOT_FOUND);
  g_clear_pointer(&client->shadows[reader], shadow_unref);
}

static void close_link(LinkClient *client) {
  clear_source(&client->readable);
  clear_source(&client->writable);
  mutex_lock(&client->mutex);
  if (client->socket >= 0) close(client->socket);
  client->socket = -1;
  mutex_unlock(&client->mutex);
  /* the display's process forgets both with the link */
  __atomic_store_n(&client->ends_untold, 0, __ATOMIC_RELEASE);
  client->outputs_untold = 0;
  for (guint i = 0; i < LINK_MAX_READERS; i++) drop_reader(client, i);
}

static Shadow *open_shadow(Packet *packet, guint width, guint height) {
  g_autoptr(GError) error = NULL;
  Shadow *shadow = shadow_open(packet_take_fd(packet, 0), width, height, &error);
  if (shadow) return shadow;
  stats_count("link.bad-shadows");
  log_error("link", "%s", error->message);
  return NULL;
}

static void on_scanout(LinkClient *client, const LinkMessage *message, Packet *packet) {
  if (message->scanout.shadow != LINK_SHADOW_SAME) {
    Shadow *shadow = NULL;
    if (message->scanout.shadow == LINK_SHADOW_NEW) {
      shadow = open_shadow(packet, message->scanout.shadow_width, message->scanout.shadow_height);
    }
    client->events->shadow(client->data, message->id, shadow);
  }
  client->events->scanout(client->data, message->id, &message->scanout.info);
}

static void on_read(LinkClient *client, const LinkMessage *message, Packet *packet) {
  mutex_lock(&client->mutex);
  gboolean wanted = client->reads[message->id].serial == message->read.serial;
  mutex_unlock(&client->mutex);
  if (!wanted) return; /* of a session that has ended: its shadow is nobody's */
  if (message->read.shadow == LINK_SHADOW_NEW) {
    shadow_unref(client->shadows[message->id]);
    client->shadows[message->id] = open_shadow(packet, message->read.width, message->read.height);
  }
  finish_read(client, message->id, message->read.serial, message->read.result);
}

static gboolean is_stream_socket(int fd) {
  int domain = 0, type = 0, listening = 1;
  socklen_t size = sizeof(int);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
         getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
         getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && !listening;
}

static void on_vsock(LinkClient *client, const LinkMessage *message, Packet *packet) {
  int fd = packet_take_fd(packet, 0);
  if (client->events->vsock && is_stream_socket(fd)) {
    client->events->vsock(client->data, message->port, fd);
    return;
  }
  stats_count("link.bad-sockets");
  close(fd);
}

static void on_message(LinkClient *client, const LinkMessage *message, Packet *packet) {
  switch ((LinkMessageType)message->type) {
  case LINK_SCANOUT:
    on_scanout(client, message, packet);
    break;
  case LINK_CHANGED:
    client->events->changed(client->data, message->mask);
    break;
  case LINK_OUTPUTS:
    client->events->outputs(client->data, message->count);
    break;
  case LINK_STATE:
    client->events->state(client->data, message->state.state, message->state.text);
    break;
  case LINK_READ:
    on_read(client, message, packet);
    break;
  case LINK_VSOCK:
    on_vsock(client, message, packet);
    break;
  default:
    break;
  }
}

static gboolean end(LinkClient *client) {
  close_link(client);
  client->events->closed(client->data);
  return G_SOURCE_REMOVE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data) {
  LinkClient *client = data;
  Packet packet;
  LinkMessage message;
  for (guint i = 0; i < LINK_CLIENT_BATCH; i++) {
    PacketResult result = packet_receive(fd, &packet);
    if (result == PACKET_LATER) return G_SOURCE_CONTINUE;
    if (result == PACKET_OVER) return end(client);
    gboolean good = link_message_parse(packet.bytes, packet.size, packet.n_fds, LINK_FROM_DISPLAY, &message);
    if (good) on_message(client, &message, &packet);
    packet_clear(&packet);
    if (!good) {
      stats_count("link.misbehaviour");
      log_error("link", "the display's process sent what is no message of ours; the link is closed");
      return end(client);
    }
  }
  return G_SOURCE_CONTINUE;
}

void link_client_connect(LinkClient *client, int socket) {
  close_link(client);
  mutex_lock(&client->mutex);
  client->socket = socket;
  mutex_unlock(&client->mutex);
  client->readable = g_unix_fd_source_new(socket, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_callback(client->readable, G_SOURCE_FUNC(on_readable), client, NULL);
  g_source_attach(client->readable, client->context);
  link_client_watch(client, client->watched);
}

void link_client_watch(LinkClient *client, guint32 mask) {
  client->watched = mask;
  client->watch_untold = TRUE;
  tell(client);
}

/* A read that could not be asked for. From the loop: whoever asks may hold a lock that `done` wants. */
typedef struct {
  LinkClient *client;
  guint reader;
  guint32 serial;
} Refusal;

static gboolean on_refusal(gpointer data) {
  Refusal *refusal = data;
  finish_read(refusal->client, refusal->reader, refusal->serial, LINK_READ_NOT_FOUND);
  return G_SOURCE_REMOVE;
}

static void refuse_soon(LinkClient *client, guint reader, guint32 serial) {
  Refusal *refusal = g_new0(Refusal, 1);
  *refusal = (Refusal){client, reader, serial};
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, on_refusal, refusal, g_free);
  g_source_attach(source, client->context);
  g_source_unref(source);
}

void link_client_read(LinkClient *client, guint reader, guint32 resource_id, guint width, guint height,
                      LinkReadDone done, gpointer done_data) {
  g_assert(reader < LINK_MAX_READERS);
  LinkMessage message = {
      .type = LINK_READ_RESOURCE,
      .id = reader,
      .read = {.resource_id = resource_id, .width = width, .height = height},
  };
  mutex_lock(&client->mutex);
  g_assert(client->reads[reader].serial == 0);
  if (++client->serial == 0) client->serial = 1;
  message.read.serial = client->serial;
  client->reads[reader] = (Read){client->serial, done, done_data};
  /* an END that comes after it would end it */
  gboolean end_waits = __atomic_load_n(&client->ends_untold, __ATOMIC_ACQUIRE) >> reader & 1;
  gboolean sent = !end_waits && send_locked(client, &message);
  mutex_unlock(&client->mutex);
  if (!sent) refuse_soon(client, reader, message.read.serial);
}

void link_client_end_reader(LinkClient *client, guint reader) {
  g_assert(reader < LINK_MAX_READERS);
  drop_reader(client, reader);
  __atomic_or_fetch(&client->ends_untold, 1u << reader, __ATOMIC_ACQ_REL);
  tell(client);
}

void link_client_set_output(LinkClient *client, guint id, gboolean connected, guint width, guint height,
                            guint refresh_mhz) {
  g_assert(id < DISPLAY_MAX_SCANOUTS);
  LinkMessage message = {
      .type = LINK_SET_OUTPUT,
      .id = id,
      .output = {.connected = connected, .width = width, .height = height, .refresh_mhz = refresh_mhz},
  };
  client->outputs[id] = message;
  client->outputs_untold |= 1u << id;
  tell(client);
}

LinkClient *link_client_create(GMainContext *context, const LinkClientEvents *events, gpointer data) {
  LinkClient *client = g_new0(LinkClient, 1);
  client->context = context;
  client->events = events;
  client->data = data;
  client->socket = -1;
  mutex_init(&client->mutex);
  return client;
}

void link_client_destroy(LinkClient *client) {
  if (!client) return;
  close_link(client);
  mutex_finish(&client->mutex);
  g_free(client);
}
