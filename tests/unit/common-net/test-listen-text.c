/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/listen-text.h"

#include <string.h>

static void test_listen(void) {
  static const struct {
    const char *text;
    AddressKind kind;
    gboolean version_1;
  } CASES[] = {
      {"unix:/s", ADDRESS_UNIX, FALSE},
      {"unix:/s,v1", ADDRESS_UNIX, FALSE},
      {"/s", ADDRESS_UNIX, FALSE},
      {"tcp:0.0.0.0:5900", ADDRESS_TCP, FALSE},
      {"tcp:127.0.0.1:5900,v1", ADDRESS_TCP, TRUE},
      {"tcp:[::1]:5900,v1", ADDRESS_TCP, TRUE},
      {"vsock:2:5000", ADDRESS_VSOCK, FALSE},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GError) error = NULL;
    Address address;
    gboolean version_1 = !CASES[i].version_1;
    g_assert_true(listen_text_parse(CASES[i].text, &address, &version_1, &error));
    g_assert_no_error(error);
    g_assert_cmpint(address.kind, ==, CASES[i].kind);
    g_assert_cmpint(version_1, ==, CASES[i].version_1);
  }
}

static void test_refused(void) {
  static const struct {
    const char *text;
    const char *why;
  } CASES[] = {
      {"tcp:0.0.0.0:5900,v1", "loopback addresses only"},
      {"tcp:[::]:5900,v1", "loopback addresses only"},
      {"vsock:2:5000,v1", "loopback addresses only"},
      {",v1", "no known kind"},
      {"", "no known kind"},
      {"tcp:127.0.0.1:5900,v2", "no number"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GError) error = NULL;
    Address address;
    gboolean version_1;
    g_assert_false(listen_text_parse(CASES[i].text, &address, &version_1, &error));
    if (!strstr(error->message, CASES[i].why)) g_error("\"%s\": %s", CASES[i].text, error->message);
  }
}

static void test_http(void) {
  static const char *BAD[] = {"8080", ":8080", "example.org:80", "127.0.0.1:", "127.0.0.1:65536", "unix:/s", ""};
  Address address;
  g_assert_true(listen_text_parse_http("127.0.0.1:8080", &address, NULL));
  g_assert_true(address.loopback);
  g_assert_true(listen_text_parse_http("localhost:0", &address, NULL));
  for (guint i = 0; i < G_N_ELEMENTS(BAD); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_false(listen_text_parse_http(BAD[i], &address, &error));
    g_assert_nonnull(strstr(error->message, "write HOST:PORT"));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/listen-text/listen", test_listen);
  g_test_add_func("/listen-text/refused", test_refused);
  g_test_add_func("/listen-text/http", test_http);
  return g_test_run();
}
