/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/hxfr-server.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/net/connector.h"
#include "tests/unit/support/fake-source.h"
#include "tests/unit/support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The host's whole HXFR side over real sockets, its main context turned by the client that waits. */

#define TOKEN "0123456789abcdef0123456789abcdef"

typedef struct {
  char *folder;
  Address address;
  FakeSource source;
  PeerService service;
  HxfrServer *server;
  SupportClient client;
} Fixture;

static void listen_there(Fixture *fixture, const char *text, PeerTrust trust) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = NULL;
  g_assert_true(address_parse(text, &fixture->address, &error));
  hxfr_server_listen(fixture->server, &fixture->address, trust, &name, &error);
  g_assert_no_error(error);
  g_assert_true(address_parse(name, &fixture->address, NULL));
}

static void connect_client(Fixture *fixture, SupportClient *client) {
  g_autoptr(GError) error = NULL;
  support_client_init(client, connector_connect(&fixture->address, 5000, &error));
  g_assert_no_error(error);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->folder = support_make_folder();
  fixture->service = (PeerService){
      .hub = hub_create(NULL, &FAKE_SOURCE, &fixture->source),
      .vm_name = "vm",
      .token = TOKEN,
      .server_name = "test 1",
      .max_bitrate = 50000000,
  };
  peer_service_init(&fixture->service);
  fake_source_add_scanout(fixture->service.hub, 0);
  fixture->server = hxfr_server_create(&fixture->service, NULL);
  g_autofree char *path = g_build_filename(fixture->folder, "s", NULL);
  listen_there(fixture, path, PEER_TRUSTED);
  connect_client(fixture, &fixture->client);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  support_client_finish(&fixture->client);
  hxfr_server_destroy(fixture->server);
  g_assert_cmphex(fixture->source.running, ==, 0);
  peer_service_finish(&fixture->service);
  hub_destroy(fixture->service.hub);
  support_remove_folder(fixture->folder);
}

static void send_number(SupportClient *client, guint8 type, guint16 session, guint8 number) {
  const guint8 payload[4] = {number};
  support_client_message(client, type, session, payload, sizeof payload);
}

static void subscribe(SupportClient *client) {
  HxfrHeader header;
  const guint8 *payload;
  send_number(client, HXFR_SUBSCRIBE, 0, 0);
  support_client_expect(client, HXFR_SUBSCRIBE_RESP, &header, &payload);
  g_assert_cmpuint(payload[4], ==, 1);
}

static void negotiate(SupportClient *client, const char *token) {
  HxfrHello hello = {.version = 2};
  g_strlcpy(hello.token, token, sizeof hello.token);
  guint8 bytes[HXFR_MAX_REQUEST];
  ByteWriter writer;
  byte_writer_init(&writer, bytes, sizeof bytes);
  hxfr_hello_write(&writer, &hello);
  support_client_message(client, HXFR_HELLO, 0, bytes, writer.position);
}

static void expect_welcome(SupportClient *client) {
  HxfrHeader header;
  const guint8 *payload;
  support_client_expect(client, HXFR_WELCOME, &header, &payload);
  support_client_expect(client, HXFR_SCANOUTS, &header, &payload);
  support_client_expect(client, HXFR_STATE, &header, &payload);
}

static void expect_pong(SupportClient *client, const char *bytes) {
  HxfrHeader header;
  const guint8 *payload;
  support_client_expect(client, HXFR_PONG, &header, &payload);
  g_assert_cmpmem(payload, header.payload_size, bytes, strlen(bytes));
}

/* PING, SUBSCRIBE, an unknown type, FRAME_REQUEST of a resource, PING: what answers they get is known. */
static GByteArray *make_conversation(void) {
  static const guint8 BYTES[] = {
      'H', 'X', 'F', 'R', 0x10, 0, 1, 0, 5,  0, 0, 0, 'h', 'e', 'l', 'l', 'o', /* PING */
      'H', 'X', 'F', 'R', 0x30, 0, 0, 0, 4,  0, 0, 0, 0,   0,   0,   0,        /* SUBSCRIBE */
      'H', 'X', 'F', 'R', 0x77, 9, 7, 0, 3,  0, 0, 0, 'x', 'y', 'z',           /* nobody knows */
      'H', 'X', 'F', 'R', 0x01, 0, 2, 0, 44, 0, 0, 0, 9,                       /* FRAME_REQUEST, resource 9 */
  };
  static const guint8 PING[] = {'H', 'X', 'F', 'R', 0x10, 0, 0, 0, 3, 0, 0, 0, 'e', 'n', 'd'};
  const guint8 zeros[43] = {0};
  GByteArray *bytes = g_byte_array_new();
  g_byte_array_append(bytes, BYTES, sizeof BYTES);
  g_byte_array_append(bytes, zeros, sizeof zeros);
  g_byte_array_append(bytes, PING, sizeof PING);
  return bytes;
}

static void expect_conversation(SupportClient *client) {
  HxfrHeader header;
  const guint8 *payload;
  expect_pong(client, "hello");
  support_client_expect(client, HXFR_SUBSCRIBE_RESP, &header, &payload);
  support_client_expect_error(client, HXFR_ERR_INVALID_MESSAGE);
  support_client_expect_error(client, HXFR_ERR_RESOURCE_NOT_FOUND);
  expect_pong(client, "end");
}

static void test_conversation(Fixture *fixture, gconstpointer data) {
  g_autoptr(GByteArray) bytes = make_conversation();
  support_client_send(&fixture->client, bytes->data, bytes->len);
  expect_conversation(&fixture->client);
}

static void test_byte_at_a_time(Fixture *fixture, gconstpointer data) {
  g_autoptr(GByteArray) bytes = make_conversation();
  for (guint i = 0; i < bytes->len; i++) {
    support_client_send(&fixture->client, bytes->data + i, 1);
    for (guint k = 0; k < 3; k++) g_main_context_iteration(NULL, FALSE);
  }
  expect_conversation(&fixture->client);
}

static void test_split_everywhere(Fixture *fixture, gconstpointer data) {
  g_autoptr(GByteArray) bytes = make_conversation();
  for (guint at = 1; at < bytes->len; at++) {
    SupportClient client;
    connect_client(fixture, &client);
    support_client_send(&client, bytes->data, at);
    for (guint k = 0; k < 3; k++) g_main_context_iteration(NULL, FALSE);
    support_client_send(&client, bytes->data + at, bytes->len - at);
    expect_conversation(&client);
    support_client_finish(&client);
  }
}

/* Rule 7: an ERROR that says why, then the end. */
static void test_bad_magic(Fixture *fixture, gconstpointer data) {
  support_client_send(&fixture->client, "GET / HTTP/1.1\r\n\r\n", 18);
  support_client_expect_error(&fixture->client, HXFR_ERR_INVALID_MESSAGE);
  support_client_expect_end(&fixture->client);
}

/* What came before the broken part is answered. */
static void test_bad_magic_later(Fixture *fixture, gconstpointer data) {
  support_client_message(&fixture->client, HXFR_PING, 0, "one", 3);
  support_client_send(&fixture->client, "HXFRHXFRHXFRHXFR", 16);
  expect_pong(&fixture->client, "one");
  support_client_expect_error(&fixture->client, HXFR_ERR_INVALID_MESSAGE);
  support_client_expect_end(&fixture->client);
}

static void test_oversize(Fixture *fixture, gconstpointer data) {
  static const struct {
    guint8 type;
    guint32 size;
  } CASES[] = {
      {HXFR_PING, HXFR_MAX_PING + 1},        {HXFR_SUBSCRIBE, HXFR_MAX_REQUEST + 1},
      {0x77, HXFR_MAX_REQUEST + 1},          {HXFR_PING, G_MAXUINT32},
      {HXFR_SUBSCRIBE, G_MAXUINT32},         {HXFR_FRAME_REQUEST, G_MAXUINT32},
      {HXFR_FRAME_REQUEST, (64 << 20) + 45}, {HXFR_HELLO, 0x80000000},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    SupportClient client;
    connect_client(fixture, &client);
    guint8 head[HXFR_HEADER_SIZE];
    ByteWriter writer;
    byte_writer_init(&writer, head, sizeof head);
    hxfr_header_write(&writer, &(HxfrHeader){.type = CASES[i].type, .payload_size = CASES[i].size});
    support_client_send(&client, head, sizeof head);
    support_client_expect_error(&client, HXFR_ERR_INVALID_MESSAGE);
    support_client_expect_end(&client);
    support_client_finish(&client);
  }
  support_client_message(&fixture->client, HXFR_PING, 0, "x", 1); /* nobody else is disturbed */
  expect_pong(&fixture->client, "x");
}

/* More requests in one write than answers may wait, by a peer that reads: it is read from more slowly, and loses
 * nothing. */
static void test_many_requests(Fixture *fixture, gconstpointer data) {
  const guint count = 3000;
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  for (guint i = 0; i < count; i++) {
    const guint8 ping[] = {'H', 'X', 'F', 'R', HXFR_PING, 0, 0, 0, 2, 0, 0, 0, (guint8)i, (guint8)(i >> 8)};
    g_byte_array_append(bytes, ping, sizeof ping);
  }
  support_client_send(&fixture->client, bytes->data, bytes->len);
  for (guint i = 0; i < count; i++) {
    HxfrHeader header;
    const guint8 *payload;
    support_client_expect(&fixture->client, HXFR_PONG, &header, &payload);
    g_assert_cmpuint(payload[0] | payload[1] << 8, ==, i);
  }
}

/* The same by one that never reads: it is not read from any more, and costs nothing beyond. */
static void test_flood(Fixture *fixture, gconstpointer data) {
  g_autofree guint8 *flood = g_malloc(1200 * HXFR_HEADER_SIZE);
  for (guint i = 0; i < 1200; i++) memcpy(flood + i * HXFR_HEADER_SIZE, "HXFR\x88\0\0\0\0\0\0\0", HXFR_HEADER_SIZE);
  gsize before = support_resident();
  gint64 messages = stats_get(stats_counter("peer.messages"));
  gint64 end = g_get_monotonic_time() + 500 * 1000;
  while (g_get_monotonic_time() < end) {
    ssize_t sent = send(fixture->client.fd, flood, 1200 * HXFR_HEADER_SIZE, MSG_NOSIGNAL | MSG_DONTWAIT);
    g_main_context_iteration(NULL, FALSE);
    if (sent < 0) g_usleep(500);
  }
  g_assert_cmpint(stats_get(stats_counter("peer.messages")) - messages, <, 2000);
  g_assert_cmpuint(support_resident(), <, before + (8 << 20));
  SupportClient other;
  connect_client(fixture, &other);
  support_client_message(&other, HXFR_PING, 0, "x", 1);
  expect_pong(&other, "x");
  support_client_finish(&other);
}

static void test_too_many(Fixture *fixture, gconstpointer data) {
  SupportClient clients[PEER_MAX_PEERS];
  for (guint i = 1; i < PEER_MAX_PEERS; i++) {
    connect_client(fixture, &clients[i]);
    support_client_message(&clients[i], HXFR_PING, 0, "x", 1);
    expect_pong(&clients[i], "x");
  }
  SupportClient refused;
  connect_client(fixture, &refused);
  support_client_expect_error(&refused, HXFR_ERR_DENIED);
  support_client_expect_end(&refused);
  support_client_finish(&refused);

  support_client_finish(&clients[1]);
  support_run_for(50);
  connect_client(fixture, &clients[1]); /* a place is free again */
  support_client_message(&clients[1], HXFR_PING, 0, "y", 1);
  expect_pong(&clients[1], "y");
  for (guint i = 1; i < PEER_MAX_PEERS; i++) support_client_finish(&clients[i]);
}

static AccessUnit *large_unit(gboolean key) {
  return support_unit(key, 1, 64 << 10);
}

typedef struct {
  guint units;
  guint keys;
  gboolean first_is_key;
  guint64 next; /* sequence expected */
  guint gaps;
} Seen;

/* Reads what there is without waiting. */
static void read_units(SupportClient *client, Seen *seen) {
  while (TRUE) {
    gsize room;
    guint8 *space = framing_space(&client->framing, &room);
    ssize_t got = recv(client->fd, space, room, MSG_DONTWAIT);
    if (got <= 0) return;
    framing_commit(&client->framing, (gsize)got);
    HxfrHeader header;
    const guint8 *payload;
    while (framing_next(&client->framing, &header, &payload) == FRAMING_MESSAGE) {
      if (header.type != HXFR_UNIT) continue;
      ByteReader reader;
      HxfrUnit unit;
      byte_reader_init(&reader, payload, header.payload_size);
      g_assert_true(hxfr_unit_parse(&reader, &unit));
      gboolean key = (unit.flags & HXFR_UNIT_KEY) != 0;
      if (seen->units++ == 0)
        seen->first_is_key = key;
      else if (unit.sequence != seen->next)
        seen->gaps++;
      if (seen->units > 1 && unit.sequence != seen->next) g_assert_true(key); /* F08 */
      seen->keys += key;
      seen->next = unit.sequence + 1;
    }
  }
}

/* F06, F07: one stops reading. The other gets every unit, memory stays where it was, and the stopped one resumes with
 * an IDR that was made when it read again and not before. */
static void test_stopped_reader(Fixture *fixture, gconstpointer data) {
  SupportClient stopped;
  connect_client(fixture, &stopped);
  negotiate(&stopped, "");
  expect_welcome(&stopped);
  negotiate(&fixture->client, "");
  expect_welcome(&fixture->client);
  subscribe(&fixture->client);
  subscribe(&stopped);
  fixture->source.answer = fixture->service.hub; /* IDRs come when they are asked for */
  hub_publish(fixture->service.hub, 0, large_unit(TRUE));
  gsize before = support_resident();
  Seen live = {0}, late = {0};
  const guint count = 400;
  for (guint i = 0; i < count; i++) {
    hub_publish(fixture->service.hub, 0, large_unit(FALSE));
    for (guint k = 0; k < 20 && live.next <= i; k++) {
      g_main_context_iteration(NULL, FALSE);
      read_units(&fixture->client, &live);
      g_usleep(100);
    }
  }
  support_run_for(30);
  read_units(&fixture->client, &live);
  g_assert_cmpuint(live.units, ==, count + 1);
  g_assert_cmpuint(live.gaps, ==, 0);
  g_assert_cmpuint(fixture->source.idr_requests, ==, 0);
  g_assert_cmpuint(support_resident(), <, before + (4 << 20)); /* 25 MB went by */

  for (guint i = 0; i < 400 && fixture->source.idr_requests == 0; i++) {
    read_units(&stopped, &late);
    support_run_for(2);
  }
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1);
  for (guint i = 0; i < 20; i++) {
    hub_publish(fixture->service.hub, 0, large_unit(FALSE));
    support_run_for(2);
    read_units(&stopped, &late);
    read_units(&fixture->client, &live);
  }
  g_assert_true(late.first_is_key);
  g_assert_cmpuint(late.gaps, ==, 1);
  g_assert_cmpuint(late.keys, ==, 2);
  g_assert_cmpuint(late.next, ==, live.next);
  g_assert_cmpuint(live.gaps, ==, 0);
  support_client_finish(&stopped);
}

/* A byte that says where in its unit it is; never a zero, so that no start code comes about. */
static guint8 byte_at(gsize place) {
  return (guint8)(1 + (place * 31 + (place >> 8)) % 255);
}

/* A unit that no socket takes at once, read in pieces of every size: each byte in its place. */
static void test_large_unit(Fixture *fixture, gconstpointer data) {
  const gsize size = 1 << 20, head = 20; /* support_unit()'s parameter sets and start codes */
  if (data) {
    negotiate(&fixture->client, "");
    expect_welcome(&fixture->client);
  }
  subscribe(&fixture->client);
  for (guint round = 0; round < 4; round++) {
    AccessUnit *unit = support_unit(TRUE, 1, size);
    for (gsize i = head; i < size; i++) unit->data[i] = byte_at(i);
    hub_publish(fixture->service.hub, 0, unit);
    g_autoptr(GByteArray) got = g_byte_array_new();
    const gsize whole = HXFR_HEADER_SIZE + (data ? HXFR_UNIT_FIXED_SIZE : HXFR_FRAME_RESPONSE_SIZE + 3 * 4) + size;
    guint8 piece[5000];
    for (gsize want = 1; got->len < whole; want = want * 7 % 4999 + 1) {
      ssize_t read_now = recv(fixture->client.fd, piece, MIN(want, whole - got->len), MSG_DONTWAIT);
      if (read_now > 0) g_byte_array_append(got, piece, (guint)read_now);
      if (want % 3 == 0 || read_now <= 0) g_main_context_iteration(NULL, FALSE);
      g_assert_true(read_now != 0);
    }
    HxfrHeader header;
    g_assert_true(hxfr_header_parse(got->data, &header));
    g_assert_cmpuint(header.payload_size, ==, whole - HXFR_HEADER_SIZE);
    for (gsize i = head; i < size; i++) {
      if (got->data[whole - size + i] != byte_at(i)) g_error("byte %zu is another", i);
    }
  }
}

/* Rule 9, F05: it closes with units queued. */
static void test_gone_with_units(Fixture *fixture, gconstpointer data) {
  subscribe(&fixture->client);
  for (guint i = 0; i < 8; i++) hub_publish(fixture->service.hub, 0, large_unit(i == 0));
  support_run_for(20);
  support_client_finish(&fixture->client);
  for (guint i = 0; i < 100 && fixture->source.running; i++) {
    hub_publish(fixture->service.hub, 0, large_unit(FALSE));
    support_run_for(5);
  }
  g_assert_cmpuint(fixture->source.stops, ==, 1);
  g_assert_cmpuint(fixture->service.peers->len, ==, 0);
}

/* Goes in the middle of a header, of a payload, and before anything. */
static void test_gone_in_the_middle(Fixture *fixture, gconstpointer data) {
  g_autoptr(GByteArray) bytes = make_conversation();
  for (guint size = 0; size < bytes->len; size += 5) {
    SupportClient client;
    connect_client(fixture, &client);
    support_client_send(&client, bytes->data, size);
    support_client_finish(&client);
    support_run_for(1);
  }
  support_run_for(50);
  g_assert_cmpuint(fixture->service.peers->len, ==, 1);
  g_assert_cmpuint(fixture->source.starts, ==, fixture->source.stops);
}

static guint count_descriptors(void) {
  guint count = 0;
  g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
  while (g_dir_read_name(dir)) count++;
  return count;
}

/* F15: connections that come and go leave nothing behind. */
static void test_cycles(Fixture *fixture, gconstpointer data) {
  guint descriptors = 0;
  gsize memory = 0;
  for (guint i = 0; i < 1000; i++) {
    SupportClient client;
    connect_client(fixture, &client);
    negotiate(&client, "");
    expect_welcome(&client);
    if (i % 3 == 0) subscribe(&client);
    support_client_finish(&client);
    if (i != 100) continue;
    support_run_for(50);
    descriptors = count_descriptors();
    memory = support_resident();
  }
  support_run_for(50);
  g_assert_cmpuint(count_descriptors(), ==, descriptors);
  g_assert_cmpuint(support_resident(), <, memory + (2 << 20));
  g_assert_cmpuint(fixture->service.peers->len, ==, 1);
}

/* The server goes while peers are connected, subscribed, and not reading. */
static void test_destroyed_under_load(Fixture *fixture, gconstpointer data) {
  SupportClient clients[8];
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) {
    connect_client(fixture, &clients[i]);
    subscribe(&clients[i]);
  }
  for (guint i = 0; i < 20; i++) {
    hub_publish(fixture->service.hub, 0, large_unit(i == 0));
    support_run_for(1);
  }
  hxfr_server_destroy(fixture->server);
  g_assert_cmpuint(fixture->source.stops, ==, 1);
  fixture->server = hxfr_server_create(&fixture->service, NULL);
  for (guint i = 0; i < G_N_ELEMENTS(clients); i++) support_client_finish(&clients[i]);
}

static void test_tcp(Fixture *fixture, gconstpointer data) {
  listen_there(fixture, "tcp:127.0.0.1:0", PEER_NEEDS_TOKEN);
  SupportClient wrong, right;
  connect_client(fixture, &wrong);
  send_number(&wrong, HXFR_SUBSCRIBE, 0, 0);
  support_client_expect_error(&wrong, HXFR_ERR_DENIED);
  support_client_expect_end(&wrong);
  support_client_finish(&wrong);
  connect_client(fixture, &wrong);
  negotiate(&wrong, "0123456789abcdef0123456789abcdee");
  support_client_expect_error(&wrong, HXFR_ERR_DENIED);
  support_client_expect_end(&wrong);
  support_client_finish(&wrong);
  connect_client(fixture, &right);
  negotiate(&right, TOKEN);
  expect_welcome(&right);
  subscribe(&right);
  hub_publish(fixture->service.hub, 0, large_unit(TRUE));
  HxfrHeader header;
  const guint8 *payload;
  support_client_expect(&right, HXFR_UNIT, &header, &payload);
  support_client_finish(&right);
}

/* A connection that came another way: served like one of a listener's, with the trust that it is given with. */
static void test_taken(Fixture *fixture, gconstpointer data) {
  SupportClient client;
  int ends[2];
  for (guint trusted = 0; trusted < 2; trusted++) {
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    hxfr_server_take(fixture->server, ends[1], trusted ? PEER_TRUSTED : PEER_NEEDS_TOKEN, "vsock");
    g_assert_cmpint(fcntl(ends[1], F_GETFL) & O_NONBLOCK, !=, 0);
    support_client_init(&client, ends[0]);
    negotiate(&client, "");
    if (trusted) {
      expect_welcome(&client);
    } else {
      support_client_expect_error(&client, HXFR_ERR_DENIED);
      support_client_expect_end(&client);
    }
    support_client_finish(&client);
  }
}

static void test_listen_twice(Fixture *fixture, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  g_autofree char *name = NULL;
  g_assert_false(hxfr_server_listen(fixture->server, &fixture->address, PEER_TRUSTED, &name, &error));
  g_assert_nonnull(strstr(error->message, "another program listens there"));
  g_assert_null(name);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  signal(SIGPIPE, SIG_IGN);
  log_set_level(LOG_ERROR);
  hxfr_server_destroy(NULL);
#define ADD(name, run) g_test_add("/hxfr-server/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("conversation", test_conversation);
  ADD("byte-at-a-time", test_byte_at_a_time);
  ADD("split-everywhere", test_split_everywhere);
  ADD("bad-magic", test_bad_magic);
  ADD("bad-magic-later", test_bad_magic_later);
  ADD("F24-oversize", test_oversize);
  ADD("many-requests", test_many_requests);
  ADD("flood", test_flood);
  ADD("too-many", test_too_many);
  ADD("F06-F07-stopped-reader", test_stopped_reader);
  g_test_add("/hxfr-server/large-unit", Fixture, NULL, set_up, test_large_unit, tear_down);
  g_test_add("/hxfr-server/large-unit-version-2", Fixture, GINT_TO_POINTER(2), set_up, test_large_unit, tear_down);
  ADD("F05-gone-with-units", test_gone_with_units);
  ADD("gone-in-the-middle", test_gone_in_the_middle);
  ADD("F15-cycles", test_cycles);
  ADD("destroyed-under-load", test_destroyed_under_load);
  ADD("tcp", test_tcp);
  ADD("listen-twice", test_listen_twice);
  ADD("taken", test_taken);
  return g_test_run();
}
