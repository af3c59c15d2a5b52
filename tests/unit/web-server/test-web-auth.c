/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-auth.h"

#include <string.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

typedef struct {
  WebAuth auth;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  static const char *const HOSTS[] = {"vm.example.org", "Desk", NULL};
  web_auth_init(&fixture->auth, TOKEN, HOSTS);
  web_auth_set_port(&fixture->auth, 8080);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  web_auth_finish(&fixture->auth);
}

/* DNS rebinding: a name that some name server may have made up is none of ours. */
static void test_hosts(Fixture *fixture, gconstpointer data) {
  static const char *const GOOD[] = {
      "127.0.0.1",     "127.0.0.1:8080", "localhost",           "LOCALHOST:8080", "[::1]",    "[::1]:8080",
      "192.168.1.5:1", "vm.example.org", "VM.example.ORG:8080", "desk",           "desk:443",
  };
  static const char *const BAD[] = {
      "",
      "evil.example",
      "evil.example:8080",
      "localhost.evil.example",
      "127.0.0.1.evil.example",
      "xlocalhost",
      "vm.example.org.evil.example",
      "avm.example.org",
      "example.org",
      "[::1",
      "[evil]",
      "[::1]evil",
      "::1",
      ":8080",
      "[]",
      "127.0.0.1@evil.example",
      "desk evil",
      " desk",
      "1.2.3",
      "0x7f000001",
      "2130706433",
      "localhost/",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(GOOD); i++) {
    if (!web_auth_host_allowed(&fixture->auth, GOOD[i])) g_error("\"%s\" was refused", GOOD[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(BAD); i++) {
    if (web_auth_host_allowed(&fixture->auth, BAD[i])) g_error("\"%s\" was let in", BAD[i]);
  }
  g_assert_false(web_auth_host_allowed(&fixture->auth, NULL));
}

static void test_no_hosts(void) {
  WebAuth auth;
  web_auth_init(&auth, TOKEN, NULL);
  g_assert_true(web_auth_host_allowed(&auth, "localhost:1"));
  g_assert_false(web_auth_host_allowed(&auth, "vm.example.org"));
  web_auth_finish(&auth);
}

static void test_origins(void) {
  static const struct {
    const char *origin;
    const char *host;
    gboolean allowed;
  } CASES[] = {
      {NULL, "127.0.0.1:8080", TRUE}, /* not a browser */
      {"", "127.0.0.1:8080", TRUE},
      {"http://127.0.0.1:8080", "127.0.0.1:8080", TRUE},
      {"https://desk", "desk", TRUE},
      {"http://DESK:1", "desk:1", TRUE},
      {"http://127.0.0.1:8081", "127.0.0.1:8080", FALSE}, /* another port is another origin */
      {"http://127.0.0.1", "127.0.0.1:8080", FALSE},
      {"http://localhost:8080", "127.0.0.1:8080", FALSE},
      {"http://evil.example", "127.0.0.1:8080", FALSE},
      {"http://127.0.0.1:8080.evil.example", "127.0.0.1:8080", FALSE},
      {"http://127.0.0.1:8080/", "127.0.0.1:8080", FALSE},
      {"http://evil@127.0.0.1:8080", "127.0.0.1:8080", FALSE},
      {"null", "127.0.0.1:8080", FALSE}, /* a sandboxed frame, a file */
      {"file://", "127.0.0.1:8080", FALSE},
      {"ws://127.0.0.1:8080", "127.0.0.1:8080", FALSE},
      {"127.0.0.1:8080", "127.0.0.1:8080", FALSE},
      {"http://", "", TRUE}, /* agree; the empty Host is refused by itself */
      {"http://127.0.0.1:8080", NULL, FALSE},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    gboolean allowed = web_auth_origin_allowed(CASES[i].origin, CASES[i].host);
    if (allowed != CASES[i].allowed) g_error("origin %s at %s: %d", CASES[i].origin, CASES[i].host, allowed);
  }
}

static void test_bearer(Fixture *fixture, gconstpointer data) {
  g_assert_true(web_auth_bearer_matches(&fixture->auth, "Bearer " TOKEN));
  g_assert_true(web_auth_bearer_matches(&fixture->auth, "bearer " TOKEN));
  static const char *const BAD[] = {
      "",
      "Bearer",
      "Bearer ",
      TOKEN,
      "Basic " TOKEN,
      "Bearer  " TOKEN,
      "Bearer " TOKEN " ",
      "Bearer " TOKEN "0",
      "Bearer 0123456789abcdef0123456789abcde",
      "Bearer 0123456789ABCDEF0123456789ABCDEF",
      "Bearer 1123456789abcdef0123456789abcdef",
      "Bearer 0123456789abcdef0123456789abcdee",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(BAD); i++) {
    if (web_auth_bearer_matches(&fixture->auth, BAD[i])) g_error("\"%s\" was let in", BAD[i]);
  }
  g_assert_false(web_auth_bearer_matches(&fixture->auth, NULL));
}

/* What a browser sends back: the part of Set-Cookie before the attributes. The caller's. */
static char *cookie_of(const WebAuth *auth) {
  g_autofree char *set = web_auth_set_cookie(auth);
  return g_strndup(set, strcspn(set, ";"));
}

static void test_cookie(Fixture *fixture, gconstpointer data) {
  g_autofree char *set = web_auth_set_cookie(&fixture->auth);
  g_assert_nonnull(strstr(set, "; HttpOnly"));
  g_assert_nonnull(strstr(set, "; SameSite=Strict"));
  g_assert_nonnull(strstr(set, "; Path=/"));
  g_assert_null(strstr(set, TOKEN)); /* the cookie gives the token away to nobody */
  g_autofree char *cookie = cookie_of(&fixture->auth);
  g_assert_true(g_str_has_prefix(cookie, "framelift-8080="));
  const char *value = strchr(cookie, '=') + 1;

  const char *const good[] = {
      "%s", "a=b; %s", "%s; a=b", "a=b;%s;c=d", "framelift-80=x; %s", "framelift-8080=wrong; %s", "=; %s"};
  for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
    g_auto(GStrv) parts = g_strsplit(good[i], "%s", 2);
    g_autofree char *text = g_strconcat(parts[0], cookie, parts[1], NULL);
    if (!web_auth_cookie_matches(&fixture->auth, text)) g_error("\"%s\" was refused", text);
  }
  const char *const bad[] = {"", "framelift-8080", "framelift-8080=", "framelift-8080=" TOKEN, "; ; ;", "a=b"};
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) g_assert_false(web_auth_cookie_matches(&fixture->auth, bad[i]));
  const char *const names[] = {"framelift-80=",   "framelift-80801=", "xframelift-8080=",
                               "Framelift-8080=", "framelift-8080 =", "framelift-8080:"};
  for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
    g_autofree char *text = g_strconcat(names[i], value, NULL);
    if (web_auth_cookie_matches(&fixture->auth, text)) g_error("\"%s\" was let in", text);
  }
  g_autofree char *longer = g_strconcat(cookie, "0", NULL);
  g_assert_false(web_auth_cookie_matches(&fixture->auth, longer));
  cookie[strlen(cookie) - 1] ^= 1;
  g_assert_false(web_auth_cookie_matches(&fixture->auth, cookie));
  cookie[strlen(cookie) - 1] = '\0';
  g_assert_false(web_auth_cookie_matches(&fixture->auth, cookie));
  g_assert_false(web_auth_cookie_matches(&fixture->auth, NULL));
}

/* The same after a restart, so that a page recovers by itself (F23); another token's is not ours, nor another port's.
 */
static void test_cookie_of_others(Fixture *fixture, gconstpointer data) {
  WebAuth again, other;
  web_auth_init(&again, TOKEN, NULL);
  web_auth_set_port(&again, 8080);
  web_auth_init(&other, "fedcba9876543210fedcba9876543210", NULL);
  web_auth_set_port(&other, 8080);
  g_autofree char *mine = cookie_of(&again);
  g_autofree char *others = cookie_of(&other);
  g_assert_true(web_auth_cookie_matches(&fixture->auth, mine));
  g_assert_false(web_auth_cookie_matches(&fixture->auth, others));
  web_auth_set_port(&again, 8081);
  g_autofree char *moved = cookie_of(&again);
  g_assert_false(web_auth_cookie_matches(&fixture->auth, moved));
  web_auth_finish(&again);
  web_auth_finish(&other);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, run) g_test_add("/web-auth/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("hosts", test_hosts);
  ADD("bearer", test_bearer);
  ADD("cookie", test_cookie);
  ADD("cookie-of-others", test_cookie_of_others);
  g_test_add_func("/web-auth/no-hosts", test_no_hosts);
  g_test_add_func("/web-auth/origins", test_origins);
  return g_test_run();
}
