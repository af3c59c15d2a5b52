/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Who may talk to the web server. Loopback is no boundary: every guest with
 * user networking and every page in a browser reaches it. So: a token, that
 * the page trades for a cookie; a Host that no name server can have invented
 * (DNS rebinding); an Origin that is our own page. Pure functions, any thread.
 */

typedef struct {
  char *token;
  char *cookie_name;  /* has the port in it: cookies of one host are shared between its ports */
  char *cookie_value; /* derived from the token: the same after a restart */
  char **hosts;       /* further names the server is known by; NULL-terminated, or NULL */
} WebAuth;

void web_auth_init(WebAuth *auth, const char *token, const char *const *hosts);
void web_auth_finish(WebAuth *auth);
/* Once the port is known. */
void web_auth_set_port(WebAuth *auth, guint port);

/* The Host header: an address in digits, "localhost", or one of `hosts`; NULL and "" are not. A port may follow. */
gboolean web_auth_host_allowed(const WebAuth *auth, const char *host);
/* The Origin header against the Host header: the same host and port. NULL or "" (not a browser) passes. */
gboolean web_auth_origin_allowed(const char *origin, const char *host);
/* The Authorization header: "Bearer TOKEN". */
gboolean web_auth_bearer_matches(const WebAuth *auth, const char *authorization);
/* The Cookie header: ours is in it. */
gboolean web_auth_cookie_matches(const WebAuth *auth, const char *cookies);
/* The Set-Cookie header's value; the caller's. */
char *web_auth_set_cookie(const WebAuth *auth);
