/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/vring.h"

#include "common/base/log.h"
#include "common/base/stats.h"

#include <glib-unix.h>
#include <unistd.h>

typedef struct {
  guint16 head;
  guint32 written;
} Done;

void vring_count(const char *name, const char *what) {
  char counter[STATS_TABLE_NAME];
  g_snprintf(counter, sizeof counter, "%s.%s", name, what);
  stats_count(counter);
}

static void signal_eventfd(const Vring *vring, int fd) {
  guint64 one = 1;
  /* Fails only when the counter is full: then the other side has been told often enough. */
  if (fd >= 0 && write(fd, &one, sizeof one) < 0) vring_count(vring->name, "full-eventfds");
}

/* FALSE: nobody has signalled. */
static gboolean take_eventfd(int fd) {
  guint64 count;
  return fd >= 0 && read(fd, &count, sizeof count) > 0;
}

static void replace_fd(int *place, int fd) {
  if (*place >= 0) close(*place);
  *place = fd;
}

/* ---- a batch ---- */

static void report_broken(Vring *vring) {
  static LogLimit limit;
  vring_count(vring->name, "broken-rings");
  log_limited(&limit, LOG_WARN, vring->name,
              "the guest's virtqueue %u is nonsense; it rests until the driver starts again", vring->index);
  signal_eventfd(vring, vring->error);
}

static void report_malformed(const Vring *vring) {
  static LogLimit limit;
  vring_count(vring->name, "malformed-chains");
  log_limited(&limit, LOG_WARN, vring->name, "a chain of descriptors in virtqueue %u is nonsense; it is passed over",
              vring->index);
}

static gboolean is_ready(const Vring *vring) {
  return !vring->handler->ready || vring->handler->ready(vring->data, vring->index);
}

/* FALSE: there was none, or none that can be used now. */
static gboolean run_next(Vring *vring, Done *done) {
  if (!is_ready(vring)) return FALSE;
  switch (virtqueue_take(&vring->queue, &vring->element)) {
  case VIRTQUEUE_EMPTY:
    return FALSE;
  case VIRTQUEUE_BROKEN:
    report_broken(vring);
    return FALSE;
  case VIRTQUEUE_MALFORMED:
    report_malformed(vring);
    *done = (Done){vring->element.head, 0};
    return TRUE;
  case VIRTQUEUE_CHAIN:
    *done = (Done){vring->element.head, vring->handler->run(vring->data, vring->index, &vring->element)};
    return TRUE;
  }
  return FALSE;
}

static void run_batch(Vring *vring) {
  Done done[VRING_BATCH];
  guint count = 0;
  gint64 until = g_get_monotonic_time() + VRING_BATCH_US;
  while (count < VRING_BATCH && (count == 0 || g_get_monotonic_time() < until) && run_next(vring, &done[count])) {
    count++;
  }
  if (count == 0) return;
  vring->handler->end_batch(vring->data);
  for (guint i = 0; i < count; i++) virtqueue_push(&vring->queue, done[i].head, done[i].written);
  if (virtqueue_wants_interrupt(&vring->queue)) signal_eventfd(vring, vring->call);
}

static gboolean is_running(const Vring *vring) {
  return vring->enabled && virtqueue_is_started(&vring->queue);
}

/* One batch, and when to look again. */
static void look(Vring *vring) {
  if (!is_running(vring)) {
    g_source_set_ready_time(vring->timer, -1);
    return;
  }
  run_batch(vring);
  vring->continues = virtqueue_rearm(&vring->queue) && is_ready(vring);
  gint64 next = vring->continues ? 0 : g_get_monotonic_time() + VRING_POLL_MS * 1000;
  g_source_set_ready_time(vring->timer, next);
}

/* ---- what wakes it ---- */

static gboolean on_kick(gint fd, GIOCondition condition, gpointer data) {
  Vring *vring = data;
  take_eventfd(fd);
  look(vring);
  return G_SOURCE_CONTINUE;
}

/* The driver has had VRING_POLL_MS to look. */
static void repeat_interrupt(Vring *vring) {
  guint16 used = vring->queue.next_used;
  if (!virtqueue_is_unseen(&vring->queue)) return;
  if (vring->repeated_used != used) vring->repeats = 0;
  vring->repeated_used = used;
  if (vring->repeats == VRING_REPEATS) return;
  vring_count(vring->name, "repeated-interrupts");
  signal_eventfd(vring, vring->call);
  vring->repeats++;
}

static gboolean on_timer(gpointer data) {
  Vring *vring = data;
  if (!vring->continues && is_running(vring)) {
    if (virtqueue_has_more(&vring->queue) && is_ready(vring) && !take_eventfd(vring->kick))
      vring_count(vring->name, "lost-kicks");
    repeat_interrupt(vring);
  }
  look(vring);
  return G_SOURCE_CONTINUE;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data) {
  return callback(data);
}

static GSourceFuncs timer_functions = {.dispatch = dispatch};

/* ---- life ---- */

void vring_init(Vring *vring, const char *name, guint index, const VringHandler *handler, gpointer data,
                GMainContext *context) {
  *vring = (Vring){.name = name, .index = index, .handler = handler, .data = data, .context = context};
  vring->kick = vring->call = vring->error = -1;
  vring->timer = g_source_new(&timer_functions, sizeof(GSource));
  g_source_set_callback(vring->timer, on_timer, vring, NULL);
  g_source_attach(vring->timer, context);
}

void vring_finish(Vring *vring) {
  vring_stop(vring);
  replace_fd(&vring->error, -1);
  g_source_destroy(vring->timer);
  g_clear_pointer(&vring->timer, g_source_unref);
}

static void stop_listening(Vring *vring) {
  if (!vring->kicked) return;
  g_source_destroy(vring->kicked);
  g_clear_pointer(&vring->kicked, g_source_unref);
}

void vring_set_kick(Vring *vring, int fd) {
  stop_listening(vring);
  replace_fd(&vring->kick, fd);
  if (fd < 0) return; /* the timer alone looks */
  g_unix_set_fd_nonblocking(fd, TRUE, NULL);
  vring->kicked = g_unix_fd_source_new(fd, G_IO_IN);
  g_source_set_callback(vring->kicked, G_SOURCE_FUNC(on_kick), vring, NULL);
  g_source_attach(vring->kicked, vring->context);
}

void vring_set_call(Vring *vring, int fd) {
  replace_fd(&vring->call, fd);
  if (fd >= 0) g_unix_set_fd_nonblocking(fd, TRUE, NULL);
}

void vring_set_error(Vring *vring, int fd) {
  replace_fd(&vring->error, fd);
  if (fd >= 0) g_unix_set_fd_nonblocking(fd, TRUE, NULL);
}

/* From the loop: whoever enables it is in the middle of a message. */
static void look_soon(Vring *vring) {
  vring->continues = TRUE;
  g_source_set_ready_time(vring->timer, 0);
}

void vring_set_enabled(Vring *vring, gboolean enabled) {
  vring->enabled = enabled;
  look_soon(vring);
}

gboolean vring_start(Vring *vring, const GuestMemory *memory, GError **error) {
  if (!virtqueue_start(&vring->queue, memory, error)) return FALSE;
  vring->repeats = 0;
  look_soon(vring);
  return TRUE;
}

void vring_wake(Vring *vring) {
  if (is_running(vring) && virtqueue_has_more(&vring->queue)) look_soon(vring);
}

void vring_stop(Vring *vring) {
  virtqueue_stop(&vring->queue);
  vring_set_kick(vring, -1);
  replace_fd(&vring->call, -1);
  g_source_set_ready_time(vring->timer, -1);
}
