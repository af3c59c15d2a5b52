/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/packet.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void make(int ends[2]) {
  g_autoptr(GError) error = NULL;
  g_assert_true(packet_pair(ends, &error));
}

static guint open_descriptors(void) {
  guint count = 0;
  for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void test_whole_with_descriptors(void) {
  static Packet packet;
  int ends[2];
  make(ends);
  guint before = open_descriptors();
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_LATER);
  g_assert_cmpint(packet_send(ends[0], "hello", 5, ends, 2), ==, PACKET_DONE);
  g_assert_cmpint(packet_send(ends[0], "again", 5, NULL, 0), ==, PACKET_DONE);
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_DONE);
  g_assert_cmpmem(packet.bytes, packet.size, "hello", 5);
  g_assert_cmpuint(packet.n_fds, ==, 2);
  int taken = packet_take_fd(&packet, 1);
  g_assert_cmpint(fcntl(taken, F_GETFD), ==, FD_CLOEXEC);
  g_assert_cmpint(packet_take_fd(&packet, 1), ==, -1);
  g_assert_cmpint(packet_take_fd(&packet, 2), ==, -1);
  packet_clear(&packet);
  close(taken);
  g_assert_cmpuint(open_descriptors(), ==, before);
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_DONE);
  g_assert_cmpmem(packet.bytes, packet.size, "again", 5);
  close(ends[0]);
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_OVER);
  g_assert_cmpint(packet_send(ends[1], "x", 1, NULL, 0), ==, PACKET_OVER);
  close(ends[1]);
}

/* A full socket makes nobody wait; too much of anything ends it, and no descriptor stays behind. */
static void test_limits(void) {
  static Packet packet;
  static guint8 bytes[PACKET_MAX_BYTES + 1];
  int ends[2], many[PACKET_MAX_FDS];
  make(ends);
  guint sent = 0;
  while (packet_send(ends[0], bytes, PACKET_MAX_BYTES, NULL, 0) == PACKET_DONE) sent++;
  g_assert_cmpuint(sent, >, 4);
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_DONE);
  g_assert_cmpint(packet_send(ends[0], bytes, 1, NULL, 0), ==, PACKET_DONE);
  close(ends[0]);
  close(ends[1]);

  make(ends);
  guint before = open_descriptors();
  for (guint i = 0; i < PACKET_MAX_FDS; i++) many[i] = ends[0];
  g_assert_cmpint(packet_send(ends[0], "x", 1, many, PACKET_MAX_FDS), ==, PACKET_DONE);
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_DONE);
  g_assert_cmpuint(packet.n_fds, ==, PACKET_MAX_FDS);
  packet_clear(&packet);
  g_assert_cmpint(send(ends[0], bytes, sizeof bytes, 0), ==, sizeof bytes);
  g_assert_cmpint(packet_receive(ends[1], &packet), ==, PACKET_OVER);
  g_assert_cmpuint(packet.n_fds, ==, 0);
  g_assert_cmpuint(open_descriptors(), ==, before);
  close(ends[0]);
  close(ends[1]);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/packet/whole-with-descriptors", test_whole_with_descriptors);
  g_test_add_func("/packet/limits", test_limits);
  return g_test_run();
}
