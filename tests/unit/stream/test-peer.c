/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/peer.h"

#include "common/base/log.h"
#include "tests/unit/support/fake-source.h"
#include "tests/unit/support/support.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define TOKEN "0123456789abcdef0123456789abcdef"

typedef struct {
  FakeSource source;
  PeerService service;
  Peer *peer;
  guint wakes;
  OutboxItem item; /* the last taken */
} Fixture;

static void on_wake(gpointer data) {
  ((Fixture *)data)->wakes++;
}

static const PeerTransport TRANSPORT = {.wake = on_wake};

static void begin(Fixture *fixture, PeerTrust trust) {
  fixture->peer = peer_create(&fixture->service, trust, "test", &TRANSPORT, fixture);
  g_assert_nonnull(fixture->peer);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->service = (PeerService){
      .hub = hub_create(NULL, &FAKE_SOURCE, &fixture->source),
      .vm_name = "vm",
      .token = TOKEN,
      .server_name = "test 1",
      .max_bitrate = 50000000,
  };
  peer_service_init(&fixture->service);
  fake_source_add_scanout(fixture->service.hub, 0);
  fake_source_add_scanout(fixture->service.hub, 3);
  begin(fixture, (PeerTrust)GPOINTER_TO_INT(data));
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  outbox_item_clear(&fixture->item);
  peer_destroy(fixture->peer);
  peer_service_finish(&fixture->service);
  hub_destroy(fixture->service.hub);
}

static gboolean say(Fixture *fixture, guint8 type, guint16 session, const void *payload, gsize size) {
  /* an allocation of exactly the payload, gone as soon as it has been received */
  g_autofree guint8 *exact = g_malloc0(MAX(size, 1));
  if (size > 0) memcpy(exact, payload, size);
  HxfrHeader header = {.type = type, .session_id = session, .payload_size = (guint32)size};
  return peer_receive(fixture->peer, &header, exact);
}

/* The next message of the outbox; FALSE if there is none. */
static gboolean hear(Fixture *fixture, HxfrHeader *header, ByteReader *reader) {
  guint32 wanted;
  outbox_item_clear(&fixture->item);
  if (!outbox_pop(peer_outbox(fixture->peer), &fixture->item, &wanted)) return FALSE;
  peer_idr_wanted(fixture->peer, wanted);
  if (fixture->item.unit) {
    g_assert_true(hxfr_header_parse(fixture->item.head, header));
    byte_reader_init(reader, fixture->item.head + HXFR_HEADER_SIZE, HXFR_UNIT_FIXED_SIZE);
    return TRUE;
  }
  gsize size;
  const guint8 *bytes = g_bytes_get_data(fixture->item.message, &size);
  g_assert_true(hxfr_header_parse(bytes, header));
  g_assert_cmpuint(header->payload_size, ==, size - HXFR_HEADER_SIZE);
  byte_reader_init(reader, bytes + HXFR_HEADER_SIZE, header->payload_size);
  return TRUE;
}

static void hear_nothing(Fixture *fixture) {
  HxfrHeader header;
  ByteReader reader;
  if (hear(fixture, &header, &reader)) g_error("unexpected %s", hxfr_type_name(header.type));
}

static ByteReader hear_type(Fixture *fixture, guint8 type, guint16 session) {
  HxfrHeader header;
  ByteReader reader;
  g_assert_true(hear(fixture, &header, &reader));
  g_assert_cmpstr(hxfr_type_name(header.type), ==, hxfr_type_name(type));
  g_assert_cmpuint(header.session_id, ==, session);
  return reader;
}

static void hear_error(Fixture *fixture, gint32 code, guint16 session) {
  ByteReader reader = hear_type(fixture, HXFR_ERROR, session);
  HxfrError error;
  g_assert_true(hxfr_error_parse(&reader, &error));
  g_assert_cmpint(error.code, ==, code);
  g_assert_cmpuint(strlen(error.text), >, 10);
}

static gboolean say_number(Fixture *fixture, guint8 type, guint16 session, guint32 number) {
  guint8 payload[4] = {(guint8)number, (guint8)(number >> 8), (guint8)(number >> 16), (guint8)(number >> 24)};
  return say(fixture, type, session, payload, sizeof payload);
}

static void subscribe(Fixture *fixture, guint32 scanout, gboolean expected) {
  g_assert_true(say_number(fixture, HXFR_SUBSCRIBE, (guint16)scanout, scanout));
  ByteReader reader = hear_type(fixture, HXFR_SUBSCRIBE_RESP, (guint16)scanout);
  guint32 answered;
  gboolean success;
  g_assert_true(hxfr_subscribe_resp_parse(&reader, &answered, &success));
  g_assert_cmpuint(answered, ==, scanout);
  g_assert_cmpint(success, ==, expected);
}

static gboolean say_hello(Fixture *fixture, guint16 version, const char *token) {
  HxfrHello hello = {.version = version, .name = "test"};
  g_strlcpy(hello.token, token, sizeof hello.token);
  guint8 payload[HXFR_MAX_REQUEST];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_hello_write(&writer, &hello);
  return say(fixture, HXFR_HELLO, 0, payload, writer.position);
}

static void hear_welcome(Fixture *fixture) {
  ByteReader reader = hear_type(fixture, HXFR_WELCOME, 0);
  HxfrWelcome welcome;
  g_assert_true(hxfr_welcome_parse(&reader, &welcome));
  g_assert_cmpuint(welcome.version, ==, 2);
  g_assert_cmpstr(welcome.name, ==, "vm");
  g_assert_cmpuint(welcome.heartbeat_ms, ==, HUB_HEARTBEAT_MS);
  g_assert_true(welcome.features & HXFR_FEATURE_STATS);
  g_assert_false(welcome.features & HXFR_FEATURE_RESOURCES);
  reader = hear_type(fixture, HXFR_SCANOUTS, 0);
  HxfrScanouts scanouts;
  g_assert_true(hxfr_scanouts_parse(&reader, &scanouts));
  g_assert_cmpuint(scanouts.count, ==, 2);
  reader = hear_type(fixture, HXFR_STATE, 0);
  guint32 state;
  char text[64];
  g_assert_true(hxfr_state_parse(&reader, &state, text, sizeof text));
  g_assert_cmpuint(state, ==, HXFR_STATE_STARTING);
}

static void negotiate(Fixture *fixture, const char *token) {
  g_assert_true(say_hello(fixture, 2, token));
  hear_welcome(fixture);
}

static void test_ping(Fixture *fixture, gconstpointer data) {
  guint8 bytes[HXFR_MAX_PING];
  for (guint i = 0; i < sizeof bytes; i++) bytes[i] = (guint8)(i * 3);
  for (guint size = 0; size <= sizeof bytes; size++) {
    g_assert_true(say(fixture, HXFR_PING, (guint16)(1000 + size), bytes, size));
    ByteReader reader = hear_type(fixture, HXFR_PONG, (guint16)(1000 + size));
    g_assert_cmpmem(reader.data, reader.size, bytes, size);
    hear_nothing(fixture);
  }
  g_assert_true(say(fixture, HXFR_PONG, 0, NULL, 0)); /* an answer wants none */
  hear_nothing(fixture);
}

/* HELLO, then PING: the order that tells a version 2 host from a version 1 one. */
static void test_hello_then_ping(Fixture *fixture, gconstpointer data) {
  g_assert_true(say_hello(fixture, 2, ""));
  g_assert_true(say(fixture, HXFR_PING, 0, NULL, 0));
  hear_welcome(fixture);
  hear_type(fixture, HXFR_PONG, 0);
}

static void test_subscribe(Fixture *fixture, gconstpointer data) {
  subscribe(fixture, 3, TRUE);
  g_assert_cmpuint(fixture->source.starts, ==, 1);
  g_assert_cmpuint(fixture->source.scanout, ==, 3);
  hub_publish(fixture->service.hub, 3, support_unit(FALSE, 1, 64)); /* it begins with an IDR */
  hear_nothing(fixture);
  hub_publish(fixture->service.hub, 3, support_unit(TRUE, 1, 64));
  hub_publish(fixture->service.hub, 3, support_unit(FALSE, 1, 64));
  for (guint i = 0; i < 2; i++) {
    ByteReader reader = hear_type(fixture, HXFR_FRAME_RESPONSE, 3);
    HxfrFrameResponse response;
    g_assert_true(hxfr_frame_response_parse(&reader, &response));
    g_assert_cmpint(response.is_keyframe, ==, i == 0);
    g_assert_cmpuint(response.nal_count, ==, i == 0 ? 3 : 1);
  }
  hear_nothing(fixture);
}

static void test_subscribe_version_2(Fixture *fixture, gconstpointer data) {
  negotiate(fixture, "");
  subscribe(fixture, 0, TRUE);
  hub_publish(fixture->service.hub, 0, support_unit(TRUE, 1, 64));
  ByteReader reader = hear_type(fixture, HXFR_UNIT, 0);
  HxfrUnit unit;
  g_assert_true(hxfr_unit_parse(&reader, &unit));
  g_assert_true(unit.flags & HXFR_UNIT_KEY);
}

static void test_subscribe_absent(Fixture *fixture, gconstpointer data) {
  static const guint32 ABSENT[] = {1, 15, 16, 0xffff, 0x10000, 0x10003, G_MAXINT32, 0x80000000, G_MAXUINT32};
  for (gsize i = 0; i < G_N_ELEMENTS(ABSENT); i++) subscribe(fixture, ABSENT[i], FALSE);
  g_assert_cmpuint(fixture->source.starts, ==, 0);
  subscribe(fixture, 0, TRUE); /* and the connection lives */
}

static void test_subscribe_twice(Fixture *fixture, gconstpointer data) {
  subscribe(fixture, 0, TRUE);
  g_assert_true(say_number(fixture, HXFR_SUBSCRIBE, 0, 0));
  hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, 0);
  g_assert_cmpuint(hub_subscriber_count(fixture->service.hub, 0), ==, 1);
  subscribe(fixture, 3, TRUE);
  g_assert_true(say(fixture, HXFR_UNSUBSCRIBE, 0, NULL, 0));
  g_assert_true(say(fixture, HXFR_UNSUBSCRIBE, 0, NULL, 0));
  g_assert_true(say(fixture, HXFR_UNSUBSCRIBE, 0xffff, NULL, 0));
  g_assert_cmpuint(hub_subscriber_count(fixture->service.hub, 0), ==, 0);
  g_assert_cmpuint(hub_subscriber_count(fixture->service.hub, 3), ==, 1);
  while (outbox_pop(peer_outbox(fixture->peer), &fixture->item, &(guint32){0})) outbox_item_clear(&fixture->item);
  subscribe(fixture, 0, TRUE); /* and again */
}

/* Each request of each size that is not its own: ERROR -1 with its session, once; the connection lives. */
static void test_malformed(Fixture *fixture, gconstpointer data) {
  static const struct {
    guint8 type;
    gsize size;
    gboolean may_grow;
  } REQUESTS[] = {
      {HXFR_SUBSCRIBE, HXFR_SUBSCRIBE_SIZE, FALSE},
      {HXFR_CONFIG_REQ, HXFR_CONFIG_SIZE, FALSE},
      {HXFR_ENABLE_SCANOUT, HXFR_ENABLE_SCANOUT_SIZE, FALSE},
      {HXFR_FRAME_REQUEST, HXFR_FRAME_REQUEST_SIZE, TRUE},
  };
  const guint8 zeros[100] = {0};
  for (gsize i = 0; i < G_N_ELEMENTS(REQUESTS); i++) {
    for (gsize size = 0; size < REQUESTS[i].size + 9; size++) {
      if (size == REQUESTS[i].size || (size > REQUESTS[i].size && REQUESTS[i].may_grow)) continue;
      g_assert_true(say(fixture, REQUESTS[i].type, (guint16)(500 + size), zeros, size));
      hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, (guint16)(500 + size));
      hear_nothing(fixture);
    }
  }
  g_assert_cmpuint(fixture->source.starts, ==, 0);
}

/* Rule 7: what no host expects is skipped and answered, types of the other direction as well. */
static void test_unknown_types(Fixture *fixture, gconstpointer data) {
  static const guint8 KNOWN[] = {HXFR_FRAME_REQUEST, HXFR_KEYFRAME_REQ,    HXFR_CONFIG_REQ, HXFR_PING,
                                 HXFR_PONG,          HXFR_ENABLE_SCANOUT,  HXFR_SUBSCRIBE,  HXFR_HELLO,
                                 HXFR_UNSUBSCRIBE,   HXFR_DISABLE_SCANOUT, HXFR_STATS_REQ};
  guint unknown = 0;
  for (guint type = 0; type < 256; type++) {
    if (memchr(KNOWN, (int)type, sizeof KNOWN)) continue;
    g_assert_true(say(fixture, (guint8)type, (guint16)type, "whatever", 8));
    hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, (guint16)type);
    hear_nothing(fixture);
    unknown++;
  }
  g_assert_cmpuint(unknown, ==, 256 - sizeof KNOWN);
  subscribe(fixture, 0, TRUE);
}

static gboolean say_frame_request(Fixture *fixture, guint16 session, guint32 resource, gsize extra) {
  guint8 payload[HXFR_FRAME_REQUEST_SIZE + 64] = {0};
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_frame_request_write(&writer, &(HxfrFrameRequest){.resource_id = resource, .width = 640, .height = 480,
                                                        .format = 0x34325241, .stride = 2560, .pts_ns = 123});
  return say(fixture, HXFR_FRAME_REQUEST, session, payload, writer.position + extra);
}

/* Rules 1 and 2: exactly one answer each, with the request's session, and the connection lives. */
static void test_frame_request(Fixture *fixture, gconstpointer data) {
  static const guint32 RESOURCES[] = {1, 77, 0x80000000, G_MAXUINT32};
  for (gsize i = 0; i < G_N_ELEMENTS(RESOURCES); i++) {
    g_assert_true(say_frame_request(fixture, (guint16)(200 + i), RESOURCES[i], 0));
    hear_error(fixture, HXFR_ERR_RESOURCE_NOT_FOUND, (guint16)(200 + i));
    hear_nothing(fixture);
  }
  g_assert_true(say_frame_request(fixture, 9, 0, 0));
  hear_type(fixture, HXFR_ERROR, 9);
  hear_nothing(fixture);
  g_assert_true(say_frame_request(fixture, 9, 5, 64));
  hear_error(fixture, HXFR_ERR_RESOURCE_NOT_FOUND, 9);
  subscribe(fixture, 0, TRUE);
  g_assert_true(say_frame_request(fixture, 0, 0, 0));
  hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, 0);
}

static void test_keyframe_req(Fixture *fixture, gconstpointer data) {
  g_assert_true(say(fixture, HXFR_KEYFRAME_REQ, 0, NULL, 0));
  hear_error(fixture, HXFR_ERR_NOT_CONFIGURED, 0);
  g_assert_true(say(fixture, HXFR_KEYFRAME_REQ, 0xffff, NULL, 0));
  hear_error(fixture, HXFR_ERR_NOT_CONFIGURED, 0xffff);
  subscribe(fixture, 0, TRUE);
  support_run_for(250);
  g_assert_true(say(fixture, HXFR_KEYFRAME_REQ, 0, NULL, 0));
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1);
  for (guint i = 0; i < 50; i++) g_assert_true(say(fixture, HXFR_KEYFRAME_REQ, 0, NULL, 0));
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1); /* within 200 ms */
  hear_nothing(fixture);
}

static gboolean say_config(Fixture *fixture, guint16 session, guint32 bitrate) {
  guint8 payload[HXFR_CONFIG_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_config_write(&writer, &(HxfrConfig){.width = 1, .height = 2, .bitrate = bitrate, .profile = 100, .level = 40});
  return say(fixture, HXFR_CONFIG_REQ, session, payload, sizeof payload);
}

/* Version 1 peers never wait for CONFIG_RESP, and some do not expect it; what they call bit/s may be kbit/s. */
static void test_config_version_1(Fixture *fixture, gconstpointer data) {
  subscribe(fixture, 0, TRUE);
  g_assert_true(say_config(fixture, 0, 4000000));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 4000000);
  g_assert_true(say_config(fixture, 0, 4000));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 4000000);
  g_assert_true(say_config(fixture, 0, 99999));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 50000000); /* 99,999,000, but not above the ceiling */
  g_assert_true(say_config(fixture, 0, 100000));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 100000);
  g_assert_true(say_config(fixture, 0, G_MAXUINT32));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 50000000);
  g_assert_true(say_config(fixture, 0, 0));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 0);
  hear_nothing(fixture);
  g_assert_true(say_config(fixture, 3, 4000000));
  hear_error(fixture, HXFR_ERR_NOT_CONFIGURED, 3);
}

static void test_config_version_2(Fixture *fixture, gconstpointer data) {
  negotiate(fixture, "");
  subscribe(fixture, 0, TRUE);
  g_assert_true(say_config(fixture, 0, 4000));
  g_assert_cmpuint(fixture->source.demand.bitrate, ==, 4000); /* it knows its units */
  ByteReader reader = hear_type(fixture, HXFR_CONFIG_RESP, 0);
  HxfrConfig config;
  g_assert_true(hxfr_config_parse(&reader, &config));
  g_assert_cmpuint(config.bitrate, ==, 4000);
  g_assert_cmpuint(config.width, ==, 640); /* what applies, not what was wished */
  g_assert_cmpuint(config.height, ==, 480);
  g_assert_cmpuint(config.framerate_num, ==, 60000);
  g_assert_cmpuint(config.framerate_den, ==, 1000);
  g_assert_cmpuint(config.profile, ==, 66);
}

static void test_enable_scanout(Fixture *fixture, gconstpointer data) {
  static const guint32 IDS[] = {0, 1, 15, 16, G_MAXUINT32};
  for (gsize i = 0; i < G_N_ELEMENTS(IDS); i++) {
    guint8 payload[HXFR_ENABLE_SCANOUT_SIZE];
    ByteWriter writer;
    byte_writer_init(&writer, payload, sizeof payload);
    hxfr_enable_scanout_write(&writer, &(HxfrEnableScanout){IDS[i], 1920, 1080, 60});
    g_assert_true(say(fixture, HXFR_ENABLE_SCANOUT, 4, payload, sizeof payload));
    ByteReader reader = hear_type(fixture, HXFR_SCANOUT_RESP, 4);
    HxfrScanoutResp response;
    g_assert_true(hxfr_scanout_resp_parse(&reader, &response));
    g_assert_cmpuint(response.scanout_id, ==, IDS[i]);
    g_assert_false(response.success);
    g_assert_true(say_number(fixture, HXFR_DISABLE_SCANOUT, 4, IDS[i])); /* version 1 has no answer to it */
    hear_nothing(fixture);
  }
}

static void test_stats(Fixture *fixture, gconstpointer data) {
  negotiate(fixture, "");
  subscribe(fixture, 0, TRUE);
  g_assert_true(say(fixture, HXFR_STATS_REQ, 5, NULL, 0));
  ByteReader reader = hear_type(fixture, HXFR_STATS, 5);
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  json_parser_load_from_data(parser, (const char *)reader.data, (gssize)reader.size, &error);
  g_assert_no_error(error);
  JsonObject *root = json_node_get_object(json_parser_get_root(parser));
  g_assert_cmpstr(json_object_get_string_member(root, "vm"), ==, "vm");
  g_assert_cmpstr(json_object_get_string_member(root, "server"), ==, "test 1");
  g_assert_cmpstr(json_object_get_string_member(json_object_get_object_member(root, "display"), "state"), ==, "starting");
  JsonArray *scanouts = json_object_get_array_member(root, "scanouts");
  g_assert_cmpuint(json_array_get_length(scanouts), ==, 2);
  JsonObject *first = json_array_get_object_element(scanouts, 0);
  g_assert_cmpint(json_object_get_int_member(first, "subscribers"), ==, 1);
  g_assert_true(json_object_has_member(json_object_get_object_member(root, "counters"), "peer.messages"));
  g_assert_null(g_strstr_len((const char *)reader.data, (gssize)reader.size, TOKEN));
}

/* Changes are told to peers that negotiated, and to nobody else. */
static void test_events(Fixture *fixture, gconstpointer data) {
  hub_set_state(fixture->service.hub, HXFR_STATE_LOST, "gone");
  fake_source_add_scanout(fixture->service.hub, 7);
  hear_nothing(fixture);
  g_assert_true(say_hello(fixture, 2, ""));
  hear_type(fixture, HXFR_WELCOME, 0);
  hear_type(fixture, HXFR_SCANOUTS, 0);
  hear_type(fixture, HXFR_STATE, 0);
  hub_set_state(fixture->service.hub, HXFR_STATE_RUNNING, "running");
  ByteReader reader = hear_type(fixture, HXFR_STATE, 0);
  guint32 state;
  char text[16];
  g_assert_true(hxfr_state_parse(&reader, &state, text, sizeof text));
  g_assert_cmpuint(state, ==, HXFR_STATE_RUNNING);
  g_assert_cmpstr(text, ==, "running");
  fake_source_add_scanout(fixture->service.hub, 8);
  reader = hear_type(fixture, HXFR_SCANOUTS, 0);
  HxfrScanouts scanouts;
  g_assert_true(hxfr_scanouts_parse(&reader, &scanouts));
  g_assert_cmpuint(scanouts.count, ==, 4);
  hear_nothing(fixture);
}

/* A state's text may be as long as it likes, and may hold anything. */
static void test_long_state(Fixture *fixture, gconstpointer data) {
  negotiate(fixture, "");
  g_autoptr(GString) text = g_string_new("x");
  for (guint i = 0; i < 1000; i++) g_string_append(text, "é");
  hub_set_state(fixture->service.hub, HXFR_STATE_LOST, text->str);
  ByteReader reader = hear_type(fixture, HXFR_STATE, 0);
  guint32 state;
  char told[4096];
  g_assert_true(hxfr_state_parse(&reader, &state, told, sizeof told));
  g_assert_cmpuint(strlen(told), >, 100);
  g_assert_true(g_str_has_prefix(text->str, told));
  hub_set_state(fixture->service.hub, HXFR_STATE_LOST, "no \xf0");
  reader = hear_type(fixture, HXFR_STATE, 0);
  g_assert_true(hxfr_state_parse(&reader, &state, told, sizeof told));
  g_assert_cmpstr(told, ==, "no ");
}

static void test_token_right(Fixture *fixture, gconstpointer data) {
  g_assert_true(say(fixture, HXFR_PING, 0, "alive?", 6)); /* the one thing answered before */
  hear_type(fixture, HXFR_PONG, 0);
  negotiate(fixture, TOKEN);
  subscribe(fixture, 0, TRUE);
}

static void test_token_wrong(Fixture *fixture, gconstpointer data) {
  static const char *const WRONG[] = {
      "",
      "0",
      "0123456789abcdef0123456789abcde",
      "0123456789abcdef0123456789abcdee",
      "1123456789abcdef0123456789abcdef",
      "0123456789abcdef0123456789abcdef0",
      "0123456789ABCDEF0123456789ABCDEF",
      TOKEN TOKEN,
  };
  for (gsize i = 0; i < G_N_ELEMENTS(WRONG); i++) {
    g_assert_false(say_hello(fixture, 2, WRONG[i]));
    hear_error(fixture, HXFR_ERR_DENIED, 0);
    hear_nothing(fixture);
    peer_destroy(fixture->peer);
    begin(fixture, PEER_NEEDS_TOKEN);
  }
}

/* F25: without the token, every request of every type is refused, and nothing is started or told. */
static void test_token_needed(Fixture *fixture, gconstpointer data) {
  const guint8 zeros[64] = {0};
  for (guint type = 0; type < 256; type++) {
    if (type == HXFR_PING || type == HXFR_HELLO) continue;
    g_assert_false(say(fixture, (guint8)type, 0, zeros, type == HXFR_SUBSCRIBE ? 4 : 64));
    hear_error(fixture, HXFR_ERR_DENIED, 0);
    hear_nothing(fixture);
    peer_destroy(fixture->peer);
    begin(fixture, PEER_NEEDS_TOKEN);
  }
  hub_set_state(fixture->service.hub, HXFR_STATE_RUNNING, "secret");
  hear_nothing(fixture);
  g_assert_cmpuint(fixture->source.starts, ==, 0);
}

/* A trusted transport needs no token; one that is given and wrong is refused all the same. */
static void test_trusted(Fixture *fixture, gconstpointer data) {
  g_assert_false(say_hello(fixture, 2, "wrong"));
  hear_error(fixture, HXFR_ERR_DENIED, 0);
  peer_destroy(fixture->peer);
  begin(fixture, PEER_TRUSTED);
  negotiate(fixture, TOKEN);
  peer_destroy(fixture->peer);
  begin(fixture, PEER_VERSION_1);
  subscribe(fixture, 0, TRUE);
}

static void test_hello_refused(Fixture *fixture, gconstpointer data) {
  for (guint16 version = 0; version < 2; version++) {
    g_assert_false(say_hello(fixture, version, ""));
    hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, 0);
  }
  g_assert_false(say(fixture, HXFR_HELLO, 0, "\2\0\0\0\0\0\0\0\xff\xff\0\0", 12));
  hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, 0);
  g_assert_true(say_hello(fixture, 0xffff, "")); /* a later version: we speak 2 */
  hear_welcome(fixture);
}

/* A peer that asks and does not read: cut off, and what it costs until then is bounded. */
static void test_overflow(Fixture *fixture, gconstpointer data) {
  guint taken = 0;
  while (say(fixture, HXFR_PING, 0, NULL, 0)) g_assert_cmpuint(++taken, <, 10000);
  g_assert_cmpuint(taken, ==, OUTBOX_MAX_MESSAGES);
  g_assert_false(say(fixture, HXFR_PING, 0, NULL, 0)); /* for good */
}

/* F03: silence ends a version 2 connection, and a version 1 peer, which knows no such duty, stays. */
static void test_overdue_silent(Fixture *fixture, gconstpointer data) {
  gint64 now = g_get_monotonic_time();
  g_assert_null(peer_overdue(fixture->peer, now + 100 * PEER_SILENCE_US));
  negotiate(fixture, "");
  hear_nothing(fixture);
  now = g_get_monotonic_time();
  g_assert_null(peer_overdue(fixture->peer, now));
  g_assert_null(peer_overdue(fixture->peer, now + PEER_SILENCE_US - G_USEC_PER_SEC));
  g_assert_nonnull(peer_overdue(fixture->peer, now + PEER_SILENCE_US + G_USEC_PER_SEC));
}

static void test_overdue_stalled(Fixture *fixture, gconstpointer data) {
  subscribe(fixture, 0, TRUE);
  hear_nothing(fixture);
  hub_publish(fixture->service.hub, 0, support_unit(TRUE, 1, 64));
  gint64 now = g_get_monotonic_time();
  g_assert_null(peer_overdue(fixture->peer, now + PEER_STALL_US - G_USEC_PER_SEC));
  g_assert_nonnull(peer_overdue(fixture->peer, now + PEER_STALL_US + G_USEC_PER_SEC));
  for (guint i = 0; i < 20; i++) hub_publish(fixture->service.hub, 0, support_unit(FALSE, 1, 64)); /* the lane is lost */
  g_assert_nonnull(peer_overdue(fixture->peer, now + PEER_STALL_US + G_USEC_PER_SEC));
}

static void test_overdue_stranger(Fixture *fixture, gconstpointer data) {
  gint64 now = g_get_monotonic_time();
  g_assert_true(say(fixture, HXFR_PING, 0, NULL, 0)); /* PING alone keeps nobody */
  hear_type(fixture, HXFR_PONG, 0);
  hear_nothing(fixture);
  g_assert_null(peer_overdue(fixture->peer, now + PEER_STRANGER_US - G_USEC_PER_SEC));
  g_assert_nonnull(peer_overdue(fixture->peer, now + PEER_STRANGER_US + G_USEC_PER_SEC));
  negotiate(fixture, TOKEN);
  hear_nothing(fixture);
  g_assert_null(peer_overdue(fixture->peer, now + PEER_STRANGER_US + G_USEC_PER_SEC));
}

static guint count_peers(Fixture *fixture, PeerTrust trust, Peer **peers, guint max) {
  guint count = 0;
  while (count < max && (peers[count] = peer_create(&fixture->service, trust, "test", &TRANSPORT, fixture))) count++;
  return count;
}

/* The 33rd is refused with words; those who still owe a token cannot take the places of those who do not. */
static void test_too_many(Fixture *fixture, gconstpointer data) {
  Peer *strangers[64], *others[64];
  g_assert_cmpuint(count_peers(fixture, PEER_NEEDS_TOKEN, strangers, 64), ==, PEER_MAX_STRANGERS);
  g_assert_cmpuint(count_peers(fixture, PEER_TRUSTED, others, 64), ==, PEER_MAX_PEERS - 1); /* and the fixture's */
  g_autoptr(GBytes) refusal = peer_refusal();
  HxfrHeader header;
  g_assert_true(hxfr_header_parse(g_bytes_get_data(refusal, NULL), &header));
  g_assert_cmphex(header.type, ==, HXFR_ERROR);

  /* a stranger with the right token finds no room either */
  Peer *mine = fixture->peer;
  fixture->peer = strangers[0];
  g_assert_false(say_hello(fixture, 2, TOKEN));
  hear_error(fixture, HXFR_ERR_DENIED, 0);
  peer_destroy(others[0]);
  negotiate(fixture, TOKEN); /* now there is */
  fixture->peer = mine;
  g_assert_null(peer_create(&fixture->service, PEER_TRUSTED, "test", &TRANSPORT, fixture));
  for (guint i = 1; i < PEER_MAX_PEERS - 1; i++) peer_destroy(others[i]);
  for (guint i = 0; i < PEER_MAX_STRANGERS; i++) peer_destroy(strangers[i]);
}

/* F05: it goes with units queued and subscriptions open: the source is stopped, everything is freed. */
static void test_gone_with_units(Fixture *fixture, gconstpointer data) {
  subscribe(fixture, 0, TRUE);
  AccessUnit *unit = support_unit(TRUE, 1, 64);
  hub_publish(fixture->service.hub, 0, access_unit_ref(unit));
  g_assert_cmpint(unit->refs, ==, 2);
  g_clear_pointer(&fixture->peer, peer_destroy);
  g_assert_cmpint(unit->refs, ==, 1);
  access_unit_unref(unit);
  g_assert_cmpuint(fixture->source.stops, ==, 1);
  hub_publish(fixture->service.hub, 0, support_unit(TRUE, 1, 64));
  hub_set_state(fixture->service.hub, HXFR_STATE_LOST, "nobody is told");
}

static void test_broken(Fixture *fixture, gconstpointer data) {
  peer_broken(fixture->peer, FRAMING_BAD_MAGIC, &(HxfrHeader){0});
  hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, 0);
  peer_broken(fixture->peer, FRAMING_TOO_LARGE, &(HxfrHeader){.type = HXFR_PING, .payload_size = G_MAXUINT32});
  hear_error(fixture, HXFR_ERR_INVALID_MESSAGE, 0);
}

/* Twenty thousand messages of every type, most of them lies: it answers, or it ends, and it never falls. */
static void test_random(Fixture *fixture, gconstpointer data) {
  for (guint round = 0; round < 20000; round++) {
    guint8 payload[300];
    gsize size = (gsize)g_test_rand_int_range(0, 5) * (gsize)g_test_rand_int_range(0, 60);
    static const guint8 TYPES[] = {0x01, 0x02, 0x03, 0x04, 0x10, 0x20, 0x21, 0x30, 0x80, 0x86, 0x88, 0xff};
    guint8 type = g_test_rand_int_range(0, 10) ? TYPES[g_test_rand_int_range(0, G_N_ELEMENTS(TYPES))]
                                               : (guint8)g_test_rand_int();
    for (gsize i = 0; i < size; i++) payload[i] = (guint8)(g_test_rand_bit() ? g_test_rand_int() : 0);
    size = MIN(size, hxfr_max_payload(type));
    gboolean alive = say(fixture, type, (guint16)g_test_rand_int_range(0, 5), payload, size);
    if (g_test_rand_int_range(0, 3) == 0) hub_publish(fixture->service.hub, 0, support_unit(round % 20 == 0, 1, 64));
    HxfrHeader header;
    ByteReader reader;
    while (hear(fixture, &header, &reader)) {
    }
    if (alive && g_test_rand_int_range(0, 200)) continue;
    peer_destroy(fixture->peer);
    begin(fixture, PEER_TRUSTED);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, trust, run) g_test_add("/peer/" name, Fixture, GINT_TO_POINTER(trust), set_up, run, tear_down)
  ADD("ping", PEER_TRUSTED, test_ping);
  ADD("hello-then-ping", PEER_TRUSTED, test_hello_then_ping);
  ADD("subscribe", PEER_TRUSTED, test_subscribe);
  ADD("subscribe-version-2", PEER_TRUSTED, test_subscribe_version_2);
  ADD("subscribe-absent", PEER_TRUSTED, test_subscribe_absent);
  ADD("subscribe-twice", PEER_TRUSTED, test_subscribe_twice);
  ADD("malformed", PEER_TRUSTED, test_malformed);
  ADD("unknown-types", PEER_TRUSTED, test_unknown_types);
  ADD("frame-request", PEER_TRUSTED, test_frame_request);
  ADD("keyframe-req", PEER_TRUSTED, test_keyframe_req);
  ADD("config-version-1", PEER_TRUSTED, test_config_version_1);
  ADD("config-version-2", PEER_TRUSTED, test_config_version_2);
  ADD("enable-scanout", PEER_TRUSTED, test_enable_scanout);
  ADD("stats", PEER_TRUSTED, test_stats);
  ADD("events", PEER_TRUSTED, test_events);
  ADD("long-state", PEER_TRUSTED, test_long_state);
  ADD("token-right", PEER_NEEDS_TOKEN, test_token_right);
  ADD("token-wrong", PEER_NEEDS_TOKEN, test_token_wrong);
  ADD("F25-token-needed", PEER_NEEDS_TOKEN, test_token_needed);
  ADD("trusted", PEER_TRUSTED, test_trusted);
  ADD("hello-refused", PEER_TRUSTED, test_hello_refused);
  ADD("overflow", PEER_TRUSTED, test_overflow);
  ADD("F03-overdue-silent", PEER_TRUSTED, test_overdue_silent);
  ADD("F07-overdue-stalled", PEER_TRUSTED, test_overdue_stalled);
  ADD("overdue-stranger", PEER_NEEDS_TOKEN, test_overdue_stranger);
  ADD("too-many", PEER_TRUSTED, test_too_many);
  ADD("F05-gone-with-units", PEER_TRUSTED, test_gone_with_units);
  ADD("broken", PEER_TRUSTED, test_broken);
  ADD("random", PEER_TRUSTED, test_random);
  return g_test_run();
}
