/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support/peer-rig.h"

#include "tests/unit/support/support.h"

#include <string.h>

static void on_wake(gpointer data) {
  ((PeerRig *)data)->wakes++;
}

const PeerTransport PEER_RIG_TRANSPORT = {.wake = on_wake, .has_pixels = TRUE};

void peer_rig_begin(PeerRig *rig, PeerTrust trust) {
  rig->peer = peer_create(&rig->service, trust, "test", &PEER_RIG_TRANSPORT, rig);
  g_assert_nonnull(rig->peer);
}

void peer_rig_set_up(PeerRig *rig, gconstpointer data) {
  rig->service = (PeerService){
      .hub = hub_create(NULL, &FAKE_SOURCE, &rig->source),
      .vm_name = "vm",
      .token = PEER_RIG_TOKEN,
      .server_name = "test 1",
      .max_bitrate = 50000000,
  };
  peer_service_init(&rig->service);
  fake_source_add_scanout(rig->service.hub, 0);
  fake_source_add_scanout(rig->service.hub, 3);
  peer_rig_begin(rig, (PeerTrust)GPOINTER_TO_INT(data));
}

void peer_rig_tear_down(PeerRig *rig, gconstpointer data) {
  outbox_item_clear(&rig->item);
  peer_destroy(rig->peer);
  peer_service_finish(&rig->service);
  hub_destroy(rig->service.hub);
}

gboolean peer_rig_say(PeerRig *rig, guint8 type, guint16 session, const void *payload, gsize size) {
  /* an allocation of exactly the payload, gone as soon as it has been received */
  g_autofree guint8 *exact = g_malloc0(MAX(size, 1));
  if (size > 0) memcpy(exact, payload, size);
  HxfrHeader header = {.type = type, .session_id = session, .payload_size = (guint32)size};
  return peer_receive(rig->peer, &header, exact);
}

/* The next message of the outbox; FALSE if there is none. */
gboolean peer_rig_hear(PeerRig *rig, HxfrHeader *header, ByteReader *reader) {
  guint32 wanted;
  outbox_item_clear(&rig->item);
  if (!outbox_pop(peer_outbox(rig->peer), &rig->item, &wanted)) return FALSE;
  peer_idr_wanted(rig->peer, wanted);
  if (rig->item.unit) {
    g_assert_true(hxfr_header_parse(rig->item.head, header));
    byte_reader_init(reader, rig->item.head + HXFR_HEADER_SIZE, HXFR_UNIT_FIXED_SIZE);
    return TRUE;
  }
  gsize size;
  const guint8 *bytes = g_bytes_get_data(rig->item.message, &size);
  g_assert_true(hxfr_header_parse(bytes, header));
  g_assert_cmpuint(header->payload_size, ==, size - HXFR_HEADER_SIZE);
  byte_reader_init(reader, bytes + HXFR_HEADER_SIZE, header->payload_size);
  return TRUE;
}

void peer_rig_hear_nothing(PeerRig *rig) {
  HxfrHeader header;
  ByteReader reader;
  if (peer_rig_hear(rig, &header, &reader)) g_error("unexpected %s", hxfr_type_name(header.type));
}

ByteReader peer_rig_hear_type(PeerRig *rig, guint8 type, guint16 session) {
  HxfrHeader header;
  ByteReader reader;
  g_assert_true(peer_rig_hear(rig, &header, &reader));
  g_assert_cmpstr(hxfr_type_name(header.type), ==, hxfr_type_name(type));
  g_assert_cmpuint(header.session_id, ==, session);
  return reader;
}

void peer_rig_hear_error(PeerRig *rig, gint32 code, guint16 session) {
  ByteReader reader = peer_rig_hear_type(rig, HXFR_ERROR, session);
  HxfrError error;
  g_assert_true(hxfr_error_parse(&reader, &error));
  g_assert_cmpint(error.code, ==, code);
  g_assert_cmpuint(strlen(error.text), >, 10);
}

gboolean peer_rig_say_number(PeerRig *rig, guint8 type, guint16 session, guint32 number) {
  guint8 payload[4] = {(guint8)number, (guint8)(number >> 8), (guint8)(number >> 16), (guint8)(number >> 24)};
  return peer_rig_say(rig, type, session, payload, sizeof payload);
}

void peer_rig_subscribe(PeerRig *rig, guint32 scanout, gboolean expected) {
  g_assert_true(peer_rig_say_number(rig, HXFR_SUBSCRIBE, (guint16)scanout, scanout));
  ByteReader reader = peer_rig_hear_type(rig, HXFR_SUBSCRIBE_RESP, (guint16)scanout);
  guint32 answered;
  gboolean success;
  g_assert_true(hxfr_subscribe_resp_parse(&reader, &answered, &success));
  g_assert_cmpuint(answered, ==, scanout);
  g_assert_cmpint(success, ==, expected);
}

gboolean peer_rig_say_hello(PeerRig *rig, guint16 version, const char *token) {
  HxfrHello hello = {.version = version, .name = "test"};
  g_strlcpy(hello.token, token, sizeof hello.token);
  guint8 payload[HXFR_MAX_REQUEST];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_hello_write(&writer, &hello);
  return peer_rig_say(rig, HXFR_HELLO, 0, payload, writer.position);
}

void peer_rig_hear_welcome(PeerRig *rig) {
  ByteReader reader = peer_rig_hear_type(rig, HXFR_WELCOME, 0);
  HxfrWelcome welcome;
  g_assert_true(hxfr_welcome_parse(&reader, &welcome));
  g_assert_cmpuint(welcome.version, ==, 2);
  g_assert_cmpstr(welcome.name, ==, "vm");
  g_assert_cmpuint(welcome.heartbeat_ms, ==, HUB_HEARTBEAT_MS);
  g_assert_true(welcome.features & HXFR_FEATURE_STATS);
  g_assert_false(welcome.features & HXFR_FEATURE_RESOURCES);
  reader = peer_rig_hear_type(rig, HXFR_SCANOUTS, 0);
  HxfrScanouts scanouts;
  g_assert_true(hxfr_scanouts_parse(&reader, &scanouts));
  g_assert_cmpuint(scanouts.count, ==, 2);
  reader = peer_rig_hear_type(rig, HXFR_STATE, 0);
  guint32 state;
  char text[64];
  g_assert_true(hxfr_state_parse(&reader, &state, text, sizeof text));
  g_assert_cmpuint(state, ==, HXFR_STATE_STARTING);
}

void peer_rig_negotiate(PeerRig *rig, const char *token) {
  g_assert_true(peer_rig_say_hello(rig, 2, token));
  peer_rig_hear_welcome(rig);
}
