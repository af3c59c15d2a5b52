/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-auth.h"

#include <gio/gio.h>
#include <string.h>

/* A browser's cookie lives this long; the token it comes from is the operator's to change. */
#define WEB_AUTH_COOKIE_SECONDS (30 * 24 * 3600)

void web_auth_init(WebAuth *auth, const char *token, const char *const *hosts) {
  *auth = (WebAuth){.token = g_strdup(token), .hosts = g_strdupv((char **)hosts)};
  auth->cookie_value =
      g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)token, strlen(token), "framelift page cookie", -1);
  auth->cookie_name = g_strdup("framelift");
}

void web_auth_finish(WebAuth *auth) {
  g_free(auth->token);
  g_free(auth->cookie_name);
  g_free(auth->cookie_value);
  g_strfreev(auth->hosts);
  *auth = (WebAuth){0};
}

void web_auth_set_port(WebAuth *auth, guint port) {
  g_free(auth->cookie_name);
  auth->cookie_name = g_strdup_printf("framelift-%u", port);
}

/* Takes the same time for every `given` of one length. */
static gboolean same_secret(const char *secret, const char *given, gsize given_length) {
  gsize length = strlen(secret);
  guint different = length != given_length;
  for (gsize i = 0; i < length; i++) different |= (guint)(secret[i] ^ (i < given_length ? given[i] : 0));
  return different == 0;
}

/* "name:port", "[v6]:port" or without port → the host alone; NULL if it makes no sense. */
static char *host_part(const char *host) {
  if (!host || !*host) return NULL;
  if (host[0] == '[') {
    const char *end = strchr(host, ']');
    return end && (end[1] == '\0' || end[1] == ':') ? g_strndup(host + 1, (gsize)(end - host) - 1) : NULL;
  }
  const char *colon = strchr(host, ':');
  return colon ? g_strndup(host, (gsize)(colon - host)) : g_strdup(host);
}

gboolean web_auth_host_allowed(const WebAuth *auth, const char *host) {
  g_autofree char *name = host_part(host);
  if (!name) return FALSE;
  if (g_hostname_is_ip_address(name) || g_ascii_strcasecmp(name, "localhost") == 0) return TRUE;
  for (guint i = 0; auth->hosts && auth->hosts[i]; i++) {
    if (g_ascii_strcasecmp(auth->hosts[i], name) == 0) return TRUE;
  }
  return FALSE;
}

gboolean web_auth_origin_allowed(const char *origin, const char *host) {
  if (!origin || !*origin) return TRUE;
  if (!host) return FALSE;
  const char *rest = g_str_has_prefix(origin, "http://")    ? origin + 7
                     : g_str_has_prefix(origin, "https://") ? origin + 8
                                                            : NULL;
  return rest && g_ascii_strcasecmp(rest, host) == 0;
}

gboolean web_auth_bearer_matches(const WebAuth *auth, const char *authorization) {
  if (!authorization || g_ascii_strncasecmp(authorization, "Bearer ", 7) != 0) return FALSE;
  const char *token = authorization + 7;
  return same_secret(auth->token, token, strlen(token));
}

gboolean web_auth_cookie_matches(const WebAuth *auth, const char *cookies) {
  if (!cookies) return FALSE;
  g_auto(GStrv) parts = g_strsplit(cookies, ";", 64);
  gsize name_length = strlen(auth->cookie_name);
  gboolean matches = FALSE;
  for (guint i = 0; parts[i]; i++) {
    const char *part = g_strstrip(parts[i]);
    if (strncmp(part, auth->cookie_name, name_length) != 0 || part[name_length] != '=') continue;
    const char *value = part + name_length + 1;
    matches |= same_secret(auth->cookie_value, value, strlen(value));
  }
  return matches;
}

char *web_auth_set_cookie(const WebAuth *auth) {
  return g_strdup_printf("%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d", auth->cookie_name, auth->cookie_value,
                         WEB_AUTH_COOKIE_SECONDS);
}
