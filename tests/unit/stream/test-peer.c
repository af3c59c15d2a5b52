/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/peer.h"

#include "common/base/log.h"
#include "tests/unit/support/peer-rig.h"
#include "tests/unit/support/support.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* What a peer may say, and what it hears: message by message. */

static void test_ping(PeerRig *rig, gconstpointer data) {
  guint8 bytes[HXFR_MAX_PING];
  for (guint i = 0; i < sizeof bytes; i++) bytes[i] = (guint8)(i * 3);
  for (guint size = 0; size <= sizeof bytes; size++) {
    g_assert_true(peer_rig_say(rig, HXFR_PING, (guint16)(1000 + size), bytes, size));
    ByteReader reader = peer_rig_hear_type(rig, HXFR_PONG, (guint16)(1000 + size));
    g_assert_cmpmem(reader.data, reader.size, bytes, size);
    peer_rig_hear_nothing(rig);
  }
  g_assert_true(peer_rig_say(rig, HXFR_PONG, 0, NULL, 0)); /* an answer wants none */
  peer_rig_hear_nothing(rig);
}

/* HELLO, then PING: the order that tells a version 2 host from a version 1 one. */
static void test_hello_then_ping(PeerRig *rig, gconstpointer data) {
  g_assert_true(peer_rig_say_hello(rig, 2, ""));
  g_assert_true(peer_rig_say(rig, HXFR_PING, 0, NULL, 0));
  peer_rig_hear_welcome(rig);
  peer_rig_hear_type(rig, HXFR_PONG, 0);
}

static void test_subscribe(PeerRig *rig, gconstpointer data) {
  peer_rig_subscribe(rig, 3, TRUE);
  g_assert_cmpuint(rig->source.starts, ==, 1);
  g_assert_cmpuint(rig->source.scanout, ==, 3);
  hub_publish(rig->service.hub, 3, support_unit(FALSE, 1, 64)); /* it begins with an IDR */
  peer_rig_hear_nothing(rig);
  hub_publish(rig->service.hub, 3, support_unit(TRUE, 1, 64));
  hub_publish(rig->service.hub, 3, support_unit(FALSE, 1, 64));
  for (guint i = 0; i < 2; i++) {
    ByteReader reader = peer_rig_hear_type(rig, HXFR_FRAME_RESPONSE, 3);
    HxfrFrameResponse response;
    g_assert_true(hxfr_frame_response_parse(&reader, &response));
    g_assert_cmpint(response.is_keyframe, ==, i == 0);
    g_assert_cmpuint(response.nal_count, ==, i == 0 ? 3 : 1);
  }
  peer_rig_hear_nothing(rig);
}

static void test_subscribe_version_2(PeerRig *rig, gconstpointer data) {
  peer_rig_negotiate(rig, "");
  peer_rig_subscribe(rig, 0, TRUE);
  hub_publish(rig->service.hub, 0, support_unit(TRUE, 1, 64));
  ByteReader reader = peer_rig_hear_type(rig, HXFR_UNIT, 0);
  HxfrUnit unit;
  g_assert_true(hxfr_unit_parse(&reader, &unit));
  g_assert_true(unit.flags & HXFR_UNIT_KEY);
}

static void test_subscribe_absent(PeerRig *rig, gconstpointer data) {
  static const guint32 ABSENT[] = {1, 15, 16, 0xffff, 0x10000, 0x10003, G_MAXINT32, 0x80000000, G_MAXUINT32};
  for (gsize i = 0; i < G_N_ELEMENTS(ABSENT); i++) peer_rig_subscribe(rig, ABSENT[i], FALSE);
  g_assert_cmpuint(rig->source.starts, ==, 0);
  peer_rig_subscribe(rig, 0, TRUE); /* and the connection lives */
}

static void test_subscribe_twice(PeerRig *rig, gconstpointer data) {
  peer_rig_subscribe(rig, 0, TRUE);
  g_assert_true(peer_rig_say_number(rig, HXFR_SUBSCRIBE, 0, 0));
  peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, 0);
  g_assert_cmpuint(hub_subscriber_count(rig->service.hub, 0), ==, 1);
  peer_rig_subscribe(rig, 3, TRUE);
  g_assert_true(peer_rig_say(rig, HXFR_UNSUBSCRIBE, 0, NULL, 0));
  g_assert_true(peer_rig_say(rig, HXFR_UNSUBSCRIBE, 0, NULL, 0));
  g_assert_true(peer_rig_say(rig, HXFR_UNSUBSCRIBE, 0xffff, NULL, 0));
  g_assert_cmpuint(hub_subscriber_count(rig->service.hub, 0), ==, 0);
  g_assert_cmpuint(hub_subscriber_count(rig->service.hub, 3), ==, 1);
  while (outbox_pop(peer_outbox(rig->peer), &rig->item, &(guint32){0})) outbox_item_clear(&rig->item);
  peer_rig_subscribe(rig, 0, TRUE); /* and again */
}

/* Each request of each size that is not its own: ERROR -1 with its session, once; the connection lives. */
static void test_malformed(PeerRig *rig, gconstpointer data) {
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
      g_assert_true(peer_rig_say(rig, REQUESTS[i].type, (guint16)(500 + size), zeros, size));
      peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, (guint16)(500 + size));
      peer_rig_hear_nothing(rig);
    }
  }
  g_assert_cmpuint(rig->source.starts, ==, 0);
}

/* Rule 7: what no host expects is skipped and answered, types of the other direction as well. */
static void test_unknown_types(PeerRig *rig, gconstpointer data) {
  static const guint8 KNOWN[] = {HXFR_FRAME_REQUEST, HXFR_KEYFRAME_REQ,    HXFR_CONFIG_REQ, HXFR_PING,
                                 HXFR_PONG,          HXFR_ENABLE_SCANOUT,  HXFR_SUBSCRIBE,  HXFR_HELLO,
                                 HXFR_UNSUBSCRIBE,   HXFR_DISABLE_SCANOUT, HXFR_STATS_REQ};
  guint unknown = 0;
  for (guint type = 0; type < 256; type++) {
    if (memchr(KNOWN, (int)type, sizeof KNOWN)) continue;
    g_assert_true(peer_rig_say(rig, (guint8)type, (guint16)type, "whatever", 8));
    peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, (guint16)type);
    peer_rig_hear_nothing(rig);
    unknown++;
  }
  g_assert_cmpuint(unknown, ==, 256 - sizeof KNOWN);
  peer_rig_subscribe(rig, 0, TRUE);
}

static gboolean say_frame_request(PeerRig *rig, guint16 session, guint32 resource, gsize extra) {
  guint8 payload[HXFR_FRAME_REQUEST_SIZE + 64] = {0};
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_frame_request_write(
      &writer,
      &(HxfrFrameRequest){
          .resource_id = resource, .width = 640, .height = 480, .format = 0x34325241, .stride = 2560, .pts_ns = 123});
  return peer_rig_say(rig, HXFR_FRAME_REQUEST, session, payload, writer.position + extra);
}

/* Rules 1 and 2: exactly one answer each, with the request's session, and the connection lives. */
static void test_frame_request(PeerRig *rig, gconstpointer data) {
  static const guint32 RESOURCES[] = {1, 77, 0x80000000, G_MAXUINT32};
  for (gsize i = 0; i < G_N_ELEMENTS(RESOURCES); i++) {
    g_assert_true(say_frame_request(rig, (guint16)(200 + i), RESOURCES[i], 0));
    peer_rig_hear_error(rig, HXFR_ERR_RESOURCE_NOT_FOUND, (guint16)(200 + i));
    peer_rig_hear_nothing(rig);
  }
  g_assert_true(say_frame_request(rig, 9, 0, 0));
  peer_rig_hear_type(rig, HXFR_ERROR, 9);
  peer_rig_hear_nothing(rig);
  g_assert_true(say_frame_request(rig, 9, 5, 64));
  peer_rig_hear_error(rig, HXFR_ERR_RESOURCE_NOT_FOUND, 9);
  peer_rig_subscribe(rig, 0, TRUE);
  g_assert_true(say_frame_request(rig, 0, 0, 0));
  peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, 0);
}

static void test_keyframe_req(PeerRig *rig, gconstpointer data) {
  g_assert_true(peer_rig_say(rig, HXFR_KEYFRAME_REQ, 0, NULL, 0));
  peer_rig_hear_error(rig, HXFR_ERR_NOT_CONFIGURED, 0);
  g_assert_true(peer_rig_say(rig, HXFR_KEYFRAME_REQ, 0xffff, NULL, 0));
  peer_rig_hear_error(rig, HXFR_ERR_NOT_CONFIGURED, 0xffff);
  peer_rig_subscribe(rig, 0, TRUE);
  support_run_for(250);
  g_assert_true(peer_rig_say(rig, HXFR_KEYFRAME_REQ, 0, NULL, 0));
  g_assert_cmpuint(rig->source.idr_requests, ==, 1);
  for (guint i = 0; i < 50; i++) g_assert_true(peer_rig_say(rig, HXFR_KEYFRAME_REQ, 0, NULL, 0));
  g_assert_cmpuint(rig->source.idr_requests, ==, 1); /* within 200 ms */
  peer_rig_hear_nothing(rig);
}

static gboolean say_config(PeerRig *rig, guint16 session, guint32 bitrate) {
  guint8 payload[HXFR_CONFIG_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_config_write(&writer, &(HxfrConfig){.width = 1, .height = 2, .bitrate = bitrate, .profile = 100, .level = 40});
  return peer_rig_say(rig, HXFR_CONFIG_REQ, session, payload, sizeof payload);
}

/* Version 1 peers never wait for CONFIG_RESP, and some do not expect it; what they call bit/s may be kbit/s. */
static void test_config_version_1(PeerRig *rig, gconstpointer data) {
  peer_rig_subscribe(rig, 0, TRUE);
  g_assert_true(say_config(rig, 0, 4000000));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 4000000);
  g_assert_true(say_config(rig, 0, 4000));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 4000000);
  g_assert_true(say_config(rig, 0, 99999));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 50000000); /* 99,999,000, but not above the ceiling */
  g_assert_true(say_config(rig, 0, 100000));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 100000);
  g_assert_true(say_config(rig, 0, G_MAXUINT32));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 50000000);
  g_assert_true(say_config(rig, 0, 0));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 0);
  peer_rig_hear_nothing(rig);
  g_assert_true(say_config(rig, 3, 4000000));
  peer_rig_hear_error(rig, HXFR_ERR_NOT_CONFIGURED, 3);
}

static void test_config_version_2(PeerRig *rig, gconstpointer data) {
  peer_rig_negotiate(rig, "");
  peer_rig_subscribe(rig, 0, TRUE);
  g_assert_true(say_config(rig, 0, 4000));
  g_assert_cmpuint(rig->source.demand.bitrate, ==, 4000); /* it knows its units */
  ByteReader reader = peer_rig_hear_type(rig, HXFR_CONFIG_RESP, 0);
  HxfrConfig config;
  g_assert_true(hxfr_config_parse(&reader, &config));
  g_assert_cmpuint(config.bitrate, ==, 4000);
  g_assert_cmpuint(config.width, ==, 640); /* what applies, not what was wished */
  g_assert_cmpuint(config.height, ==, 480);
  g_assert_cmpuint(config.framerate_num, ==, 60000);
  g_assert_cmpuint(config.framerate_den, ==, 1000);
  g_assert_cmpuint(config.profile, ==, 66);
}

static void test_enable_scanout(PeerRig *rig, gconstpointer data) {
  static const guint32 IDS[] = {0, 1, 15, 16, G_MAXUINT32};
  for (gsize i = 0; i < G_N_ELEMENTS(IDS); i++) {
    guint8 payload[HXFR_ENABLE_SCANOUT_SIZE];
    ByteWriter writer;
    byte_writer_init(&writer, payload, sizeof payload);
    hxfr_enable_scanout_write(&writer, &(HxfrEnableScanout){IDS[i], 1920, 1080, 60});
    g_assert_true(peer_rig_say(rig, HXFR_ENABLE_SCANOUT, 4, payload, sizeof payload));
    ByteReader reader = peer_rig_hear_type(rig, HXFR_SCANOUT_RESP, 4);
    HxfrScanoutResp response;
    g_assert_true(hxfr_scanout_resp_parse(&reader, &response));
    g_assert_cmpuint(response.scanout_id, ==, IDS[i]);
    g_assert_false(response.success);
    g_assert_true(peer_rig_say_number(rig, HXFR_DISABLE_SCANOUT, 4, IDS[i])); /* version 1 has no answer to it */
    peer_rig_hear_nothing(rig);
  }
}

static void test_stats(PeerRig *rig, gconstpointer data) {
  peer_rig_negotiate(rig, "");
  peer_rig_subscribe(rig, 0, TRUE);
  g_assert_true(peer_rig_say(rig, HXFR_STATS_REQ, 5, NULL, 0));
  ByteReader reader = peer_rig_hear_type(rig, HXFR_STATS, 5);
  g_autoptr(JsonParser) parser = json_parser_new();
  g_autoptr(GError) error = NULL;
  json_parser_load_from_data(parser, (const char *)reader.data, (gssize)reader.size, &error);
  g_assert_no_error(error);
  JsonObject *root = json_node_get_object(json_parser_get_root(parser));
  g_assert_cmpstr(json_object_get_string_member(root, "vm"), ==, "vm");
  g_assert_cmpstr(json_object_get_string_member(root, "server"), ==, "test 1");
  g_assert_cmpstr(json_object_get_string_member(json_object_get_object_member(root, "display"), "state"), ==,
                  "starting");
  JsonArray *scanouts = json_object_get_array_member(root, "scanouts");
  g_assert_cmpuint(json_array_get_length(scanouts), ==, 2);
  JsonObject *first = json_array_get_object_element(scanouts, 0);
  g_assert_cmpint(json_object_get_int_member(first, "subscribers"), ==, 1);
  g_assert_true(json_object_has_member(json_object_get_object_member(root, "counters"), "peer.messages"));
  g_assert_null(g_strstr_len((const char *)reader.data, (gssize)reader.size, PEER_RIG_TOKEN));
}

/* Changes are told to peers that negotiated, and to nobody else. */
static void test_events(PeerRig *rig, gconstpointer data) {
  hub_set_state(rig->service.hub, HXFR_STATE_LOST, "gone");
  fake_source_add_scanout(rig->service.hub, 7);
  peer_rig_hear_nothing(rig);
  g_assert_true(peer_rig_say_hello(rig, 2, ""));
  peer_rig_hear_type(rig, HXFR_WELCOME, 0);
  peer_rig_hear_type(rig, HXFR_SCANOUTS, 0);
  peer_rig_hear_type(rig, HXFR_STATE, 0);
  hub_set_state(rig->service.hub, HXFR_STATE_RUNNING, "running");
  ByteReader reader = peer_rig_hear_type(rig, HXFR_STATE, 0);
  guint32 state;
  char text[16];
  g_assert_true(hxfr_state_parse(&reader, &state, text, sizeof text));
  g_assert_cmpuint(state, ==, HXFR_STATE_RUNNING);
  g_assert_cmpstr(text, ==, "running");
  fake_source_add_scanout(rig->service.hub, 8);
  reader = peer_rig_hear_type(rig, HXFR_SCANOUTS, 0);
  HxfrScanouts scanouts;
  g_assert_true(hxfr_scanouts_parse(&reader, &scanouts));
  g_assert_cmpuint(scanouts.count, ==, 4);
  peer_rig_hear_nothing(rig);
}

/* A state's text may be as long as it likes, and may hold anything. */
static void test_long_state(PeerRig *rig, gconstpointer data) {
  peer_rig_negotiate(rig, "");
  g_autoptr(GString) text = g_string_new("x");
  for (guint i = 0; i < 1000; i++) g_string_append(text, "é");
  hub_set_state(rig->service.hub, HXFR_STATE_LOST, text->str);
  ByteReader reader = peer_rig_hear_type(rig, HXFR_STATE, 0);
  guint32 state;
  char told[4096];
  g_assert_true(hxfr_state_parse(&reader, &state, told, sizeof told));
  g_assert_cmpuint(strlen(told), >, 100);
  g_assert_true(g_str_has_prefix(text->str, told));
  hub_set_state(rig->service.hub, HXFR_STATE_LOST, "no \xf0");
  reader = peer_rig_hear_type(rig, HXFR_STATE, 0);
  g_assert_true(hxfr_state_parse(&reader, &state, told, sizeof told));
  g_assert_cmpstr(told, ==, "no ");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, trust, run)                                                                                          \
  g_test_add("/peer/" name, PeerRig, GINT_TO_POINTER(trust), peer_rig_set_up, run, peer_rig_tear_down)
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
  return g_test_run();
}
