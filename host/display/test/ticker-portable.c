/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/ticker.h"

/* Without timerfd: GLib wakes up to a millisecond late, and since deadlines are absolute, that much jitter is all. */

struct Ticker {
  GSource source;
  void (*due)(gpointer data);
  gpointer data;
};

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data) {
  Ticker *ticker = (Ticker *)source;
  g_source_set_ready_time(source, -1);
  ticker->due(ticker->data);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs functions = {.dispatch = dispatch};

Ticker *ticker_create(GMainContext *context, void (*due)(gpointer data), gpointer data, GError **error) {
  Ticker *ticker = (Ticker *)g_source_new(&functions, sizeof *ticker);
  ticker->due = due;
  ticker->data = data;
  g_source_attach(&ticker->source, context);
  return ticker;
}

void ticker_destroy(Ticker *ticker) {
  if (!ticker) return;
  g_source_destroy(&ticker->source);
  g_source_unref(&ticker->source);
}

void ticker_arm(Ticker *ticker, gint64 deadline_us) {
  g_source_set_ready_time(&ticker->source, MAX(deadline_us, 0));
}
