/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/console-listener.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "host/display/qemu-dbus/console-mailbox.h"
#include "host/display/qemu-dbus/console-surface.h"
#include "host/display/qemu-dbus/listener-calls.h"

#include <errno.h>
#include <gio/gunixfdlist.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONSOLE_INTERFACE "org.qemu.Display1.Console"
/* For QEMU's answer and the handshake together; both take milliseconds unless QEMU is stopped. */
#define REGISTER_LIMIT_MS 5000

struct ConsoleListener {
  guint id;
  const ConsoleListenerEvents *events;
  gpointer data;
  gboolean destroyed;

  /* Registration: two operations at once, each of which counts in in_flight. */
  GCancellable *cancellable;
  GSource *limit;
  guint in_flight;
  GError *error; /* the first that came */

  GDBusConnection *connection; /* NULL until QEMU has opened its end */
  gulong closed_handler;
  guint filter;

  ConsoleMailbox *mailbox;
  GSource *wake;
  ConsoleSurface surface;
};

static LogLimit memory_limit;

/* ---- pictures ---- */

static void wake_listener(gpointer data) {
  g_source_set_ready_time(data, 0);
}

static void out_of_memory(void) {
  stats_count("qemu.no-memory");
  log_limited(&memory_limit, LOG_WARN, "qemu", "no memory for a console's picture; it was left out");
}

/* Returns how many of the batch's updates are in the surface now; their places are in rects. */
static guint apply_updates(ConsoleListener *listener, ConsoleBatch *batch, Rect *rects, gint64 *arrival_us) {
  guint applied = 0;
  for (guint i = 0; i < batch->n_updates; i++) {
    rects[applied] = batch->updates[i].rect;
    *arrival_us = batch->updates[i].arrival_us;
    if (console_surface_apply(&listener->surface, &batch->updates[i])) {
      applied++;
    } else {
      out_of_memory();
    }
  }
  return applied;
}

static void show_batch(ConsoleListener *listener, ConsoleBatch *batch) {
  Rect rects[CONSOLE_MAILBOX_MAX_UPDATES];
  gint64 arrival_us = batch->whole.arrival_us;
  gboolean whole = batch->whole.bytes != NULL;
  gboolean was_lit = listener->surface.width > 0;
  if (batch->dark) console_surface_finish(&listener->surface);
  if (whole && !console_surface_show(&listener->surface, &batch->whole)) out_of_memory();
  guint n_rects = apply_updates(listener, batch, rects, &arrival_us);
  if (listener->surface.width == 0) {
    if (was_lit) listener->events->dark(listener->data, listener->id);
  } else if (whole || n_rects > 0) {
    Frame frame = console_surface_frame(&listener->surface);
    listener->events->picture(listener->data, listener->id, &frame, rects, whole ? 0 : n_rects, arrival_us);
  }
}

static gboolean on_wake(gpointer data) {
  ConsoleListener *listener = data;
  ConsoleBatch batch;
  g_source_set_ready_time(listener->wake, -1); /* before the take: what comes after it wakes again */
  console_mailbox_take(listener->mailbox, &batch);
  if (!listener->destroyed) {
    if (batch.unreadable) listener->events->unreadable(listener->data, listener->id);
    show_batch(listener, &batch);
  }
  console_batch_finish(&batch);
  return G_SOURCE_CONTINUE;
}

static gboolean wake_dispatch(GSource *source, GSourceFunc callback, gpointer data) {
  return callback(data);
}

static GSourceFuncs wake_functions = {.dispatch = wake_dispatch};

static GSource *wake_source_new(ConsoleListener *listener) {
  GSource *source = g_source_new(&wake_functions, sizeof(GSource));
  g_source_set_callback(source, on_wake, listener, NULL);
  g_source_attach(source, g_main_context_get_thread_default());
  return source;
}

/* ---- registration ---- */

static void stop_limit(ConsoleListener *listener) {
  if (!listener->limit) return;
  g_source_destroy(listener->limit);
  g_clear_pointer(&listener->limit, g_source_unref);
}

static gboolean on_limit(gpointer data) {
  ConsoleListener *listener = data;
  if (!listener->error) {
    listener->error =
        g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "QEMU did not answer within %d s", REGISTER_LIMIT_MS / 1000);
  }
  g_cancellable_cancel(listener->cancellable);
  return G_SOURCE_REMOVE;
}

/* The first error is the cause of the others. */
static void keep_error(ConsoleListener *listener, GError *error) {
  g_dbus_error_strip_remote_error(error);
  if (listener->error) {
    g_error_free(error);
  } else {
    listener->error = error;
  }
}

static void operation_done(ConsoleListener *listener) {
  if (--listener->in_flight > 0) return;
  stop_limit(listener);
  if (!listener->destroyed) listener->events->registered(listener->data, listener->id, listener->error);
}

static void on_closed(GDBusConnection *connection, gboolean vanished, GError *error, gpointer data) {
  ConsoleListener *listener = data;
  if (!listener->destroyed) listener->events->closed(listener->data, listener->id);
}

/* QEMU's end is open: answer its calls. It sends the first picture as soon as messages are read. */
static void on_connected(GObject *source, GAsyncResult *result, gpointer data) {
  ConsoleListener *listener = data;
  GError *error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_finish(result, &error);
  if (!connection) {
    keep_error(listener, error); /* QEMU's own words, if it has refused, are still to come */
  } else if (listener->destroyed) {
    g_object_unref(connection);
  } else {
    listener->connection = connection;
    listener->closed_handler = g_signal_connect(connection, "closed", G_CALLBACK(on_closed), listener);
    listener->filter = listener_calls_serve(connection, listener->mailbox);
    g_dbus_connection_start_message_processing(connection);
  }
  operation_done(listener);
}

static void on_registered(GObject *source, GAsyncResult *result, gpointer data) {
  ConsoleListener *listener = data;
  GError *error = NULL;
  g_autoptr(GVariant) reply =
      g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(source), NULL, result, &error);
  if (!reply) {
    if (!g_cancellable_is_cancelled(listener->cancellable)) g_clear_error(&listener->error);
    keep_error(listener, error);
    g_cancellable_cancel(listener->cancellable);
  }
  operation_done(listener);
}

/* One end goes to QEMU, which opens it as soon as it has it and waits in that for our end: so both are under way at
 * once. */
static gboolean register_listener(ConsoleListener *listener, GDBusConnection *qemu, const char *path, GError **error) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno), "cannot make a socket pair: %s",
                g_strerror(errno));
    return FALSE;
  }
  g_autoptr(GUnixFDList) descriptors = g_unix_fd_list_new_from_array(&ends[1], 1);
  g_autoptr(GSocket) socket = g_socket_new_from_fd(ends[0], error);
  if (!socket) {
    close(ends[0]);
    return FALSE;
  }
  g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
  g_dbus_connection_call_with_unix_fd_list(qemu, NULL, path, CONSOLE_INTERFACE, "RegisterListener",
                                           g_variant_new("(h)", 0), NULL, G_DBUS_CALL_FLAGS_NONE, REGISTER_LIMIT_MS,
                                           descriptors, listener->cancellable, on_registered, listener);
  g_dbus_connection_new(G_IO_STREAM(stream), NULL,
                        G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                            G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                        NULL, listener->cancellable, on_connected, listener);
  listener->in_flight = 2;
  return TRUE;
}

ConsoleListener *console_listener_create(GDBusConnection *qemu, const char *path, guint id,
                                         const ConsoleListenerEvents *events, gpointer data, GError **error) {
  ConsoleListener *listener = g_new0(ConsoleListener, 1);
  listener->id = id;
  listener->events = events;
  listener->data = data;
  listener->cancellable = g_cancellable_new();
  listener->wake = wake_source_new(listener);
  listener->mailbox = console_mailbox_new(wake_listener, listener->wake);
  if (!register_listener(listener, qemu, path, error)) {
    console_listener_destroy(listener);
    return NULL;
  }
  listener->limit = g_timeout_source_new(REGISTER_LIMIT_MS);
  g_source_set_callback(listener->limit, on_limit, listener, NULL);
  g_source_attach(listener->limit, g_main_context_get_thread_default());
  return listener;
}

void console_listener_size(ConsoleListener *listener, guint *width, guint *height) {
  console_mailbox_size(listener->mailbox, width, height);
}

static void close_connection(ConsoleListener *listener) {
  if (!listener->connection) return;
  g_signal_handler_disconnect(listener->connection, listener->closed_handler);
  g_dbus_connection_remove_filter(listener->connection, listener->filter);
  g_dbus_connection_close(listener->connection, NULL, NULL, NULL);
  g_clear_object(&listener->connection);
}

void console_listener_destroy(ConsoleListener *listener) {
  if (!listener) return;
  listener->destroyed = TRUE;
  console_mailbox_close(listener->mailbox); /* first, so that GDBus' thread does not wait for us */
  g_source_destroy(listener->wake);
  g_cancellable_cancel(listener->cancellable);
  while (listener->in_flight > 0) g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
  stop_limit(listener);
  close_connection(listener);
  console_surface_finish(&listener->surface);
  console_mailbox_unref(listener->mailbox);
  g_source_unref(listener->wake);
  g_object_unref(listener->cancellable);
  g_clear_error(&listener->error);
  g_free(listener);
}
