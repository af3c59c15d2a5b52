/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/address.h"

#include <string.h>
#include <sys/un.h>

typedef struct {
  const char *text;
  AddressKind kind;
  gboolean loopback;
  const char *again; /* as address_to_string() writes it */
} Good;

static void test_good(void) {
  static const Good CASES[] = {
      {"unix:/run/framelift/vm1.sock", ADDRESS_UNIX, TRUE, "unix:/run/framelift/vm1.sock"},
      {"unix:relative.sock", ADDRESS_UNIX, TRUE, "unix:relative.sock"},
      {"/tmp/plain", ADDRESS_UNIX, TRUE, "unix:/tmp/plain"},
      {"./plain", ADDRESS_UNIX, TRUE, "unix:./plain"},
      {"unix:with:colons", ADDRESS_UNIX, TRUE, "unix:with:colons"},
      {"tcp:127.0.0.1:5900", ADDRESS_TCP, TRUE, "tcp:127.0.0.1:5900"},
      {"tcp:localhost:0", ADDRESS_TCP, TRUE, "tcp:127.0.0.1:0"},
      {"tcp:127.9.9.9:65535", ADDRESS_TCP, TRUE, "tcp:127.9.9.9:65535"},
      {"tcp:[::1]:5900", ADDRESS_TCP, TRUE, "tcp:[::1]:5900"},
      {"tcp:::1:5900", ADDRESS_TCP, TRUE, "tcp:[::1]:5900"},
      {"tcp:0.0.0.0:1", ADDRESS_TCP, FALSE, "tcp:0.0.0.0:1"},
      {"tcp:[::]:1", ADDRESS_TCP, FALSE, "tcp:[::]:1"},
      {"tcp:192.168.1.2:80", ADDRESS_TCP, FALSE, "tcp:192.168.1.2:80"},
#ifdef __linux__
      {"vsock:2:5000", ADDRESS_VSOCK, FALSE, "vsock:2:5000"},
      {"vsock:4294967295:4294967295", ADDRESS_VSOCK, FALSE, "vsock:4294967295:4294967295"},
#endif
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GError) error = NULL;
    Address address;
    if (!address_parse(CASES[i].text, &address, &error)) g_error("%s: %s", CASES[i].text, error->message);
    g_assert_cmpint(address.kind, ==, CASES[i].kind);
    g_assert_cmpint(address.loopback, ==, CASES[i].loopback);
    g_autofree char *again = address_to_string(&address, -1);
    g_assert_cmpstr(again, ==, CASES[i].again);
    g_assert_cmpuint(address.size, >, 0);
  }
}

typedef struct {
  const char *text;
  const char *why; /* in the error */
} Bad;

/* Each says what is wrong, names the address, and shows how one is written. */
static void test_bad(void) {
  static const Bad CASES[] = {
      {"", "no known kind"},
      {"unix:", "no path"},
      {"udp:127.0.0.1:1", "no known kind"},
      {"TCP:127.0.0.1:1", "no known kind"},
      {"127.0.0.1:5900", "no known kind"},
      {"tcp:", "lacks host or port"},
      {"tcp:127.0.0.1", "lacks host or port"},
      {"tcp::5900", "lacks host or port"},
      {"tcp:127.0.0.1:", "lacks host or port"},
      {"tcp:127.0.0.1:65536", "no number from 0 to 65535"},
      {"tcp:127.0.0.1:-1", "no number from 0 to 65535"},
      {"tcp:127.0.0.1:+80", "no number from 0 to 65535"},
      {"tcp:127.0.0.1: 80", "no number from 0 to 65535"},
      {"tcp:127.0.0.1:0x50", "no number from 0 to 65535"},
      {"tcp:127.0.0.1:18446744073709551617", "no number from 0 to 65535"},
      {"tcp:[::1]", "no number from 0 to 65535"},
      {"tcp:[]:80", "neither a numeric address"},
      {"tcp:[:80", "neither a numeric address"},
      {"tcp:example.org:80", "neither a numeric address"},
      {"tcp:127.1:80", "neither a numeric address"},
      {"tcp:256.0.0.1:80", "neither a numeric address"},
      {"tcp:[127.0.0.1:80", "neither a numeric address"},
      {"tcp:LOCALHOST.evil.example:80", "neither a numeric address"},
#ifdef __linux__
      {"vsock:2", "lacks CID or port"},
      {"vsock:2:3:4", "lacks CID or port"},
      {"vsock:x:3", "CID that is no number"},
      {"vsock:4294967296:3", "CID that is no number"},
      {"vsock:2:", "port that is no number"},
      {"vsock:2:4294967296", "port that is no number"},
#endif
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GError) error = NULL;
    Address address;
    if (address_parse(CASES[i].text, &address, &error)) g_error("\"%s\" was taken", CASES[i].text);
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    if (!strstr(error->message, CASES[i].why)) g_error("\"%s\": %s", CASES[i].text, error->message);
    g_assert_nonnull(strstr(error->message, CASES[i].text));
    g_assert_nonnull(strstr(error->message, "unix:/path"));
  }
}

static void test_path_length(void) {
  for (gsize length = 100; length < 120; length++) {
    g_autofree char *path = g_strnfill(length, 'p');
    g_autofree char *text = g_strconcat("unix:", path, NULL);
    Address address;
    gboolean fits = length < sizeof(((struct sockaddr_un *)NULL)->sun_path);
    g_assert_cmpint(address_parse(text, &address, NULL), ==, fits);
    if (fits) g_assert_cmpstr(address.path, ==, path);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/address/good", test_good);
  g_test_add_func("/address/bad", test_bad);
  g_test_add_func("/address/path-length", test_path_length);
  return g_test_run();
}
