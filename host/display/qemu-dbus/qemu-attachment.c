/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/qemu-attachment.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "host/display/display.h"
#include "host/display/qemu-dbus/console-listener.h"
#include "host/display/qemu-dbus/qmp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VM_OBJECT "/org/qemu/Display1/VM"
#define VM_INTERFACE "org.qemu.Display1.VM"
#define CONSOLE_INTERFACE "org.qemu.Display1.Console"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"
/* For each step; QEMU needs milliseconds unless it is stopped. */
#define STEP_LIMIT_MS 5000
/* Under this name QEMU keeps our end of the socket pair between getfd and add_client. */
#define FD_NAME "framelift-display"
/* After a change of a console's size, how long its picture may take to follow before it is asked for again. */
#define RESIZE_GRACE_MS 50

typedef struct {
  QemuAttachment *attachment;
  guint id;
  guint32 qemu_id; /* the N of /org/qemu/Display1/Console_N */
  ConsoleListener *listener;
  gboolean answered; /* QEMU has taken our listener, or refused it, at least once */
  guint changes;     /* the subscription to its properties' changes */
  guint32 width;     /* pixels, as the properties say; 0 while unknown */
  guint32 height;
  GSource *resize; /* set: the picture's size is to be looked at */
} Console;

struct QemuAttachment {
  const QemuAttachmentEvents *events;
  gpointer data;
  gboolean destroyed;
  gboolean lost;

  Qmp *qmp;
  int socket; /* our end, until the connection takes it; else -1 */
  GCancellable *cancellable;
  GSource *limit;  /* of the handshake on `socket` */
  guint in_flight; /* GIO operations with the attachment as their data */

  GDBusConnection *connection;
  gulong closed_handler;
  Console consoles[DISPLAY_MAX_SCANOUTS];
  guint n_consoles;
  guint n_answered; /* consoles that have registered us or refused */
  guint n_registered;
  gboolean told_unreadable;
  gboolean displaced;
  gboolean doubted; /* a listener was closed, and QEMU is being asked whether it is still there */
};

/* Takes the text. */
static void lose(QemuAttachment *attachment, char *why) {
  if (!attachment->lost && !attachment->destroyed) {
    attachment->lost = TRUE;
    attachment->events->lost(attachment->data, why);
  }
  g_free(why);
}

static void lose_by_error(QemuAttachment *attachment, const char *doing, GError *error) {
  g_dbus_error_strip_remote_error(error);
  lose(attachment, g_strdup_printf("%s: %s", doing, error->message));
}

/* ---- consoles ---- */

static void on_console_registered(gpointer data, guint id, const GError *error) {
  QemuAttachment *attachment = data;
  if (attachment->consoles[id].answered) {
    if (error) lose(attachment, g_strdup_printf("QEMU takes no listener any more: %s", error->message));
    return;
  }
  attachment->consoles[id].answered = TRUE;
  attachment->n_answered++;
  if (error) {
    log_warn("qemu", "console %u sends no pictures: %s", id, error->message);
  } else {
    attachment->n_registered++;
  }
  if (attachment->n_answered < attachment->n_consoles || attachment->lost || attachment->displaced) return;
  if (attachment->n_registered == 0) {
    lose(attachment, g_strdup_printf("QEMU takes no listener: %s", error->message));
  } else {
    attachment->events->attached(attachment->data, attachment->n_registered);
  }
}

static void on_console_picture(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects,
                               gint64 arrival_us) {
  QemuAttachment *attachment = data;
  if (!attachment->lost && !attachment->displaced)
    attachment->events->picture(attachment->data, id, frame, rects, n_rects, arrival_us);
}

static void on_console_dark(gpointer data, guint id) {
  QemuAttachment *attachment = data;
  if (!attachment->lost && !attachment->displaced) attachment->events->dark(attachment->data, id);
}

static void on_console_unreadable(gpointer data, guint id) {
  QemuAttachment *attachment = data;
  if (attachment->told_unreadable) return;
  attachment->told_unreadable = TRUE;
  const char *text = "QEMU hands its pictures over as DMA-BUFs, which framelift does not read; start QEMU with "
                     "-display dbus,p2p=yes,gl=off and a display device without \"gl\" in its name";
  log_warn("qemu", "%s", text);
  attachment->events->note(attachment->data, text);
}

static void on_alive(gpointer data, JsonNode *result, const GError *error) {
  QemuAttachment *attachment = data;
  if (attachment->lost) return;
  attachment->displaced = TRUE;
  attachment->events->displaced(attachment->data);
}

/* Either QEMU is leaving, and the end of QMP says so next, or it answers there as ever. */
static void on_console_closed(gpointer data, guint id) {
  QemuAttachment *attachment = data;
  if (attachment->doubted) return;
  attachment->doubted = TRUE;
  qmp_command(attachment->qmp, "query-status", NULL, -1, on_alive, attachment);
}

static const ConsoleListenerEvents CONSOLE_EVENTS = {
    .registered = on_console_registered,
    .picture = on_console_picture,
    .dark = on_console_dark,
    .unreadable = on_console_unreadable,
    .closed = on_console_closed,
};

static char *console_path(const Console *console) {
  return g_strdup_printf("/org/qemu/Display1/Console_%u", console->qemu_id);
}

/* QEMU's label, "virtio-vga.0", made fit for a terminal and a page. */
static char *console_name(const Console *console, GVariant *properties) {
  const char *label = NULL;
  if (!g_variant_lookup(properties, "Label", "&s", &label) || !*label) {
    return g_strdup_printf("console %u", console->qemu_id);
  }
  char *name = g_utf8_make_valid(label, -1);
  for (char *c = name; *c; c++) {
    if (g_ascii_iscntrl(*c)) *c = '?';
  }
  return name;
}

static void listen_to(Console *console) {
  QemuAttachment *attachment = console->attachment;
  g_autofree char *path = console_path(console);
  g_autoptr(GError) error = NULL;
  console->listener =
      console_listener_create(attachment->connection, path, console->id, &CONSOLE_EVENTS, attachment, &error);
  if (!console->listener) on_console_registered(attachment, console->id, error);
}

static void stop_resize(Console *console) {
  if (!console->resize) return;
  g_source_destroy(console->resize);
  g_clear_pointer(&console->resize, g_source_unref);
}

/* After a mode change QEMU (7.2 at least) sends a whole picture only if the guest happens to draw all of it at once;
 * VGA text never does, and its updates would go on into a picture of the old size. A new listener is sent the whole
 * picture. */
static gboolean on_resize(gpointer data) {
  Console *console = data;
  guint width, height;
  if (!console->answered) return G_SOURCE_CONTINUE; /* its first picture may still come */
  stop_resize(console);
  console_listener_size(console->listener, &width, &height);
  if (width != console->width || height != console->height) {
    stats_count("qemu.asked-again");
    console_listener_destroy(g_steal_pointer(&console->listener));
    listen_to(console);
  }
  return G_SOURCE_REMOVE;
}

static void note_size(Console *console, GVariant *properties) {
  g_variant_lookup(properties, "Width", "u", &console->width);
  g_variant_lookup(properties, "Height", "u", &console->height);
}

static void on_properties_changed(GDBusConnection *connection, const char *sender, const char *path,
                                  const char *interface, const char *signal, GVariant *arguments, gpointer data) {
  Console *console = data;
  if (!g_variant_is_of_type(arguments, G_VARIANT_TYPE("(sa{sv}as)"))) return;
  g_autoptr(GVariant) properties = g_variant_get_child_value(arguments, 1);
  note_size(console, properties);
  if (!console->listener || console->resize) return;
  console->resize = g_timeout_source_new(RESIZE_GRACE_MS);
  g_source_set_callback(console->resize, on_resize, console, NULL);
  g_source_attach(console->resize, g_main_context_get_thread_default());
}

static void watch_changes(Console *console) {
  g_autofree char *path = console_path(console);
  console->changes = g_dbus_connection_signal_subscribe(console->attachment->connection, NULL, PROPERTIES_INTERFACE,
                                                        "PropertiesChanged", path, CONSOLE_INTERFACE,
                                                        G_DBUS_SIGNAL_FLAGS_NONE, on_properties_changed, console, NULL);
}

static void found(Console *console, GVariant *properties) {
  QemuAttachment *attachment = console->attachment;
  g_autofree char *name = console_name(console, properties);
  attachment->events->console(attachment->data, console->id, name);
  note_size(console, properties);
  listen_to(console);
}

static void on_properties(GObject *source, GAsyncResult *result, gpointer data) {
  Console *console = data;
  QemuAttachment *attachment = console->attachment;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
  attachment->in_flight--;
  if (attachment->destroyed || attachment->lost) return;
  if (!reply) {
    lose_by_error(attachment, "QEMU does not tell a console's properties", error);
    return;
  }
  g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);
  found(console, properties);
}

static void ask_for_properties(Console *console) {
  QemuAttachment *attachment = console->attachment;
  watch_changes(console);
  g_autofree char *path = console_path(console);
  attachment->in_flight++;
  g_dbus_connection_call(attachment->connection, NULL, path, PROPERTIES_INTERFACE, "GetAll",
                         g_variant_new("(s)", CONSOLE_INTERFACE), G_VARIANT_TYPE("(a{sv})"), G_DBUS_CALL_FLAGS_NONE,
                         STEP_LIMIT_MS, attachment->cancellable, on_properties, console);
}

static int compare_ids(const void *a, const void *b) {
  guint32 first = *(const guint32 *)a, second = *(const guint32 *)b;
  return (first > second) - (first < second);
}

static void add_consoles(QemuAttachment *attachment, const guint32 *ids, gsize count) {
  g_autofree guint32 *sorted = g_memdup2(ids, count * sizeof *ids);
  if (count > 0) qsort(sorted, count, sizeof *sorted, compare_ids);
  for (gsize i = 0; i < count; i++) {
    if (i > 0 && sorted[i] == sorted[i - 1]) continue;
    if (attachment->n_consoles == DISPLAY_MAX_SCANOUTS) {
      log_warn("qemu", "QEMU has %zu consoles; those after the first %u are left out", count, DISPLAY_MAX_SCANOUTS);
      break;
    }
    guint id = attachment->n_consoles++;
    attachment->consoles[id] = (Console){.attachment = attachment, .id = id, .qemu_id = sorted[i]};
  }
}

static void on_console_ids(GObject *source, GAsyncResult *result, gpointer data) {
  QemuAttachment *attachment = data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
  attachment->in_flight--;
  if (attachment->destroyed || attachment->lost) return;
  g_autoptr(GVariant) ids = NULL;
  if (reply) g_variant_get(reply, "(v)", &ids);
  if (!ids || !g_variant_is_of_type(ids, G_VARIANT_TYPE("au"))) {
    if (!error) error = g_error_new(G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the list is of another type");
    lose_by_error(attachment, "QEMU does not list its consoles", error);
    return;
  }
  gsize count;
  const guint32 *numbers = g_variant_get_fixed_array(ids, &count, sizeof *numbers);
  add_consoles(attachment, numbers, count);
  for (guint i = 0; i < attachment->n_consoles; i++) ask_for_properties(&attachment->consoles[i]);
  if (attachment->n_consoles == 0) attachment->events->attached(attachment->data, 0);
}

static void ask_for_consoles(QemuAttachment *attachment) {
  attachment->in_flight++;
  g_dbus_connection_call(attachment->connection, NULL, VM_OBJECT, PROPERTIES_INTERFACE, "Get",
                         g_variant_new("(ss)", VM_INTERFACE, "ConsoleIDs"), G_VARIANT_TYPE("(v)"),
                         G_DBUS_CALL_FLAGS_NONE, STEP_LIMIT_MS, attachment->cancellable, on_console_ids, attachment);
}

/* ---- the D-Bus connection ---- */

static void stop_limit(QemuAttachment *attachment) {
  if (!attachment->limit) return;
  g_source_destroy(attachment->limit);
  g_clear_pointer(&attachment->limit, g_source_unref);
}

static gboolean on_limit(gpointer data) {
  QemuAttachment *attachment = data;
  g_cancellable_cancel(attachment->cancellable);
  lose(attachment, g_strdup_printf("QEMU did not open its D-Bus display within %d s", STEP_LIMIT_MS / 1000));
  return G_SOURCE_REMOVE;
}

/* QEMU has one such client: the next one's add_client takes this connection away, and the pictures go on. */
static void on_connection_closed(GDBusConnection *connection, gboolean vanished, GError *error, gpointer data) {
  QemuAttachment *attachment = data;
  if (attachment->n_answered < attachment->n_consoles || attachment->n_consoles == 0) {
    lose(attachment, g_strdup("QEMU closed the connection to its D-Bus display"));
  }
}

static void on_connection(GObject *source, GAsyncResult *result, gpointer data) {
  QemuAttachment *attachment = data;
  g_autoptr(GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_finish(result, &error);
  attachment->in_flight--;
  stop_limit(attachment);
  if (!connection) {
    lose_by_error(attachment, "QEMU does not open its D-Bus display", error);
    return;
  }
  if (attachment->destroyed || attachment->lost) {
    g_object_unref(connection);
    return;
  }
  attachment->connection = connection;
  attachment->closed_handler = g_signal_connect(connection, "closed", G_CALLBACK(on_connection_closed), attachment);
  ask_for_consoles(attachment);
}

static void open_connection(QemuAttachment *attachment) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSocket) socket = g_socket_new_from_fd(attachment->socket, &error);
  if (!socket) {
    lose_by_error(attachment, "the connection to QEMU's D-Bus display cannot be used", error);
    return;
  }
  attachment->socket = -1;
  g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
  attachment->in_flight++;
  g_dbus_connection_new(G_IO_STREAM(stream), NULL, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL,
                        attachment->cancellable, on_connection, attachment);
  attachment->limit = g_timeout_source_new(STEP_LIMIT_MS);
  g_source_set_callback(attachment->limit, on_limit, attachment, NULL);
  g_source_attach(attachment->limit, g_main_context_get_thread_default());
}

/* ---- QMP ---- */

static void on_add_client(gpointer data, JsonNode *result, const GError *error) {
  QemuAttachment *attachment = data;
  if (attachment->lost) return;
  if (error) {
    lose(attachment, g_strdup_printf("%s; QEMU has to be started with -display dbus,p2p=yes", error->message));
  } else {
    open_connection(attachment);
  }
}

static void on_getfd(gpointer data, JsonNode *result, const GError *error) {
  QemuAttachment *attachment = data;
  if (error) {
    lose(attachment, g_strdup(error->message));
    return;
  }
  JsonObject *arguments = json_object_new();
  json_object_set_string_member(arguments, "protocol", "@dbus-display");
  json_object_set_string_member(arguments, "fdname", FD_NAME);
  qmp_command(attachment->qmp, "add_client", arguments, -1, on_add_client, attachment);
}

static const struct {
  const char *status; /* of query-status, NULL: none */
  const char *event;
  const char *text;
} NOTES[] = {
    {"running", "RESUME", "the VM runs"},
    {"paused", "STOP", "the VM is paused"},
    {"prelaunch", NULL, "the VM has not been started yet (QEMU's -S)"},
    {"suspended", "SUSPEND", "the guest sleeps"},
    {NULL, "WAKEUP", "the guest woke up"},
    {NULL, "RESET", "the VM was reset"},
    {NULL, "POWERDOWN", "the guest was asked to power down"},
    {"shutdown", "SHUTDOWN", "the VM has shut down"},
    {"guest-panicked", "GUEST_PANICKED", "the guest's kernel has panicked"},
    {"io-error", NULL, "the VM is paused: a disk failed"},
};

static void on_qmp_event(gpointer data, const char *name, JsonObject *details) {
  QemuAttachment *attachment = data;
  for (gsize i = 0; i < G_N_ELEMENTS(NOTES) && !attachment->lost; i++) {
    if (g_strcmp0(NOTES[i].event, name) == 0) attachment->events->note(attachment->data, NOTES[i].text);
  }
}

static const char *status_of(JsonNode *result) {
  if (!result || !JSON_NODE_HOLDS_OBJECT(result)) return NULL;
  JsonNode *status = json_object_get_member(json_node_get_object(result), "status");
  return status && json_node_get_value_type(status) == G_TYPE_STRING ? json_node_get_string(status) : NULL;
}

static void on_status(gpointer data, JsonNode *result, const GError *error) {
  QemuAttachment *attachment = data;
  const char *status = status_of(result);
  for (gsize i = 0; i < G_N_ELEMENTS(NOTES) && status && !attachment->lost; i++) {
    if (g_strcmp0(NOTES[i].status, status) == 0) attachment->events->note(attachment->data, NOTES[i].text);
  }
}

static void on_qmp_closed(gpointer data, const GError *error) {
  lose(data, g_strdup(error->message));
}

static const QmpEvents QMP_EVENTS = {.event = on_qmp_event, .closed = on_qmp_closed};

static gboolean offer_socket(QemuAttachment *attachment, GError **error) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno), "cannot make a socket pair: %s",
                g_strerror(errno));
    return FALSE;
  }
  attachment->socket = ends[0];
  JsonObject *arguments = json_object_new();
  json_object_set_string_member(arguments, "fdname", FD_NAME);
  qmp_command(attachment->qmp, "getfd", arguments, ends[1], on_getfd, attachment);
  return TRUE;
}

QemuAttachment *qemu_attachment_create(const char *qmp_path, const QemuAttachmentEvents *events, gpointer data,
                                       GError **error) {
  QemuAttachment *attachment = g_new0(QemuAttachment, 1);
  attachment->events = events;
  attachment->data = data;
  attachment->socket = -1;
  attachment->cancellable = g_cancellable_new();
  attachment->qmp = qmp_create(qmp_path, &QMP_EVENTS, attachment, error);
  if (!attachment->qmp || !offer_socket(attachment, error)) {
    qemu_attachment_destroy(attachment);
    return NULL;
  }
  qmp_command(attachment->qmp, "query-status", NULL, -1, on_status, attachment);
  return attachment;
}

static void drop_console(Console *console) {
  stop_resize(console);
  if (console->changes) g_dbus_connection_signal_unsubscribe(console->attachment->connection, console->changes);
  console_listener_destroy(console->listener);
}

void qemu_attachment_destroy(QemuAttachment *attachment) {
  if (!attachment) return;
  attachment->destroyed = TRUE;
  attachment->lost = TRUE; /* what the waits below bring is told to nobody */
  qmp_destroy(attachment->qmp);
  stop_limit(attachment);
  g_cancellable_cancel(attachment->cancellable);
  for (guint i = 0; i < attachment->n_consoles; i++) drop_console(&attachment->consoles[i]);
  while (attachment->in_flight > 0) g_main_context_iteration(g_main_context_get_thread_default(), TRUE);
  if (attachment->connection) {
    g_signal_handler_disconnect(attachment->connection, attachment->closed_handler);
    g_dbus_connection_close(attachment->connection, NULL, NULL, NULL);
    g_object_unref(attachment->connection);
  }
  if (attachment->socket >= 0) close(attachment->socket);
  g_object_unref(attachment->cancellable);
  g_free(attachment);
}
