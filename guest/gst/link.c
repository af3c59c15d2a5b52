/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/link.h"

#include "common/base/thread.h"
#include "guest/gst/back-off.h"
#include "guest/gst/dialog.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <unistd.h>

/* A connection that held for so long was a good one, pictures or not: a still source asks for none. */
#define LINK_GOOD_AFTER_US (10 * G_USEC_PER_SEC)

struct Link {
  LinkSettings settings;
  char *token_file;
  char *program;
  const LinkEvents *events;
  LinkEvents inner; /* what the dialog calls: events, seen on their way */
  gpointer data;
  GThread *thread;
  int wake[2]; /* a pipe: [1] is written when the thread has something to do */

  Mutex mutex; /* for all below */
  gboolean stopping;
  GQueue submitted; /* Request* */
  gboolean has_config;
  gboolean config_new;
  HxfrConfig config;
  gboolean key_wanted;
  LinkCounters counters;

  /* the thread's own */
  Dialog dialog;
  BackOff back_off;
  gboolean was_up; /* ever */
};

static void wake_thread(Link *link) {
  guint8 byte = 0;
  ssize_t written = write(link->wake[1], &byte, 1);
  (void)written; /* full: it is awake already */
}

static void drain_wake(Link *link) {
  guint8 bytes[64];
  while (read(link->wake[0], bytes, sizeof bytes) > 0) continue;
}

static gboolean is_stopping(Link *link) {
  mutex_lock(&link->mutex);
  gboolean stopping = link->stopping;
  mutex_unlock(&link->mutex);
  return stopping;
}

static void free_request(gpointer data) {
  Request *request = data;
  g_clear_pointer(&request->pixels, g_bytes_unref);
  g_free(request);
}

/* What others asked for since the last turn. */
static void take_jobs(Link *link) {
  gboolean up = link->dialog.phase == DIALOG_UP;
  GQueue taken = G_QUEUE_INIT;
  mutex_lock(&link->mutex);
  gboolean configure = up && link->config_new, key = up && link->key_wanted;
  HxfrConfig config = link->config;
  if (configure) link->config_new = FALSE;
  if (key) link->key_wanted = FALSE;
  taken = link->submitted;
  g_queue_init(&link->submitted);
  mutex_unlock(&link->mutex);

  if (configure) dialog_configure(&link->dialog, &config);
  if (key) dialog_want_key(&link->dialog);
  Request *request;
  while ((request = g_queue_pop_head(&taken)) != NULL) {
    dialog_request(&link->dialog, request); /* which has the pixels now */
    g_free(request);
  }
}

static void publish_counters(Link *link) {
  mutex_lock(&link->mutex);
  link->counters = link->dialog.counters;
  mutex_unlock(&link->mutex);
}

static void on_up(const LinkHost *host, gpointer data) {
  Link *link = data;
  link->was_up = TRUE;
  mutex_lock(&link->mutex);
  gboolean configure = link->has_config;
  HxfrConfig config = link->config;
  link->config_new = link->key_wanted = FALSE; /* every connection begins with an IDR */
  mutex_unlock(&link->mutex);
  if (configure) dialog_configure(&link->dialog, &config); /* before the requests that are asked again */
  link->events->up(host, link->data);
}

/* A stream counts as up when a picture that begins one has arrived, not before (F15). */
static void on_answered(guint64 id, LinkUnit *unit, const GError *why, gpointer data) {
  Link *link = data;
  if (unit && unit->is_key) back_off_reset(&link->back_off);
  publish_counters(link); /* whoever has the answer finds it counted */
  link->events->answered(id, unit, why, link->data);
}

static void on_unit(LinkUnit *unit, gpointer data) {
  Link *link = data;
  if (unit->is_key) back_off_reset(&link->back_off);
  link->events->unit(unit, link->data);
}

static void on_dropped(gpointer data) {
  Link *link = data;
  link->events->dropped(link->data);
}

static void on_log(LogLevel level, const char *text, gpointer data) {
  Link *link = data;
  link->events->log(level, text, link->data);
}

/* One connection from its begin to its end; FALSE and error if that was not our wish. */
static gboolean serve(Link *link, GError **error) {
  if (!dialog_open(&link->dialog, error)) return FALSE;
  while (!is_stopping(link)) {
    drain_wake(link);
    take_jobs(link);
    gboolean good = dialog_turn(&link->dialog, link->wake[0], error);
    publish_counters(link);
    if (!good) return FALSE;
  }
  return TRUE;
}

static gboolean is_final(const Link *link, const GError *error) {
  if (!link->was_up) return TRUE;
  return error->code == LINK_ERROR_SETTINGS || error->code == LINK_ERROR_DENIED || error->code == LINK_ERROR_REQUEST ||
         error->code == LINK_ERROR_UNANSWERED;
}

static void fail(Link *link, const GError *why) {
  on_log(LOG_ERROR, why->message, link);
  link->events->failed(why, link->data);
}

/* Waits until it is time for another connection; FALSE if there will be none. */
static gboolean wait_to_retry(Link *link, const GError *why) {
  gint64 now = g_get_monotonic_time();
  gint wait_ms = back_off_next(&link->back_off, now);
  if (wait_ms < 0) {
    g_autoptr(GError) gone = g_error_new(LINK_ERROR, LINK_ERROR_GONE, "the host was away for %u s; at last: %s",
                                         BACK_OFF_GIVE_UP_MS / 1000, why->message);
    fail(link, gone);
    return FALSE;
  }
  while (!is_stopping(link)) {
    gint64 left_ms = wait_ms - (g_get_monotonic_time() - now) / 1000;
    if (left_ms <= 0) return TRUE;
    struct pollfd poll_fd = {.fd = link->wake[0], .events = POLLIN};
    poll(&poll_fd, 1, (int)left_ms);
    drain_wake(link); /* requests wait in their queue */
  }
  return FALSE;
}

static gpointer run(gpointer data) {
  Link *link = data;
  on_log(LOG_INFO, "Receive thread started", link);
  while (!is_stopping(link)) {
    g_autoptr(GError) error = NULL;
    gint64 opened_us = g_get_monotonic_time();
    if (serve(link, &error)) break;
    gboolean was_up = link->dialog.phase == DIALOG_UP;
    dialog_close(&link->dialog);
    publish_counters(link);
    if (was_up && g_get_monotonic_time() - opened_us > LINK_GOOD_AFTER_US) back_off_reset(&link->back_off);
    if (is_final(link, error)) {
      fail(link, error);
      break;
    }
    on_log(was_up ? LOG_WARN : LOG_INFO, error->message, link);
    if (was_up) link->events->down(error, link->data);
    if (!wait_to_retry(link, error)) break;
  }
  dialog_close(&link->dialog);
  on_log(LOG_INFO, "Receive thread ended", link);
  return NULL;
}

static gboolean open_pipe(Link *link, GError **error) {
  if (!g_unix_open_pipe(link->wake, FD_CLOEXEC, error)) return FALSE;
  return g_unix_set_fd_nonblocking(link->wake[0], TRUE, error) && g_unix_set_fd_nonblocking(link->wake[1], TRUE, error);
}

Link *link_create(const LinkSettings *settings, const LinkEvents *events, gpointer data, GError **error) {
  Link *link = g_new0(Link, 1);
  link->settings = *settings;
  link->settings.token_file = link->token_file = g_strdup(settings->token_file);
  link->settings.program = link->program = g_strdup(settings->program);
  link->events = events;
  link->data = data;
  link->wake[0] = link->wake[1] = -1;
  link->inner =
      (LinkEvents){.up = on_up, .unit = on_unit, .answered = on_answered, .dropped = on_dropped, .log = on_log};
  mutex_init(&link->mutex);
  g_queue_init(&link->submitted);
  dialog_init(&link->dialog, &link->settings, &link->inner, link);
  if (open_pipe(link, error)) link->thread = g_thread_try_new("framelift-link", run, link, error);
  if (link->thread) return link;
  link_destroy(link);
  return NULL;
}

void link_destroy(Link *link) {
  if (!link) return;
  if (link->thread) {
    mutex_lock(&link->mutex);
    link->stopping = TRUE;
    mutex_unlock(&link->mutex);
    wake_thread(link);
    g_thread_join(link->thread);
  }
  dialog_finish(&link->dialog);
  g_queue_clear_full(&link->submitted, free_request);
  for (guint i = 0; i < 2; i++) {
    if (link->wake[i] >= 0) close(link->wake[i]);
  }
  mutex_finish(&link->mutex);
  g_free(link->token_file);
  g_free(link->program);
  g_free(link);
}

void link_request(Link *link, const Request *request) {
  mutex_lock(&link->mutex);
  g_queue_push_tail(&link->submitted, g_memdup2(request, sizeof *request));
  mutex_unlock(&link->mutex);
  wake_thread(link);
}

void link_configure(Link *link, const HxfrConfig *config) {
  mutex_lock(&link->mutex);
  link->config = *config;
  link->has_config = link->config_new = TRUE;
  mutex_unlock(&link->mutex);
  wake_thread(link);
}

void link_want_key(Link *link) {
  mutex_lock(&link->mutex);
  link->key_wanted = TRUE;
  mutex_unlock(&link->mutex);
  wake_thread(link);
}

void link_counters(Link *link, LinkCounters *counters) {
  mutex_lock(&link->mutex);
  *counters = link->counters;
  mutex_unlock(&link->mutex);
}
