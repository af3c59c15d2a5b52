/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/link/link-server.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/process/packet.h"

#include <glib-unix.h>
#include <unistd.h>

/* Told to the stream's process when there is room. */
typedef struct {
  gboolean known;
  gboolean untold;
  ScanoutInfo info;
  Shadow *shadow; /* the newest; NULL while dark */
  Shadow *told;   /* what the other end has; NULL: none. A reference, so that no new one can have its address */
  gboolean told_any;
} Scanout;

/* One session's reads. Lives on, without its place, while a read is under way. */
typedef struct {
  int refs; /* atomic: its place's and a read's */
  LinkServer *server;
  guint id;
  gboolean busy; /* the mutex */
  /* the reader's of the moment: the display's thread between READ_RESOURCE and READ, else nobody */
  Shadow *shadow;
  gboolean is_new; /* the other end does not have that shadow */
  LinkMessage answer;
  gboolean untold; /* the mutex */
} Reader;

struct LinkServer {
  Display *display;
  GMainContext *context;

  Mutex mutex; /* all of it; held while a message is handed to the kernel, which does not wait */
  int socket;  /* -1: no link */
  GSource *readable;
  GSource *writable; /* while something is untold for want of room */
  guint32 watched;
  guint32 changed; /* untold */
  guint32 outputs; /* a bit each: connected over this link; the context's thread */
  Scanout scanouts[DISPLAY_MAX_SCANOUTS];
  guint outputs_count; /* of the device; 0: not known */
  gboolean count_untold;
  LinkMessage state;
  gboolean state_known;
  gboolean state_untold;
  Reader *readers[LINK_MAX_READERS];
};

static void reader_unref(Reader *reader) {
  if (!reader || __atomic_sub_fetch(&reader->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  shadow_unref(reader->shadow);
  g_free(reader);
}

static gboolean send_message(LinkServer *server, const LinkMessage *message, int fd) {
  return packet_send(server->socket, message, sizeof *message, &fd, fd >= 0 ? 1 : 0) == PACKET_DONE;
}

static gboolean tell_scanout(LinkServer *server, guint id) {
  Scanout *scanout = &server->scanouts[id];
  LinkMessage message = {.type = LINK_SCANOUT, .id = id, .scanout = {.info = scanout->info}};
  gboolean same = scanout->told_any && scanout->told == scanout->shadow;
  message.scanout.shadow = same ? LINK_SHADOW_SAME : scanout->shadow ? LINK_SHADOW_NEW : LINK_SHADOW_NONE;
  if (message.scanout.shadow == LINK_SHADOW_NEW) {
    message.scanout.shadow_width = shadow_width(scanout->shadow);
    message.scanout.shadow_height = shadow_height(scanout->shadow);
  }
  if (!send_message(server, &message, message.scanout.shadow == LINK_SHADOW_NEW ? shadow_fd(scanout->shadow) : -1)) {
    return FALSE;
  }
  scanout->untold = FALSE;
  scanout->told_any = TRUE;
  if (!same) {
    shadow_unref(scanout->told);
    scanout->told = scanout->shadow ? shadow_ref(scanout->shadow) : NULL;
  }
  return TRUE;
}

static gboolean tell_reader(LinkServer *server, Reader *reader) {
  gboolean is_new = reader->answer.read.result == LINK_READ_OK && reader->is_new;
  reader->answer.read.shadow = is_new ? LINK_SHADOW_NEW : LINK_SHADOW_SAME;
  if (!send_message(server, &reader->answer, is_new ? shadow_fd(reader->shadow) : -1)) return FALSE;
  if (is_new) reader->is_new = FALSE;
  reader->untold = FALSE;
  reader->busy = FALSE;
  return TRUE;
}

/* Everything that is untold, in an order that makes sense: what there is, then what happens in it. FALSE: no room. */
static gboolean tell_all(LinkServer *server) {
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) {
    if (server->scanouts[i].untold && !tell_scanout(server, i)) return FALSE;
  }
  if (server->count_untold) {
    if (!send_message(server, &(LinkMessage){.type = LINK_OUTPUTS, .count = server->outputs_count}, -1)) return FALSE;
    server->count_untold = FALSE;
  }
  if (server->state_untold) {
    if (!send_message(server, &server->state, -1)) return FALSE;
    server->state_untold = FALSE;
  }
  for (guint i = 0; i < LINK_MAX_READERS; i++) {
    Reader *reader = server->readers[i];
    if (reader && reader->untold && !tell_reader(server, reader)) return FALSE;
  }
  if (server->changed & server->watched) {
    LinkMessage message = {.type = LINK_CHANGED, .mask = server->changed & server->watched};
    if (!send_message(server, &message, -1)) return FALSE;
  }
  server->changed = 0;
  return TRUE;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data);

static void tell(LinkServer *server) {
  if (server->socket < 0 || server->writable || tell_all(server)) return;
  stats_count("link.full"); /* or the other end has gone, which on_readable() hears of */
  server->writable = g_unix_fd_source_new(server->socket, G_IO_OUT | G_IO_ERR | G_IO_HUP);
  g_source_set_callback(server->writable, G_SOURCE_FUNC(on_writable), server, NULL);
  g_source_attach(server->writable, server->context);
}

static void clear_source(GSource **source) {
  if (!*source) return;
  g_source_destroy(*source);
  g_clear_pointer(source, g_source_unref);
}

static void drop_reader(LinkServer *server, guint id) {
  reader_unref(g_steal_pointer(&server->readers[id]));
}

/* Who connected an output is gone, and it with them (F16). */
static void disconnect_outputs(LinkServer *server) {
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) {
    if (server->outputs >> i & 1) server->display->interface->set_output(server->display, i, FALSE, 0, 0, 0);
  }
  server->outputs = 0;
}

static void close_link(LinkServer *server) {
  clear_source(&server->readable);
  clear_source(&server->writable);
  if (server->socket >= 0) close(server->socket);
  server->socket = -1;
  server->watched = 0;
  for (guint i = 0; i < LINK_MAX_READERS; i++) drop_reader(server, i);
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) g_clear_pointer(&server->scanouts[i].told, shadow_unref);
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data) {
  LinkServer *server = data;
  mutex_lock(&server->mutex);
  clear_source(&server->writable);
  if (!(condition & (G_IO_ERR | G_IO_HUP))) tell(server);
  mutex_unlock(&server->mutex);
  return G_SOURCE_REMOVE;
}

/* ---- what the stream asks ---- */

/* The display's thread; the reader's shadow is this read's alone until the answer. */
static LinkRead copy(Reader *reader, const Frame *frame) {
  guint width = reader->answer.read.width, height = reader->answer.read.height;
  if (width > frame->width || height > frame->height) return LINK_READ_BAD_SIZE;
  Frame part = *frame;
  part.width = width;
  part.height = height;
  gboolean fits = reader->shadow && shadow_width(reader->shadow) == width && shadow_height(reader->shadow) == height &&
                  shadow_frame(reader->shadow).format == frame->format;
  if (!fits) {
    g_clear_pointer(&reader->shadow, shadow_unref);
    reader->shadow = shadow_create(width, height, NULL);
    reader->is_new = TRUE;
  }
  if (!reader->shadow) return LINK_READ_FAILED;
  Rect whole = {0, 0, width, height};
  shadow_write_begin(reader->shadow);
  shadow_write_rect(reader->shadow, &part, &whole);
  shadow_write_end(reader->shadow, g_get_monotonic_time());
  return LINK_READ_OK;
}

static void on_read(DisplayRead result, const Frame *frame, gpointer data) {
  static const LinkRead RESULTS[] = {
      [DISPLAY_READ_OK] = LINK_READ_OK,
      [DISPLAY_READ_NOT_FOUND] = LINK_READ_NOT_FOUND,
      [DISPLAY_READ_NO_BACKING] = LINK_READ_NO_BACKING,
  };
  Reader *reader = data;
  LinkServer *server = reader->server;
  mutex_lock(&server->mutex);
  gboolean wanted = server->readers[reader->id] == reader;
  mutex_unlock(&server->mutex);
  LinkRead answer = wanted && result == DISPLAY_READ_OK ? copy(reader, frame) : RESULTS[result];
  mutex_lock(&server->mutex);
  reader->answer.read.result = answer;
  if (server->readers[reader->id] == reader) {
    reader->untold = TRUE;
    tell(server);
  }
  mutex_unlock(&server->mutex);
  reader_unref(reader);
}

static void on_read_resource(LinkServer *server, const LinkMessage *message) {
  mutex_lock(&server->mutex);
  Reader *reader = server->readers[message->id];
  if (!reader) {
    reader = server->readers[message->id] = g_new0(Reader, 1);
    *reader = (Reader){.refs = 1, .server = server, .id = message->id};
  }
  gboolean busy = reader->busy;
  if (!busy) {
    reader->busy = TRUE;
    reader->answer = *message;
    reader->answer.type = LINK_READ;
    __atomic_add_fetch(&reader->refs, 1, __ATOMIC_RELAXED);
  }
  mutex_unlock(&server->mutex);
  const DisplayInterface *interface = server->display->interface;
  if (busy) {
    stats_count("link.misbehaviour");
  } else if (interface->read_resource) {
    interface->read_resource(server->display, message->read.resource_id, on_read, reader);
  } else {
    on_read(DISPLAY_READ_NOT_FOUND, NULL, reader);
  }
}

static void set_output(LinkServer *server, const LinkMessage *message) {
  gboolean connected = message->output.connected != 0;
  gboolean done = server->display->interface->set_output(server->display, message->id, connected, message->output.width,
                                                         message->output.height, message->output.refresh_mhz);
  if (!done) return;
  server->outputs = connected ? server->outputs | 1u << message->id : server->outputs & ~(1u << message->id);
}

static void on_message(LinkServer *server, const LinkMessage *message) {
  const DisplayInterface *interface = server->display->interface;
  switch ((LinkMessageType)message->type) {
  case LINK_WATCH:
    mutex_lock(&server->mutex);
    server->changed |= message->mask & ~server->watched; /* what happened before it looked */
    server->watched = message->mask;
    tell(server);
    mutex_unlock(&server->mutex);
    break;
  case LINK_READ_RESOURCE:
    on_read_resource(server, message);
    break;
  case LINK_READ_END:
    mutex_lock(&server->mutex);
    drop_reader(server, message->id);
    mutex_unlock(&server->mutex);
    break;
  case LINK_SET_OUTPUT:
    if (interface->set_output) set_output(server, message);
    break;
  default:
    break;
  }
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data) {
  LinkServer *server = data;
  Packet packet;
  LinkMessage message;
  PacketResult result = packet_receive(fd, &packet);
  if (result == PACKET_LATER) return G_SOURCE_CONTINUE;
  if (result == PACKET_DONE &&
      link_message_parse(packet.bytes, packet.size, packet.n_fds, LINK_FROM_STREAM, &message)) {
    on_message(server, &message);
    return G_SOURCE_CONTINUE;
  }
  if (result == PACKET_DONE) {
    static LogLimit limit;
    stats_count("link.misbehaviour");
    log_limited(&limit, LOG_ERROR, "link", "the stream's process sent what is no message of ours; the link is closed");
    packet_clear(&packet);
  }
  disconnect_outputs(server);
  mutex_lock(&server->mutex);
  close_link(server);
  mutex_unlock(&server->mutex);
  return G_SOURCE_REMOVE;
}

void link_server_connect(LinkServer *server, int socket) {
  disconnect_outputs(server);
  mutex_lock(&server->mutex);
  close_link(server);
  server->socket = socket;
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) {
    server->scanouts[i].untold = server->scanouts[i].known;
    server->scanouts[i].told_any = FALSE;
  }
  server->state_untold = server->state_known;
  server->count_untold = TRUE;
  server->readable = g_unix_fd_source_new(socket, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_callback(server->readable, G_SOURCE_FUNC(on_readable), server, NULL);
  g_source_attach(server->readable, server->context);
  tell(server);
  mutex_unlock(&server->mutex);
}

/* ---- what the display says ---- */

void link_server_scanout(LinkServer *server, guint id, const ScanoutInfo *info) {
  g_assert(id < DISPLAY_MAX_SCANOUTS);
  mutex_lock(&server->mutex);
  Scanout *scanout = &server->scanouts[id];
  scanout->info = *info;
  scanout->known = scanout->untold = TRUE;
  tell(server);
  mutex_unlock(&server->mutex);
}

void link_server_captured(LinkServer *server, guint id, Shadow *shadow) {
  g_assert(id < DISPLAY_MAX_SCANOUTS);
  mutex_lock(&server->mutex);
  Scanout *scanout = &server->scanouts[id];
  if (shadow != scanout->shadow) {
    shadow_unref(scanout->shadow);
    scanout->shadow = shadow ? shadow_ref(shadow) : NULL;
    scanout->untold = scanout->known;
  }
  server->changed |= 1u << id;
  tell(server);
  mutex_unlock(&server->mutex);
}

void link_server_outputs(LinkServer *server, guint count) {
  mutex_lock(&server->mutex);
  server->outputs_count = MIN(count, DISPLAY_MAX_SCANOUTS);
  server->count_untold = TRUE;
  tell(server);
  mutex_unlock(&server->mutex);
}

void link_server_state(LinkServer *server, DisplayState state, const char *text) {
  mutex_lock(&server->mutex);
  server->state = (LinkMessage){.type = LINK_STATE, .state = {.state = state}};
  g_strlcpy(server->state.state.text, text, LINK_TEXT_SIZE);
  server->state_known = server->state_untold = TRUE;
  tell(server);
  mutex_unlock(&server->mutex);
}

gboolean link_server_vsock(LinkServer *server, guint32 port, int fd) {
  mutex_lock(&server->mutex);
  LinkMessage message = {.type = LINK_VSOCK, .port = port};
  gboolean sent = server->socket >= 0 && send_message(server, &message, fd);
  mutex_unlock(&server->mutex);
  if (!sent) stats_count("link.vsock-refused");
  close(fd);
  return sent;
}

LinkServer *link_server_create(Display *display, GMainContext *context) {
  LinkServer *server = g_new0(LinkServer, 1);
  server->display = display;
  server->context = context;
  server->socket = -1;
  mutex_init(&server->mutex);
  return server;
}

void link_server_destroy(LinkServer *server) {
  if (!server) return;
  close_link(server);
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) shadow_unref(server->scanouts[i].shadow);
  mutex_finish(&server->mutex);
  g_free(server);
}
