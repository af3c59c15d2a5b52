/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/capture.h"

#include <gio/gio.h>

/*
 * GNOME Shell's own screen cast, which asks nobody: the interfaces
 * org.gnome.Mutter.ScreenCast and org.gnome.Mutter.DisplayConfig as Mutter
 * 43 has them (data/dbus-interfaces in its source).
 */

#define MUTTER_LIMIT_MS 5000
#define SCREEN_CAST "org.gnome.Mutter.ScreenCast"
#define SCREEN_CAST_PATH "/org/gnome/Mutter/ScreenCast"
#define DISPLAY_CONFIG "org.gnome.Mutter.DisplayConfig"
#define DISPLAY_CONFIG_PATH "/org/gnome/Mutter/DisplayConfig"
/* cursor-mode: drawn into the picture */
#define CURSOR_EMBEDDED 1u

typedef struct {
  const CaptureEvents *events;
  gpointer data;
  GCancellable *cancellable;
  GDBusConnection *bus;
  char *session; /* object paths */
  char *stream;
  guint added; /* signal subscriptions; 0 */
  guint closed;
  guint limit; /* timeout; 0 */
} Mutter;

static void fail(Mutter *mutter, const char *why) {
  if (mutter->limit) g_source_remove(mutter->limit);
  mutter->limit = 0;
  g_cancellable_cancel(mutter->cancellable);
  mutter->events->failed(why, FALSE, mutter->data);
}

/* TRUE: go on. A cancelled call's Mutter may be gone already: nothing may look at it. */
static gboolean is_good(Mutter *mutter, GError *error) {
  if (!error) return TRUE;
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) return FALSE;
  g_dbus_error_strip_remote_error(error);
  fail(mutter, error->message);
  return FALSE;
}

static void call(Mutter *mutter, const char *name, const char *path, const char *interface, const char *method,
                 GVariant *arguments, const char *reply, GAsyncReadyCallback done) {
  g_dbus_connection_call(mutter->bus, name, path, interface, method, arguments, reply ? G_VARIANT_TYPE(reply) : NULL,
                         G_DBUS_CALL_FLAGS_NONE, MUTTER_LIMIT_MS, mutter->cancellable, done, mutter);
}

static GVariant *take_reply(GObject *bus, GAsyncResult *result, GError **error) {
  return g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, error);
}

static void on_stream_added(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                            const char *signal, GVariant *arguments, gpointer data) {
  Mutter *mutter = data;
  guint32 node;
  if (!mutter->limit || !g_variant_is_of_type(arguments, G_VARIANT_TYPE("(u)"))) return;
  g_source_remove(mutter->limit);
  mutter->limit = 0;
  g_variant_get(arguments, "(u)", &node);
  mutter->events->ready(node, -1, mutter->data);
}

static void on_closed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *arguments, gpointer data) {
  fail(data, "the desktop has ended the screen cast");
}

static void on_started(GObject *bus, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = take_reply(bus, result, &error);
  is_good(data, error); /* the signal is what counts */
}

static guint listen_to(Mutter *mutter, const char *interface, const char *signal, const char *path,
                       GDBusSignalCallback heard) {
  return g_dbus_connection_signal_subscribe(mutter->bus, SCREEN_CAST, interface, signal, path, NULL,
                                            G_DBUS_SIGNAL_FLAGS_NONE, heard, mutter, NULL);
}

static void on_recorded(GObject *bus, GAsyncResult *result, gpointer data) {
  Mutter *mutter = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = take_reply(bus, result, &error);
  if (!is_good(mutter, error)) return;
  g_variant_get(reply, "(o)", &mutter->stream);
  mutter->added = listen_to(mutter, SCREEN_CAST ".Stream", "PipeWireStreamAdded", mutter->stream, on_stream_added);
  call(mutter, SCREEN_CAST, mutter->session, SCREEN_CAST ".Session", "Start", NULL, NULL, on_started);
}

/* NULL: the desktop has no monitor. */
static char *first_connector(GVariant *state) {
  g_autoptr(GVariant) monitors = g_variant_get_child_value(state, 1);
  char *connector = NULL;
  if (g_variant_n_children(monitors) == 0) return NULL;
  g_autoptr(GVariant) monitor = g_variant_get_child_value(monitors, 0);
  g_autoptr(GVariant) id = g_variant_get_child_value(monitor, 0);
  g_variant_get_child(id, 0, "s", &connector);
  return connector;
}

static void on_display_state(GObject *bus, GAsyncResult *result, gpointer data) {
  Mutter *mutter = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = take_reply(bus, result, &error);
  if (!is_good(mutter, error)) return;
  g_autofree char *connector = first_connector(reply);
  GVariantBuilder options;
  g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
  g_variant_builder_add(&options, "{sv}", "cursor-mode", g_variant_new_uint32(CURSOR_EMBEDDED));
  GVariant *arguments = connector ? g_variant_new("(sa{sv})", connector, &options) : g_variant_new("(a{sv})", &options);
  call(mutter, SCREEN_CAST, mutter->session, SCREEN_CAST ".Session", connector ? "RecordMonitor" : "RecordVirtual",
       arguments, "(o)", on_recorded);
}

static void on_session(GObject *bus, GAsyncResult *result, gpointer data) {
  Mutter *mutter = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = take_reply(bus, result, &error);
  if (!is_good(mutter, error)) return;
  g_variant_get(reply, "(o)", &mutter->session);
  mutter->closed = listen_to(mutter, SCREEN_CAST ".Session", "Closed", mutter->session, on_closed);
  call(mutter, DISPLAY_CONFIG, DISPLAY_CONFIG_PATH, DISPLAY_CONFIG, "GetCurrentState", NULL,
       "(ua((ssss)a(siiddada{sv})a{sv})a(iiduba(ssss)a{sv})a{sv})", on_display_state);
}

static void on_bus(GObject *source, GAsyncResult *result, gpointer data) {
  Mutter *mutter = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GDBusConnection) bus = g_bus_get_finish(result, &error);
  if (!is_good(mutter, error)) return;
  mutter->bus = g_steal_pointer(&bus);
  g_dbus_connection_set_exit_on_close(mutter->bus, FALSE); /* a session's end is not ours */
  call(mutter, SCREEN_CAST, SCREEN_CAST_PATH, SCREEN_CAST, "CreateSession", g_variant_new("(a{sv})", NULL), "(o)",
       on_session);
}

static gboolean on_limit(gpointer data) {
  Mutter *mutter = data;
  mutter->limit = 0;
  fail(mutter, "no answer for 5 s");
  return G_SOURCE_REMOVE;
}

static gpointer mutter_open(const CaptureEvents *events, gpointer data) {
  Mutter *mutter = g_new0(Mutter, 1);
  mutter->events = events;
  mutter->data = data;
  mutter->cancellable = g_cancellable_new();
  mutter->limit = g_timeout_add(MUTTER_LIMIT_MS, on_limit, mutter);
  g_bus_get(G_BUS_TYPE_SESSION, mutter->cancellable, on_bus, mutter);
  return mutter;
}

/* Nobody waits for the answer; but until it comes the connection stays, and what is to be written with it. */
static void on_stopped(GObject *bus, GAsyncResult *result, gpointer data) {
  g_autoptr(GVariant) reply = take_reply(bus, result, NULL);
}

static void mutter_close(gpointer provider) {
  Mutter *mutter = provider;
  if (mutter->limit) g_source_remove(mutter->limit);
  g_cancellable_cancel(mutter->cancellable);
  if (mutter->added) g_dbus_connection_signal_unsubscribe(mutter->bus, mutter->added);
  if (mutter->closed) g_dbus_connection_signal_unsubscribe(mutter->bus, mutter->closed);
  if (mutter->session) {
    g_dbus_connection_call(mutter->bus, SCREEN_CAST, mutter->session, SCREEN_CAST ".Session", "Stop", NULL, NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, MUTTER_LIMIT_MS, NULL, on_stopped, NULL);
  }
  g_clear_object(&mutter->bus);
  g_object_unref(mutter->cancellable);
  g_free(mutter->session);
  g_free(mutter->stream);
  g_free(mutter);
}

const CaptureProvider CAPTURE_MUTTER = {"GNOME's screen cast", mutter_open, mutter_close};
