/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/host-settings.h"

#include "common/wire/hxfr.h"

#include <gst/gst.h>
#include <string.h>

/* address, tcp, vsock, unix */
#define MAX_PLACES 4u

void host_settings_init(HostSettings *settings) {
  *settings = (HostSettings){
      .tcp_port = HOST_SETTINGS_TCP_PORT,
      .cid = HOST_SETTINGS_CID,
      .port = HOST_SETTINGS_PORT,
      .timeout_ms = HOST_SETTINGS_TIMEOUT_MS,
  };
}

void host_settings_finish(HostSettings *settings) {
  g_clear_pointer(&settings->address, g_free);
  g_clear_pointer(&settings->tcp_host, g_free);
  g_clear_pointer(&settings->socket_path, g_free);
  g_clear_pointer(&settings->token_file, g_free);
}

static const GParamFlags FLAGS = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

static void install_text(GObjectClass *object_class, guint id, const char *name, const char *nick, const char *blurb) {
  g_object_class_install_property(object_class, id, g_param_spec_string(name, nick, blurb, NULL, FLAGS));
}

static void install_number(GObjectClass *object_class, guint id, const char *name, const char *nick, const char *blurb,
                           guint min, guint max, guint value) {
  g_object_class_install_property(object_class, id, g_param_spec_uint(name, nick, blurb, min, max, value, FLAGS));
}

void host_settings_install(GObjectClass *object_class) {
  install_text(object_class, HOST_SETTINGS_ADDRESS_ID, "address", "Address",
               "Where the host is: unix:/path, tcp:HOST:PORT or vsock:CID:PORT");
  install_text(object_class, HOST_SETTINGS_TCP_HOST_ID, "tcp-host", "TCP host",
               "The host's numeric address, or localhost");
  install_number(object_class, HOST_SETTINGS_TCP_PORT_ID, "tcp-port", "TCP port", "Port at tcp-host", 1, 65535,
                 HOST_SETTINGS_TCP_PORT);
  install_number(object_class, HOST_SETTINGS_CID_ID, "cid", "vsock CID", "The host's vsock CID", 0, G_MAXUINT32,
                 HOST_SETTINGS_CID);
  install_number(object_class, HOST_SETTINGS_PORT_ID, "port", "vsock port", "Port at cid", 0, G_MAXUINT32,
                 HOST_SETTINGS_PORT);
  install_text(object_class, HOST_SETTINGS_SOCKET_PATH_ID, "socket-path", "Socket path", "The host's unix socket");
  install_number(object_class, HOST_SETTINGS_SCANOUT_ID, "scanout", "Scanout",
                 "Which of the VM's displays; the session has the same number", 0, HXFR_MAX_SCANOUTS - 1, 0);
  install_number(object_class, HOST_SETTINGS_TIMEOUT_ID, "timeout", "Timeout",
                 "How long the host may take for any single answer, milliseconds", 1, 600000, HOST_SETTINGS_TIMEOUT_MS);
  install_text(object_class, HOST_SETTINGS_TOKEN_FILE_ID, "token-file", "Token file",
               "A file whose first line is the host's access token");
}

static void set_text(char **text, const GValue *value) {
  g_free(*text);
  *text = g_value_dup_string(value);
}

static void set_number(guint *number, gboolean *has, const GValue *value) {
  *number = g_value_get_uint(value);
  if (has) *has = TRUE;
}

gboolean host_settings_set(HostSettings *settings, guint id, const GValue *value) {
  switch (id) {
  case HOST_SETTINGS_ADDRESS_ID:
    set_text(&settings->address, value);
    return TRUE;
  case HOST_SETTINGS_TCP_HOST_ID:
    set_text(&settings->tcp_host, value);
    return TRUE;
  case HOST_SETTINGS_TCP_PORT_ID:
    set_number(&settings->tcp_port, &settings->has_tcp_port, value);
    return TRUE;
  case HOST_SETTINGS_CID_ID:
    set_number(&settings->cid, &settings->has_cid, value);
    return TRUE;
  case HOST_SETTINGS_PORT_ID:
    set_number(&settings->port, &settings->has_port, value);
    return TRUE;
  case HOST_SETTINGS_SOCKET_PATH_ID:
    set_text(&settings->socket_path, value);
    return TRUE;
  case HOST_SETTINGS_SCANOUT_ID:
    set_number(&settings->scanout, NULL, value);
    return TRUE;
  case HOST_SETTINGS_TIMEOUT_ID:
    set_number(&settings->timeout_ms, NULL, value);
    return TRUE;
  case HOST_SETTINGS_TOKEN_FILE_ID:
    set_text(&settings->token_file, value);
    return TRUE;
  default:
    return FALSE;
  }
}

gboolean host_settings_get(const HostSettings *settings, guint id, GValue *value) {
  switch (id) {
  case HOST_SETTINGS_ADDRESS_ID:
    g_value_set_string(value, settings->address);
    return TRUE;
  case HOST_SETTINGS_TCP_HOST_ID:
    g_value_set_string(value, settings->tcp_host);
    return TRUE;
  case HOST_SETTINGS_TCP_PORT_ID:
    g_value_set_uint(value, settings->tcp_port);
    return TRUE;
  case HOST_SETTINGS_CID_ID:
    g_value_set_uint(value, settings->cid);
    return TRUE;
  case HOST_SETTINGS_PORT_ID:
    g_value_set_uint(value, settings->port);
    return TRUE;
  case HOST_SETTINGS_SOCKET_PATH_ID:
    g_value_set_string(value, settings->socket_path);
    return TRUE;
  case HOST_SETTINGS_SCANOUT_ID:
    g_value_set_uint(value, settings->scanout);
    return TRUE;
  case HOST_SETTINGS_TIMEOUT_ID:
    g_value_set_uint(value, settings->timeout_ms);
    return TRUE;
  case HOST_SETTINGS_TOKEN_FILE_ID:
    g_value_set_string(value, settings->token_file);
    return TRUE;
  default:
    return FALSE;
  }
}

static gboolean is_given(const char *text) {
  return text && text[0] != '\0';
}

/* The places that are named, as addresses; returns how many. */
static guint places(const HostSettings *settings, char **texts) {
  guint count = 0;
  if (is_given(settings->address)) texts[count++] = g_strdup(settings->address);
  if (is_given(settings->tcp_host)) {
    gboolean bare_ipv6 = strchr(settings->tcp_host, ':') && settings->tcp_host[0] != '[';
    texts[count++] = g_strdup_printf(bare_ipv6 ? "tcp:[%s]:%u" : "tcp:%s:%u", settings->tcp_host, settings->tcp_port);
  }
  if (settings->has_cid || settings->has_port) {
    texts[count++] = g_strdup_printf("vsock:%u:%u", settings->cid, settings->port);
  }
  if (is_given(settings->socket_path)) texts[count++] = g_strdup_printf("unix:%s", settings->socket_path);
  if (count == 0) texts[count++] = g_strdup_printf("vsock:%u:%u", settings->cid, settings->port);
  return count;
}

gboolean host_settings_address(const HostSettings *settings, Address *address, GError **error) {
  if (settings->has_tcp_port && !is_given(settings->tcp_host) && !is_given(settings->address)) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "tcp-port is set and tcp-host is not");
    return FALSE;
  }
  char *texts[MAX_PLACES] = {NULL};
  guint count = places(settings, texts);
  gboolean good = address_parse(texts[0], address, error);
  for (guint i = 1; good && i < count; i++) {
    Address other;
    good = address_parse(texts[i], &other, error);
    if (!good || (other.size == address->size && memcmp(&other.socket, &address->socket, other.size) == 0)) continue;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "two different places are set: %s and %s", texts[0],
                texts[i]);
    good = FALSE;
  }
  for (guint i = 0; i < count; i++) g_free(texts[i]);
  return good;
}
