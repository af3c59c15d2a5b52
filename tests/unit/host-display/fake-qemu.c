/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/host-display/fake-qemu.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_ID 3
#define LISTENER_PATH "/org/qemu/Display1/Listener"
#define LISTENER_INTERFACE "org.qemu.Display1.Listener"
#define LISTENER_LIMIT_US (5 * G_USEC_PER_SEC)

static const char INTERFACES[] =
    "<node>"
    "<interface name='org.qemu.Display1.VM'><property name='ConsoleIDs' type='au' access='read'/></interface>"
    "<interface name='org.qemu.Display1.Console'>"
    "<method name='RegisterListener'><arg type='h' direction='in'/></method>"
    "<method name='SetUIInfo'><arg type='q' direction='in'/><arg type='q' direction='in'/>"
    "<arg type='i' direction='in'/><arg type='i' direction='in'/>"
    "<arg type='u' direction='in'/><arg type='u' direction='in'/></method>"
    "<property name='Label' type='s' access='read'/><property name='Type' type='s' access='read'/>"
    "<property name='Width' type='u' access='read'/><property name='Height' type='u' access='read'/>"
    "</interface></node>";

struct FakeQemu {
  char *path;
  guint n_consoles;
  int listener;
  int monitor;   /* the accepted QMP connection */
  int passed_fd; /* of getfd */
  pthread_t qmp_thread;
  pthread_t bus_thread;
  gboolean bus_started;
  GMainContext *context; /* of the bus thread */
  GMainLoop *loop;
  GDBusNodeInfo *node;
  GDBusConnection *bus;
  GAsyncQueue *registered[FAKE_QEMU_MAX_CONSOLES]; /* of fd + 1 */
  GAsyncQueue *ui_infos[FAKE_QEMU_MAX_CONSOLES];   /* of FakeQemuUiInfo */
  const char *refused;                             /* a command; NULL: none */
  gboolean hang_up;                                /* at it */
};

static guint console_of(const char *path) {
  return (guint)strtoul(strrchr(path, '_') + 1, NULL, 10) - FIRST_ID;
}

static void on_method(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                      const char *method, GVariant *arguments, GDBusMethodInvocation *invocation, gpointer data) {
  FakeQemu *qemu = data;
  if (g_str_equal(method, "SetUIInfo")) {
    FakeQemuUiInfo *info = g_new0(FakeQemuUiInfo, 1);
    g_variant_get(arguments, "(qqiiuu)", &info->width_mm, &info->height_mm, NULL, NULL, &info->width, &info->height);
    g_async_queue_push(qemu->ui_infos[console_of(path)], info);
    g_dbus_method_invocation_return_value(invocation, NULL);
    return;
  }
  GDBusMessage *message = g_dbus_method_invocation_get_message(invocation);
  GUnixFDList *descriptors = g_dbus_message_get_unix_fd_list(message);
  int fd = g_unix_fd_list_get(descriptors, 0, NULL);
  g_dbus_method_invocation_return_value(invocation, NULL);
  g_async_queue_push(qemu->registered[console_of(path)], GINT_TO_POINTER(fd + 1));
}

static GVariant *on_property(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                             const char *property, GError **error, gpointer data) {
  FakeQemu *qemu = data;
  if (g_str_equal(property, "ConsoleIDs")) {
    guint32 ids[FAKE_QEMU_MAX_CONSOLES];
    for (guint i = 0; i < qemu->n_consoles; i++) ids[i] = FIRST_ID + qemu->n_consoles - 1 - i;
    return g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, ids, qemu->n_consoles, sizeof ids[0]);
  }
  if (g_str_equal(property, "Label")) return g_variant_new_take_string(g_strdup_printf("fake.%u", console_of(path)));
  if (g_str_equal(property, "Type")) return g_variant_new_string("Graphic");
  return g_variant_new_uint32(0);
}

static const GDBusInterfaceVTable METHODS = {.method_call = on_method, .get_property = on_property};

/* NULL where the client leaves in the middle. */
static GDBusConnection *open_bus(int fd) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, &error);
  g_assert_no_error(error);
  g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
  g_autofree char *guid = g_dbus_generate_guid();
  GDBusConnection *bus = g_dbus_connection_new_sync(G_IO_STREAM(stream), guid,
                                                    G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                                                        G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
                                                    NULL, NULL, NULL);
  return bus;
}

static void export(FakeQemu *qemu, const char *path, const char *interface) {
  GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface(qemu->node, interface);
  g_assert_cmpuint(g_dbus_connection_register_object(qemu->bus, path, info, &METHODS, qemu, NULL, NULL), !=, 0);
}

static void *run_bus(void *data) {
  FakeQemu *qemu = data;
  g_main_context_push_thread_default(qemu->context);
  qemu->bus = open_bus(qemu->passed_fd);
  if (!qemu->bus) {
    g_main_context_pop_thread_default(qemu->context);
    return NULL;
  }
  export(qemu, "/org/qemu/Display1/VM", "org.qemu.Display1.VM");
  for (guint i = 0; i < qemu->n_consoles; i++) {
    g_autofree char *path = g_strdup_printf("/org/qemu/Display1/Console_%u", FIRST_ID + i);
    export(qemu, path, "org.qemu.Display1.Console");
  }
  g_dbus_connection_start_message_processing(qemu->bus);
  g_main_loop_run(qemu->loop);
  g_dbus_connection_close_sync(qemu->bus, NULL, NULL);
  g_object_unref(qemu->bus);
  while (g_main_context_iteration(qemu->context, FALSE)) {
  }
  g_main_context_pop_thread_default(qemu->context);
  return NULL;
}

/* One line, and the descriptor that came with it. FALSE at the end. */
static gboolean read_line(FakeQemu *qemu, char *line, gsize size) {
  char control[CMSG_SPACE(sizeof(int))];
  gsize used = 0;
  do {
    struct iovec part = {line + used, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(qemu->monitor, &message, 0) != 1 || used + 2 > size) return FALSE;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header) memcpy(&qemu->passed_fd, CMSG_DATA(header), sizeof(int));
  } while (line[used++] != '\n');
  line[used] = 0;
  return TRUE;
}

static void *run_qmp(void *data) {
  FakeQemu *qemu = data;
  char line[1024];
  qemu->monitor = accept(qemu->listener, NULL, NULL);
  if (qemu->monitor < 0) return NULL;
  fake_qemu_say(qemu, "{\"QMP\": {}}");
  for (guint id = 1; read_line(qemu, line, sizeof line); id++) {
    gboolean status = strstr(line, "query-status") != NULL;
    if (qemu->refused && strstr(line, qemu->refused)) {
      if (qemu->hang_up) break;
      g_autofree char *refusal = g_strdup_printf("{\"error\": {\"desc\": \"not here\"}, \"id\": %u}", id);
      fake_qemu_say(qemu, refusal);
      continue;
    }
    g_autofree char *reply =
        g_strdup_printf("{\"return\": {%s}, \"id\": %u}", status ? "\"status\": \"running\"" : "", id);
    fake_qemu_say(qemu, reply);
    if (strstr(line, "add_client")) {
      qemu->bus_started = TRUE;
      g_assert_cmpint(pthread_create(&qemu->bus_thread, NULL, run_bus, qemu), ==, 0);
    }
  }
  shutdown(qemu->monitor, SHUT_RDWR);
  return NULL;
}

FakeQemu *fake_qemu_start(const char *path, guint n_consoles) {
  FakeQemu *qemu = g_new0(FakeQemu, 1);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  qemu->path = g_strdup(path);
  qemu->n_consoles = n_consoles;
  qemu->passed_fd = -1;
  qemu->context = g_main_context_new();
  qemu->loop = g_main_loop_new(qemu->context, FALSE);
  qemu->node = g_dbus_node_info_new_for_xml(INTERFACES, NULL);
  for (guint i = 0; i < n_consoles; i++) {
    qemu->registered[i] = g_async_queue_new();
    qemu->ui_infos[i] = g_async_queue_new_full(g_free);
  }
  qemu->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(bind(qemu->listener, (struct sockaddr *)&address, sizeof address));
  g_assert_no_errno(listen(qemu->listener, 1));
  g_assert_cmpint(pthread_create(&qemu->qmp_thread, NULL, run_qmp, qemu), ==, 0);
  return qemu;
}

static gboolean on_quit(gpointer loop) {
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}

void fake_qemu_kill(FakeQemu *qemu) {
  g_unlink(qemu->path);
  shutdown(qemu->listener, SHUT_RDWR); /* ends an accept */
  if (qemu->monitor > 0) shutdown(qemu->monitor, SHUT_RDWR);
  pthread_join(qemu->qmp_thread, NULL);
  if (qemu->monitor > 0) close(qemu->monitor);
  close(qemu->listener);
  GSource *quitting = g_idle_source_new(); /* in the loop: it may not have begun */
  g_source_set_callback(quitting, on_quit, qemu->loop, NULL);
  g_source_attach(quitting, qemu->context);
  g_source_unref(quitting);
  if (qemu->bus_started)
    pthread_join(qemu->bus_thread, NULL);
  else if (qemu->passed_fd >= 0)
    close(qemu->passed_fd);
  for (guint i = 0; i < qemu->n_consoles; i++) {
    gpointer fd;
    while ((fd = g_async_queue_try_pop(qemu->registered[i]))) close(GPOINTER_TO_INT(fd) - 1);
    g_async_queue_unref(qemu->registered[i]);
    g_async_queue_unref(qemu->ui_infos[i]);
  }
  g_dbus_node_info_unref(qemu->node);
  g_main_loop_unref(qemu->loop);
  g_main_context_unref(qemu->context);
  g_free(qemu->path);
  g_free(qemu);
}

GDBusConnection *fake_qemu_listener(FakeQemu *qemu, guint console) {
  gpointer fd = g_async_queue_timeout_pop(qemu->registered[console], LISTENER_LIMIT_US);
  g_assert_nonnull(fd);
  GDBusConnection *listener = open_bus(GPOINTER_TO_INT(fd) - 1);
  g_assert_nonnull(listener);
  g_dbus_connection_start_message_processing(listener);
  return listener;
}

void fake_qemu_refuse(FakeQemu *qemu, const char *command, gboolean hang_up) {
  qemu->refused = command;
  qemu->hang_up = hang_up;
}

gboolean fake_qemu_ui_info(FakeQemu *qemu, guint console, FakeQemuUiInfo *info) {
  g_autofree FakeQemuUiInfo *next = g_async_queue_try_pop(qemu->ui_infos[console]);
  if (next) *info = *next;
  return next != NULL;
}

void fake_qemu_resize(FakeQemu *qemu, guint console, guint width, guint height) {
  g_autofree char *path = g_strdup_printf("/org/qemu/Display1/Console_%u", FIRST_ID + console);
  GVariantBuilder changed;
  g_variant_builder_init(&changed, G_VARIANT_TYPE("a{sv}"));
  g_variant_builder_add(&changed, "{sv}", "Width", g_variant_new_uint32(width));
  g_variant_builder_add(&changed, "{sv}", "Height", g_variant_new_uint32(height));
  g_dbus_connection_emit_signal(qemu->bus, NULL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                g_variant_new("(sa{sv}as)", "org.qemu.Display1.Console", &changed, NULL), NULL);
}

void fake_qemu_say(FakeQemu *qemu, const char *line) {
  g_autofree char *text = g_strconcat(line, "\r\n", NULL);
  (void)!send(qemu->monitor, text, strlen(text), MSG_NOSIGNAL); /* the client may have left */
}

gboolean fake_qemu_call(GDBusConnection *listener, const char *method, GVariant *arguments, GError **error) {
  g_autoptr(GVariant) reply = g_dbus_connection_call_sync(listener, NULL, LISTENER_PATH, LISTENER_INTERFACE, method,
                                                          arguments, NULL, G_DBUS_CALL_FLAGS_NONE, 5000, NULL, error);
  return reply != NULL;
}

void fake_qemu_send(GDBusConnection *listener, const char *method, GVariant *arguments) {
  g_dbus_connection_call(listener, NULL, LISTENER_PATH, LISTENER_INTERFACE, method, arguments, NULL,
                         G_DBUS_CALL_FLAGS_NONE, 5000, NULL, NULL, NULL);
}
