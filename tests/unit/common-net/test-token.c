/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/token.h"

#include "tests/unit/support/support.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  char *folder;
  char *path;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->folder = support_make_folder();
  fixture->path = g_build_filename(fixture->folder, "token", NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  g_free(fixture->path);
  support_remove_folder(fixture->folder);
}

static char *must_load(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  char *token = token_load(fixture->path, &error);
  g_assert_no_error(error);
  return token;
}

static void must_refuse(Fixture *fixture, const char *why) {
  g_autoptr(GError) error = NULL;
  g_assert_null(token_load(fixture->path, &error));
  g_assert_nonnull(error);
  if (!strstr(error->message, why)) g_error("\"%s\" is not in: %s", why, error->message);
  g_assert_nonnull(strstr(error->message, fixture->path));
}

static void write_file(Fixture *fixture, const char *text, mode_t mode) {
  g_assert_true(g_file_set_contents(fixture->path, text, -1, NULL));
  g_assert_cmpint(chmod(fixture->path, mode), ==, 0);
}

/* Made once, 128 bits, for this user only whatever the umask; and the same the next time. */
static void test_made(Fixture *fixture, gconstpointer data) {
  mode_t mask = umask(0);
  g_autofree char *token = must_load(fixture);
  umask(mask);
  g_assert_cmpuint(strlen(token), ==, 32);
  g_assert_cmpuint(strspn(token, "0123456789abcdef"), ==, 32);
  struct stat info;
  g_assert_cmpint(stat(fixture->path, &info), ==, 0);
  g_assert_cmpuint(info.st_mode & 07777, ==, 0600);
  g_autofree char *again = must_load(fixture);
  g_assert_cmpstr(again, ==, token);
  g_autofree char *contents = NULL;
  g_assert_true(g_file_get_contents(fixture->path, &contents, NULL, NULL));
  g_assert_true(g_str_has_prefix(contents, token));
  g_assert_cmpstr(contents + 32, ==, "\n");
}

/* No two alike, and no bit that never changes. */
static void test_random(Fixture *fixture, gconstpointer data) {
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  guint ones[128] = {0};
  for (guint i = 0; i < 200; i++) {
    char *token = must_load(fixture);
    for (guint k = 0; k < 128; k++) ones[k] += (guint)g_ascii_xdigit_value(token[k / 4]) >> (k % 4) & 1;
    g_assert_true(g_hash_table_add(seen, token));
    g_unlink(fixture->path);
  }
  for (guint k = 0; k < 128; k++) {
    g_assert_cmpuint(ones[k], >, 40); /* 8 standard deviations */
    g_assert_cmpuint(ones[k], <, 160);
  }
}

static void test_modes(Fixture *fixture, gconstpointer data) {
  static const mode_t OPEN[] = {0640, 0604, 0660, 0606, 0644, 0620, 0602, 0610, 0601, 0777};
  for (gsize i = 0; i < G_N_ELEMENTS(OPEN); i++) {
    write_file(fixture, "0123456789abcdef\n", OPEN[i]);
    must_refuse(fixture, "chmod 600");
  }
  static const mode_t SHUT[] = {0600, 0400, 0700};
  for (gsize i = 0; i < G_N_ELEMENTS(SHUT); i++) {
    write_file(fixture, "0123456789abcdef\n", SHUT[i]);
    g_autofree char *token = must_load(fixture);
    g_assert_cmpstr(token, ==, "0123456789abcdef");
  }
}

typedef struct {
  const char *contents;
  const char *token; /* NULL: refused */
} Case;

static void test_contents(Fixture *fixture, gconstpointer data) {
  g_autofree char *longest = g_strnfill(256, 'x');
  g_autofree char *too_long = g_strnfill(257, 'x');
  g_autofree char *huge = g_strnfill(100000, 'x');
  const Case cases[] = {
      {"", NULL},
      {"\n", NULL},
      {"0123456789abcde\n", NULL}, /* 15 */
      {"0123456789abcdef", "0123456789abcdef"},
      {"0123456789abcdef\r\n", "0123456789abcdef"},
      {"0123456789abcdef\nsecond line", "0123456789abcdef"},
      {"\n0123456789abcdef\n", NULL},
      {"A-Z.a_z~0123456789\n", "A-Z.a_z~0123456789"},
      {"0123456789 abcdef\n", NULL},
      {"0123456789#abcdef\n", NULL},
      {"0123456789%abcdef\n", NULL},
      {"0123456789é0123456\n", NULL},
      {"0123456789\x01"
       "0123456\n",
       NULL},
      {longest, longest},
      {too_long, NULL},
      {huge, NULL},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    write_file(fixture, cases[i].contents, 0600);
    g_autoptr(GError) error = NULL;
    g_autofree char *token = token_load(fixture->path, &error);
    g_assert_cmpstr(token, ==, cases[i].token);
    if (token) continue;
    g_assert_nonnull(strstr(error->message, "token file"));
    if (strlen(cases[i].contents) > 5) g_assert_null(strstr(error->message, "0123456789")); /* never in a log */
  }
}

static void test_bad_places(Fixture *fixture, gconstpointer data) {
  g_assert_cmpint(mkdir(fixture->path, 0700), ==, 0);
  must_refuse(fixture, "token file");
  g_rmdir(fixture->path);
  g_assert_cmpint(symlink("/nonexistent/elsewhere", fixture->path), ==, 0); /* not made where a link points */
  must_refuse(fixture, "cannot make it");
  g_free(fixture->path);
  fixture->path = g_build_filename(fixture->folder, "absent", "token", NULL);
  must_refuse(fixture, "cannot make it");
}

/* A FIFO would let the daemon wait for ever for somebody to write. */
static void test_fifo(Fixture *fixture, gconstpointer data) {
  g_assert_cmpint(mkfifo(fixture->path, 0600), ==, 0);
  must_refuse(fixture, "token file");
}

static void test_default_path(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *path = token_default_path("vm1", &error);
  g_assert_no_error(error);
  g_assert_true(g_str_has_suffix(path, "/framelift/vm1.token"));
  g_assert_true(g_str_has_prefix(path, g_get_user_state_dir()));
  g_autofree char *folder = g_path_get_dirname(path);
  struct stat info;
  g_assert_cmpint(stat(folder, &info), ==, 0);
  g_assert_cmpuint(info.st_mode & 077, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  /* not this user's own */
  char *state = support_make_folder();
  g_setenv("XDG_STATE_HOME", state, TRUE);
#define ADD(name, run) g_test_add("/token/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("made", test_made);
  ADD("random", test_random);
  ADD("modes", test_modes);
  ADD("contents", test_contents);
  ADD("bad-places", test_bad_places);
  ADD("fifo", test_fifo);
  ADD("default-path", test_default_path);
  int result = g_test_run();
  support_remove_folder(state);
  return result;
}
