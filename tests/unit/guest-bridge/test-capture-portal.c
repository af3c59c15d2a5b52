/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-bridge/fake-session.h"
#include "tests/unit/support/support.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

/* A desktop that has no Mutter and an xdg-desktop-portal, as far as a screen cast goes. */

#define PORTAL "org.freedesktop.portal.Desktop"
#define CAST "org.freedesktop.portal.ScreenCast"
#define PATH "/org/freedesktop/portal/desktop"

typedef enum {
  DESKTOP_ALLOWS,
  DESKTOP_DENIES,
  DESKTOP_SHARES_NOTHING,
  DESKTOP_LIES, /* answers of other kinds than are documented */
} Desktop;

static const char XML[] =
    "<node>"
    "<interface name='org.freedesktop.portal.ScreenCast'>"
    "<method name='CreateSession'><arg type='a{sv}' direction='in'/><arg type='o' direction='out'/></method>"
    "<method name='SelectSources'><arg type='o' direction='in'/><arg type='a{sv}' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<method name='Start'><arg type='o' direction='in'/><arg type='s' direction='in'/><arg type='a{sv}' "
    "direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<method name='OpenPipeWireRemote'><arg type='o' direction='in'/><arg type='a{sv}' direction='in'/>"
    "<arg type='h' direction='out'/></method></interface>"
    "<interface name='org.freedesktop.portal.Session'><method name='Close'/></interface>"
    "</node>";

typedef struct {
  FakeSession session;
  Desktop desktop;
  gboolean restored; /* the last SelectSources brought the person's earlier answer */
} Fixture;

static GVariant *results_of(Fixture *fixture, const char *method) {
  const char *text = "@a{sv} {}";
  if (g_str_equal(method, "CreateSession")) {
    text = fixture->desktop == DESKTOP_LIES ? "{'session_handle': <7>}" : "{'session_handle': <'/session'>}";
  } else if (g_str_equal(method, "Start") && fixture->desktop == DESKTOP_ALLOWS) {
    text = "{'streams': <[(uint32 58, {'source_type': <uint32 1>})]>, 'restore_token': <'again'>}";
  }
  g_autoptr(GError) error = NULL;
  GVariant *results = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
  g_assert_no_error(error);
  return results;
}

static void answer(Fixture *fixture, const char *sender, const char *method, GVariant *options,
                   GDBusMethodInvocation *invocation) {
  const char *token;
  g_assert_true(g_variant_lookup(options, "handle_token", "&s", &token));
  g_autofree char *name = g_strdelimit(g_strdup(sender + 1), ".", '_');
  g_autofree char *path = g_strdup_printf(PATH "/request/%s/%s", name, token);
  g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", path));
  guint32 code = fixture->desktop == DESKTOP_DENIES && g_str_equal(method, "Start") ? 1 : 0;
  fake_session_emit(&fixture->session, path, "org.freedesktop.portal.Request", "Response",
                    g_variant_new("(u@a{sv})", code, results_of(fixture, method)));
}

static void open_remote(GDBusMethodInvocation *invocation) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
  g_dbus_method_invocation_return_value_with_unix_fd_list(invocation, g_variant_new("(h)", 0), fds);
}

static void on_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data) {
  Fixture *fixture = data;
  g_string_append_printf(fixture->session.calls, "%s ", method);
  if (g_str_equal(method, "Close")) {
    g_dbus_method_invocation_return_value(invocation, NULL);
  } else if (g_str_equal(method, "OpenPipeWireRemote")) {
    open_remote(invocation);
  } else {
    g_autoptr(GVariant) options = g_variant_get_child_value(arguments, g_variant_n_children(arguments) - 1);
    if (g_str_equal(method, "SelectSources")) {
      fixture->restored = g_variant_lookup(options, "restore_token", "&s", NULL);
    }
    answer(fixture, sender, method, options, invocation);
  }
}

static void set_up(Fixture *fixture, gconstpointer data) {
  static const GDBusInterfaceVTable TABLE = {.method_call = on_call};
  fixture->desktop = (Desktop)GPOINTER_TO_UINT(data);
  fake_session_init(&fixture->session);
  fake_session_start(&fixture->session, XML);
  fake_session_serve(&fixture->session, PATH, CAST, &TABLE, fixture);
  fake_session_serve(&fixture->session, "/session", "org.freedesktop.portal.Session", &TABLE, fixture);
  fake_session_own(&fixture->session, PORTAL);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  fake_session_finish(&fixture->session);
}

static Capture *open_capture(Fixture *fixture) {
  return capture_open(&FAKE_SESSION_EVENTS, &fixture->session);
}

/* Where the portal's way comes after Mutter's, which is not there; and the second time nobody is asked. */
static void test_allowed(Fixture *fixture, gconstpointer data) {
  FakeSession *session = &fixture->session;
  for (guint i = 0; i < 2; i++) {
    Capture *capture = open_capture(fixture);
    fake_session_wait_for_node(session);
    g_assert_cmpuint(session->node, ==, 58);
    g_assert_cmpint(fcntl(session->fd, F_GETFD), !=, -1);
    g_assert_cmpstr(session->calls->str, ==, "CreateSession SelectSources Start OpenPipeWireRemote ");
    g_assert_cmpint(fixture->restored, ==, i == 1);
    capture_close(capture);
    g_assert_cmpint(fcntl(session->fd, F_GETFD), ==, -1);
    fake_session_wait_for_call(session, "Close");
    g_string_truncate(session->calls, 0);
    session->node = 0;
  }
}

static void test_denied(Fixture *fixture, gconstpointer data) {
  Capture *capture = open_capture(fixture);
  fake_session_wait_for_failure(&fixture->session);
  g_assert_true(g_str_has_suffix(fixture->session.why, "the desktop portal: it was not allowed"));
  g_assert_true(fixture->session.refused);
  capture_close(capture);
}

static void test_no_use(Fixture *fixture, gconstpointer data) {
  Capture *capture = open_capture(fixture);
  fake_session_wait_for_failure(&fixture->session);
  g_assert_nonnull(strstr(fixture->session.why, fixture->desktop == DESKTOP_LIES ? "no session" : "shares nothing"));
  g_assert_false(fixture->session.refused);
  capture_close(capture);
}

/* Closed in every state that it goes through: nothing is called after, and nothing is used after it is freed. */
static void test_closed_early(Fixture *fixture, gconstpointer data) {
  FakeSession *session = &fixture->session;
  for (guint turns = 0; turns < 80; turns++) {
    Capture *capture = open_capture(fixture);
    for (guint i = 0; i < turns && !session->node; i++) g_main_context_iteration(NULL, TRUE);
    capture_close(capture);
    session->node = 0;
    support_run_for(5);
    g_assert_cmpuint(session->node, ==, 0);
    g_assert_null(session->why);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_autofree char *daemon = g_find_program_in_path("dbus-daemon");
  if (!daemon) {
    g_print("1..0 # SKIP there is no dbus-daemon\n");
    return 0;
  }
#define ADD(name, desktop, run)                                                                                        \
  g_test_add("/capture-portal/" name, Fixture, GUINT_TO_POINTER(desktop), set_up, run, tear_down)
  ADD("allowed", DESKTOP_ALLOWS, test_allowed);
  ADD("denied", DESKTOP_DENIES, test_denied);
  ADD("shares-nothing", DESKTOP_SHARES_NOTHING, test_no_use);
  ADD("lies", DESKTOP_LIES, test_no_use);
  ADD("closed-early", DESKTOP_ALLOWS, test_closed_early);
  return g_test_run();
}
