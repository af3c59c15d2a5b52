/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/peer.h"

#include "common/base/log.h"
#include "tests/unit/support/fake-requests.h"
#include "tests/unit/support/peer-rig.h"
#include "tests/unit/support/support.h"

#include <string.h>

/* What of requests depends on who asks, and over what. */

typedef struct {
  PeerRig rig;
  FakeRequests requests;
} Fixture;

static void on_wake(gpointer data) {
}

static const PeerTransport WITHOUT_PIXELS = {.wake = on_wake}; /* as a WebSocket */

static void begin(Fixture *fixture, PeerTrust trust, const PeerTransport *transport) {
  peer_destroy(fixture->rig.peer);
  fixture->rig.service.requests = &FAKE_REQUESTS;
  fixture->rig.service.requests_data = &fixture->requests;
  fixture->rig.peer = peer_create(&fixture->rig.service, trust, "test", transport, &fixture->rig);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  peer_rig_set_up(&fixture->rig, GINT_TO_POINTER(PEER_TRUSTED));
  begin(fixture, PEER_TRUSTED, &PEER_RIG_TRANSPORT);
  fixture->requests.answer_at_once = TRUE;
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  peer_rig_tear_down(&fixture->rig, NULL);
  fake_requests_finish(&fixture->requests);
}

/* HELLO, and what WELCOME says; what follows it is read over. */
static guint32 negotiate(Fixture *fixture) {
  g_assert_true(peer_rig_say_hello(&fixture->rig, 2, ""));
  ByteReader reader = peer_rig_hear_type(&fixture->rig, HXFR_WELCOME, 0);
  HxfrWelcome welcome;
  g_assert_true(hxfr_welcome_parse(&reader, &welcome));
  peer_rig_hear_type(&fixture->rig, HXFR_SCANOUTS, 0);
  peer_rig_hear_type(&fixture->rig, HXFR_STATE, 0);
  return welcome.features;
}

static void say_fingerprint(Fixture *fixture, guint16 session) {
  HxfrRequestFingerprint request = {.request = {.width = 4, .height = 4}, .fingerprint = {.count = 1}};
  guint8 payload[HXFR_MAX_REQUEST];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_request_fingerprint_write(&writer, &request);
  g_assert_true(peer_rig_say(&fixture->rig, HXFR_REQUEST_FINGERPRINT, session, payload, writer.position));
}

static void say_tiles(Fixture *fixture, guint16 session) {
  HxfrRequestTiles tiles = {.request = {.width = 4, .height = 4, .format = PIXEL_FORMAT_XRGB8888}, .picture = 1};
  guint8 payload[HXFR_TILES_FIXED_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_request_tiles_write(&writer, &tiles);
  g_assert_true(peer_rig_say(&fixture->rig, HXFR_REQUEST_TILES, session, payload, writer.position));
}

static const guint32 WITH_PIXELS =
    HXFR_FEATURE_STATS | HXFR_FEATURE_REQUESTS | HXFR_FEATURE_RESOURCES | HXFR_FEATURE_PIXELS | HXFR_FEATURE_TILES;

static void test_features(Fixture *fixture, gconstpointer data) {
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_REQUEST_TILES), ==, HXFR_MAX_REQUEST); /* no HELLO yet */
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_FRAME_REQUEST), >, HXFR_MAX_PIXELS);
  g_assert_cmphex(negotiate(fixture), ==, WITH_PIXELS);
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_REQUEST_TILES), ==, HXFR_MAX_TILES);
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_REQUEST_FINGERPRINT), ==, HXFR_MAX_REQUEST);
  say_fingerprint(fixture, 1);
  peer_rig_hear_type(&fixture->rig, HXFR_PIXELS_WANTED, 1);
  say_tiles(fixture, 1);
  peer_rig_hear_type(&fixture->rig, HXFR_FRAME_RESPONSE, 1);
}

/* What says that it takes pixels really does, and nothing else says so. */
static void test_transport_without_pixels(Fixture *fixture, gconstpointer data) {
  begin(fixture, PEER_TRUSTED, &WITHOUT_PIXELS);
  g_assert_cmphex(negotiate(fixture), ==, WITH_PIXELS & ~(guint32)(HXFR_FEATURE_PIXELS | HXFR_FEATURE_TILES));
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_REQUEST_TILES), ==, HXFR_MAX_REQUEST);
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_FRAME_REQUEST), ==, HXFR_MAX_REQUEST);
  say_tiles(fixture, 1);
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 1);
  say_fingerprint(fixture, 1);
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 1);
  g_assert_cmpuint(fixture->requests.submitted, ==, 0);
}

/* Version 1's host knows none of them: unknown types, each skipped with an ERROR. */
static void test_version_1(Fixture *fixture, gconstpointer data) {
  say_tiles(fixture, 1);
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 1);
  say_fingerprint(fixture, 1);
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 1);
  g_assert_true(peer_rig_say_number(&fixture->rig, HXFR_REQUEST_SCANOUT, 1, 1));
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 1);
  g_assert_cmpuint(fixture->requests.opened, ==, 0);
}

/* F24: before a token, no message may be larger than HELLO. */
static void test_stranger(Fixture *fixture, gconstpointer data) {
  begin(fixture, PEER_NEEDS_TOKEN, &PEER_RIG_TRANSPORT);
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_FRAME_REQUEST), ==, HXFR_MAX_REQUEST);
  g_assert_cmpuint(peer_max_payload(fixture->rig.peer, HXFR_REQUEST_TILES), ==, HXFR_MAX_REQUEST);
}

static void test_subscription_is_none(Fixture *fixture, gconstpointer data) {
  negotiate(fixture);
  peer_rig_subscribe(&fixture->rig, 3, TRUE);
  say_fingerprint(fixture, 3);
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 3);
  say_tiles(fixture, 3);
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 3);
  g_assert_true(peer_rig_say_number(&fixture->rig, HXFR_REQUEST_SCANOUT, 3, 1));
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 3);
  say_tiles(fixture, 4);
  peer_rig_hear_type(&fixture->rig, HXFR_FRAME_RESPONSE, 4);
}

static void test_request_scanout(Fixture *fixture, gconstpointer data) {
  negotiate(fixture);
  g_assert_true(peer_rig_say_number(&fixture->rig, HXFR_REQUEST_SCANOUT, 9, 15));
  peer_rig_hear_nothing(&fixture->rig); /* no answer */
  say_tiles(fixture, 9);
  peer_rig_hear_type(&fixture->rig, HXFR_FRAME_RESPONSE, 9);
  g_assert_cmpuint(fixture->requests.scanouts[0], ==, 15);
  static const guint32 BAD[] = {16, 0x10000, G_MAXUINT32};
  for (guint i = 0; i < G_N_ELEMENTS(BAD); i++) {
    g_assert_true(peer_rig_say_number(&fixture->rig, HXFR_REQUEST_SCANOUT, 9, BAD[i]));
    peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 9);
  }
  g_assert_true(peer_rig_say(&fixture->rig, HXFR_REQUEST_SCANOUT, 9, "\1\0\0", 3));
  peer_rig_hear_error(&fixture->rig, HXFR_ERR_INVALID_MESSAGE, 9);
  g_assert_cmpuint(fixture->requests.scanouts[0], ==, 15);
}

/* Version 1's way: the session that connected an output means it. */
static void test_enable_scanout(Fixture *fixture, gconstpointer data) {
  guint8 payload[HXFR_ENABLE_SCANOUT_SIZE];
  for (guint scanout = 14; scanout >= 13; scanout--) { /* the fake has no 14 */
    ByteWriter writer;
    byte_writer_init(&writer, payload, sizeof payload);
    hxfr_enable_scanout_write(&writer, &(HxfrEnableScanout){scanout, 800, 600, 60});
    g_assert_true(peer_rig_say(&fixture->rig, HXFR_ENABLE_SCANOUT, (guint16)(20 + scanout), payload, sizeof payload));
    ByteReader reader = peer_rig_hear_type(&fixture->rig, HXFR_SCANOUT_RESP, (guint16)(20 + scanout));
    HxfrScanoutResp response;
    g_assert_true(hxfr_scanout_resp_parse(&reader, &response));
    g_assert_true(response.success == (scanout == 13));
  }
  guint8 request[HXFR_FRAME_REQUEST_SIZE] = {0};
  for (guint16 session = 33; session <= 34; session++) {
    g_assert_true(peer_rig_say(&fixture->rig, HXFR_FRAME_REQUEST, session, request, sizeof request));
    peer_rig_hear_type(&fixture->rig, HXFR_FRAME_RESPONSE, session);
  }
  g_assert_cmpuint(fixture->requests.scanouts[0], ==, 13);
  g_assert_cmpuint(fixture->requests.scanouts[1], ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, run) g_test_add("/peer-requests/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("features", test_features);
  ADD("transport-without-pixels", test_transport_without_pixels);
  ADD("version-1", test_version_1);
  ADD("F24-stranger", test_stranger);
  ADD("subscription-is-none", test_subscription_is_none);
  ADD("request-scanout", test_request_scanout);
  ADD("enable-scanout", test_enable_scanout);
  return g_test_run();
}
