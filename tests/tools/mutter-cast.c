/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * mutter-cast [--cursor]
 *
 * Asks the GNOME Shell or mutter of this session's bus to cast its first monitor (org.gnome.Mutter.ScreenCast, as in
 * mutter's data/dbus-interfaces), prints the PipeWire node as "node N", and holds the cast until its stdin ends.
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SERVICE "org.gnome.Mutter.ScreenCast"
#define OBJECT "/org/gnome/Mutter/ScreenCast"

static void die(const char *what, const GError *error) {
  fprintf(stderr, "mutter-cast: %s: %s\n", what, error ? error->message : "?");
  exit(1);
}

static GVariant *call(GDBusConnection *bus, const char *path, const char *interface, const char *method,
                      GVariant *arguments) {
  g_autoptr(GError) error = NULL;
  GVariant *answer = g_dbus_connection_call_sync(bus, SERVICE, path, interface, method, arguments, NULL,
                                                 G_DBUS_CALL_FLAGS_NONE, 10000, NULL, &error);
  if (!answer) die(method, error);
  return answer;
}

static char *path_of(GVariant *answer) {
  char *path;
  g_variant_get(answer, "(o)", &path);
  g_variant_unref(answer);
  return path;
}

static void on_node(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                    const char *signal, GVariant *arguments, gpointer data) {
  guint node;
  g_variant_get(arguments, "(u)", &node);
  printf("node %u\n", node);
  fflush(stdout);
}

static gboolean on_stdin(gint fd, GIOCondition condition, gpointer data) {
  char bytes[64];
  if (read(fd, bytes, sizeof bytes) > 0) return G_SOURCE_CONTINUE;
  g_main_loop_quit(data);
  return G_SOURCE_REMOVE;
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  guint cursor_mode = argc > 1 && g_str_equal(argv[1], "--cursor") ? 1 : 0; /* embedded, hidden */
  g_autoptr(GDBusConnection) bus = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &error);
  if (!bus) die("no session bus", error);
  g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
  g_dbus_connection_signal_subscribe(bus, SERVICE, SERVICE ".Stream", "PipeWireStreamAdded", NULL, NULL,
                                     G_DBUS_SIGNAL_FLAGS_NONE, on_node, NULL, NULL);
  g_autofree char *session =
      path_of(call(bus, OBJECT, SERVICE, "CreateSession", g_variant_new_parsed("(@a{sv} {},)")));
  GVariant *what = g_variant_new_parsed("('', {'cursor-mode': <%u>})", cursor_mode);
  g_free(path_of(call(bus, session, SERVICE ".Session", "RecordMonitor", what)));
  g_variant_unref(call(bus, session, SERVICE ".Session", "Start", NULL));
  g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_stdin, loop);
  g_main_loop_run(loop);
  return 0;
}
