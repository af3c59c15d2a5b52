/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

#include <gio/gio.h>

/*
 * One console of QEMU's D-Bus display, listened to: registers a listener with
 * the console, answers org.qemu.Display1.Listener on a connection of its own,
 * and keeps the console's picture.
 *
 * Calls are checked and answered on GDBus' own thread, at once and whatever
 * else goes on here, because QEMU holds the guest's display in some of them.
 * The pictures go on to the thread that created the listener, where alone the
 * events are called. The listener must not be destroyed in one of its events.
 */

typedef struct ConsoleListener ConsoleListener;

typedef struct {
  /* Once: QEMU sends pictures from now on, or (error set) has refused to. */
  void (*registered)(gpointer data, guint id, const GError *error);
  /* The console's whole picture, XRGB8888; the rects are as in DisplaySink's update(). Borrowed. */
  void (*picture)(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 arrival_us);
  void (*dark)(gpointer data, guint id);
  /* QEMU hands over pictures as DMA-BUFs, which are not read here: it was started with gl=on. */
  void (*unreadable)(gpointer data, guint id);
  /* Once, and the last: QEMU has closed the connection. */
  void (*closed)(gpointer data, guint id);
} ConsoleListenerEvents;

/* `qemu` is the connection to QEMU, `path` the console's object there. `events` is static. Errors: no descriptors left.
 */
ConsoleListener *console_listener_create(GDBusConnection *qemu, const char *path, guint id,
                                         const ConsoleListenerEvents *events, gpointer data, GError **error);
/* The size of the newest picture that QEMU sent, shown or about to be; 0 by 0 when dark. */
void console_listener_size(ConsoleListener *listener, guint *width, guint *height);
/* Iterates the thread's default context until nothing of the listener is under way any more; no event comes while it
 * does, or after. NULL is legal. */
void console_listener_destroy(ConsoleListener *listener);
