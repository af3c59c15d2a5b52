/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int saved_stderr = -1;
static int captured = -1;

static void capture_begin(void) {
  int ends[2];
  g_assert_cmpint(pipe(ends), ==, 0);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  saved_stderr = dup(STDERR_FILENO);
  dup2(ends[1], STDERR_FILENO);
  close(ends[1]);
  captured = ends[0];
}

/* What was written to stderr since; the caller's. */
static char *capture_end(void) {
  dup2(saved_stderr, STDERR_FILENO);
  close(saved_stderr);
  g_autofree char *text = g_malloc0(65537);
  ssize_t size = read(captured, text, 65536);
  close(captured);
  return g_strdup(size > 0 ? text : "");
}

static guint count_lines(const char *text) {
  guint lines = 0;
  for (; *text; text++) lines += *text == '\n';
  return lines;
}

static void test_line(void) {
  capture_begin();
  log_info("part", "number %d", 7);
  log_error("part", "bad");
  g_autofree char *text = capture_end();
  g_assert_cmpstr(text, ==, "framelift: part: number 7\nframelift: part: error: bad\n");
}

static void test_levels(void) {
  capture_begin();
  log_debug("part", "unseen");
  log_set_level(LOG_WARN);
  log_info("part", "unseen");
  log_warn("part", "seen");
  log_set_level(LOG_DEBUG);
  log_debug("part", "seen too");
  log_set_level(LOG_INFO);
  g_autofree char *text = capture_end();
  g_assert_cmpstr(text, ==, "framelift: part: warning: seen\nframelift: part: debug: seen too\n");
}

/* A peer's text can neither begin a line of its own nor command the terminal. */
static void test_control_characters(void) {
  capture_begin();
  log_info("part", "%s", "a\nframelift: fake\x1b[2J\x7f\tb\xc3\xa9");
  g_autofree char *text = capture_end();
  g_assert_cmpstr(text, ==, "framelift: part: a?framelift: fake?[2J??b\xc3\xa9\n");
}

static void test_limit(void) {
  static LogLimit limit;
  capture_begin();
  for (guint i = 0; i < 100; i++) log_limited(&limit, LOG_INFO, "part", "flood %u", i);
  g_autofree char *first = capture_end();
  g_assert_cmpuint(count_lines(first), ==, LOG_LIMIT_BURST);
  g_assert_nonnull(strstr(first, "flood 4\n"));

  g_usleep(1100 * 1000);
  capture_begin();
  for (guint i = 0; i < 50; i++) log_limited(&limit, LOG_INFO, "part", "later %u", i);
  g_autofree char *second = capture_end();
  g_assert_cmpstr(second, ==, "framelift: part: later 0 (and 95 like it)\n");
}

/* One limit held back does not hold back another, and a level that is off uses nothing up. */
static void test_limits_are_apart(void) {
  static LogLimit one, other;
  capture_begin();
  for (guint i = 0; i < 20; i++) log_limited(&other, LOG_DEBUG, "part", "off");
  for (guint i = 0; i < 20; i++) log_limited(&one, LOG_INFO, "part", "one");
  for (guint i = 0; i < 20; i++) log_limited(&other, LOG_INFO, "part", "other");
  g_autofree char *text = capture_end();
  g_assert_cmpuint(count_lines(text), ==, 2 * LOG_LIMIT_BURST);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/log/line", test_line);
  g_test_add_func("/log/levels", test_levels);
  g_test_add_func("/log/control-characters", test_control_characters);
  g_test_add_func("/log/limit", test_limit);
  g_test_add_func("/log/limits-are-apart", test_limits_are_apart);
  return g_test_run();
}
