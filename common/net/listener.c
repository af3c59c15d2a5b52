/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/listener.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/socket.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTENER_BACKLOG 64
/* How long accepting rests when the process is out of descriptors: the pending connection would else wake it for ever.
 */
#define LISTENER_REST_MS 200

/* A place is asked so often, so far apart, before it counts as taken: the processes of a daemon that was killed a
 * moment ago may have it yet. And a socket file has to refuse so often in a row before it counts as left behind:
 * between its bind and its listen a live one refuses as well. */
#define LISTENER_TAKEN_CHECKS 7
#define LISTENER_STALE_CHECKS 3
#define LISTENER_PAUSE_US 40000

struct Listener {
  Address address;
  int fd;
  dev_t device; /* of the socket file we made: only that one is removed */
  ino_t inode;
  GMainContext *context;
  GSource *source;
  GSource *rest;
  ListenerAccepted accepted;
  gpointer data;
};

static gboolean fail(GError **error, const Address *address, int code, const char *what) {
  g_autofree char *text = address_to_string(address, -1);
  const char *remedy = "";
  if (code == EADDRINUSE) remedy = "; another program listens there: stop it or choose another address";
  if (code == EACCES) remedy = "; choose an address that this user may use";
  if (code == ENOENT) remedy = "; make its folder first";
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot listen on %s: %s: %s%s", text, what,
              g_strerror(code), remedy);
  return FALSE;
}

/* Whether a process may be behind the socket file: a dead one's refuses at once. What fails otherwise (another user's,
 * a datagram socket, a full backlog) may live. */
static gboolean someone_answers(const Address *address) {
  int fd = socket_open(address, NULL);
  if (fd < 0) return TRUE; /* not known: keep the file */
  gboolean answers =
      connect(fd, &address->socket.any, address->size) == 0 || (errno != ECONNREFUSED && errno != ENOENT);
  socket_close(&fd);
  return answers;
}

static gboolean is_dead(const Address *address) {
  guint refused = 0;
  for (guint i = 0; i < LISTENER_TAKEN_CHECKS; i++) {
    if (i > 0) g_usleep(LISTENER_PAUSE_US);
    refused = someone_answers(address) ? 0 : refused + 1;
    if (refused == LISTENER_STALE_CHECKS) return TRUE;
  }
  return FALSE;
}

static gboolean clear_stale_file(const Address *address, GError **error) {
  struct stat info;
  if (lstat(address->path, &info) != 0) return TRUE;
  if (!S_ISSOCK(info.st_mode)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_EXISTS,
                "cannot listen on unix:%s: a file that is no socket is in the way; move it or choose another path",
                address->path);
    return FALSE;
  }
  if (!is_dead(address)) return fail(error, address, EADDRINUSE, "the socket is alive");
  log_info("listener", "replacing the socket file %s: the process that made it is gone", address->path);
  if (g_unlink(address->path) != 0 && errno != ENOENT) return fail(error, address, errno, "removing the stale socket");
  return TRUE;
}

static gboolean bind_and_listen(Listener *listener, GError **error) {
  const Address *address = &listener->address;
  int one = 1;
  if (address->kind == ADDRESS_TCP) setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  /* Nobody else may connect between bind and chmod, so the mode is right from the start. */
  mode_t mask = address->kind == ADDRESS_UNIX ? umask(0177) : 0;
  int bound = bind(listener->fd, &address->socket.any, address->size);
  for (guint i = 1; bound != 0 && errno == EADDRINUSE && i < LISTENER_TAKEN_CHECKS; i++) {
    g_usleep(LISTENER_PAUSE_US);
    bound = bind(listener->fd, &address->socket.any, address->size);
  }
  int saved = errno;
  if (address->kind == ADDRESS_UNIX) umask(mask);
  if (bound != 0) return fail(error, address, saved, "bind");
  struct stat info;
  if (address->kind == ADDRESS_UNIX && lstat(address->path, &info) == 0) {
    listener->device = info.st_dev;
    listener->inode = info.st_ino;
  }
  if (listen(listener->fd, LISTENER_BACKLOG) != 0) return fail(error, address, errno, "listen");
  return TRUE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data);

static void attach(Listener *listener) {
  listener->source = g_unix_fd_source_new(listener->fd, G_IO_IN);
  g_source_set_callback(listener->source, G_SOURCE_FUNC(on_readable), listener, NULL);
  g_source_attach(listener->source, listener->context);
}

static void clear_source(GSource **source) {
  if (!*source) return;
  g_source_destroy(*source);
  g_clear_pointer(source, g_source_unref);
}

static gboolean on_rested(gpointer data) {
  Listener *listener = data;
  clear_source(&listener->rest);
  attach(listener);
  return G_SOURCE_REMOVE;
}

static void rest(Listener *listener, int code) {
  static LogLimit limit;
  log_limited(&limit, LOG_WARN, "listener", "cannot accept a connection: %s; trying again", g_strerror(code));
  clear_source(&listener->source);
  listener->rest = g_timeout_source_new(LISTENER_REST_MS);
  g_source_set_callback(listener->rest, on_rested, listener, NULL);
  g_source_attach(listener->rest, listener->context);
}

/* Over vsock every VM of this host can connect, and so can the host itself: the CID tells them apart. */
static gboolean is_welcome(const Listener *listener, int client) {
  static LogLimit limit;
  guint32 cid = 0;
  if (listener->address.kind != ADDRESS_VSOCK) return TRUE;
  if (socket_peer_cid(client, &cid) && cid == listener->address.peer_cid) return TRUE;
  stats_count("listener.refused-cids");
  log_limited(&limit, LOG_WARN, "listener", "CID %u is not let in: only CID %u is", cid, listener->address.peer_cid);
  close(client);
  return FALSE;
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data) {
  Listener *listener = data;
  int client = socket_accept(fd);
  if (client < 0) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) rest(listener, errno);
    return G_SOURCE_CONTINUE; /* harmless if rest() has taken the source away */
  }
  if (!is_welcome(listener, client)) return G_SOURCE_CONTINUE;
  socket_tune_stream(client, listener->address.kind);
  listener->accepted(client, &listener->address, listener->data);
  return G_SOURCE_CONTINUE;
}

Listener *listener_adopt(int fd, const Address *address) {
  Listener *listener = g_new0(Listener, 1);
  listener->address = *address;
  listener->fd = fd;
  return listener;
}

Listener *listener_open(const Address *address, GError **error) {
  if (address->kind == ADDRESS_UNIX && !clear_stale_file(address, error)) return NULL;
  int fd = socket_open(address, error);
  if (fd < 0) {
    g_autofree char *text = address_to_string(address, -1);
    g_prefix_error(error, "cannot listen on %s: ", text);
    return NULL;
  }
  Listener *listener = listener_adopt(fd, address);
  if (bind_and_listen(listener, error)) return listener;
  listener_destroy(listener);
  return NULL;
}

void listener_accept(Listener *listener, GMainContext *context, ListenerAccepted accepted, gpointer data) {
  listener->context = context;
  listener->accepted = accepted;
  listener->data = data;
  attach(listener);
}

Listener *listener_create(const Address *address, GMainContext *context, ListenerAccepted accepted, gpointer data,
                          GError **error) {
  Listener *listener = listener_open(address, error);
  if (listener) listener_accept(listener, context, accepted, data);
  return listener;
}

void listener_destroy(Listener *listener) {
  if (!listener) return;
  clear_source(&listener->source);
  clear_source(&listener->rest);
  struct stat info;
  if (listener->inode != 0 && lstat(listener->address.path, &info) == 0 && info.st_dev == listener->device &&
      info.st_ino == listener->inode) {
    g_unlink(listener->address.path);
  }
  socket_close(&listener->fd);
  g_free(listener);
}

char *listener_to_string(const Listener *listener) {
  return address_to_string(&listener->address, listener->fd);
}

int listener_fd(const Listener *listener) {
  return listener->fd;
}
