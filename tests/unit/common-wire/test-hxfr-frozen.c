/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/framing.h"

#include "tests/unit/support/frozen.h"

#include <string.h>

/*
 * Version 1 is fixed byte for byte: each frozen message (tests/data/hxfr-v1,
 * made without our writer) is parsed, its numbers are compared with what they
 * are known to be, and it is written again.
 */

/* Writes the payload that the reader is at again; TRUE if it was parsed. */
typedef gboolean (*Rewrite)(ByteReader *reader, ByteWriter *writer);

static gboolean frame_request(ByteReader *reader, ByteWriter *writer) {
  HxfrFrameRequest request;
  if (!hxfr_frame_request_parse(reader, &request)) return FALSE;
  hxfr_frame_request_write(writer, &request);
  gsize pixels = byte_reader_left(reader);
  byte_writer_bytes(writer, byte_reader_bytes(reader, pixels), pixels);
  return TRUE;
}

static gboolean frame_response(ByteReader *reader, ByteWriter *writer) {
  HxfrFrameResponse response;
  if (!hxfr_frame_response_parse(reader, &response)) return FALSE;
  hxfr_frame_response_write(writer, &response);
  for (guint32 i = 0; i < response.nal_count; i++) {
    const guint8 *nal;
    guint32 size;
    if (!hxfr_nal_entry_parse(reader, &nal, &size)) return FALSE;
    byte_writer_u32(writer, size);
    byte_writer_bytes(writer, nal, size);
  }
  return byte_reader_left(reader) == 0;
}

static gboolean config(ByteReader *reader, ByteWriter *writer) {
  HxfrConfig config_message;
  if (!hxfr_config_parse(reader, &config_message)) return FALSE;
  hxfr_config_write(writer, &config_message);
  return TRUE;
}

static gboolean enable_scanout(ByteReader *reader, ByteWriter *writer) {
  HxfrEnableScanout enable;
  if (!hxfr_enable_scanout_parse(reader, &enable)) return FALSE;
  hxfr_enable_scanout_write(writer, &enable);
  return TRUE;
}

static gboolean one_number(ByteReader *reader, ByteWriter *writer) {
  guint32 scanout;
  if (!hxfr_subscribe_parse(reader, &scanout)) return FALSE;
  byte_writer_u32(writer, scanout);
  return TRUE;
}

static gboolean scanout_resp(ByteReader *reader, ByteWriter *writer) {
  HxfrScanoutResp response;
  if (!hxfr_scanout_resp_parse(reader, &response)) return FALSE;
  hxfr_scanout_resp_write(writer, &response);
  return TRUE;
}

static gboolean subscribe_resp(ByteReader *reader, ByteWriter *writer) {
  guint32 scanout;
  gboolean success;
  if (!hxfr_subscribe_resp_parse(reader, &scanout, &success)) return FALSE;
  hxfr_subscribe_resp_write(writer, scanout, success);
  return TRUE;
}

static gboolean error_message(ByteReader *reader, ByteWriter *writer) {
  HxfrError error;
  if (!hxfr_error_parse(reader, &error)) return FALSE;
  hxfr_error_write(writer, error.code, error.text);
  return TRUE;
}

/* PING, PONG, KEYFRAME_REQ, and what nobody knows: bytes. */
static gboolean any_bytes(ByteReader *reader, ByteWriter *writer) {
  gsize size = byte_reader_left(reader);
  byte_writer_bytes(writer, byte_reader_bytes(reader, size), size);
  return TRUE;
}

typedef struct {
  const char *name;
  guint8 type;
  guint16 session;
  Rewrite rewrite;
} Frozen;

static const Frozen FROZEN[] = {
    {"frame-request", HXFR_FRAME_REQUEST, 0, frame_request},
    {"frame-request-resource", HXFR_FRAME_REQUEST, 258, frame_request},
    {"frame-request-pixels", HXFR_FRAME_REQUEST, 3, frame_request},
    {"keyframe-req", HXFR_KEYFRAME_REQ, 1, any_bytes},
    {"config-req", HXFR_CONFIG_REQ, 0, config},
    {"config-req-keep", HXFR_CONFIG_REQ, 0xffff, config},
    {"ping", HXFR_PING, 0, any_bytes},
    {"ping-64", HXFR_PING, 0x1234, any_bytes},
    {"enable-scanout", HXFR_ENABLE_SCANOUT, 0, enable_scanout},
    {"disable-scanout", HXFR_DISABLE_SCANOUT, 0, one_number},
    {"subscribe", HXFR_SUBSCRIBE, 0, one_number},
    {"subscribe-1", HXFR_SUBSCRIBE, 1, one_number},
    {"unknown", 0x7e, 9, any_bytes},
    {"frame-response-key", HXFR_FRAME_RESPONSE, 0, frame_response},
    {"frame-response", HXFR_FRAME_RESPONSE, 258, frame_response},
    {"frame-response-empty", HXFR_FRAME_RESPONSE, 0, frame_response},
    {"config-resp", HXFR_CONFIG_RESP, 0, config},
    {"pong", HXFR_PONG, 0, any_bytes},
    {"pong-64", HXFR_PONG, 0x1234, any_bytes},
    {"scanout-resp", HXFR_SCANOUT_RESP, 0, scanout_resp},
    {"scanout-resp-no", HXFR_SCANOUT_RESP, 0, scanout_resp},
    {"subscribe-resp", HXFR_SUBSCRIBE_RESP, 0, subscribe_resp},
    {"subscribe-resp-no", HXFR_SUBSCRIBE_RESP, 1, subscribe_resp},
    {"error-not-found", HXFR_ERROR, 258, error_message},
    {"error-invalid", HXFR_ERROR, 9, error_message},
    {"error-internal", HXFR_ERROR, 0, error_message},
};

static void test_rewrite(gconstpointer data) {
  const Frozen *frozen = data;
  g_autoptr(GBytes) message = frozen_load(frozen->name);
  gsize size;
  const guint8 *bytes = g_bytes_get_data(message, &size);
  Framing framing;
  HxfrHeader header;
  const guint8 *payload;
  framing_init(&framing, 0);
  g_assert_true(framing_feed(&framing, bytes, size));
  g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_MESSAGE);
  g_assert_cmphex(header.type, ==, frozen->type);
  g_assert_cmphex(header.session_id, ==, frozen->session);
  g_assert_cmpuint(header.payload_size, ==, size - HXFR_HEADER_SIZE);

  guint8 again[512];
  ByteReader reader;
  ByteWriter writer;
  byte_reader_init(&reader, payload, header.payload_size);
  byte_writer_init(&writer, again, sizeof again);
  hxfr_header_write(&writer, &header);
  g_assert_true(frozen->rewrite(&reader, &writer));
  g_assert_true(byte_writer_ok(&writer));
  g_assert_cmpmem(again, writer.position, bytes, size);
  g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_NEED_MORE);
  framing_finish(&framing);
}

/* A reader at the payload of a frozen message that `message` keeps. */
static ByteReader open_payload(const char *name, GBytes **message) {
  gsize size;
  *message = frozen_load(name);
  const guint8 *bytes = g_bytes_get_data(*message, &size);
  ByteReader reader;
  byte_reader_init(&reader, bytes + HXFR_HEADER_SIZE, size - HXFR_HEADER_SIZE);
  return reader;
}

/* A parser and a writer that swap two fields alike would pass the test above: the numbers, one by one. */
static void test_numbers_of_requests(void) {
  g_autoptr(GBytes) one = NULL, two = NULL, three = NULL;
  ByteReader reader = open_payload("frame-request-resource", &one);
  HxfrFrameRequest request;
  g_assert_true(hxfr_frame_request_parse(&reader, &request));
  g_assert_cmphex(request.resource_id, ==, 0xfedcba98);
  g_assert_cmpuint(request.width, ==, 1920);
  g_assert_cmpuint(request.height, ==, 1080);
  g_assert_cmphex(request.format, ==, 0x34325241);
  g_assert_cmpuint(request.stride, ==, 7680);
  g_assert_cmpint(request.pts_ns, ==, -2);
  g_assert_cmpint(request.duration_ns, ==, G_GINT64_CONSTANT(1) << 40);
  g_assert_true(request.force_keyframe);

  reader = open_payload("config-req", &two);
  HxfrConfig wish;
  g_assert_true(hxfr_config_parse(&reader, &wish));
  g_assert_cmpuint(wish.width, ==, 1280);
  g_assert_cmpuint(wish.height, ==, 720);
  g_assert_cmpuint(wish.bitrate, ==, 8000000);
  g_assert_cmpuint(wish.framerate_num, ==, 30000);
  g_assert_cmpuint(wish.framerate_den, ==, 1001);
  g_assert_cmpuint(wish.profile, ==, 100);
  g_assert_cmpuint(wish.level, ==, 40);
  g_assert_cmpuint(wish.realtime, ==, 1);

  reader = open_payload("enable-scanout", &three);
  HxfrEnableScanout enable;
  g_assert_true(hxfr_enable_scanout_parse(&reader, &enable));
  g_assert_cmpuint(enable.scanout_id, ==, 15);
  g_assert_cmpuint(enable.width, ==, 2560);
  g_assert_cmpuint(enable.height, ==, 1440);
  g_assert_cmpuint(enable.refresh_rate, ==, 144);
}

static void test_numbers_of_answers(void) {
  g_autoptr(GBytes) one = NULL, two = NULL, three = NULL, four = NULL;
  ByteReader reader = open_payload("frame-response", &one);
  HxfrFrameResponse response;
  g_assert_true(hxfr_frame_response_parse(&reader, &response));
  g_assert_cmpint(response.pts_ns, ==, -2);
  g_assert_cmpint(response.dts_ns, ==, G_MAXINT64);
  g_assert_false(response.is_keyframe);
  g_assert_cmpuint(response.nal_count, ==, 1);
  const guint8 *nal;
  guint32 size;
  g_assert_true(hxfr_nal_entry_parse(&reader, &nal, &size));
  g_assert_cmpmem(nal, size, "\0\0\1\x41\x9a", 5);

  reader = open_payload("scanout-resp", &two);
  HxfrScanoutResp scanout;
  g_assert_true(hxfr_scanout_resp_parse(&reader, &scanout));
  g_assert_cmpuint(scanout.scanout_id, ==, 15);
  g_assert_true(scanout.success);
  g_assert_cmpstr(scanout.connector, ==, "Virtual-16");

  reader = open_payload("error-internal", &three);
  HxfrError error;
  g_assert_true(hxfr_error_parse(&reader, &error));
  g_assert_cmpint(error.code, ==, HXFR_ERR_INTERNAL);
  g_assert_cmpuint(strlen(error.text), ==, 254);

  reader = open_payload("subscribe-resp-no", &four);
  guint32 id;
  gboolean success;
  g_assert_true(hxfr_subscribe_resp_parse(&reader, &id, &success));
  g_assert_cmpuint(id, ==, 1);
  g_assert_false(success);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS(FROZEN); i++) {
    g_autofree char *path = g_strconcat("/hxfr-frozen/", FROZEN[i].name, NULL);
    g_test_add_data_func(path, &FROZEN[i], test_rewrite);
  }
  g_test_add_func("/hxfr-frozen/numbers-of-requests", test_numbers_of_requests);
  g_test_add_func("/hxfr-frozen/numbers-of-answers", test_numbers_of_answers);
  return g_test_run();
}
