/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-device.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "host/vsock/vsock-connection.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The device with its packets by hand: CID 42, a guest with a buffer of 64 KiB, everybody is let in to port 5000. */

#define CID 42u
#define PORT 5000u
#define GUEST_PORT 1024u
#define GUEST_BUFFER (64u << 10)
#define LARGE (64u << 10)

typedef struct {
  GMainContext *context;
  VsockDevice *device;
  int fd; /* the other end of the last connection; -1: none */
  guint accepted;
  guint changes;
  VsockPacket got;
  guint8 data[LARGE]; /* of the last RW */
  VirtqueueElement element;
  guint8 chain[VSOCK_PACKET_HEADER + LARGE];
} Fixture;

static gboolean on_accept(gpointer data, guint32 port, int fd) {
  Fixture *f = data;
  if (port != PORT) {
    close(fd);
    return FALSE;
  }
  if (f->fd >= 0) close(f->fd);
  f->fd = fd;
  f->accepted++;
  return TRUE;
}

static void on_changed(gpointer data) {
  ((Fixture *)data)->changes++;
}

static const VsockDeviceEvents EVENTS = {on_accept, on_changed};

static void set_up(Fixture *f, gconstpointer data) {
  f->fd = -1;
  f->context = g_main_context_new();
  f->device = vsock_device_create(CID, &EVENTS, f, f->context);
}

static void tear_down(Fixture *f, gconstpointer data) {
  vsock_device_destroy(f->device);
  if (f->fd >= 0) close(f->fd);
  g_main_context_unref(f->context);
}

static gint64 count_of(const char *name) {
  return stats_get(stats_counter(name));
}

static VsockPacket packet_of(VsockOp op) {
  return (VsockPacket){.src_cid = CID,
                       .dst_cid = VSOCK_HOST_CID,
                       .src_port = GUEST_PORT,
                       .dst_port = PORT,
                       .type = VSOCK_TYPE_STREAM,
                       .op = (guint16)op,
                       .buf_alloc = GUEST_BUFFER};
}

/* The header and its data in two parts that do not end where the header does. */
static void give(Fixture *f, const VsockPacket *packet, const guint8 *bytes) {
  gsize size = VSOCK_PACKET_HEADER + packet->len, first = MIN(size, 30);
  vsock_packet_write(packet, f->chain);
  if (packet->len > 0) memcpy(f->chain + VSOCK_PACKET_HEADER, bytes, packet->len);
  f->element.n_out = size > first ? 2 : 1;
  f->element.n_in = 0;
  f->element.out_size = size;
  f->element.spans[0] = (VirtqueueSpan){f->chain, first};
  f->element.spans[1] = (VirtqueueSpan){f->chain + first, size - first};
  g_assert_true(vsock_device_takes_input(f->device));
  vsock_device_input(f->device, &f->element);
}

static void give_op(Fixture *f, VsockOp op) {
  VsockPacket packet = packet_of(op);
  give(f, &packet, NULL);
}

static void turn(Fixture *f) {
  for (guint i = 0; i < 20; i++) g_main_context_iteration(f->context, FALSE);
}

/* The next packet for the guest, if there is one, into a chain of `room` bytes of data. */
static gboolean take_into(Fixture *f, gsize room) {
  turn(f);
  if (!vsock_device_has_output(f->device)) return FALSE;
  f->element.n_out = 0;
  f->element.n_in = 2;
  f->element.in_size = VSOCK_PACKET_HEADER + room;
  f->element.spans[0] = (VirtqueueSpan){f->chain, 50};
  f->element.spans[1] = (VirtqueueSpan){f->chain + 50, VSOCK_PACKET_HEADER + room - 50};
  guint32 written = vsock_device_output(f->device, &f->element);
  g_assert_true(vsock_packet_parse(&f->got, f->chain, written));
  g_assert_cmpuint(written, ==, VSOCK_PACKET_HEADER + f->got.len);
  memcpy(f->data, f->chain + VSOCK_PACKET_HEADER, f->got.len);
  g_assert_cmpuint(f->got.buf_alloc, ==, f->got.op == VSOCK_RST && f->got.buf_alloc == 0 ? 0 : VSOCK_CONNECTION_BUFFER);
  return TRUE;
}

static gboolean take(Fixture *f) {
  return take_into(f, LARGE);
}

static void expect(Fixture *f, VsockOp op) {
  g_assert_true(take(f));
  g_assert_cmpuint(f->got.op, ==, op);
  g_assert_cmpuint(f->got.src_cid, ==, VSOCK_HOST_CID);
  g_assert_cmpuint(f->got.dst_cid, ==, CID);
  g_assert_cmpuint(f->got.src_port, ==, PORT);
  g_assert_cmpuint(f->got.dst_port, ==, GUEST_PORT);
}

static void connect_guest(Fixture *f) {
  give_op(f, VSOCK_REQUEST);
  expect(f, VSOCK_RESPONSE);
  g_assert_false(take(f));
}

static void send_data(Fixture *f, const guint8 *bytes, guint32 size) {
  VsockPacket packet = packet_of(VSOCK_RW);
  packet.len = size;
  give(f, &packet, bytes);
}

static gsize drain(int fd) {
  guint8 bytes[LARGE];
  gsize all = 0;
  gssize got;
  while ((got = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) all += (gsize)got;
  return all;
}

static gboolean has_ended(int fd) {
  guint8 byte;
  return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_both_ways(Fixture *f, gconstpointer data) {
  guint8 bytes[5];
  connect_guest(f);
  send_data(f, (const guint8 *)"hello", 5);
  g_assert_cmpint(read(f->fd, bytes, sizeof bytes), ==, 5);
  g_assert_cmpmem(bytes, 5, "hello", 5);
  g_assert_cmpint(write(f->fd, "world", 5), ==, 5);
  expect(f, VSOCK_RW);
  g_assert_cmpmem(f->data, f->got.len, "world", 5);
  g_assert_cmpuint(f->got.fwd_cnt, ==, 5);
  g_assert_false(take(f));
}

static void test_refused(Fixture *f, gconstpointer data) {
  VsockPacket packet = packet_of(VSOCK_REQUEST);
  packet.dst_port = PORT + 1;
  give(f, &packet, NULL);
  g_assert_true(take(f));
  g_assert_cmpuint(f->got.op, ==, VSOCK_RST);
  g_assert_cmpuint(f->got.src_port, ==, PORT + 1);
  g_assert_cmpuint(f->got.dst_port, ==, GUEST_PORT);
  const guint64 cids[][2] = {{CID, 3}, {CID, CID}, {CID, 1}, {CID, 0}, {CID + 1, 2}, {2, 2}, {2, CID}};
  for (guint i = 0; i < G_N_ELEMENTS(cids); i++) {
    gint64 before = count_of("vsock.refused-cids");
    packet = packet_of(VSOCK_REQUEST);
    packet.src_cid = cids[i][0];
    packet.dst_cid = cids[i][1];
    give(f, &packet, NULL);
    g_assert_true(take(f));
    g_assert_cmpuint(f->got.op, ==, VSOCK_RST);
    g_assert_cmpuint(f->got.src_cid, ==, cids[i][1]);
    g_assert_cmpuint(f->got.dst_cid, ==, cids[i][0]);
    g_assert_cmpint(count_of("vsock.refused-cids"), ==, before + 1);
  }
  packet = packet_of(VSOCK_REQUEST);
  packet.type = 2; /* SEQPACKET, which is not offered */
  give(f, &packet, NULL);
  expect(f, VSOCK_RST);
  g_assert_cmpuint(f->got.type, ==, 2);
  g_assert_cmpuint(f->accepted, ==, 0);
  g_assert_false(take(f));
}

/* Whatever comes without a connection, or is no operation: RST, but for a RST. */
static void test_strays(Fixture *f, gconstpointer data) {
  for (guint op = 0; op < 20; op++) {
    if (op == VSOCK_REQUEST) continue;
    give_op(f, (VsockOp)op);
    if (op == VSOCK_RST) {
      g_assert_false(take(f));
    } else {
      expect(f, VSOCK_RST);
    }
  }
  for (guint op = 0; op < 20; op++) {
    gboolean is_good =
        op == VSOCK_SHUTDOWN || op == VSOCK_CREDIT_REQUEST || op == VSOCK_CREDIT_UPDATE || op == VSOCK_RW;
    connect_guest(f);
    give_op(f, (VsockOp)op);
    if (!is_good && op != VSOCK_RST) expect(f, VSOCK_RST);
    g_assert_cmpint(has_ended(f->fd), ==, !is_good);
    give_op(f, VSOCK_RST);
    while (take(f)) {
    }
  }
  g_assert_cmpuint(f->accepted, ==, 20);
}

static void test_malformed(Fixture *f, gconstpointer data) {
  gint64 before = count_of("vsock.malformed");
  VsockPacket packet = packet_of(VSOCK_RW);
  packet.len = 100;
  vsock_packet_write(&packet, f->chain);
  for (gsize size = 0; size < VSOCK_PACKET_HEADER + 100; size++) {
    f->element.n_out = 1;
    f->element.n_in = 0;
    f->element.out_size = size;
    f->element.spans[0] = (VirtqueueSpan){f->chain, size};
    vsock_device_input(f->device, &f->element);
  }
  g_assert_cmpint(count_of("vsock.malformed"), ==, before + VSOCK_PACKET_HEADER + 100);
  g_assert_false(take(f));
  /* and a receive buffer without room for a header */
  give_op(f, VSOCK_REQUEST);
  f->element.n_out = 0;
  f->element.n_in = 1;
  f->element.in_size = VSOCK_PACKET_HEADER - 1;
  f->element.spans[0] = (VirtqueueSpan){f->chain, VSOCK_PACKET_HEADER - 1};
  g_assert_cmpuint(vsock_device_output(f->device, &f->element), ==, 0);
  expect(f, VSOCK_RESPONSE);
}

/* The guest fills its credit while nobody reads, byte for byte; one more ends the connection. */
static void test_credit_overrun(Fixture *f, gconstpointer data) {
  guint8 *bytes = g_malloc0(LARGE);
  connect_guest(f);
  /* what the socket takes is forwarded, and the guest is told by no packet: its credit is all there is */
  for (guint i = 0; i < VSOCK_CONNECTION_BUFFER / LARGE; i++) send_data(f, bytes, LARGE);
  gint64 before = count_of("vsock.credit-overruns");
  send_data(f, bytes, 1);
  expect(f, VSOCK_RST);
  g_assert_false(take(f));
  g_assert_cmpint(count_of("vsock.credit-overruns"), ==, before + 1);
  drain(f->fd);
  g_assert_true(has_ended(f->fd));
  g_free(bytes);
}

/* An honest guest and a reader that rests: updates come by themselves when it goes on, and no byte is lost. */
static void test_never_stalls(Fixture *f, gconstpointer data) {
  guint8 *bytes = g_malloc(LARGE), *read_back = g_malloc(LARGE);
  guint32 sent = 0, told = 0, got = 0;
  guint rests = 0;
  connect_guest(f);
  while (got < 40u << 20) {
    while (VSOCK_CONNECTION_BUFFER - (sent - told) >= LARGE) {
      for (guint i = 0; i < LARGE; i++) bytes[i] = (guint8)((sent + i) * 7 + (sent + i) / 4099);
      send_data(f, bytes, LARGE);
      sent += LARGE;
      while (take(f)) told = f->got.fwd_cnt;
    }
    /* no credit: it waits, and only the reader can change that */
    guint part = g_random_int_range(1, (gint)LARGE);
    gssize size = recv(f->fd, read_back, part, MSG_DONTWAIT);
    if (size < 0 && sent == got) g_error("stalled after %u bytes", sent);
    for (gssize i = 0; i < size; i++) {
      guint32 at = got + (guint32)i;
      if (read_back[i] != (guint8)(at * 7 + at / 4099)) g_error("another byte at %u", at);
    }
    if (size > 0) got += (guint32)size;
    rests += size < 0;
    while (take(f)) told = f->got.fwd_cnt;
    g_assert_cmpuint(sent - got, <=, 2 * VSOCK_CONNECTION_BUFFER + (512u << 10));
    g_assert_cmpuint(rests, <, 100000);
  }
  g_free(bytes);
  g_free(read_back);
}

/* No more goes to the guest than it has room for; what it does not take stays in the socket. */
static void test_guest_without_room(Fixture *f, gconstpointer data) {
  guint8 *bytes = g_malloc0(LARGE);
  guint32 sent = 0;
  connect_guest(f);
  for (guint i = 0; i < 100; i++) send(f->fd, bytes, LARGE, MSG_DONTWAIT);
  while (take_into(f, 4096)) {
    g_assert_cmpuint(f->got.op, ==, VSOCK_RW);
    g_assert_cmpuint(f->got.len, <=, 4096);
    sent += f->got.len;
  }
  g_assert_cmpuint(sent, ==, GUEST_BUFFER);
  VsockPacket packet = packet_of(VSOCK_CREDIT_UPDATE);
  packet.fwd_cnt = 1000;
  give(f, &packet, NULL);
  expect(f, VSOCK_RW);
  g_assert_cmpuint(f->got.len, ==, 1000);
  g_assert_false(take(f));
  g_free(bytes);
}

static void test_credit_request(Fixture *f, gconstpointer data) {
  connect_guest(f);
  send_data(f, (const guint8 *)"abc", 3);
  g_assert_false(take(f));
  give_op(f, VSOCK_CREDIT_REQUEST);
  expect(f, VSOCK_CREDIT_UPDATE);
  g_assert_cmpuint(f->got.fwd_cnt, ==, 3);
  g_assert_false(take(f));
}

/* The host's end is closed: what was in it comes first. */
static void test_host_closes(Fixture *f, gconstpointer data) {
  connect_guest(f);
  g_assert_cmpint(write(f->fd, "last words", 10), ==, 10);
  close(f->fd);
  f->fd = -1;
  expect(f, VSOCK_RW);
  g_assert_cmpmem(f->data, f->got.len, "last words", 10);
  expect(f, VSOCK_RST);
  g_assert_false(take(f));
  send_data(f, (const guint8 *)"x", 1);
  expect(f, VSOCK_RST); /* there is no such connection any more */
  /* with something unread in it, as when its process is killed */
  connect_guest(f);
  send_data(f, (const guint8 *)"unread", 6);
  close(f->fd);
  f->fd = -1;
  expect(f, VSOCK_RST);
  g_assert_false(take(f));
}

static void test_host_shuts_down(Fixture *f, gconstpointer data) {
  guint8 byte;
  connect_guest(f);
  g_assert_cmpint(shutdown(f->fd, SHUT_WR), ==, 0);
  expect(f, VSOCK_SHUTDOWN);
  g_assert_cmpuint(f->got.flags, ==, VSOCK_SHUTDOWN_SEND);
  send_data(f, (const guint8 *)"x", 1);
  g_assert_cmpint(read(f->fd, &byte, 1), ==, 1);
  close(f->fd);
  f->fd = -1;
  expect(f, VSOCK_RST);
}

/* The guest closes: what it has sent before is delivered first, however long its reader takes. */
static void test_guest_closes(Fixture *f, gconstpointer data) {
  guint8 *bytes = g_malloc0(LARGE);
  connect_guest(f);
  for (guint i = 0; i < VSOCK_CONNECTION_BUFFER / LARGE; i++) send_data(f, bytes, LARGE);
  while (take(f)) g_assert_cmpuint(f->got.op, ==, VSOCK_CREDIT_UPDATE);
  VsockPacket packet = packet_of(VSOCK_SHUTDOWN);
  packet.flags = VSOCK_SHUTDOWN_SEND | VSOCK_SHUTDOWN_RECEIVE;
  give(f, &packet, NULL);
  gsize got = 0;
  gboolean reset = FALSE;
  while (!reset) {
    g_assert_cmpuint(got, <, VSOCK_CONNECTION_BUFFER);
    got += drain(f->fd);
    while (take(f)) reset = f->got.op == VSOCK_RST;
  }
  got += drain(f->fd);
  g_assert_cmpuint(got, ==, VSOCK_CONNECTION_BUFFER);
  g_assert_true(has_ended(f->fd));
  g_free(bytes);
}

static void test_guest_shuts_down(Fixture *f, gconstpointer data) {
  guint8 byte;
  connect_guest(f);
  send_data(f, (const guint8 *)"x", 1);
  VsockPacket packet = packet_of(VSOCK_SHUTDOWN);
  packet.flags = VSOCK_SHUTDOWN_SEND;
  give(f, &packet, NULL);
  g_assert_cmpint(read(f->fd, &byte, 1), ==, 1);
  g_assert_true(has_ended(f->fd));
  g_assert_cmpint(write(f->fd, "answer", 6), ==, 6);
  expect(f, VSOCK_RW);
  g_assert_cmpuint(f->got.len, ==, 6);
  send_data(f, (const guint8 *)"y", 1); /* after it said that it would not */
  expect(f, VSOCK_RST);
}

static void test_too_many(Fixture *f, gconstpointer data) {
  VsockPacket packet = packet_of(VSOCK_REQUEST);
  int fds[VSOCK_DEVICE_CONNECTIONS];
  for (guint i = 0; i <= VSOCK_DEVICE_CONNECTIONS; i++) {
    packet.src_port = GUEST_PORT + i;
    give(f, &packet, NULL);
    g_assert_true(take(f));
    g_assert_cmpuint(f->got.op, ==, i < VSOCK_DEVICE_CONNECTIONS ? VSOCK_RESPONSE : VSOCK_RST);
    g_assert_cmpuint(f->got.dst_port, ==, GUEST_PORT + i);
    if (i < VSOCK_DEVICE_CONNECTIONS) fds[i] = dup(f->fd);
  }
  vsock_device_reset(f->device);
  for (guint i = 0; i < VSOCK_DEVICE_CONNECTIONS; i++) {
    g_assert_true(has_ended(fds[i]));
    close(fds[i]);
  }
  g_assert_false(take(f));
  connect_guest(f);
}

/* A guest that takes no answers is not heard: nothing piles up. */
static void test_unread_answers(Fixture *f, gconstpointer data) {
  for (guint i = 0; i < VSOCK_DEVICE_RESETS; i++) give_op(f, VSOCK_RW);
  g_assert_false(vsock_device_takes_input(f->device));
  guint changes = f->changes;
  expect(f, VSOCK_RST);
  g_assert_true(vsock_device_takes_input(f->device));
  g_assert_cmpuint(f->changes, >, changes);
  for (guint i = 1; i < VSOCK_DEVICE_RESETS; i++) expect(f, VSOCK_RST);
  g_assert_false(take(f));
}

/* One connection with much to say does not keep another from its turn. */
static void test_turns(Fixture *f, gconstpointer data) {
  guint8 bytes[4096] = {0};
  connect_guest(f);
  int first = dup(f->fd);
  VsockPacket packet = packet_of(VSOCK_REQUEST);
  packet.src_port = GUEST_PORT + 1;
  give(f, &packet, NULL);
  g_assert_true(take(f));
  for (guint i = 0; i < 4; i++) {
    g_assert_cmpint(write(first, bytes, sizeof bytes), ==, sizeof bytes);
    g_assert_cmpint(write(f->fd, bytes, sizeof bytes), ==, sizeof bytes);
  }
  guint32 last = 0;
  for (guint i = 0; i < 8; i++) {
    g_assert_true(take_into(f, sizeof bytes));
    g_assert_cmpuint(f->got.dst_port, !=, last);
    last = f->got.dst_port;
  }
  close(first);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, function) g_test_add("/vsock-device/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("both-ways", test_both_ways);
  ADD("refused", test_refused);
  ADD("strays", test_strays);
  ADD("malformed", test_malformed);
  ADD("credit-overrun", test_credit_overrun);
  ADD("never-stalls", test_never_stalls);
  ADD("guest-without-room", test_guest_without_room);
  ADD("credit-request", test_credit_request);
  ADD("host-closes", test_host_closes);
  ADD("host-shuts-down", test_host_shuts_down);
  ADD("guest-closes", test_guest_closes);
  ADD("guest-shuts-down", test_guest_shuts_down);
  ADD("too-many", test_too_many);
  ADD("unread-answers", test_unread_answers);
  ADD("turns", test_turns);
  return g_test_run();
}
