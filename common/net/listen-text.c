/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/listen-text.h"

#include <string.h>

#define VERSION_1_SUFFIX ",v1"

gboolean listen_text_parse(const char *text, Address *address, gboolean *version_1, GError **error) {
  g_autofree char *place = g_strdup(text);
  gboolean asked = g_str_has_suffix(place, VERSION_1_SUFFIX);
  if (asked) place[strlen(place) - strlen(VERSION_1_SUFFIX)] = '\0';
  if (!address_parse(place, address, error)) return FALSE;
  *version_1 = asked && address->kind != ADDRESS_UNIX;
  if (!*version_1 || address->loopback) return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
              "--listen %s: ,v1 lets everybody in without a token, so it is for loopback addresses only", text);
  return FALSE;
}

gboolean listen_text_parse_http(const char *text, Address *address, GError **error) {
  g_autofree char *as_tcp = g_strconcat("tcp:", text, NULL);
  if (address_parse(as_tcp, address, NULL)) return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
              "--http %s: write HOST:PORT with a numeric host or \"localhost\", such as 127.0.0.1:8080", text);
  return FALSE;
}
