/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/ticker.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct Ticker {
  gint fd;
  GSource *source;
  void (*due)(gpointer data);
  gpointer data;
};

static gboolean expired(gint fd, GIOCondition condition, gpointer data) {
  Ticker *ticker = data;
  guint64 times;
  /* nothing to read: armed anew since it expired */
  if (read(fd, &times, sizeof times) == (gssize)sizeof times) ticker->due(ticker->data);
  return G_SOURCE_CONTINUE;
}

Ticker *ticker_create(GMainContext *context, void (*due)(gpointer data), gpointer data, GError **error) {
  gint fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd < 0) {
    gint code = errno;
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot make a timer: %s", g_strerror(code));
    return NULL;
  }
  Ticker *ticker = g_new0(Ticker, 1);
  ticker->fd = fd;
  ticker->due = due;
  ticker->data = data;
  ticker->source = g_unix_fd_source_new(fd, G_IO_IN);
  g_source_set_callback(ticker->source, G_SOURCE_FUNC(expired), ticker, NULL);
  g_source_attach(ticker->source, context);
  return ticker;
}

void ticker_destroy(Ticker *ticker) {
  if (!ticker) return;
  g_source_destroy(ticker->source);
  g_source_unref(ticker->source);
  close(ticker->fd);
  g_free(ticker);
}

void ticker_arm(Ticker *ticker, gint64 deadline_us) {
  deadline_us = MAX(deadline_us, 1); /* zero would disarm */
  struct itimerspec when = {
      .it_value = {.tv_sec = deadline_us / G_USEC_PER_SEC, .tv_nsec = deadline_us % G_USEC_PER_SEC * 1000}};
  gint result = timerfd_settime(ticker->fd, TFD_TIMER_ABSTIME, &when, NULL);
  g_assert(result == 0);
}
