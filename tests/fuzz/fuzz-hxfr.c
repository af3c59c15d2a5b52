/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/hxfr-v2.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/*
 * One payload to the parser of its type. What parses is written and parsed
 * again, and written a second time: both writings must be the same bytes.
 *
 * Input: u8 type, the payload.
 */

typedef struct {
  guint8 bytes[8192];
  gsize size;
} Written;

/* Parses and, if `out` is given, writes. */
typedef gboolean (*Pass)(ByteReader *reader, ByteWriter *out);

static gboolean pass_frame_request(ByteReader *reader, ByteWriter *out) {
  HxfrFrameRequest request;
  if (!hxfr_frame_request_parse(reader, &request)) return FALSE;
  hxfr_frame_request_write(out, &request);
  return TRUE;
}

static gboolean pass_frame_response(ByteReader *reader, ByteWriter *out) {
  HxfrFrameResponse response;
  if (!hxfr_frame_response_parse(reader, &response)) return FALSE;
  g_assert(response.nal_count <= HXFR_MAX_NALS);
  for (guint32 i = 0; i < response.nal_count; i++) {
    const guint8 *nal;
    guint32 size;
    if (!hxfr_nal_entry_parse(reader, &nal, &size)) return FALSE;
    volatile guint8 last = size ? nal[size - 1] : 0; /* it is there */
    (void)last;
  }
  response.nal_count = 0;
  hxfr_frame_response_write(out, &response);
  return TRUE;
}

static gboolean pass_config(ByteReader *reader, ByteWriter *out) {
  HxfrConfig config;
  if (!hxfr_config_parse(reader, &config)) return FALSE;
  hxfr_config_write(out, &config);
  return TRUE;
}

static gboolean pass_enable_scanout(ByteReader *reader, ByteWriter *out) {
  HxfrEnableScanout enable;
  if (!hxfr_enable_scanout_parse(reader, &enable)) return FALSE;
  hxfr_enable_scanout_write(out, &enable);
  return TRUE;
}

static gboolean pass_number(ByteReader *reader, ByteWriter *out) {
  guint32 scanout;
  if (!hxfr_disable_scanout_parse(reader, &scanout)) return FALSE;
  byte_writer_u32(out, scanout);
  return TRUE;
}

static gboolean pass_scanout_resp(ByteReader *reader, ByteWriter *out) {
  HxfrScanoutResp response;
  if (!hxfr_scanout_resp_parse(reader, &response)) return FALSE;
  g_assert(g_utf8_validate(response.connector, -1, NULL));
  hxfr_scanout_resp_write(out, &response);
  return TRUE;
}

static gboolean pass_subscribe_resp(ByteReader *reader, ByteWriter *out) {
  guint32 scanout;
  gboolean success;
  if (!hxfr_subscribe_resp_parse(reader, &scanout, &success)) return FALSE;
  hxfr_subscribe_resp_write(out, scanout, success);
  return TRUE;
}

static gboolean pass_error(ByteReader *reader, ByteWriter *out) {
  HxfrError error;
  if (!hxfr_error_parse(reader, &error)) return FALSE;
  g_assert(g_utf8_validate(error.text, -1, NULL));
  g_assert(hxfr_error_name(error.code));
  hxfr_error_write(out, error.code, error.text);
  return TRUE;
}

static gboolean pass_hello(ByteReader *reader, ByteWriter *out) {
  HxfrHello hello;
  if (!hxfr_hello_parse(reader, &hello)) return FALSE;
  g_assert(g_utf8_validate(hello.token, -1, NULL) && g_utf8_validate(hello.name, -1, NULL));
  g_assert(strlen(hello.token) <= HXFR_MAX_TOKEN && strlen(hello.name) <= HXFR_MAX_NAME);
  hxfr_hello_write(out, &hello);
  return TRUE;
}

static gboolean pass_welcome(ByteReader *reader, ByteWriter *out) {
  HxfrWelcome welcome;
  if (!hxfr_welcome_parse(reader, &welcome)) return FALSE;
  g_assert(g_utf8_validate(welcome.name, -1, NULL));
  hxfr_welcome_write(out, &welcome);
  return TRUE;
}

static gboolean pass_scanouts(ByteReader *reader, ByteWriter *out) {
  HxfrScanouts scanouts;
  if (!hxfr_scanouts_parse(reader, &scanouts)) return FALSE;
  g_assert(scanouts.count <= HXFR_MAX_SCANOUTS);
  for (guint i = 0; i < scanouts.count; i++) g_assert(g_utf8_validate(scanouts.entries[i].name, -1, NULL));
  hxfr_scanouts_write(out, &scanouts);
  return TRUE;
}

static gboolean pass_state(ByteReader *reader, ByteWriter *out) {
  guint32 state;
  char text[100];
  if (!hxfr_state_parse(reader, &state, text, sizeof text)) return FALSE;
  g_assert(g_utf8_validate(text, -1, NULL));
  hxfr_state_write(out, state, text);
  return TRUE;
}

static gboolean pass_unit(ByteReader *reader, ByteWriter *out) {
  HxfrUnit unit;
  if (!hxfr_unit_parse(reader, &unit)) return FALSE;
  g_assert(unit.rect_count <= HXFR_MAX_UNIT_RECTS);
  Rect rect;
  for (guint i = 0; i < unit.rect_count && hxfr_rect_parse(reader, &rect); i++) {
    g_assert(rect.x <= 0xffff && rect.width <= 0xffff);
  }
  hxfr_unit_write(out, &unit);
  return TRUE;
}

static gboolean pass_heartbeat(ByteReader *reader, ByteWriter *out) {
  HxfrHeartbeat heartbeat;
  if (!hxfr_heartbeat_parse(reader, &heartbeat)) return FALSE;
  hxfr_heartbeat_write(out, &heartbeat);
  return TRUE;
}

static gboolean pass_fingerprint(ByteReader *reader, ByteWriter *out) {
  static HxfrRequestFingerprint request;
  if (!hxfr_request_fingerprint_parse(reader, &request)) return FALSE;
  g_assert(request.fingerprint.count > 0 && request.fingerprint.count <= FINGERPRINT_MAX_PLACES);
  guint8 pixels[16 * 16 * 4] = {0};
  fingerprint_agrees(&request.fingerprint, &(Frame){PIXEL_FORMAT_XRGB8888, 16, 16, 64, pixels});
  hxfr_request_fingerprint_write(out, &request);
  return TRUE;
}

static gboolean pass_tiles(ByteReader *reader, ByteWriter *out) {
  HxfrRequestTiles tiles;
  if (!hxfr_request_tiles_parse(reader, &tiles)) return FALSE;
  g_assert(tiles.picture != 0 && tiles.rect_count <= HXFR_MAX_TILE_RECTS);
  hxfr_request_tiles_write(out, &tiles);
  Rect rect;
  for (guint i = 0; i < MIN(tiles.rect_count, 100) && hxfr_rect_parse(reader, &rect); i++) hxfr_rect_write(out, &rect);
  return TRUE;
}

static gboolean pass_wanted(ByteReader *reader, ByteWriter *out) {
  HxfrPixelsWanted wanted;
  if (!hxfr_pixels_wanted_parse(reader, &wanted)) return FALSE;
  g_assert(hxfr_wanted_reason_text(wanted.reason));
  hxfr_pixels_wanted_write(out, &wanted);
  return TRUE;
}

static gboolean pass_request_scanout(ByteReader *reader, ByteWriter *out) {
  guint32 scanout;
  if (!hxfr_request_scanout_parse(reader, &scanout)) return FALSE;
  byte_writer_u32(out, scanout);
  return TRUE;
}

static Pass pass_of(guint8 type) {
  switch (type) {
  case HXFR_FRAME_REQUEST:
    return pass_frame_request;
  case HXFR_FRAME_RESPONSE:
    return pass_frame_response;
  case HXFR_CONFIG_REQ:
  case HXFR_CONFIG_RESP:
    return pass_config;
  case HXFR_ENABLE_SCANOUT:
    return pass_enable_scanout;
  case HXFR_DISABLE_SCANOUT:
  case HXFR_SUBSCRIBE:
    return pass_number;
  case HXFR_SCANOUT_RESP:
    return pass_scanout_resp;
  case HXFR_SUBSCRIBE_RESP:
    return pass_subscribe_resp;
  case HXFR_HELLO:
    return pass_hello;
  case HXFR_WELCOME:
    return pass_welcome;
  case HXFR_SCANOUTS:
    return pass_scanouts;
  case HXFR_STATE:
    return pass_state;
  case HXFR_UNIT:
    return pass_unit;
  case HXFR_HEARTBEAT:
    return pass_heartbeat;
  case HXFR_REQUEST_FINGERPRINT:
    return pass_fingerprint;
  case HXFR_REQUEST_TILES:
    return pass_tiles;
  case HXFR_PIXELS_WANTED:
    return pass_wanted;
  case HXFR_REQUEST_SCANOUT:
    return pass_request_scanout;
  case HXFR_ERROR:
    return pass_error;
  default:
    return NULL;
  }
}

static gboolean run(Pass pass, const guint8 *data, gsize size, Written *written) {
  ByteReader reader;
  ByteWriter writer;
  byte_reader_init(&reader, data, size);
  byte_writer_init(&writer, written->bytes, sizeof written->bytes);
  if (!pass(&reader, &writer)) return FALSE;
  g_assert(byte_writer_ok(&writer));
  written->size = writer.position;
  return TRUE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static Written first, second;
  if (size < 1) return 0;
  g_assert(hxfr_type_name(data[0]));
  Pass pass = pass_of(data[0]);
  if (!pass || !run(pass, data + 1, size - 1, &first)) return 0;
  gboolean again = run(pass, first.bytes, first.size, &second);
  g_assert(again && first.size == second.size && memcmp(first.bytes, second.bytes, first.size) == 0);
  return 0;
}
