/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/listener-calls.h"

#include "common/base/log.h"
#include "common/base/stats.h"

#define LISTENER_INTERFACE "org.qemu.Display1.Listener"
#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

static LogLimit bad_call_limit;

/* Each reads a call's arguments, whose types have been checked. FALSE with error set: the call does not add up. */
typedef gboolean (*CallHandler)(ConsoleMailbox *mailbox, GVariant *arguments, GError **error);

static gboolean refuse_pixels(const PixelBlockCall *call, const char *why, GError **error) {
  g_set_error(
      error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS,
      "%s (%" G_GINT64_FORMAT "x%" G_GINT64_FORMAT " at %d,%d, stride %u, format 0x%08x, %" G_GSIZE_FORMAT " bytes)",
      why, call->width, call->height, call->x, call->y, call->stride, call->format, g_variant_get_size(call->bytes));
  return FALSE;
}

static gboolean handle_scanout(ConsoleMailbox *mailbox, GVariant *arguments, GError **error) {
  guint32 width, height, stride, format;
  const char *why = NULL;
  g_autoptr(GVariant) bytes = NULL;
  g_variant_get(arguments, "(uuuu@ay)", &width, &height, &stride, &format, &bytes);
  PixelBlockCall call = {.width = width, .height = height, .stride = stride, .format = format, .bytes = bytes};
  if (!console_mailbox_post_whole(mailbox, &call, &why)) return refuse_pixels(&call, why, error);
  stats_count("qemu.scanouts");
  stats_add(stats_counter("qemu.bytes"), (gint64)g_variant_get_size(bytes));
  return TRUE;
}

static gboolean handle_update(ConsoleMailbox *mailbox, GVariant *arguments, GError **error) {
  gint32 x, y, width, height;
  guint32 stride, format;
  const char *why = NULL;
  g_autoptr(GVariant) bytes = NULL;
  g_variant_get(arguments, "(iiiiuu@ay)", &x, &y, &width, &height, &stride, &format, &bytes);
  PixelBlockCall call = {x, y, width, height, stride, format, bytes};
  if (!console_mailbox_post_update(mailbox, &call, &why)) return refuse_pixels(&call, why, error);
  stats_count("qemu.updates");
  stats_add(stats_counter("qemu.bytes"), (gint64)g_variant_get_size(bytes));
  return TRUE;
}

/* Answered with success: an error makes QEMU write a line of its own for every frame. */
static gboolean handle_dmabuf(ConsoleMailbox *mailbox, GVariant *arguments, GError **error) {
  stats_count("qemu.dmabuf");
  console_mailbox_post_unreadable(mailbox);
  return TRUE;
}

static gboolean handle_disable(ConsoleMailbox *mailbox, GVariant *arguments, GError **error) {
  stats_count("qemu.disables");
  console_mailbox_post_dark(mailbox);
  return TRUE;
}

static gboolean handle_cursor(ConsoleMailbox *mailbox, GVariant *arguments, GError **error) {
  stats_count("qemu.cursor-calls");
  return TRUE;
}

static const struct {
  const char *member;
  const char *signature; /* NULL: not looked at */
  CallHandler handle;
} CALLS[] = {
    {"Scanout", "uuuuay", handle_scanout},     {"Update", "iiiiuuay", handle_update},
    {"Disable", "", handle_disable},           {"ScanoutDMABUF", NULL, handle_dmabuf},
    {"UpdateDMABUF", NULL, handle_dmabuf},     {"MouseSet", "iii", handle_cursor},
    {"CursorDefine", "iiiiay", handle_cursor},
};

/* An empty signature has no body and no header field. */
static gboolean signature_matches(GDBusMessage *message, const char *expected) {
  return !expected || g_str_equal(g_dbus_message_get_signature(message), expected);
}

static gboolean handle_call(ConsoleMailbox *mailbox, GDBusMessage *message, GError **error) {
  const char *member = g_dbus_message_get_member(message);
  for (gsize i = 0; i < G_N_ELEMENTS(CALLS); i++) {
    if (!g_str_equal(CALLS[i].member, member)) continue;
    if (signature_matches(message, CALLS[i].signature)) {
      return CALLS[i].handle(mailbox, g_dbus_message_get_body(message), error);
    }
    g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_INVALID_ARGS, "its arguments are of types \"%s\", not \"%s\"",
                g_dbus_message_get_signature(message), CALLS[i].signature);
    return FALSE;
  }
  g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_METHOD, "there is no such method here");
  return FALSE;
}

/* Properties of the listener: only Interfaces, which names what else than plain bytes is understood: nothing. */
static GVariant *read_properties(GDBusMessage *message) {
  const char *member = g_dbus_message_get_member(message);
  if (g_str_equal(member, "Get") && signature_matches(message, "ss")) {
    const char *property;
    g_variant_get(g_dbus_message_get_body(message), "(&s&s)", NULL, &property);
    return g_str_equal(property, "Interfaces") ? g_variant_new("(v)", g_variant_new_strv(NULL, 0)) : NULL;
  }
  if (g_str_equal(member, "GetAll")) {
    GVariantBuilder all;
    g_variant_builder_init(&all, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&all, "{sv}", "Interfaces", g_variant_new_strv(NULL, 0));
    return g_variant_new("(a{sv})", &all);
  }
  return NULL;
}

/* Takes `body`, which may be NULL, or the error. */
static void answer(GDBusConnection *connection, GDBusMessage *call, GVariant *body, const GError *error) {
  g_autoptr(GVariant) owned_body = body ? g_variant_ref_sink(body) : NULL;
  if (g_dbus_message_get_flags(call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) return;
  g_autoptr(GDBusMessage) reply = NULL;
  if (error) {
    g_autofree char *name = g_dbus_error_encode_gerror(error);
    reply = g_dbus_message_new_method_error_literal(call, name, error->message);
  } else {
    reply = g_dbus_message_new_method_reply(call);
    if (owned_body) g_dbus_message_set_body(reply, owned_body);
  }
  g_dbus_connection_send_message(connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

static void serve_call(GDBusConnection *connection, GDBusMessage *message, ConsoleMailbox *mailbox) {
  g_autoptr(GError) error = NULL;
  if (!handle_call(mailbox, message, &error)) {
    stats_count("qemu.bad-call");
    log_limited(&bad_call_limit, LOG_WARN, "qemu", "QEMU's call %s was refused: %s", g_dbus_message_get_member(message),
                error->message);
  }
  answer(connection, message, NULL, error);
}

/* A GDBus filter, on GDBus' thread: an exported object's methods would pile up in the display's main context without
 * a bound. NULL means the message has been dealt with. */
static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data) {
  if (!incoming || g_dbus_message_get_message_type(message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL) return message;
  const char *interface = g_dbus_message_get_interface(message);
  if (g_strcmp0(interface, LISTENER_INTERFACE) == 0) {
    serve_call(connection, message, data);
    g_object_unref(message);
    return NULL;
  }
  GVariant *properties = g_strcmp0(interface, PROPERTIES_INTERFACE) == 0 ? read_properties(message) : NULL;
  if (!properties) return message; /* GDBus says that there is nothing of the kind */
  answer(connection, message, properties, NULL);
  g_object_unref(message);
  return NULL;
}

static void mailbox_unref(gpointer data) {
  console_mailbox_unref(data);
}

guint listener_calls_serve(GDBusConnection *connection, ConsoleMailbox *mailbox) {
  return g_dbus_connection_add_filter(connection, on_message, console_mailbox_ref(mailbox), mailbox_unref);
}
