/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-bridge/fake-session.h"
#include "tests/unit/support/support.h"

#include <string.h>

/* A Mutter on a bus of the test's own: what GNOME Shell 43 answers, as far as a screen cast goes. */

#define CAST "org.gnome.Mutter.ScreenCast"
#define CONFIG "org.gnome.Mutter.DisplayConfig"
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
  FakeSession session;
  Desktop desktop;
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

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data) {
  Fixture *fixture = data;
  g_string_append_printf(fixture->session.calls, "%s ", method);
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
      g_string_append_printf(fixture->session.calls, "%s ", connector);
    }
    reply = g_variant_new("(o)", "/stream");
  }
  g_dbus_method_invocation_return_value(invocation, reply);
  if (!g_str_equal(method, "Start")) return;
  fake_session_emit(&fixture->session, "/stream", CAST ".Stream", "PipeWireStreamAdded", g_variant_new("(u)", 42));
  if (fixture->desktop == DESKTOP_CLOSES)
    fake_session_emit(&fixture->session, "/session", CAST ".Session", "Closed", NULL);
}

static void start_desktop(Fixture *fixture) {
  static const GDBusInterfaceVTable TABLE = {.method_call = on_call};
  FakeSession *session = &fixture->session;
  fake_session_start(session, XML);
  fake_session_serve(session, "/org/gnome/Mutter/ScreenCast", CAST, &TABLE, fixture);
  fake_session_serve(session, "/session", CAST ".Session", &TABLE, fixture);
  fake_session_serve(session, "/org/gnome/Mutter/DisplayConfig", CONFIG, &TABLE, fixture);
  fake_session_own(session, CAST);
  fake_session_own(session, CONFIG);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  fake_session_init(&fixture->session);
  fixture->desktop = (Desktop)GPOINTER_TO_UINT(data);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  fake_session_finish(&fixture->session);
}

static void test_monitor(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
  fake_session_wait_for_node(&fixture->session);
  g_assert_cmpuint(fixture->session.node, ==, 42);
  g_assert_cmpint(fixture->session.fd, ==, -1);
  g_assert_cmpstr(fixture->session.calls->str, ==, "CreateSession GetCurrentState RecordMonitor DP-2 Start ");
  capture_close(capture);
  fake_session_wait_for_call(&fixture->session, "Stop");
}

static void test_headless(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
  fake_session_wait_for_node(&fixture->session);
  g_assert_cmpstr(fixture->session.calls->str, ==, "CreateSession GetCurrentState RecordVirtual Start ");
  capture_close(capture);
}

static void test_refused(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
  fake_session_wait_for_failure(&fixture->session);
  g_assert_true(g_str_has_prefix(fixture->session.why, "GNOME's screen cast: not now; the desktop portal: "));
  capture_close(capture);
}

static void test_closed(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  Capture *capture = capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
  fake_session_wait_for_failure(&fixture->session);
  g_assert_cmpuint(fixture->session.node, ==, 42);
  g_assert_cmpstr(fixture->session.why, ==, "the desktop has ended the screen cast");
  capture_close(capture);
}

/* A session without GNOME. */
static void test_no_desktop(Fixture *fixture, gconstpointer data) {
  Capture *capture = capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
  fake_session_wait_for_failure(&fixture->session);
  g_assert_nonnull(strstr(fixture->session.why, CAST));
  g_assert_nonnull(strstr(fixture->session.why, "the desktop portal: "));
  g_assert_false(fixture->session.refused);
  capture_close(capture);
}

/* Closed in every state that it goes through: nothing is called after, and nothing is used after it is freed. */
static void test_closed_early(Fixture *fixture, gconstpointer data) {
  start_desktop(fixture);
  for (guint turns = 0; turns < 60; turns++) {
    Capture *capture = capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
    for (guint i = 0; i < turns && !fixture->session.node; i++) g_main_context_iteration(NULL, TRUE);
    capture_close(capture);
    fixture->session.node = 0;
    support_run_for(5);
    g_assert_cmpuint(fixture->session.node, ==, 0);
    g_assert_null(fixture->session.why);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_autofree char *daemon = g_find_program_in_path("dbus-daemon");
  if (!daemon) {
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
