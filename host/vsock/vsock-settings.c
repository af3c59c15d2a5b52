/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-settings.h"

#include "host/vsock/vsock-packet.h"

#include <gio/gio.h>
#include <string.h>

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean refuse(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "--vsock-device %s", text);
  return FALSE;
}

static gboolean number(const char *text, guint32 minimum, guint32 maximum, guint32 *out) {
  guint64 value;
  if (!g_ascii_string_to_unsigned(text, 10, minimum, maximum, &value, NULL)) return FALSE;
  *out = (guint32)value;
  return TRUE;
}

gboolean vsock_settings_cid(const char *text, guint32 *cid) {
  return number(text, VSOCK_MIN_GUEST_CID, VSOCK_MAX_GUEST_CID, cid);
}

static gboolean option(const char *word, VsockSettings *settings, GError **error) {
  if (g_str_has_prefix(word, "cid=")) {
    return vsock_settings_cid(word + 4, &settings->cid) ||
           refuse(error, "%s: a guest's CID is %u to %u", word, VSOCK_MIN_GUEST_CID, VSOCK_MAX_GUEST_CID);
  }
  if (g_str_has_prefix(word, "port=")) {
    return number(word + 5, 1, G_MAXUINT32 - 1, &settings->port) ||
           refuse(error, "%s: a port is 1 to %u", word, G_MAXUINT32 - 1);
  }
  return refuse(error, "\"%s\" is unknown; after the socket come cid=N and port=P", word);
}

/* The text up to the next single comma, with double ones made single; *text is moved past it, NULL at the end. */
static char *next_word(const char **text) {
  GString *word = g_string_new(NULL);
  const char *c = *text;
  while (*c && (*c != ',' || c[1] == ',')) {
    if (*c == ',') c++;
    g_string_append_c(word, *c++);
  }
  *text = *c ? c + 1 : NULL;
  return g_string_free(word, FALSE);
}

gboolean vsock_settings_parse(const char *text, VsockSettings *settings, GError **error) {
  *settings = (VsockSettings){.port = VSOCK_SETTINGS_PORT};
  settings->path = next_word(&text);
  if (!*settings->path) return refuse(error, "lacks the socket: SOCKET,cid=N[,port=P]");
  while (text) {
    g_autofree char *word = next_word(&text);
    if (!option(word, settings, error)) return FALSE;
  }
  if (settings->cid == 0) return refuse(error, "%s lacks the guest's CID: SOCKET,cid=N[,port=P]", settings->path);
  return TRUE;
}

void vsock_settings_finish(VsockSettings *settings) {
  g_clear_pointer(&settings->path, g_free);
}
