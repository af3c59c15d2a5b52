/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/parent-opener.h"

#include "common/base/thread.h"
#include "host/display/qemu-dbus/qmp-socket.h"

#include <errno.h>
#include <unistd.h>

/* One socket that is being opened. */
typedef struct {
  guint32 serial;
  GMainContext *context; /* of whoever asked */
  QmpOpened opened;
  gpointer data;
  GSource *arrived; /* set with the two below */
  int fd;
  int code;
} Opening;

static Mutex mutex = MUTEX_INIT;
static GPtrArray *openings; /* guarded by the mutex, and with it what they hold until they are taken out */
static guint32 last_serial;

static void opening_free(Opening *opening) {
  if (opening->fd >= 0) close(opening->fd);
  if (opening->arrived) {
    g_source_destroy(opening->arrived);
    g_source_unref(opening->arrived);
  }
  g_main_context_unref(opening->context);
  g_free(opening);
}

static gboolean take_out(Opening *opening) {
  mutex_lock(&mutex);
  gboolean found = g_ptr_array_remove_fast(openings, opening);
  mutex_unlock(&mutex);
  return found;
}

static gboolean on_arrived(gpointer data) {
  Opening *opening = data;
  take_out(opening);
  int fd = opening->fd;
  opening->fd = -1;
  opening->opened(opening->data, fd, opening->code);
  opening_free(opening);
  return G_SOURCE_REMOVE;
}

static void arrive_locked(Opening *opening, int fd, int code) {
  opening->fd = fd;
  opening->code = code;
  opening->arrived = g_idle_source_new();
  g_source_set_priority(opening->arrived, G_PRIORITY_DEFAULT);
  g_source_set_callback(opening->arrived, on_arrived, opening, NULL);
  g_source_attach(opening->arrived, opening->context);
}

static gpointer open_by_parent(const char *path, QmpOpened opened, gpointer data) {
  GMainContext *context = g_main_context_get_thread_default();
  Opening *opening = g_new0(Opening, 1);
  opening->context = g_main_context_ref(context ? context : g_main_context_default());
  opening->opened = opened;
  opening->data = data;
  opening->fd = -1;
  mutex_lock(&mutex);
  if (!openings) openings = g_ptr_array_new();
  g_ptr_array_add(openings, opening);
  opening->serial = ++last_serial;
  ControlMessage message = {.type = CONTROL_OPEN, .serial = opening->serial};
  if (!control_send(CONTROL_FD, &message, NULL, 0)) arrive_locked(opening, -1, EPIPE);
  mutex_unlock(&mutex);
  return opening;
}

static void cancel(gpointer data) {
  Opening *opening = data;
  if (take_out(opening)) opening_free(opening);
}

static const QmpOpener OPENER = {.open = open_by_parent, .cancel = cancel};

void parent_opener_install(void) {
  qmp_socket_set_opener(&OPENER);
}

void parent_opener_answer(const ControlMessage *message, Packet *packet) {
  mutex_lock(&mutex);
  for (guint i = 0; openings && i < openings->len; i++) {
    Opening *opening = g_ptr_array_index(openings, i);
    if (opening->serial != message->serial || opening->arrived) continue;
    arrive_locked(opening, packet_take_fd(packet, 0), message->code);
    break;
  }
  mutex_unlock(&mutex);
}
