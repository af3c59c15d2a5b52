/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-bridge/fake-session.h"

#include "tests/unit/support/support.h"

#include <string.h>

#define LIMIT_MS 5000

void fake_session_init(FakeSession *session) {
  *session = (FakeSession){.bus = g_test_dbus_new(G_TEST_DBUS_NONE), .calls = g_string_new(NULL), .fd = -1};
  g_test_dbus_up(session->bus);
}

void fake_session_finish(FakeSession *session) {
  if (session->connection) g_dbus_connection_close_sync(session->connection, NULL, NULL);
  g_clear_object(&session->connection);
  support_run_for(50); /* GIO's shared connection lets go of it */
  g_test_dbus_down(session->bus);
  g_object_unref(session->bus);
  if (session->info) g_dbus_node_info_unref(session->info);
  g_string_free(session->calls, TRUE);
  g_free(session->why);
}

void fake_session_start(FakeSession *session, const char *xml) {
  g_autoptr(GError) error = NULL;
  session->info = g_dbus_node_info_new_for_xml(xml, &error);
  g_assert_no_error(error);
  GDBusConnectionFlags flags =
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  const char *address = g_test_dbus_get_bus_address(session->bus);
  session->connection = g_dbus_connection_new_for_address_sync(address, flags, NULL, NULL, &error);
  g_assert_no_error(error);
}

void fake_session_serve(FakeSession *session, const char *path, const char *interface,
                        const GDBusInterfaceVTable *table, gpointer data) {
  g_autoptr(GError) error = NULL;
  GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface(session->info, interface);
  g_dbus_connection_register_object(session->connection, path, info, table, data, NULL, &error);
  g_assert_no_error(error);
}

static void on_name(GDBusConnection *connection, const char *name, gpointer data) {
  *(gboolean *)data = TRUE;
}

static gboolean is_true(gpointer data) {
  return *(gboolean *)data;
}

void fake_session_own(FakeSession *session, const char *name) {
  gboolean owned = FALSE;
  g_bus_own_name_on_connection(session->connection, name, G_BUS_NAME_OWNER_FLAGS_NONE, on_name, NULL, &owned, NULL);
  g_assert_true(support_run_until(is_true, &owned, LIMIT_MS));
}

void fake_session_emit(FakeSession *session, const char *path, const char *interface, const char *signal,
                       GVariant *arguments) {
  g_dbus_connection_emit_signal(session->connection, NULL, path, interface, signal, arguments, NULL);
}

static void on_ready(guint32 node, int fd, gpointer data) {
  FakeSession *session = data;
  session->node = node;
  session->fd = fd;
}

static void on_failed(const char *why, gboolean refused, gpointer data) {
  FakeSession *session = data;
  g_assert_null(session->why); /* once */
  session->why = g_strdup(why);
  session->refused = refused;
}

const CaptureEvents FAKE_SESSION_EVENTS = {on_ready, on_failed};

static gboolean has_node(gpointer data) {
  return ((FakeSession *)data)->node != 0;
}

static gboolean has_failed(gpointer data) {
  return ((FakeSession *)data)->why != NULL;
}

void fake_session_wait_for_node(FakeSession *session) {
  g_assert_true(support_run_until(has_node, session, LIMIT_MS));
}

void fake_session_wait_for_failure(FakeSession *session) {
  g_assert_true(support_run_until(has_failed, session, LIMIT_MS));
}

typedef struct {
  FakeSession *session;
  const char *method;
} Wait;

static gboolean was_called(gpointer data) {
  Wait *wait = data;
  return strstr(wait->session->calls->str, wait->method) != NULL;
}

void fake_session_wait_for_call(FakeSession *session, const char *method) {
  Wait wait = {session, method};
  g_assert_true(support_run_until(was_called, &wait, LIMIT_MS));
}
