/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/capture.h"

#include "tests/unit/support/support.h"

#include <gio/gio.h>
#include <string.h>

/* A Mutter on a bus of the test's own: what GNOME Shell 43 answers, as far as a screen cast goes. */

#define CAST "org.gnome.Mutter.ScreenCast"
#define STATE_TYPE "(ua((ssss)a(siiddada{sv})a{sv})a(iiduba(ssss)a{sv})a{sv})"

typedef enum {
  DESKTOP_WITH_MONITOR,
  DESKTOP_HEADLESS,
  DESKTOP_REFUSES,
  DESKTOP_CLOSES, /* after the node was given */
} Desktop;

static const char XML[] =
    "<node>"
    "<interface name='org.gnome.Mutter.ScreenCast'><method name='CreateSession'>"
    "<arg type='a{sv}' direction='in'/><arg type='o' direction='out'/></method></interface>"
    "<interface name='org.gnome.Mutter.ScreenCast.Session'>"
    "<method name='Start'/><method name='Stop'/>"
    "<method name='RecordMonitor'><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<method name='RecordVirtual'><arg type='a{sv}' direction='in'/><arg type='o' direction='out'/></method>"
    "<signal name='Closed'/></interface>"
    "<interface name='org.gnome.Mutter.ScreenCast.Stream'>"
    "<signal name='PipeWireStreamAdded'><arg type='u'/></signal></interface>"
    "<interface name='org.gnome.Mutter.DisplayConfig'><method name='GetCurrentState'>"
    "<arg type='u' direction='out'/><arg type='a((ssss)a(siiddada{sv})a{sv})' direction='out'/>"
    "<arg type='a(iiduba(ssss)a{sv})' direction='out'/><arg type='a{sv}' direction='out'/></method></interface>"
    "</node>";

typedef struct {
  GTestDBus *bus;
  GDBusConnection *connection;
  GDBusNodeInfo *info;
  Desktop desktop;
  GString *calls; /* "CreateSession GetCurrentState …" */
  guint32 node;   /* told */
  char *why;      /* told */
} Fixture;

static GVariant *display_state(Desktop desktop) {
  const char *text = desktop == DESKTOP_HEADLESS
                         ? "(7, [], [], {})"
                         : "(7, [(('DP-2', 'AAA', 'B', 'C'), [], {}), (('DP-3', 'AAA', 'B', 'D'), [], {})], [], {})";
  g_autoptr(GError) error = NULL;
  GVariant *state = g_variant_parse(G_VARIANT_TYPE(STATE_TYPE), text, NULL, NULL, &error);
  g_assert_no_error(error);
  return state;
}

static void emit(Fixture *fixture, const char *path, const char *interface, const char *signal, GVariant *arguments) {
  g_dbus_connection_emit_signal(fixture->connection, NULL, path, interface, signal, arguments, NULL);
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data) {
  Fixture *fixture = data;
  g_string_append_printf(fixture->calls, "%s ", method);
  GVariant *reply = NULL;
  if (g_str_equal(method, "CreateSession")) {
    reply = g_variant_new("(o)", "/session");
  } else if (g_str_equal(method, "GetCurrentState")) {
    reply = display_state(fixture->desktop);
  } else if (g_str_has_prefix(method, "Record")) {
    if (fixture->desktop == DESKTOP_REFUSES) {
      g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.DBus.Error.AccessDenied", "not now");
      return;
    }
    if (g_str_equal(method, "RecordMonitor")) {
      const char *connector;
      g_variant_get_child(arguments, 0, "&s", &connector);
      g_string_append_printf(fixture->calls, "%s ", connector);
    }
    reply = g_variant_new("(o)", "/stream");
  }
  g_dbus_method_invocation_return_value(invocation, reply);
  if (!g_str_equal(method, "Start")) return;
  emit(fixture, "/stream", CAST ".Stream", "PipeWireStreamAdded", g_variant_new("(u)", 42));
  if (fixture->desktop == DESKTOP_CLOSES) emit(fixture, "/session", CAST ".Session", "Closed", NULL);
}

static void serve(Fixture *fixture, const char *path, const char *interface) {
  static const GDBusInterfaceVTable TABLE = {.method_call = on_call};
  g_autoptr(GError) error = NULL;
  GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface(fixture->info, interface);
  g_dbus_connection_register_object(fixture->connection, path, info, &TABLE, fixture, NULL, &error);
  g_assert_no_error(error);
}

static gboolean has_name(gpointer data) {
  return *(gboolean *)data;
}

static void on_name(GDBusConnection *connection, const char *name, gpointer data) {
  *(gboolean *)data = TRUE;
}

static void start_desktop(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  fixture->info = g_dbus_node_info_new_for_xml(XML, &error);
  g_assert_no_error(error);
  GDBusConnectionFlags flags =
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  fixture->connection =
      g_dbus_connection_new_for_address_sync(g_test_dbus_get_bus_address(fixture->bus), flags, NULL, NULL, &error);
  g_assert_no_error(error);
  serve(fixture, "/org/gnome/Mutter/ScreenCast", CAST);
  serve(fixture, "/session", CAST ".Session");
  serve(fixture, "/org/gnome/Mutter/DisplayConfig", "org.gnome.Mutter.DisplayConfig");
  static const char *const NAMES[] = {CAST, "org.gnome.Mutter.DisplayConfig"};
  for (guint i = 0; i < G_N_ELEMENTS(NAMES); i++) {
    gboolean owned = FALSE;
    g_bus_own_name_on_connection(fixture->connection, NAMES[i], G_BUS_NAME_OWNER_FLAGS_NONE, on_name, NULL, &owned,
                                 NULL);
    g_assert_true(support_run_until(has_name, &owned, 5000));
  }
}

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
  g_test_dbus_up(fixture->bus);
  fixture->calls = g_string_new(NULL);
  fixture->desktop = (Desktop)GPOINTER_TO_UINT(data);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  if (fixture->connection) g_dbus_connection_close_sync(fixture->connection, NULL, NULL);
  g_clear_object(&fixture->connection);
  support_run_for(50); /* the shared connection of GIO's lets go of it */
  g_test_dbus_down(fixture->bus);
  g_object_unref(fixture->bus);
  if (fixture->info) g_dbus_node_info_unref(fixture->info);
  g_string_free(fixture->calls, TRUE);
  g_free(fixture->why);
}

static void on_ready(guint32 node, gpointer data) {
  ((Fixture *)data)->node = node;
}

static void on_failed(const char *why, gpointer data) {
  Fixture *fixture = data;
  g_assert_null(fixture->why); /* once */
  fixture->why = g_strdup(why);
}

static const CaptureEvents EVENTS = {on_ready, on_failed};

static gboolean has_node(gpointer data) {
  return ((Fixture *)data)->node != 0;
}

static gboolean has_failed(gpointer data) {
  return ((Fixture *)data)->why != NULL;
}

static gboolean has_stopped(gpointer data) {
  return strstr(((Fixture *)data)->calls->str, "Stop") != NULL;
}

static void test_monitor(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&EVENTS, fixture);
  g_assert_true(support_run_until(has_node, fixture, 5000));
  g_assert_cmpuint(fixture->node, ==, 42);
  g_assert_cmpstr(fixture->calls->str, ==, "CreateSession GetCurrentState RecordMonitor DP-2 Start ");
  capture_close(capture);
  g_assert_true(support_run_until(has_stopped, fixture, 5000));
}

static void test_headless(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&EVENTS, fixture);
  g_assert_true(support_run_until(has_node, fixture, 5000));
  g_assert_cmpstr(fixture->calls->str, ==, "CreateSession GetCurrentState RecordVirtual Start ");
  capture_close(capture);
}

static void test_refused(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&EVENTS, fixture);
  g_assert_true(support_run_until(has_failed, fixture, 5000));
  g_assert_cmpstr(fixture->why, ==, "GNOME's screen cast: not now");
  capture_close(capture);
}

static void test_closed(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&EVENTS, fixture);
  g_assert_true(support_run_until(has_failed, fixture, 5000));
  g_assert_cmpuint(fixture->node, ==, 42);
  g_assert_cmpstr(fixture->why, ==, "the desktop has ended the screen cast");
  capture_close(capture);
}

/* A session without GNOME. */
static void test_no_desktop(Fixture *fixture, gconstpointer data) {
  Capture *capture = capture_open(&EVENTS, fixture);
  g_assert_true(support_run_until(has_failed, fixture, 5000));
  g_assert_nonnull(strstr(fixture->why, CAST));
  capture_close(capture);
}

/* Closed in every state that it goes through: nothing is called after, and nothing is used after it is freed. */
static void test_closed_early(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  for (guint turns = 0; turns < 60; turns++) {
    Capture *capture = capture_open(&EVENTS, fixture);
    for (guint i = 0; i < turns && !fixture->node; i++) g_main_context_iteration(NULL, TRUE);
    capture_close(capture);
    fixture->node = 0;
    support_run_for(5);
    g_assert_cmpuint(fixture->node, ==, 0);
    g_assert_null(fixture->why);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  if (!g_find_program_in_path("dbus-daemon")) {
    g_print("1..0 # SKIP there is no dbus-daemon\n");
    return 0;
  }
  g_test_add("/capture-mutter/monitor", Fixture, GUINT_TO_POINTER(DESKTOP_WITH_MONITOR), set_up, test_monitor,
             tear_down);
  g_test_add("/capture-mutter/headless", Fixture, GUINT_TO_POINTER(DESKTOP_HEADLESS), set_up, test_headless, tear_down);
  g_test_add("/capture-mutter/refused", Fixture, GUINT_TO_POINTER(DESKTOP_REFUSES), set_up, test_refused, tear_down);
  g_test_add("/capture-mutter/closed", Fixture, GUINT_TO_POINTER(DESKTOP_CLOSES), set_up, test_closed, tear_down);
  g_test_add("/capture-mutter/no-desktop", Fixture, NULL, set_up, test_no_desktop, tear_down);
  g_test_add("/capture-mutter/closed-early", Fixture, NULL, set_up, test_closed_early, tear_down);
  return g_test_run();
}
