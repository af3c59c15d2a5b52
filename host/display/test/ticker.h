/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * A call at a moment, to well under a millisecond. GLib's own time-outs wait
 * in whole milliseconds; a frame at 60 a second lasts 16,667 µs.
 */

typedef struct Ticker Ticker;

/* `due` is called on the thread that iterates `context`, which the ticker keeps a reference to. Not armed yet. NULL and
 * an error where the system has no timer left. */
Ticker *ticker_create(GMainContext *context, void (*due)(gpointer data), gpointer data, GError **error);
/* On that thread, or while it does not run; NULL is legal. */
void ticker_destroy(Ticker *ticker);

/* One call at `deadline_us` (of g_get_monotonic_time()), at once if that is past; replaces an earlier one. On that
 * thread, or before it runs. */
void ticker_arm(Ticker *ticker, gint64 deadline_us);
