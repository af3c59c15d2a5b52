/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-service.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "common/net/listener.h"
#include "host/vsock/vsock-packet.h"
#include "tests/unit/host-vhost/fake-vhost.h"
#include "tests/unit/support/support.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The whole device behind its socket: QEMU's double in front, a test that accepts behind. */

#define CID 77u
#define PORT 5000u
#define GUEST_PORT 1234u
enum { RECEIVE, TRANSMIT };

typedef struct {
  char *folder;
  VsockSettings settings;
  Listener *listener;
  VsockService *service;
  FakeVhost fake;
  int fd; /* what was accepted last; atomic, -1: nothing yet */
} Fixture;

static gboolean on_accept(gpointer data, guint32 port, int fd) {
  Fixture *f = data;
  g_assert_cmpuint(port, ==, PORT);
  __atomic_store_n(&f->fd, fd, __ATOMIC_RELEASE);
  return TRUE;
}

static void attach(Fixture *f) {
  fake_vhost_init_path(&f->fake, f->settings.path);
  f->fake.is_other = TRUE;
  fake_vhost_greet(&f->fake);
  fake_vhost_start(&f->fake);
}

static void set_up(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  Address address;
  f->folder = support_make_folder();
  f->fd = -1;
  g_autofree char *text = g_strdup_printf("%s/v,cid=%u", f->folder, CID);
  g_assert_true(vsock_settings_parse(text, &f->settings, &error));
  g_assert_true(address_parse(f->settings.path, &address, &error));
  f->listener = listener_open(&address, &error);
  g_assert_no_error(error);
  f->service = vsock_service_start(&f->settings, dup(listener_fd(f->listener)), on_accept, f, &error);
  g_assert_no_error(error);
  attach(f);
}

static void tear_down(Fixture *f, gconstpointer data) {
  fake_vhost_finish(&f->fake);
  vsock_service_stop(f->service);
  listener_destroy(f->listener);
  vsock_settings_finish(&f->settings);
  if (f->fd >= 0) close(f->fd);
  support_remove_folder(f->folder);
}

static void offer_packet(Fixture *f, VsockOp op, guint32 port, const char *text) {
  guint8 bytes[200];
  VsockPacket packet = {.src_cid = CID,
                        .dst_cid = VSOCK_HOST_CID,
                        .src_port = GUEST_PORT,
                        .dst_port = port,
                        .len = (guint32)strlen(text),
                        .type = VSOCK_TYPE_STREAM,
                        .op = (guint16)op,
                        .buf_alloc = 65536};
  vsock_packet_write(&packet, bytes);
  memcpy(bytes + VSOCK_PACKET_HEADER, text, packet.len);
  fake_vhost_offer(&f->fake, TRANSMIT, bytes, VSOCK_PACKET_HEADER + packet.len);
  fake_vhost_kick(&f->fake, TRANSMIT);
  fake_vhost_wait(&f->fake, TRANSMIT);
}

/* A buffer for one packet, and that packet. */
static VsockPacket receive(Fixture *f, char *text) {
  VsockPacket packet;
  guint32 size;
  fake_vhost_offer(&f->fake, RECEIVE, "", 1);
  fake_vhost_kick(&f->fake, RECEIVE);
  fake_vhost_wait(&f->fake, RECEIVE);
  const guint8 *bytes = fake_vhost_answer(&f->fake, RECEIVE, (guint16)(f->fake.taken[RECEIVE] - 1), &size);
  g_assert_nonnull(bytes);
  g_assert_true(vsock_packet_parse(&packet, bytes, size));
  if (text) {
    memcpy(text, bytes + VSOCK_PACKET_HEADER, packet.len);
    text[packet.len] = '\0';
  }
  return packet;
}

static void connect_guest(Fixture *f) {
  offer_packet(f, VSOCK_REQUEST, PORT, "");
  g_assert_cmpuint(receive(f, NULL).op, ==, VSOCK_RESPONSE);
  g_assert_cmpint(__atomic_load_n(&f->fd, __ATOMIC_ACQUIRE), >=, 0);
}

static void expect_bytes(Fixture *f, const char *text) {
  struct pollfd poller = {.fd = f->fd, .events = POLLIN};
  char bytes[200] = "";
  g_assert_cmpint(poll(&poller, 1, FAKE_VHOST_LIMIT_MS), ==, 1);
  gssize got = read(f->fd, bytes, sizeof bytes - 1);
  g_assert_cmpint(got, ==, strlen(text));
  g_assert_cmpstr(bytes, ==, text);
}

static void talk(Fixture *f) {
  char text[1100];
  offer_packet(f, VSOCK_RW, PORT, "from the guest");
  expect_bytes(f, "from the guest");
  g_assert_cmpint(write(f->fd, "from the host", 13), ==, 13);
  g_assert_cmpuint(receive(f, text).op, ==, VSOCK_RW);
  g_assert_cmpstr(text, ==, "from the host");
}

static void expect_end(Fixture *f) {
  expect_bytes(f, "");
  close(f->fd);
  f->fd = -1;
}

static void test_talk(Fixture *f, gconstpointer data) {
  connect_guest(f);
  talk(f);
  close(f->fd);
  f->fd = -1;
  g_assert_cmpuint(receive(f, NULL).op, ==, VSOCK_RST);
}

static void test_config(Fixture *f, gconstpointer data) {
  guint8 config[268], request[12 + 8] = {0};
  guint64 cid;
  request[4] = 8;
  fake_vhost_send(&f->fake, 24, request, sizeof request, NULL, 0);
  g_assert_cmpuint(fake_vhost_receive(&f->fake, 24, config, sizeof config), ==, 20);
  memcpy(&cid, config + 12, sizeof cid);
  g_assert_cmpuint(cid, ==, CID);
}

static void test_wrong_port(Fixture *f, gconstpointer data) {
  offer_packet(f, VSOCK_REQUEST, PORT + 1, "");
  g_assert_cmpuint(receive(f, NULL).op, ==, VSOCK_RST);
  g_assert_cmpint(f->fd, ==, -1);
}

/* A paused VM keeps its connections; one whose driver begins anew has none. */
static void test_pause_and_reset(Fixture *f, gconstpointer data) {
  connect_guest(f);
  fake_vhost_pause(&f->fake);
  g_assert_cmpint(write(f->fd, "meanwhile", 9), ==, 9);
  fake_vhost_start(&f->fake);
  char text[1100];
  g_assert_cmpuint(receive(f, text).op, ==, VSOCK_RW);
  g_assert_cmpstr(text, ==, "meanwhile");
  talk(f);
  fake_vhost_reset(&f->fake);
  expect_end(f);
  fake_vhost_start(&f->fake);
  connect_guest(f);
  talk(f);
}

/* Without the request for it, as QEMU 7 does: rings that begin at 0. */
static void test_reset_by_rings(Fixture *f, gconstpointer data) {
  connect_guest(f);
  fake_vhost_pause(&f->fake);
  for (guint i = 0; i < 2; i++) f->fake.offered[i] = f->fake.taken[i] = 0;
  memset(fake_vhost_at(&f->fake, 0x10000), 0, 0x20000);
  fake_vhost_start(&f->fake);
  expect_end(f);
  connect_guest(f);
  talk(f);
}

static void test_next_front_end(Fixture *f, gconstpointer data) {
  FakeVhost second;
  connect_guest(f);
  fake_vhost_init_path(&second, f->settings.path);
  g_assert_true(fake_vhost_is_closed(&second)); /* one at a time */
  fake_vhost_finish(&second);
  talk(f);
  fake_vhost_finish(&f->fake);
  expect_end(f);
  attach(f);
  connect_guest(f);
  talk(f);
}

/* A kick that is lost costs a moment, no connection (F14). */
static void test_lost_kicks(Fixture *f, gconstpointer data) {
  f->fake.no_kicks = TRUE;
  connect_guest(f);
  talk(f);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, function) g_test_add("/vsock-service/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("talk", test_talk);
  ADD("config", test_config);
  ADD("wrong-port", test_wrong_port);
  ADD("pause-and-reset-F11", test_pause_and_reset);
  ADD("reset-by-rings-F11", test_reset_by_rings);
  ADD("next-front-end", test_next_front_end);
  ADD("lost-kicks-F14", test_lost_kicks);
  return g_test_run();
}
