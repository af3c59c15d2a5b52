/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/qemu-display.h"

#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/display/qemu-dbus/qemu-attachment.h"
#include "host/display/qemu-dbus/qmp.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define RETRY_FIRST_MS 100
#define RETRY_LAST_MS 1000
/* Another program has the display now. Taking it back at once would only make the two of them take turns. */
#define RETRY_DISPLACED_MS 30000
/* An attachment that lasted this long was good, and the next try may come quickly; one that keeps breaking is tried
 * once a second at most. */
#define GOOD_ATTACHMENT_US (5 * G_USEC_PER_SEC)

typedef struct {
  Display base;
  char *path;

  pthread_t thread;
  GMainContext *context;
  atomic_bool stopping;

  /* The rest is the thread's own. */
  QemuAttachment *attachment; /* NULL: waiting for the next try */
  gint64 attached_us;         /* monotonic; 0 while it is not complete */
  char *lost_why;             /* set: the attachment is to be taken down */
  GSource *retry;
  guint retry_ms;
  gboolean retry_due;

  ScanoutInfo scanouts[DISPLAY_MAX_SCANOUTS];
  guint n_scanouts;
  guint n_consoles;
  char *note; /* how the VM is, NULL: nothing known */

  gboolean was_attached;
  DisplayState state;
  char *state_text;
} QemuDisplay;

/* ---- telling the sink ---- */

/* Takes the text. Only what is new is told: a try every second would say the same for hours. */
static void tell_state(QemuDisplay *display, DisplayState state, char *text) {
  if (state == display->state && g_strcmp0(text, display->state_text) == 0) {
    g_free(text);
    return;
  }
  display->state = state;
  g_free(display->state_text);
  display->state_text = text;
  display->base.sink->state(display->base.sink_data, state, text);
}

static void tell_running(QemuDisplay *display) {
  const char *note = display->note ? display->note : "";
  const char *separator = display->note ? "; " : "";
  char *text;
  if (display->n_consoles == 0) {
    text = g_strdup_printf("QEMU on \"%s\" has no display device%s%s", display->path, separator, note);
  } else {
    text = g_strdup_printf("attached to QEMU on \"%s\", %u console%s%s%s", display->path, display->n_consoles,
                           display->n_consoles == 1 ? "" : "s", separator, note);
  }
  tell_state(display, DISPLAY_RUNNING, text);
}

/* Not attached: `why` says what is in the way. */
static void tell_waiting(QemuDisplay *display, const char *why) {
  DisplayState state = display->was_attached ? DISPLAY_LOST : DISPLAY_STARTING;
  tell_state(display, state, g_strdup_printf("%s; trying again until it works", why));
}

static void tell_scanout(QemuDisplay *display, guint id) {
  display->base.sink->scanout(display->base.sink_data, id, &display->scanouts[id]);
}

static void all_dark(QemuDisplay *display) {
  for (guint id = 0; id < display->n_scanouts; id++) {
    ScanoutInfo *info = &display->scanouts[id];
    if (!info->connected) continue;
    info->connected = info->lit = FALSE;
    tell_scanout(display, id);
  }
}

/* ---- when to try again ---- */

static gboolean on_retry(gpointer data) {
  QemuDisplay *display = data;
  display->retry_due = TRUE;
  return G_SOURCE_REMOVE;
}

static void stop_retry(QemuDisplay *display) {
  if (!display->retry) return;
  g_source_destroy(display->retry);
  g_clear_pointer(&display->retry, g_source_unref);
}

static void retry_in(QemuDisplay *display, guint delay_ms) {
  stop_retry(display);
  display->retry = g_timeout_source_new(delay_ms);
  g_source_set_callback(display->retry, on_retry, display, NULL);
  g_source_attach(display->retry, display->context);
}

static void retry_later(QemuDisplay *display) {
  retry_in(display, display->retry_ms);
  display->retry_ms = MIN(display->retry_ms * 2, RETRY_LAST_MS);
}

/* ---- the attachment's events ---- */

static void copy_name(ScanoutInfo *info, const char *name) {
  memset(info->name, 0, sizeof info->name);
  gsize size = 0;
  for (const char *c = name; *c; c = g_utf8_next_char(c)) {
    gsize end = (gsize)(g_utf8_next_char(c) - name);
    if (end >= sizeof info->name) break;
    size = end;
  }
  memcpy(info->name, name, size);
}

static void on_console(gpointer data, guint id, const char *name) {
  QemuDisplay *display = data;
  ScanoutInfo *info = &display->scanouts[id];
  display->n_scanouts = MAX(display->n_scanouts, id + 1);
  info->refresh_mhz = DISPLAY_DEFAULT_REFRESH_MHZ;
  info->connected = TRUE;
  copy_name(info, name);
  tell_scanout(display, id);
}

static void on_attached(gpointer data, guint n_consoles) {
  QemuDisplay *display = data;
  stats_count("qemu.attached");
  display->attached_us = g_get_monotonic_time();
  display->was_attached = TRUE;
  display->n_consoles = n_consoles;
  tell_running(display);
}

static void on_note(gpointer data, const char *text) {
  QemuDisplay *display = data;
  g_free(display->note);
  display->note = g_strdup(text);
  if (display->attached_us != 0) tell_running(display);
}

static void on_picture(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects,
                       gint64 arrival_us) {
  QemuDisplay *display = data;
  ScanoutInfo *info = &display->scanouts[id];
  if (!info->lit || info->width != frame->width || info->height != frame->height) {
    info->lit = TRUE;
    info->width = frame->width;
    info->height = frame->height;
    tell_scanout(display, id);
  }
  display->base.sink->update(display->base.sink_data, id, frame, rects, n_rects, arrival_us);
}

static void on_dark(gpointer data, guint id) {
  QemuDisplay *display = data;
  display->scanouts[id].lit = FALSE;
  tell_scanout(display, id);
}

/* The attachment stays, so that QEMU's end is seen at once. */
static void on_displaced(gpointer data) {
  QemuDisplay *display = data;
  stats_count("qemu.displaced");
  display->attached_us = 0;
  all_dark(display);
  tell_state(
      display, DISPLAY_LOST,
      g_strdup_printf("another program has taken the D-Bus display of QEMU on \"%s\", which serves one at a time "
                      "(a second frameliftd, a viewer?); taking it back in %d s",
                      display->path, RETRY_DISPLACED_MS / 1000));
  retry_in(display, RETRY_DISPLACED_MS);
}

/* Taken down by the loop: it is still in use by whoever calls this. */
static void on_lost(gpointer data, const char *why) {
  QemuDisplay *display = data;
  g_free(display->lost_why);
  display->lost_why = g_strdup(why);
}

static const QemuAttachmentEvents ATTACHMENT_EVENTS = {
    .console = on_console,
    .attached = on_attached,
    .note = on_note,
    .picture = on_picture,
    .dark = on_dark,
    .displaced = on_displaced,
    .lost = on_lost,
};

/* ---- attaching ---- */

static void detach(QemuDisplay *display) {
  g_clear_pointer(&display->attachment, qemu_attachment_destroy);
  display->attached_us = 0;
}

static void try_to_attach(QemuDisplay *display) {
  g_autoptr(GError) error = NULL;
  display->retry_due = FALSE;
  detach(display); /* there is one still where another program has displaced us */
  g_clear_pointer(&display->note, g_free);
  display->attachment = qemu_attachment_create(display->path, &ATTACHMENT_EVENTS, display, &error);
  if (display->attachment) return;
  tell_waiting(display, error->message);
  retry_later(display);
}

static void handle_loss(QemuDisplay *display) {
  g_autofree char *why = g_steal_pointer(&display->lost_why);
  if (display->n_scanouts > 0 || display->attached_us != 0) stats_count("qemu.lost"); /* else it was never there */
  if (display->attached_us != 0 && g_get_monotonic_time() - display->attached_us > GOOD_ATTACHMENT_US) {
    display->retry_ms = RETRY_FIRST_MS;
  }
  detach(display);
  all_dark(display);
  tell_waiting(display, why);
  retry_later(display);
}

static void *run(void *data) {
  QemuDisplay *display = data;
#ifndef __APPLE__
  thread_set_name("display-qemu");
#endif
  g_main_context_push_thread_default(display->context);
  display->retry_ms = RETRY_FIRST_MS;
  try_to_attach(display);
  while (!atomic_load(&display->stopping)) {
    g_main_context_iteration(display->context, TRUE);
    if (display->lost_why) handle_loss(display);
    if (display->retry_due) try_to_attach(display);
  }
  detach(display);
  stop_retry(display);
  while (g_main_context_iteration(display->context, FALSE)) {
    /* what GDBus has left for us to free */
  }
  g_main_context_pop_thread_default(display->context);
  return NULL;
}

/* ---- the display interface ---- */

static gboolean start(Display *base, GError **error) {
  QemuDisplay *display = (QemuDisplay *)base;
  if (!qmp_path_check(display->path, error)) return FALSE;
  int result = pthread_create(&display->thread, NULL, run, display);
  if (result == 0) return TRUE;
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(result), "cannot start the display's thread: %s",
              g_strerror(result));
  return FALSE;
}

static void stop(Display *base) {
  QemuDisplay *display = (QemuDisplay *)base;
  atomic_store(&display->stopping, TRUE);
  g_main_context_wakeup(display->context);
  pthread_join(display->thread, NULL);
}

static void destroy(Display *base) {
  QemuDisplay *display = (QemuDisplay *)base;
  g_main_context_unref(display->context);
  g_free(display->path);
  g_free(display->note);
  g_free(display->lost_why);
  g_free(display->state_text);
  g_free(display);
}

static const DisplayInterface INTERFACE = {.name = "qemu", .start = start, .stop = stop, .destroy = destroy};

Display *qemu_display_create(const char *qmp_path) {
  QemuDisplay *display = g_new0(QemuDisplay, 1);
  display->base.interface = &INTERFACE;
  display->path = g_strdup(qmp_path);
  display->context = g_main_context_new();
  return &display->base;
}
