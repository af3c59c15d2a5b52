/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/peer.h"

#include "common/base/log.h"
#include "tests/unit/support/fake-requests.h"
#include "tests/unit/support/fake-source.h"
#include "tests/unit/support/frozen.h"
#include "tests/unit/support/support.h"

#include <string.h>

/*
 * Version 1 exchanges: frozen requests (tests/data/hxfr-v1) to a host, its
 * answers compared with frozen answers. An ERROR's words are ours to choose;
 * everything else is compared byte for byte.
 */

typedef struct {
  FakeSource source;
  FakeRequests requests;
  PeerService service;
  Peer *peer;
} Fixture;

static void on_wake(gpointer data) {
}

static const PeerTransport TRANSPORT = {.wake = on_wake};

/* data: whether the host takes requests. */
static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->service = (PeerService){
      .hub = hub_create(NULL, &FAKE_SOURCE, &fixture->source),
      .vm_name = "vm",
      .token = "0123456789abcdef",
      .server_name = "test 1",
      .max_bitrate = 50000000,
      .requests = data ? &FAKE_REQUESTS : NULL,
      .requests_data = &fixture->requests,
  };
  peer_service_init(&fixture->service);
  fake_source_add_scanout(fixture->service.hub, 0);
  fixture->peer = peer_create(&fixture->service, PEER_TRUSTED, "test", &TRANSPORT, NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  peer_destroy(fixture->peer);
  fake_requests_finish(&fixture->requests);
  peer_service_finish(&fixture->service);
  hub_destroy(fixture->service.hub);
}

static void say(Fixture *fixture, const char *name) {
  g_autoptr(GBytes) message = frozen_load(name);
  HxfrHeader header;
  const guint8 *bytes = g_bytes_get_data(message, NULL);
  g_assert_true(hxfr_header_parse(bytes, &header));
  g_assert_true(peer_receive(fixture->peer, &header, bytes + HXFR_HEADER_SIZE));
}

static GBytes *hear(Fixture *fixture) {
  OutboxItem item;
  guint32 wanted;
  if (!outbox_pop(peer_outbox(fixture->peer), &item, &wanted)) return NULL;
  g_assert_null(item.unit); /* version 1 gets whole messages */
  return item.message;
}

static void hear_nothing(Fixture *fixture) {
  g_assert_null(hear(fixture));
}

static void expect(Fixture *fixture, const char *name) {
  g_autoptr(GBytes) expected = frozen_load(name);
  g_autoptr(GBytes) got = hear(fixture);
  g_assert_nonnull(got);
  gsize size, expected_size;
  const guint8 *bytes = g_bytes_get_data(got, &size), *expected_bytes = g_bytes_get_data(expected, &expected_size);
  /* header and code of an ERROR; then a text with its end in the field */
  if (bytes[4] == HXFR_ERROR && size == expected_size && memchr(bytes + 16, 0, size - 16)) size = expected_size = 16;
  g_assert_cmpmem(bytes, size, expected_bytes, expected_size);
}

static void exchange(Fixture *fixture, const char *request, const char *answer) {
  say(fixture, request);
  if (answer) expect(fixture, answer);
  hear_nothing(fixture);
}

static void test_plain(Fixture *fixture, gconstpointer data) {
  exchange(fixture, "ping", "pong");
  exchange(fixture, "ping-64", "pong-64");
  exchange(fixture, "pong-64", NULL);
  exchange(fixture, "unknown", "error-invalid");
  exchange(fixture, "subscribe-1", "subscribe-resp-no");
  exchange(fixture, "enable-scanout", "scanout-resp-no");
  exchange(fixture, "disable-scanout", NULL);
}

/* The access unit of frame-response-key, shown before the SUBSCRIBE: pts 0. */
static AccessUnit *key_unit(void) {
  static const guint8 BYTES[] = {0, 0,    0,    1,    0x67, 0x42, 0xc0, 0x2a, 0,    0,    0,
                                 1, 0x68, 0xce, 0x03, 0,    0,    0,    1,    0x65, 0x88, 0x84};
  AccessUnitInfo info = {.is_key = TRUE, .width = 640, .height = 480};
  return access_unit_create(&info, NULL, 0, BYTES, sizeof BYTES);
}

static void test_subscription(Fixture *fixture, gconstpointer data) {
  exchange(fixture, "subscribe", "subscribe-resp");
  exchange(fixture, "config-req", NULL); /* version 1 expects no CONFIG_RESP */
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 8000000);
  g_assert_cmpuint(fixture->source.demand.keep_alive_hz, ==, 10);
  hub_publish(fixture->service.hub, 0, key_unit());
  expect(fixture, "frame-response-key");
  hear_nothing(fixture);
}

static void test_requests(Fixture *fixture, gconstpointer data) {
  exchange(fixture, "frame-request", NULL);
  fake_requests_answer(&fixture->requests, 0, key_unit());
  expect(fixture, "frame-response-key");
  exchange(fixture, "frame-request-resource", NULL);
  g_assert_cmphex(fixture->requests.last.resource_id, ==, 0xfedcba98);
  fake_requests_refuse(&fixture->requests, 1, HXFR_ERR_RESOURCE_NOT_FOUND);
  expect(fixture, "error-not-found");
  exchange(fixture, "frame-request-pixels", NULL);
  g_assert_cmpuint(fixture->requests.pixels, ==, 32);
  exchange(fixture, "config-req", NULL);
  g_assert_cmpuint(fixture->requests.bitrate, ==, 8000000);
}

/* A client that says what it would like before it subscribes: CONFIG_REQ makes no request session of its session. */
static void test_config_then_subscribe(Fixture *fixture, gconstpointer data) {
  exchange(fixture, "config-req", NULL);
  exchange(fixture, "subscribe", "subscribe-resp");
}

/* Answers as large as a key frame of a 4K photograph: a peer that reads gets them, however many it asked for at once. */
static void test_large_answers(Fixture *fixture, gconstpointer data) {
  for (guint i = 0; i < 3; i++) exchange(fixture, "frame-request", NULL);
  for (guint i = 0; i < 3; i++) fake_requests_answer(&fixture->requests, 0, support_unit(TRUE, 1, 1500 << 10));
  for (guint i = 0; i < 3; i++) {
    g_autoptr(GBytes) got = hear(fixture);
    g_assert_nonnull(got);
    g_assert_cmpuint(g_bytes_get_size(got), >, 1500 << 10);
  }
  exchange(fixture, "ping", "pong");
}

static void test_no_requests(Fixture *fixture, gconstpointer data) {
  exchange(fixture, "frame-request-resource", "error-not-found");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, takes, run) g_test_add("/peer-frozen/" name, Fixture, GINT_TO_POINTER(takes), set_up, run, tear_down)
  ADD("plain", FALSE, test_plain);
  ADD("subscription", FALSE, test_subscription);
  ADD("requests", TRUE, test_requests);
  ADD("config-then-subscribe", TRUE, test_config_then_subscribe);
  ADD("large-answers", TRUE, test_large_answers);
  ADD("no-requests", FALSE, test_no_requests);
  return g_test_run();
}
