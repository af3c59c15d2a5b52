/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/capture.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>

/*
 * Any desktop's screen cast by xdg-desktop-portal, which asks the person in
 * front of it once in each run of ours: org.freedesktop.portal.ScreenCast
 * version 4 (its documentation; requests as org.freedesktop.portal.Request).
 */

/* Somebody has to read a dialogue and click. */
#define PORTAL_LIMIT_MS 120000
#define PORTAL_CALL_MS 5000
#define PORTAL "org.freedesktop.portal.Desktop"
#define PORTAL_PATH "/org/freedesktop/portal/desktop"
#define SCREEN_CAST "org.freedesktop.portal.ScreenCast"
#define SOURCE_MONITOR 1u
#define CURSOR_EMBEDDED 2u
/* persist_mode: until we are told otherwise; restore_token then answers for the person */
#define PERSIST_WHILE_RUNNING 1u

typedef struct Portal Portal;

/* One of its requests: the answer comes as a signal, on a path that is known before the call. */
typedef void (*PortalAnswered)(Portal *portal, GVariant *results);

struct Portal {
  const CaptureEvents *events;
  gpointer data;
  GCancellable *cancellable;
  GDBusConnection *bus;
  guint limit;  /* timeout; 0 */
  guint answer; /* signal subscriptions; 0 */
  guint closed;
  guint requests; /* so far: part of their names */
  PortalAnswered answered;
  char *session; /* object path */
  guint32 node;
};

/* The person's answer of this run, so that a pipeline that is started again asks nobody. */
static char *restore_token;

static void fail_or_refuse(Portal *portal, const char *why, gboolean refused) {
  if (portal->limit) g_source_remove(portal->limit);
  portal->limit = 0;
  g_cancellable_cancel(portal->cancellable);
  portal->events->failed(why, refused, portal->data);
}

static void fail(Portal *portal, const char *why) {
  fail_or_refuse(portal, why, FALSE);
}

/* TRUE: go on. A cancelled call's Portal may be gone already: nothing may look at it. */
static gboolean is_good(Portal *portal, GError *error) {
  if (!error) return TRUE;
  if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) return FALSE;
  g_dbus_error_strip_remote_error(error);
  fail(portal, error->message);
  return FALSE;
}

static void on_answer(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *arguments, gpointer data) {
  Portal *portal = data;
  guint32 code;
  g_autoptr(GVariant) results = NULL;
  g_dbus_connection_signal_unsubscribe(portal->bus, portal->answer);
  portal->answer = 0;
  if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(ua{sv})"))) {
    fail(portal, "an answer of another kind than it is documented");
    return;
  }
  g_variant_get(arguments, "(u@a{sv})", &code, &results);
  if (code == 0) {
    portal->answered(portal, results);
  } else {
    fail_or_refuse(portal, code == 1 ? "it was not allowed" : "the dialogue was ended", TRUE);
  }
}

static void on_called(GObject *bus, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &error);
  is_good(data, error); /* the signal is what counts */
}

/* The options' handle_token; listens on the path that comes of it. */
static char *begin_request(Portal *portal, PortalAnswered answered) {
  g_autofree char *sender = g_strdelimit(g_strdup(g_dbus_connection_get_unique_name(portal->bus) + 1), ".", '_');
  char *token = g_strdup_printf("framelift%p_%u", (void *)portal, portal->requests++);
  g_autofree char *path = g_strdup_printf("/org/freedesktop/portal/desktop/request/%s/%s", sender, token);
  if (portal->answer) g_dbus_connection_signal_unsubscribe(portal->bus, portal->answer);
  portal->answered = answered;
  portal->answer = g_dbus_connection_signal_subscribe(portal->bus, PORTAL, "org.freedesktop.portal.Request", "Response",
                                                      path, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_answer, portal, NULL);
  return token;
}

static void call(Portal *portal, const char *method, GVariant *arguments) {
  g_dbus_connection_call(portal->bus, PORTAL, PORTAL_PATH, SCREEN_CAST, method, arguments, G_VARIANT_TYPE("(o)"),
                         G_DBUS_CALL_FLAGS_NONE, PORTAL_CALL_MS, portal->cancellable, on_called, portal);
}

static void begin_options(GVariantBuilder *options, const char *token) {
  g_variant_builder_init(options, G_VARIANT_TYPE("a{sv}"));
  g_variant_builder_add(options, "{sv}", "handle_token", g_variant_new_string(token));
}

static void on_remote(GObject *bus, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GUnixFDList) fds = NULL;
  g_autoptr(GVariant) reply =
      g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(bus), &fds, result, &error);
  Portal *portal = data;
  if (!is_good(portal, error)) return;
  int fd = fds && g_unix_fd_list_get_length(fds) > 0 ? g_unix_fd_list_get(fds, 0, &error) : -1;
  if (fd < 0) {
    fail(portal, "no descriptor to PipeWire came");
    return;
  }
  if (portal->limit) g_source_remove(portal->limit);
  portal->limit = 0;
  portal->events->ready(portal->node, fd, portal->data);
}

static void on_started(Portal *portal, GVariant *results) {
  g_autoptr(GVariant) streams = g_variant_lookup_value(results, "streams", G_VARIANT_TYPE("a(ua{sv})"));
  if (!streams || g_variant_n_children(streams) == 0) {
    fail(portal, "the desktop shares nothing");
    return;
  }
  g_autoptr(GVariant) stream = g_variant_get_child_value(streams, 0);
  g_variant_get_child(stream, 0, "u", &portal->node);
  g_free(restore_token);
  if (!g_variant_lookup(results, "restore_token", "s", &restore_token)) restore_token = NULL;
  GVariant *arguments = g_variant_new("(oa{sv})", portal->session, NULL);
  g_dbus_connection_call_with_unix_fd_list(portal->bus, PORTAL, PORTAL_PATH, SCREEN_CAST, "OpenPipeWireRemote",
                                           arguments, G_VARIANT_TYPE("(h)"), G_DBUS_CALL_FLAGS_NONE, PORTAL_CALL_MS,
                                           NULL, portal->cancellable, on_remote, portal);
}

static void on_selected(Portal *portal, GVariant *results) {
  g_autofree char *token = begin_request(portal, on_started);
  GVariantBuilder options;
  begin_options(&options, token);
  call(portal, "Start", g_variant_new("(osa{sv})", portal->session, "", &options));
}

static void on_closed(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                      const char *signal, GVariant *arguments, gpointer data) {
  fail(data, "the desktop has ended the screen cast");
}

static void on_session(Portal *portal, GVariant *results) {
  if (!g_variant_lookup(results, "session_handle", "s", &portal->session) ||
      !g_variant_is_object_path(portal->session)) {
    g_clear_pointer(&portal->session, g_free);
    fail(portal, "no session came");
    return;
  }
  portal->closed =
      g_dbus_connection_signal_subscribe(portal->bus, PORTAL, "org.freedesktop.portal.Session", "Closed",
                                         portal->session, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_closed, portal, NULL);
  g_autofree char *token = begin_request(portal, on_selected);
  GVariantBuilder options;
  begin_options(&options, token);
  g_variant_builder_add(&options, "{sv}", "types", g_variant_new_uint32(SOURCE_MONITOR));
  g_variant_builder_add(&options, "{sv}", "multiple", g_variant_new_boolean(FALSE));
  g_variant_builder_add(&options, "{sv}", "cursor_mode", g_variant_new_uint32(CURSOR_EMBEDDED));
  g_variant_builder_add(&options, "{sv}", "persist_mode", g_variant_new_uint32(PERSIST_WHILE_RUNNING));
  if (restore_token) g_variant_builder_add(&options, "{sv}", "restore_token", g_variant_new_string(restore_token));
  call(portal, "SelectSources", g_variant_new("(oa{sv})", portal->session, &options));
}

static void on_bus(GObject *source, GAsyncResult *result, gpointer data) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GDBusConnection) bus = g_bus_get_finish(result, &error);
  Portal *portal = data;
  if (!is_good(portal, error)) return;
  portal->bus = g_steal_pointer(&bus);
  g_dbus_connection_set_exit_on_close(portal->bus, FALSE); /* a session's end is not ours */
  g_autofree char *token = begin_request(portal, on_session);
  GVariantBuilder options;
  begin_options(&options, token);
  g_variant_builder_add(&options, "{sv}", "session_handle_token", g_variant_new_string(token));
  call(portal, "CreateSession", g_variant_new("(a{sv})", &options));
}

static gboolean on_limit(gpointer data) {
  Portal *portal = data;
  portal->limit = 0;
  fail_or_refuse(portal, "nobody answered its dialogue for two minutes", TRUE);
  return G_SOURCE_REMOVE;
}

static gpointer portal_open(const CaptureEvents *events, gpointer data) {
  Portal *portal = g_new0(Portal, 1);
  portal->events = events;
  portal->data = data;
  portal->cancellable = g_cancellable_new();
  portal->limit = g_timeout_add(PORTAL_LIMIT_MS, on_limit, portal);
  g_bus_get(G_BUS_TYPE_SESSION, portal->cancellable, on_bus, portal);
  return portal;
}

/* Nobody waits for the answer; but until it comes the connection stays, and what is to be written with it. */
static void on_session_closed(GObject *bus, GAsyncResult *result, gpointer data) {
  g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, NULL);
}

static void portal_close(gpointer provider) {
  Portal *portal = provider;
  if (portal->limit) g_source_remove(portal->limit);
  g_cancellable_cancel(portal->cancellable);
  if (portal->answer) g_dbus_connection_signal_unsubscribe(portal->bus, portal->answer);
  if (portal->closed) g_dbus_connection_signal_unsubscribe(portal->bus, portal->closed);
  if (portal->session) {
    g_dbus_connection_call(portal->bus, PORTAL, portal->session, "org.freedesktop.portal.Session", "Close", NULL, NULL,
                           G_DBUS_CALL_FLAGS_NO_AUTO_START, PORTAL_CALL_MS, NULL, on_session_closed, NULL);
  }
  g_clear_object(&portal->bus);
  g_object_unref(portal->cancellable);
  g_free(portal->session);
  g_free(portal);
}

const CaptureProvider CAPTURE_PORTAL = {"the desktop portal", portal_open, portal_close};
