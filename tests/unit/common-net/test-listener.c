/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/net/listener.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/connector.h"
#include "tests/unit/support/support.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
  char *folder;
  Address address;
  guint accepted;
  int last_fd;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->folder = support_make_folder();
  g_autofree char *path = g_build_filename(fixture->folder, "s", NULL);
  g_assert_true(address_parse(path, &fixture->address, NULL));
  fixture->last_fd = -1;
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  if (fixture->last_fd >= 0) close(fixture->last_fd);
  support_remove_folder(fixture->folder);
}

static void on_accepted(int fd, const Address *address, gpointer data) {
  Fixture *fixture = data;
  if (fixture->last_fd >= 0) close(fixture->last_fd);
  fixture->last_fd = fd;
  fixture->accepted++;
}

static gboolean has_accepted(gpointer data) {
  return ((Fixture *)data)->accepted > 0;
}

static Listener *listen_there(Fixture *fixture, GError **error) {
  return listener_create(&fixture->address, NULL, on_accepted, fixture, error);
}

static Listener *must_listen(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  Listener *listener = listen_there(fixture, &error);
  g_assert_no_error(error);
  return listener;
}

static void must_refuse(Fixture *fixture, const char *why) {
  g_autoptr(GError) error = NULL;
  g_assert_null(listen_there(fixture, &error));
  g_assert_nonnull(error);
  if (!strstr(error->message, why)) g_error("\"%s\" is not in: %s", why, error->message);
  g_assert_nonnull(strstr(error->message, fixture->address.path));
  g_assert_null(strchr(error->message, '\n'));
}

static struct stat stat_of(const char *path) {
  struct stat info;
  g_assert_cmpint(lstat(path, &info), ==, 0);
  return info;
}

static void must_answer(Fixture *fixture) {
  g_autoptr(GError) error = NULL;
  int fd = connector_connect(&fixture->address, 5000, &error);
  g_assert_no_error(error);
  fixture->accepted = 0;
  g_assert_true(support_run_until(has_accepted, fixture, 10000));
  close(fd);
}

static void test_accepts(Fixture *fixture, gconstpointer data) {
  Listener *listener = must_listen(fixture);
  must_answer(fixture);
  g_assert_true(fcntl(fixture->last_fd, F_GETFL) & O_NONBLOCK);
  g_assert_true(fcntl(fixture->last_fd, F_GETFD) & FD_CLOEXEC);
  g_autofree char *name = listener_to_string(listener);
  g_autofree char *expected = g_strconcat("unix:", fixture->address.path, NULL);
  g_assert_cmpstr(name, ==, expected);
  listener_destroy(listener);
  listener_destroy(NULL);
}

/* Nobody else may connect, whatever the umask is; and the umask is as it was. */
static void test_mode(Fixture *fixture, gconstpointer data) {
  static const mode_t MASKS[] = {0, 022, 077};
  for (gsize i = 0; i < G_N_ELEMENTS(MASKS); i++) {
    mode_t before = umask(MASKS[i]);
    Listener *listener = must_listen(fixture);
    g_assert_cmpuint(umask(before), ==, MASKS[i]);
    struct stat info = stat_of(fixture->address.path);
    g_assert_true(S_ISSOCK(info.st_mode));
    g_assert_cmpuint(info.st_mode & 0777, ==, 0600);
    listener_destroy(listener);
  }
}

/* A socket file as a crashed process leaves it: bound once, and nobody there. */
static void leave_stale_socket(const char *path, int type) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  g_strlcpy(name.sun_path, path, sizeof name.sun_path);
  int fd = socket(AF_UNIX, type, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&name, sizeof name), ==, 0);
  if (type == SOCK_STREAM) g_assert_cmpint(listen(fd, 1), ==, 0);
  close(fd);
}

static void test_stale_replaced(Fixture *fixture, gconstpointer data) {
  leave_stale_socket(fixture->address.path, SOCK_STREAM);
  struct stat before = stat_of(fixture->address.path);
  Listener *listener = must_listen(fixture);
  struct stat after = stat_of(fixture->address.path);
  g_assert_true(before.st_ino != after.st_ino || before.st_ctim.tv_nsec != after.st_ctim.tv_nsec);
  must_answer(fixture);
  listener_destroy(listener);
}

static void test_live_refused(Fixture *fixture, gconstpointer data) {
  Listener *listener = must_listen(fixture);
  struct stat before = stat_of(fixture->address.path);
  must_refuse(fixture, "another program listens there");
  g_assert_cmpuint(stat_of(fixture->address.path).st_ino, ==, before.st_ino);
  must_answer(fixture);
  listener_destroy(listener);
}

/* A live one that accepts nobody, its backlog full: alive all the same. */
static void test_busy_refused(Fixture *fixture, gconstpointer data) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  g_assert_cmpint(bind(fd, &fixture->address.socket.any, fixture->address.size), ==, 0);
  g_assert_cmpint(listen(fd, 0), ==, 0);
  int clients[8];
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    clients[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(clients[i], &fixture->address.socket.any, fixture->address.size);
  }
  must_refuse(fixture, "another program listens there");
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) close(clients[i]);
  close(fd);
}

/* A socket of another kind that lives: not ours to remove, though no stream connects to it. */
static void test_datagram_untouched(Fixture *fixture, gconstpointer data) {
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  g_assert_cmpint(bind(fd, &fixture->address.socket.any, fixture->address.size), ==, 0);
  struct stat before = stat_of(fixture->address.path);
  must_refuse(fixture, "cannot listen on");
  g_assert_cmpuint(stat_of(fixture->address.path).st_ino, ==, before.st_ino);
  close(fd);
}

static void test_file_untouched(Fixture *fixture, gconstpointer data) {
  g_assert_true(g_file_set_contents(fixture->address.path, "precious", -1, NULL));
  must_refuse(fixture, "a file that is no socket is in the way");
  g_autofree char *contents = NULL;
  g_assert_true(g_file_get_contents(fixture->address.path, &contents, NULL, NULL));
  g_assert_cmpstr(contents, ==, "precious");
}

/* A link is no socket either, not even to a stale one. */
static void test_link_untouched(Fixture *fixture, gconstpointer data) {
  g_autofree char *target = g_build_filename(fixture->folder, "target", NULL);
  leave_stale_socket(target, SOCK_STREAM);
  g_assert_cmpint(symlink(target, fixture->address.path), ==, 0);
  must_refuse(fixture, "a file that is no socket is in the way");
  g_assert_true(S_ISLNK(stat_of(fixture->address.path).st_mode));
  g_assert_true(S_ISSOCK(stat_of(target).st_mode));
}

static void test_no_folder(Fixture *fixture, gconstpointer data) {
  g_autofree char *path = g_build_filename(fixture->folder, "absent", "s", NULL);
  g_assert_true(address_parse(path, &fixture->address, NULL));
  must_refuse(fixture, "make its folder first");
}

static void test_removed_at_end(Fixture *fixture, gconstpointer data) {
  Listener *listener = must_listen(fixture);
  g_assert_true(g_file_test(fixture->address.path, G_FILE_TEST_EXISTS));
  listener_destroy(listener);
  g_assert_false(g_file_test(fixture->address.path, G_FILE_TEST_EXISTS));
}

/* What another process has put there since is its own. */
static void test_others_not_removed(Fixture *fixture, gconstpointer data) {
  Listener *listener = must_listen(fixture);
  g_unlink(fixture->address.path);
  leave_stale_socket(fixture->address.path, SOCK_STREAM);
  listener_destroy(listener);
  g_assert_true(S_ISSOCK(stat_of(fixture->address.path).st_mode));

  g_unlink(fixture->address.path);
  listener = must_listen(fixture);
  g_unlink(fixture->address.path);
  listener_destroy(listener); /* nothing there: nothing to remove, and nothing said */
}

static void test_tcp(void) {
  Fixture fixture = {.last_fd = -1};
  g_assert_true(address_parse("tcp:127.0.0.1:0", &fixture.address, NULL));
  Listener *listener = must_listen(&fixture);
  g_autofree char *name = listener_to_string(listener);
  g_assert_true(g_str_has_prefix(name, "tcp:127.0.0.1:"));
  g_assert_cmpstr(name, !=, "tcp:127.0.0.1:0");
  g_assert_true(address_parse(name, &fixture.address, NULL));
  must_answer(&fixture);
  g_autoptr(GError) error = NULL;
  g_assert_null(listen_there(&fixture, &error));
  g_assert_nonnull(strstr(error->message, name));
  g_assert_nonnull(strstr(error->message, "another program listens there"));
  listener_destroy(listener);
  close(fixture.last_fd);
}

/* Out of descriptors: rests instead of spinning, and takes the connection once there are some. */
static void test_out_of_descriptors(Fixture *fixture, gconstpointer data) {
  Listener *listener = must_listen(fixture);
  int client = socket(AF_UNIX, SOCK_STREAM, 0);
  g_assert_cmpint(connect(client, &fixture->address.socket.any, fixture->address.size), ==, 0);
  struct rlimit before, none;
  getrlimit(RLIMIT_NOFILE, &before);
  none = before;
  none.rlim_cur = (rlim_t)client + 1;
  g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &none), ==, 0);
  guint turns = 0;
  for (gint64 end = g_get_monotonic_time() + 150 * 1000; g_get_monotonic_time() < end; g_usleep(500)) {
    turns += g_main_context_iteration(NULL, FALSE) ? 1 : 0;
  }
  g_assert_cmpuint(turns, <, 20);
  g_assert_cmpuint(fixture->accepted, ==, 0);
  setrlimit(RLIMIT_NOFILE, &before);
  g_assert_true(support_run_until(has_accepted, fixture, 10000));
  listener_destroy(listener);
  close(client);
}

/* What has no CID is not the guest with the right one. */
static void test_no_cid(Fixture *fixture, gconstpointer data) {
  const Address there = {.kind = ADDRESS_VSOCK, .peer_cid = 3};
  gint64 before = stats_get(stats_counter("listener.refused-cids"));
  char byte;
  Listener *outer = listener_open(&fixture->address, NULL);
  Listener *listener = listener_adopt(dup(listener_fd(outer)), &there);
  listener_accept(listener, NULL, on_accepted, fixture);
  int client = connector_connect(&fixture->address, 5000, NULL);
  support_run_for(50);
  g_assert_cmpint(read(client, &byte, 1), ==, 0); /* closed at once */
  g_assert_cmpuint(fixture->accepted, ==, 0);
  g_assert_cmpint(stats_get(stats_counter("listener.refused-cids")), ==, before + 1);
  close(client);
  listener_destroy(listener);
  listener_destroy(outer);
}

/* Over the kernel's loopback, where it has one: CID 1 is let in where 1 is the guest's, and nowhere else. */
static void test_vsock(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  Address any, loopback;
  g_assert_true(address_parse("vsock:4294967295:47831", &any, &error));
  g_assert_true(address_parse("vsock:1:47831", &loopback, &error));
  for (guint cid = 1; cid < 3; cid++) {
    any.peer_cid = cid;
    Listener *listener = listener_create(&any, NULL, on_accepted, fixture, &error);
    int client = listener ? connector_connect(&loopback, 1000, &error) : -1;
    if (client < 0) {
      listener_destroy(listener);
      g_test_skip(error->message);
      return;
    }
    fixture->accepted = 0;
    support_run_for(50);
    g_assert_cmpuint(fixture->accepted, ==, cid == 1);
    close(client);
    listener_destroy(listener);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, run) g_test_add("/listener/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("accepts", test_accepts);
  ADD("mode", test_mode);
  ADD("F02-stale-replaced", test_stale_replaced);
  ADD("F02-live-refused", test_live_refused);
  ADD("F02-busy-refused", test_busy_refused);
  ADD("F02-datagram-untouched", test_datagram_untouched);
  ADD("F02-file-untouched", test_file_untouched);
  ADD("F02-link-untouched", test_link_untouched);
  ADD("no-folder", test_no_folder);
  ADD("removed-at-end", test_removed_at_end);
  ADD("others-not-removed", test_others_not_removed);
  ADD("out-of-descriptors", test_out_of_descriptors);
  ADD("no-cid", test_no_cid);
  ADD("vsock", test_vsock);
  g_test_add_func("/listener/tcp", test_tcp);
  return g_test_run();
}
