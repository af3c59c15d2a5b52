/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/options.h"

#include <string.h>

#define DOOR "--listen unix:/s "

/* Parses a command line as one types it. */
static OptionsResult parse(Options *options, const char *line, const char *hooks, GError **error) {
  g_autoptr(GError) bad_quotes = NULL;
  g_auto(GStrv) argv = NULL;
  int argc;
  g_autofree char *whole = g_strconcat("framelift-bridge ", line, NULL);
  g_assert_true(g_shell_parse_argv(whole, &argc, &argv, &bad_quotes));
  /* GOption takes arguments out of the vector: their strings stay ours */
  g_autofree char **copy = g_memdup2(argv, sizeof *argv * ((gsize)argc + 1));
  return options_parse(options, argc, copy, hooks, error);
}

static void must_parse(Options *options, const char *line) {
  g_autoptr(GError) error = NULL;
  OptionsResult result = parse(options, line, NULL, &error);
  g_assert_no_error(error);
  g_assert_cmpint(result, ==, OPTIONS_RUN);
}

static void expect_usage(const char *line, const char *hooks, const char *why) {
  g_autoptr(GError) error = NULL;
  Options options;
  g_assert_cmpint(parse(&options, line, hooks, &error), ==, OPTIONS_USAGE);
  g_assert_nonnull(error);
  if (!strstr(error->message, why)) g_error("\"%s\": \"%s\" is not in \"%s\"", line, why, error->message);
  options_finish(&options);
}

typedef struct {
  const char *line;
  const char *why; /* in the error */
} UsageCase;

static void test_usage_errors(void) {
  static const UsageCase CASES[] = {
      {"", "nothing to serve"},
      {"--source x", "nothing to serve"},
      {DOOR "--source x --pipeline y", "give one of them"},
      {DOOR "--capture screen --subscribe unix:/d", "give one of them"},
      {DOOR "--source ''", "an empty source"},
      {DOOR "--capture window", "number of a PipeWire node"},
      {DOOR "--capture -1", "number of a PipeWire node"},
      {DOOR "--capture 4294967295", "number of a PipeWire node"},
      {DOOR "--subscribe bogus", "no known kind"},
      {DOOR "--subscribe unix:/d --scanout 16", "from 0 to 15"},
      {DOOR "--subscribe unix:/d --scanout -1", "from 0 to 15"},
      {DOOR "--scanout 1", "go with --subscribe"},
      {DOOR "--source x --subscribe-token-file f", "go with --subscribe"},
      {DOOR "--pipeline x --encoder x264enc", "nothing else encodes"},
      {DOOR "--subscribe unix:/d --encoder auto", "nothing else encodes"},
      {DOOR "--encoder ''", "an element's name"},
      {DOOR "--encoder '  '", "an element's name"},
      {DOOR "--bitrate 99", "from 100 to 1000000 kbit/s"},
      {DOOR "--bitrate 1000001", "from 100 to 1000000 kbit/s"},
      {DOOR "--idle-stop -1", "from 0 to 86400 seconds"},
      {DOOR "--idle-stop nan", "idle-stop"},
      {DOOR "--idle-stop 86401", "from 0 to 86400 seconds"},
      {DOOR "--name ''", "1 to 64 bytes without a slash"},
      {DOOR "--name a/b", "1 to 64 bytes without a slash"},
      {DOOR "x", "\"x\" is no option"},
      {DOOR "--bogus", "--bogus"},
      {"--listen vsock:2:5000", "vsock is not served"},
      {"--listen tcp:0.0.0.0:5900,v1", "loopback addresses only"},
      {"--listen bogus", "no known kind"},
      {"--http 8080", "write HOST:PORT"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) expect_usage(CASES[i].line, NULL, CASES[i].why);
}

static void test_too_many_listeners(void) {
  g_autoptr(GString) line = g_string_new(NULL);
  for (guint i = 0; i < OPTIONS_MAX_LISTENERS; i++) g_string_append_printf(line, "--listen unix:/s%u ", i);
  Options options;
  must_parse(&options, line->str);
  g_assert_cmpuint(options.listen->len, ==, OPTIONS_MAX_LISTENERS);
  options_finish(&options);
  g_string_append(line, "--listen unix:/more");
  expect_usage(line->str, NULL, "at the most");
}

static void test_defaults(void) {
  Options options;
  must_parse(&options, "--http 127.0.0.1:0");
  g_assert_cmpint(options.source, ==, SOURCE_CAPTURE);
  g_assert_cmpstr(options.text, ==, "screen");
  g_assert_cmpstr(options.encoder, ==, "auto");
  g_assert_cmpstr(options.name, ==, "bridge");
  g_assert_true(options.http);
  g_assert_cmpuint(options.bitrate, ==, 10000000);
  g_assert_cmpint(options.timing.idle_us, ==, 5 * G_USEC_PER_SEC);
  g_assert_cmpuint(options.timing.tries, ==, 10);
  options_finish(&options);
}

static void test_sources(void) {
  Options options;
  must_parse(&options, DOOR "--pipeline 'a ! b' --idle-stop 0.5 --bitrate 100");
  g_assert_cmpint(options.source, ==, SOURCE_PIPELINE);
  g_assert_cmpstr(options.text, ==, "a ! b");
  g_assert_cmpint(options.timing.idle_us, ==, G_USEC_PER_SEC / 2);
  g_assert_cmpint(options.timing.silent_us, >, 0);
  options_finish(&options);
  must_parse(&options, DOOR "--source x --encoder 'vsockenc cid=2'");
  g_assert_cmpint(options.source, ==, SOURCE_RAW);
  g_assert_cmpstr(options.encoder, ==, "vsockenc cid=2");
  options_finish(&options);
  must_parse(&options, DOOR "--subscribe tcp:127.0.0.1:5900 --scanout 15 --subscribe-token-file f");
  g_assert_cmpint(options.source, ==, SOURCE_SUBSCRIBE);
  g_assert_cmpuint(options.scanout, ==, 15);
  g_assert_cmpstr(options.subscribe_token_file, ==, "f");
  g_assert_cmpint(options.timing.silent_us, ==, 0); /* a still screen is silent (F19) */
  options_finish(&options);
  must_parse(&options, DOOR "--capture 42");
  g_assert_cmpstr(options.text, ==, "42");
  options_finish(&options);
}

static void test_trust(void) {
  static const struct {
    const char *line;
    PeerTrust trust;
  } CASES[] = {
      {"--listen unix:/s", PEER_TRUSTED},
      {"--listen unix:/s,v1", PEER_TRUSTED},
      {"--listen tcp:127.0.0.1:1", PEER_NEEDS_TOKEN},
      {"--listen tcp:127.0.0.1:1,v1", PEER_VERSION_1},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    Options options;
    must_parse(&options, CASES[i].line);
    g_assert_cmpint(g_array_index(options.listen, ListenOption, 0).trust, ==, CASES[i].trust);
    options_finish(&options);
  }
}

static void test_hooks(void) {
  g_autoptr(GError) error = NULL;
  Options options;
  g_assert_cmpint(parse(&options, DOOR, "back-off=1,tries=3,first=20", &error), ==, OPTIONS_RUN);
  g_assert_cmpint(options.timing.back_off_us, ==, 1000);
  g_assert_cmpint(options.timing.first_us, ==, 20000);
  g_assert_cmpuint(options.timing.tries, ==, 3);
  options_finish(&options);
  expect_usage(DOOR, "tries", "is no hook");
  expect_usage(DOOR, "tries=x", "is no hook");
  expect_usage(DOOR, "bogus=1", "is no hook");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/options/usage-errors", test_usage_errors);
  g_test_add_func("/options/too-many-listeners", test_too_many_listeners);
  g_test_add_func("/options/defaults", test_defaults);
  g_test_add_func("/options/sources", test_sources);
  g_test_add_func("/options/trust", test_trust);
  g_test_add_func("/options/hooks", test_hooks);
  return g_test_run();
}
