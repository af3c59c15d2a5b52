/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/connector.h"

#include "tests/unit/support/support.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void must_fail(const char *text, guint timeout_ms, const char *why) {
  g_autoptr(GError) error = NULL;
  Address address;
  g_assert_true(address_parse(text, &address, NULL));
  g_assert_cmpint(connector_connect(&address, timeout_ms, &error), ==, -1);
  g_assert_nonnull(error);
  if (!strstr(error->message, why)) g_error("\"%s\" is not in: %s", why, error->message);
  g_autofree char *name = address_to_string(&address, -1);
  g_assert_nonnull(strstr(error->message, name));
  g_assert_null(strchr(error->message, '\n'));
}

static int make_socket(const Address *address, int backlog) {
  int fd = socket(address->socket.any.sa_family, SOCK_STREAM, 0);
  g_assert_cmpint(bind(fd, &address->socket.any, address->size), ==, 0);
  if (backlog >= 0) g_assert_cmpint(listen(fd, backlog), ==, 0);
  return fd;
}

static void test_unix(void) {
  char *folder = support_make_folder();
  g_autofree char *path = g_build_filename(folder, "s", NULL);
  must_fail(path, 1000, "is frameliftd running with this --listen?");

  Address address;
  g_assert_true(address_parse(path, &address, NULL));
  int listener = make_socket(&address, 4);
  g_autoptr(GError) error = NULL;
  int fd = connector_connect(&address, 1000, &error);
  g_assert_no_error(error);
  g_assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
  g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  close(fd);
  close(listener);
  must_fail(path, 1000, "a stale socket file"); /* F02 */
  support_remove_folder(folder);
}

static guint count_descriptors(void) {
  guint count = 0;
  g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
  while (g_dir_read_name(dir)) count++;
  return count;
}

/* Failures keep no descriptor. */
static void test_no_leak(void) {
  guint before = count_descriptors();
  for (guint i = 0; i < 20; i++) must_fail("/nonexistent/framelift.sock", 1000, "nothing has made this socket");
  g_assert_cmpuint(count_descriptors(), ==, before);
}

/* A listener whose backlog is full answers nobody: there is a time limit, and it holds. */
static void test_full_backlog(void) {
  char *folder = support_make_folder();
  g_autofree char *path = g_build_filename(folder, "s", NULL);
  Address address;
  g_assert_true(address_parse(path, &address, NULL));
  int listener = make_socket(&address, 0);
  int waiting[16];
  for (guint i = 0; i < G_N_ELEMENTS(waiting); i++) {
    waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(waiting[i], &address.socket.any, address.size);
  }
  gint64 begun = g_get_monotonic_time();
  must_fail(path, 200, "no answer at all");
  gint64 took = g_get_monotonic_time() - begun;
  g_assert_cmpint(took, >=, 190 * 1000);
  g_assert_cmpint(took, <, 10 * G_USEC_PER_SEC);
  for (guint i = 0; i < G_N_ELEMENTS(waiting); i++) close(waiting[i]);
  close(listener);
  support_remove_folder(folder);
}

static void test_tcp(void) {
  Address address;
  g_assert_true(address_parse("tcp:127.0.0.1:0", &address, NULL));
  int listener = make_socket(&address, 4);
  g_autofree char *name = address_to_string(&address, listener);
  g_assert_true(address_parse(name, &address, NULL));
  g_autoptr(GError) error = NULL;
  int fd = connector_connect(&address, 5000, &error);
  g_assert_no_error(error);
  g_assert_cmpint(fd, >=, 0);
  close(fd);
  close(listener);
  must_fail(name, 5000, "nothing listens there: is frameliftd running with this --listen?");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/connector/unix", test_unix);
  g_test_add_func("/connector/no-leak", test_no_leak);
  g_test_add_func("/connector/full-backlog", test_full_backlog);
  g_test_add_func("/connector/tcp", test_tcp);
  return g_test_run();
}
