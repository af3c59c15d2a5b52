/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/ui-info.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "host/display/display.h"
#include "host/display/qemu-dbus/qmp.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONSOLE_INTERFACE "org.qemu.Display1.Console"
/* Under this name QEMU keeps our end of the socket pair between getfd and add_client. */
#define FD_NAME "framelift-ui-info"
#define CALL_LIMIT_MS 5000

typedef struct {
  gboolean waiting; /* to be said */
  guint width;
  guint height;
} Change;

struct UiInfo {
  char *path;
  Change changes[DISPLAY_MAX_SCANOUTS];
  Qmp *qmp;   /* set while there is something to say */
  int socket; /* our end, until the connection takes it; else -1 */
  GDBusConnection *connection;
  GCancellable *cancellable;
  guint in_flight; /* GIO operations with this as their data */
  GSource *ending; /* set: hang up from the loop */
  gboolean failed;
  gboolean flip; /* see say() */
};

static void say_all(UiInfo *ui_info);
static void begin(UiInfo *ui_info);

static gboolean any_waiting(const UiInfo *ui_info) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    if (ui_info->changes[id].waiting) return TRUE;
  }
  return FALSE;
}

static void hang_up(UiInfo *ui_info) {
  g_clear_pointer(&ui_info->qmp, qmp_destroy);
  if (ui_info->connection) g_dbus_connection_close(ui_info->connection, NULL, NULL, NULL);
  g_clear_object(&ui_info->connection);
  if (ui_info->socket >= 0) close(ui_info->socket);
  ui_info->socket = -1;
}

static gboolean on_ending(gpointer data) {
  UiInfo *ui_info = data;
  g_clear_pointer(&ui_info->ending, g_source_unref);
  if (ui_info->in_flight > 0) return G_SOURCE_REMOVE; /* whoever is last comes here again */
  hang_up(ui_info);
  if (ui_info->failed) {
    for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) ui_info->changes[id].waiting = FALSE;
  }
  ui_info->failed = FALSE;
  if (any_waiting(ui_info)) begin(ui_info);
  return G_SOURCE_REMOVE;
}

/* From the loop: what is hung up calls this. */
static void end_soon(UiInfo *ui_info) {
  if (ui_info->ending) return;
  ui_info->ending = g_idle_source_new();
  g_source_set_callback(ui_info->ending, on_ending, ui_info, NULL);
  g_source_attach(ui_info->ending, g_main_context_get_thread_default());
}

static void fail(UiInfo *ui_info, const char *why) {
  stats_count("vugpu.output-hints-lost");
  if (!ui_info->failed) {
    log_warn("vugpu", "the guest is not told of a changed output: %s; QEMU needs -display dbus,p2p=yes", why);
  }
  ui_info->failed = TRUE;
  end_soon(ui_info);
}

/* ---- D-Bus ---- */

static void on_said(GObject *source, GAsyncResult *result, gpointer data) {
  UiInfo *ui_info = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
  ui_info->in_flight--;
  if (error && !g_cancellable_is_cancelled(ui_info->cancellable)) fail(ui_info, error->message);
  if (ui_info->in_flight == 0) end_soon(ui_info);
}

/* QEMU passes on only what differs from what it was told last, and somebody else may have told it: so the size in
 * millimetres, which nobody uses, alternates. */
static void say(UiInfo *ui_info, guint id, const Change *change) {
  g_autofree char *path = g_strdup_printf("/org/qemu/Display1/Console_%u", id);
  guint16 width_mm = (guint16)(change->width / 4 + (ui_info->flip ? 1 : 0)), height_mm = (guint16)(change->height / 4);
  ui_info->in_flight++;
  g_dbus_connection_call(ui_info->connection, NULL, path, CONSOLE_INTERFACE, "SetUIInfo",
                         g_variant_new("(qqiiuu)", width_mm, height_mm, 0, 0, change->width, change->height), NULL,
                         G_DBUS_CALL_FLAGS_NONE, CALL_LIMIT_MS, ui_info->cancellable, on_said, ui_info);
}

static void say_all(UiInfo *ui_info) {
  ui_info->flip = !ui_info->flip;
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    Change *change = &ui_info->changes[id];
    if (!change->waiting) continue;
    change->waiting = FALSE;
    say(ui_info, id, change);
  }
}

static void on_connection(GObject *source, GAsyncResult *result, gpointer data) {
  UiInfo *ui_info = data;
  g_autoptr(GError) error = NULL;
  ui_info->connection = g_dbus_connection_new_finish(result, &error);
  ui_info->in_flight--;
  if (g_cancellable_is_cancelled(ui_info->cancellable)) return;
  if (!ui_info->connection) {
    fail(ui_info, error->message);
  } else if (ui_info->failed) {
    end_soon(ui_info);
  } else {
    say_all(ui_info);
  }
}

static void open_connection(UiInfo *ui_info) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSocket) socket = g_socket_new_from_fd(ui_info->socket, &error);
  if (!socket) {
    fail(ui_info, error->message);
    return;
  }
  ui_info->socket = -1;
  g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
  ui_info->in_flight++;
  g_dbus_connection_new(G_IO_STREAM(stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL,
                        ui_info->cancellable, on_connection, ui_info);
}

/* ---- QMP ---- */

static void on_add_client(gpointer data, JsonNode *result, const GError *error) {
  UiInfo *ui_info = data;
  if (error) {
    fail(ui_info, error->message);
  } else {
    open_connection(ui_info);
  }
}

static void on_getfd(gpointer data, JsonNode *result, const GError *error) {
  UiInfo *ui_info = data;
  if (error) {
    fail(ui_info, error->message);
    return;
  }
  JsonObject *arguments = json_object_new();
  json_object_set_string_member(arguments, "protocol", "@dbus-display");
  json_object_set_string_member(arguments, "fdname", FD_NAME);
  qmp_command(ui_info->qmp, "add_client", arguments, -1, on_add_client, ui_info);
}

static void on_qmp_event(gpointer data, const char *name, JsonObject *details) {
}

static void on_qmp_closed(gpointer data, const GError *error) {
  fail(data, error->message);
}

static const QmpEvents QMP_EVENTS = {.event = on_qmp_event, .closed = on_qmp_closed};

static void begin(UiInfo *ui_info) {
  g_autoptr(GError) error = NULL;
  int ends[2];
  ui_info->qmp = qmp_create(ui_info->path, &QMP_EVENTS, ui_info, &error);
  if (!ui_info->qmp) {
    fail(ui_info, error->message);
    return;
  }
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    fail(ui_info, g_strerror(errno));
    return;
  }
  ui_info->socket = ends[0];
  JsonObject *arguments = json_object_new();
  json_object_set_string_member(arguments, "fdname", FD_NAME);
  qmp_command(ui_info->qmp, "getfd", arguments, ends[1], on_getfd, ui_info);
}

void ui_info_set(UiInfo *ui_info, guint id, guint width, guint height) {
  g_assert(id < DISPLAY_MAX_SCANOUTS);
  ui_info->changes[id] = (Change){TRUE, width, height};
  if (!ui_info->qmp && !ui_info->ending) begin(ui_info);
}

UiInfo *ui_info_create(const char *qmp_path) {
  UiInfo *ui_info = g_new0(UiInfo, 1);
  ui_info->path = g_strdup(qmp_path);
  ui_info->socket = -1;
  ui_info->cancellable = g_cancellable_new();
  return ui_info;
}

void ui_info_destroy(UiInfo *ui_info) {
  if (!ui_info) return;
  g_cancellable_cancel(ui_info->cancellable);
  while (ui_info->in_flight > 0) g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
  if (ui_info->ending) g_source_destroy(ui_info->ending);
  g_clear_pointer(&ui_info->ending, g_source_unref);
  hang_up(ui_info);
  g_object_unref(ui_info->cancellable);
  g_free(ui_info->path);
  g_free(ui_info);
}
