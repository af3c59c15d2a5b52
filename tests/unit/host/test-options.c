/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/options.h"

#include "tests/unit/support/support.h"

#include <string.h>

/* Parses a command line as one types it. */
static OptionsResult parse(Options *options, const char *line, GError **error) {
  g_autoptr(GError) bad_quotes = NULL;
  g_auto(GStrv) argv = NULL;
  int argc;
  g_autofree char *whole = g_strconcat("frameliftd ", line, NULL);
  g_assert_true(g_shell_parse_argv(whole, &argc, &argv, &bad_quotes));
  /* GOption takes arguments out of the vector: their strings stay ours */
  g_autofree char **copy = g_memdup2(argv, sizeof *argv * ((gsize)argc + 1));
  return options_parse(options, argc, copy, error);
}

typedef struct {
  const char *line;
  const char *why; /* in the error */
} UsageCase;

static void test_usage_errors(void) {
  static const UsageCase CASES[] = {
      {"", "--display is missing"},
      {"--listen unix:/s", "--display is missing"},
      {"--display test", "nothing to serve"},
      {"--display test --listen", "--listen"},
      {"--display test --listen unix:", "has no path"},
      {"--display test --listen tcp:example.org:80", "neither a numeric address"},
      {"--display test --listen tcp:1.2.3.4:99999", "no number from 0 to 65535"},
      {"--display test --listen bogus", "no known kind"},
      {"--display test --listen unix:/s --listen tcp:1", "lacks host or port"},
      {"--display test --listen tcp:0.0.0.0:5900,v1", "loopback addresses only"},
      {"--display test --listen tcp:192.168.0.1:5900,v1", "loopback addresses only"},
      {"--display test --listen tcp:[::]:5900,v1", "loopback addresses only"},
      {"--display test --listen vsock:5000", "add --guest-cid N"},
      {"--display test --listen vsock:2:5000 --guest-cid 3", "write vsock:PORT"},
      {"--display test --listen vsock: --guest-cid 3", "port that is no number"},
      {"--display test --listen vsock:5000,v1 --guest-cid 3", "port that is no number"},
      {"--display test --listen vsock:5000 --guest-cid 2", "a guest's CID is 3 to"},
      {"--display test --listen vsock:5000 --guest-cid 4294967295", "a guest's CID is 3 to"},
      {"--display test --listen vsock:5000 --guest-cid x", "a guest's CID is 3 to"},
      {"--display test --vsock-device ''", "lacks the socket"},
      {"--display test --vsock-device /s", "lacks the guest's CID"},
      {"--display test --vsock-device /s,cid=2", "a guest's CID is 3 to"},
      {"--display test --vsock-device /s,cid=3,port=0", "a port is 1 to"},
      {"--display test --vsock-device /s,cid=3,ports=1", "is unknown"},
      {"--display test --http 8080", "write HOST:PORT"},
      {"--display test --http :8080", "write HOST:PORT"},
      {"--display test --http example.org:8080", "write HOST:PORT"},
      {"--display test --http 127.0.0.1:", "write HOST:PORT"},
      {"--display test --http 127.0.0.1:65536", "write HOST:PORT"},
      {"--display test --listen /s --encoder vaapi", "auto, x264 or null"},
      {"--display test --listen /s --encoder ''", "auto, x264 or null"},
      {"--display test --listen /s --bitrate 99", "from 100 to 1000000 kbit/s"},
      {"--display test --listen /s --bitrate 1000001", "from 100 to 1000000 kbit/s"},
      {"--display test --listen /s --bitrate -5", "from 100 to 1000000 kbit/s"},
      {"--display test --listen /s --bitrate ten", "ten"},
      {"--display test --listen /s --bitrate 99999999999", "99999999999"},
      {"--display test --listen /s --fps 0", "from 1 to 240"},
      {"--display test --listen /s --fps 240.5", "from 1 to 240"},
      {"--display test --listen /s --fps nan", "fps"},
      {"--display test --listen /s --fps inf", "fps"},
      {"--display test --listen /s --fps -1", "fps"},
      {"--display test --listen /s --name ''", "1 to 64 bytes without a slash"},
      {"--display test --listen /s --name a/b", "1 to 64 bytes without a slash"},
      {"--display test --listen /s --name ../../etc", "1 to 64 bytes without a slash"},
      {"--display test --listen /s --name 01234567890123456789012345678901234567890123456789012345678901234",
       "1 to 64 bytes without a slash"},
      {"--display test --listen /s --bogus", "--bogus"},
      {"--display test --listen /s --fd 3", "give one of them"},
      {"--socket-path /a --fd 3", "give one of them"},
      {"--socket-path '' --listen /s", "the socket is missing"},
      {"--display vugpu:fd=x --listen /s", "fd=x is no descriptor"},
      {"--display test --listen /s extra", "\"extra\" is no option"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GError) error = NULL;
    Options options;
    if (parse(&options, CASES[i].line, &error) != OPTIONS_USAGE) g_error("\"%s\" was taken", CASES[i].line);
    g_assert_nonnull(error);
    if (!strstr(error->message, CASES[i].why)) g_error("\"%s\": %s", CASES[i].line, error->message);
    g_assert_null(strchr(error->message, '\n'));
    options_finish(&options);
  }
}

static void must_parse(Options *options, const char *line) {
  g_autoptr(GError) error = NULL;
  OptionsResult result = parse(options, line, &error);
  g_assert_no_error(error);
  g_assert_cmpint(result, ==, OPTIONS_RUN);
}

static void test_defaults(void) {
  Options options;
  must_parse(&options, "--display test --listen /tmp/s");
  g_assert_cmpint(options.display.kind, ==, DISPLAY_CHOICE_TEST);
  g_assert_false(options.display.has_resources);
  g_assert_cmpuint(options.listen->len, ==, 1);
  g_assert_false(options.http);
  g_assert_null(options.token_file);
  g_assert_cmpstr(options.name, ==, "vm");
  g_assert_true(options.encoder == &X264_ENCODER);
  g_assert_cmpuint(options.bitrate, ==, 10000000);
  g_assert_cmpfloat(options.fps, ==, 60);
  g_assert_false(options.verbose);
  options_finish(&options);
}

static void test_vsock(void) {
  Options options;
  must_parse(&options, "--display test --listen vsock:5000 --guest-cid 42");
  const ListenOption *option = &g_array_index(options.listen, ListenOption, 0);
  g_autofree char *name = address_to_string(&option->address, -1);
  g_assert_cmpstr(name, ==, "vsock:5000 for CID 42");
  g_assert_cmpuint(option->address.peer_cid, ==, 42);
  g_assert_cmpint(option->trust, ==, PEER_TRUSTED);
  g_assert_null(options.vsock.path);
  options_finish(&options);
  must_parse(&options, "--display test --vsock-device /a,,b,cid=4294967294");
  g_assert_cmpstr(options.vsock.path, ==, "/a,b");
  g_assert_cmpuint(options.vsock.cid, ==, 4294967294u);
  g_assert_cmpuint(options.vsock.port, ==, 5000);
  options_finish(&options);
  must_parse(&options, "--display test --vsock-device /s,port=6000,cid=3");
  g_assert_cmpuint(options.vsock.port, ==, 6000);
  options_finish(&options);
}

static void test_all(void) {
  Options options;
  must_parse(&options, "-d qemu:/run/q -l unix:/a -l tcp:127.0.0.1:0 -l tcp:[::1]:5,v1 -l tcp:0.0.0.0:7 -l unix:/b,v1 "
                       "--http [::1]:8080 --http-name one --http-name two --token-file /t --name m1 --encoder null "
                       "--bitrate 1000000 --fps 23.976 -v");
  static const struct {
    AddressKind kind;
    PeerTrust trust;
  } EXPECTED[] = {{ADDRESS_UNIX, PEER_TRUSTED},
                  {ADDRESS_TCP, PEER_NEEDS_TOKEN},
                  {ADDRESS_TCP, PEER_VERSION_1},
                  {ADDRESS_TCP, PEER_NEEDS_TOKEN},
                  {ADDRESS_UNIX, PEER_TRUSTED}};
  g_assert_cmpuint(options.listen->len, ==, G_N_ELEMENTS(EXPECTED));
  for (guint i = 0; i < options.listen->len; i++) {
    const ListenOption *option = &g_array_index(options.listen, ListenOption, i);
    g_assert_cmpint(option->address.kind, ==, EXPECTED[i].kind);
    g_assert_cmpint(option->trust, ==, EXPECTED[i].trust); /* F25: TCP without a token only where it was asked for */
  }
  g_autofree char *http = address_to_string(&options.http_address, -1);
  g_assert_true(options.http);
  g_assert_cmpstr(http, ==, "tcp:[::1]:8080");
  g_assert_cmpint(options.display.kind, ==, DISPLAY_CHOICE_QEMU);
  g_assert_cmpstr(options.display.qmp_path, ==, "/run/q");
  g_assert_cmpstr(options.http_names[1], ==, "two");
  g_assert_null(options.http_names[2]);
  g_assert_cmpstr(options.token_file, ==, "/t");
  g_assert_cmpstr(options.name, ==, "m1");
  g_assert_true(options.encoder == &NULL_ENCODER);
  g_assert_cmpuint(options.bitrate, ==, 1000000000);
  g_assert_cmpfloat_with_epsilon(options.fps, 23.976, 1e-9);
  g_assert_true(options.verbose);
  options_finish(&options);
}

static void test_http_hosts(void) {
  static const struct {
    const char *line;
    const char *address;
  } CASES[] = {
      {"--display test --http 127.0.0.1:0", "tcp:127.0.0.1:0"},
      {"--display test --http localhost:65535", "tcp:127.0.0.1:65535"},
      {"--display test --http 0.0.0.0:80", "tcp:0.0.0.0:80"},
      {"--display test --http [::]:80", "tcp:[::]:80"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    Options options;
    must_parse(&options, CASES[i].line);
    g_autofree char *address = address_to_string(&options.http_address, -1);
    g_assert_cmpstr(address, ==, CASES[i].address);
    options_finish(&options);
  }
}

/* QEMU's conventions for vhost-user back-ends: docs/interop/vhost-user, "Backend program conventions". */
static void test_back_end(void) {
  Options options;
  must_parse(&options, "--socket-path /run/a,b.sock --listen /s");
  g_assert_cmpint(options.display.kind, ==, DISPLAY_CHOICE_VUGPU);
  g_assert_cmpstr(options.display.vugpu.path, ==, "/run/a,b.sock");
  g_assert_cmpint(options.display.vugpu.fd, ==, -1);
  options_finish(&options);
  must_parse(&options, "--fd=5 --name m7");
  g_assert_null(options.display.vugpu.path);
  g_assert_cmpint(options.display.vugpu.fd, ==, 5);
  g_assert_true(options.display.has_resources && options.display.has_outputs);
  g_assert_cmpuint(options.listen->len, ==, 1); /* a VM's manager gives nothing else */
  const ListenOption *listen = &g_array_index(options.listen, ListenOption, 0);
  g_assert_true(g_str_has_suffix(listen->address.path, "/framelift/m7.sock"));
  g_assert_cmpint(listen->trust, ==, PEER_TRUSTED);
  options_finish(&options);
  must_parse(&options, "--display vugpu:fd=7,outputs=3 --listen /s");
  g_assert_cmpint(options.display.vugpu.fd, ==, 7);
  g_assert_cmpuint(options.display.vugpu.outputs, ==, 3);
  options_finish(&options);
}

/* Help and version print and are done, whatever else is on the line. In a child, because they print where TAP goes. */
static void test_exit_child(void) {
  static const char *const LINES[] = {"--print-capabilities --bogus", "--help", "-h", "--version", "--bogus --help",
                                      "--display test --help"};
  for (gsize i = 0; i < G_N_ELEMENTS(LINES); i++) {
    Options options;
    g_assert_cmpint(parse(&options, LINES[i], NULL), ==, OPTIONS_EXIT);
    options_finish(&options);
  }
}

static void test_exit(void) {
  if (g_test_subprocess()) {
    test_exit_child();
    return;
  }
  if (support_cannot_start_programs()) return;
  g_test_trap_subprocess(NULL, 0, 0);
  g_test_trap_assert_passed();
  g_test_trap_assert_stdout("*--display*Displays:*Addresses:*Exit status:*frameliftd 0*");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/options/usage-errors", test_usage_errors);
  g_test_add_func("/options/defaults", test_defaults);
  g_test_add_func("/options/all", test_all);
  g_test_add_func("/options/vsock", test_vsock);
  g_test_add_func("/options/http-hosts", test_http_hosts);
  g_test_add_func("/options/back-end", test_back_end);
  g_test_add_func("/options/exit", test_exit);
  return g_test_run();
}
