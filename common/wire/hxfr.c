/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/hxfr.h"

#include "common/wire/hxfr-v2.h"

#include <string.h>

typedef struct {
  guint8 type;
  const char *name;
  guint32 max_payload;
} TypeInfo;

/* Where a message grows in version 2 and answers carry text, the limit is HXFR_MAX_REQUEST. */
static const TypeInfo TYPES[] = {
    {HXFR_FRAME_REQUEST, "FRAME_REQUEST", HXFR_FRAME_REQUEST_SIZE + HXFR_MAX_PIXELS},
    {HXFR_FRAME_RESPONSE, "FRAME_RESPONSE", HXFR_MAX_RESPONSE},
    {HXFR_KEYFRAME_REQ, "KEYFRAME_REQ", HXFR_MAX_REQUEST},
    {HXFR_CONFIG_REQ, "CONFIG_REQ", HXFR_MAX_REQUEST},
    {HXFR_CONFIG_RESP, "CONFIG_RESP", HXFR_MAX_REQUEST},
    {HXFR_PING, "PING", HXFR_MAX_PING},
    {HXFR_PONG, "PONG", HXFR_MAX_PING},
    {HXFR_ENABLE_SCANOUT, "ENABLE_SCANOUT", HXFR_MAX_REQUEST},
    {HXFR_DISABLE_SCANOUT, "DISABLE_SCANOUT", HXFR_MAX_REQUEST},
    {HXFR_SCANOUT_RESP, "SCANOUT_RESP", HXFR_MAX_REQUEST},
    {HXFR_SUBSCRIBE, "SUBSCRIBE", HXFR_MAX_REQUEST},
    {HXFR_SUBSCRIBE_RESP, "SUBSCRIBE_RESP", HXFR_MAX_REQUEST},
    {HXFR_HELLO, "HELLO", HXFR_MAX_REQUEST},
    {HXFR_WELCOME, "WELCOME", HXFR_MAX_REQUEST},
    {HXFR_SCANOUTS, "SCANOUTS", HXFR_MAX_REQUEST},
    {HXFR_STATE, "STATE", HXFR_MAX_REQUEST},
    {HXFR_UNIT, "UNIT", HXFR_MAX_RESPONSE},
    {HXFR_HEARTBEAT, "HEARTBEAT", HXFR_MAX_REQUEST},
    {HXFR_UNSUBSCRIBE, "UNSUBSCRIBE", HXFR_MAX_REQUEST},
    {HXFR_STATS_REQ, "STATS_REQ", HXFR_MAX_REQUEST},
    {HXFR_STATS, "STATS", HXFR_MAX_TEXT},
    {HXFR_REQUEST_FINGERPRINT, "REQUEST_FINGERPRINT", HXFR_MAX_REQUEST},
    {HXFR_REQUEST_TILES, "REQUEST_TILES", HXFR_MAX_TILES},
    {HXFR_PIXELS_WANTED, "PIXELS_WANTED", HXFR_MAX_REQUEST},
    {HXFR_REQUEST_SCANOUT, "REQUEST_SCANOUT", HXFR_MAX_REQUEST},
    {HXFR_ERROR, "ERROR", HXFR_MAX_REQUEST},
};

static const TypeInfo *type_info(guint8 type) {
  for (gsize i = 0; i < G_N_ELEMENTS(TYPES); i++) {
    if (TYPES[i].type == type) return &TYPES[i];
  }
  return NULL;
}

const char *hxfr_type_name(guint8 type) {
  const TypeInfo *info = type_info(type);
  return info ? info->name : "unknown";
}

guint32 hxfr_max_payload(guint8 type) {
  const TypeInfo *info = type_info(type);
  return info ? info->max_payload : HXFR_MAX_REQUEST;
}

const char *hxfr_error_name(gint32 code) {
  switch (code) {
  case HXFR_OK:
    return "ok";
  case HXFR_ERR_INVALID_MESSAGE:
    return "invalid message";
  case HXFR_ERR_RESOURCE_NOT_FOUND:
    return "resource not found";
  case HXFR_ERR_NOT_A_TEXTURE:
    return "not a GPU texture";
  case HXFR_ERR_NO_SURFACE:
    return "no shareable surface";
  case HXFR_ERR_ENCODE_FAILED:
    return "encode failed";
  case HXFR_ERR_NOT_CONFIGURED:
    return "not configured";
  case HXFR_ERR_DENIED:
    return "denied";
  case HXFR_ERR_INTERNAL:
    return "internal error";
  default:
    return "unknown error";
  }
}

gboolean hxfr_header_parse(const guint8 *bytes, HxfrHeader *header) {
  ByteReader reader;
  byte_reader_init(&reader, bytes, HXFR_HEADER_SIZE);
  guint32 magic = byte_reader_u32(&reader);
  header->type = byte_reader_u8(&reader);
  header->flags = byte_reader_u8(&reader);
  header->session_id = byte_reader_u16(&reader);
  header->payload_size = byte_reader_u32(&reader);
  return magic == HXFR_MAGIC;
}

void hxfr_header_write(ByteWriter *writer, const HxfrHeader *header) {
  byte_writer_u32(writer, HXFR_MAGIC);
  byte_writer_u8(writer, header->type);
  byte_writer_u8(writer, header->flags);
  byte_writer_u16(writer, header->session_id);
  byte_writer_u32(writer, header->payload_size);
}

/* A message of a fixed size was read to its end, and not beyond. */
static gboolean complete(const ByteReader *reader) {
  return byte_reader_ok(reader) && byte_reader_left(reader) == 0;
}

/* Fixed-size text that a peer filled: NUL-terminated and valid UTF-8 afterwards, whatever it was. */
static void read_text(ByteReader *reader, char *text, gsize size) {
  const guint8 *bytes = byte_reader_bytes(reader, size);
  memset(text, 0, size);
  if (!bytes) return;
  memcpy(text, bytes, size - 1);
  const char *end;
  if (!g_utf8_validate(text, -1, &end)) memset(text + (end - text), 0, size - (gsize)(end - text));
}

gboolean hxfr_frame_request_parse(ByteReader *reader, HxfrFrameRequest *request) {
  request->resource_id = byte_reader_u32(reader);
  request->width = byte_reader_u32(reader);
  request->height = byte_reader_u32(reader);
  request->format = byte_reader_u32(reader);
  request->stride = byte_reader_u32(reader);
  request->pts_ns = byte_reader_i64(reader);
  request->duration_ns = byte_reader_i64(reader);
  request->force_keyframe = byte_reader_u8(reader) != 0;
  byte_reader_skip(reader, 7);
  return byte_reader_ok(reader);
}

void hxfr_frame_request_write(ByteWriter *writer, const HxfrFrameRequest *request) {
  byte_writer_u32(writer, request->resource_id);
  byte_writer_u32(writer, request->width);
  byte_writer_u32(writer, request->height);
  byte_writer_u32(writer, request->format);
  byte_writer_u32(writer, request->stride);
  byte_writer_i64(writer, request->pts_ns);
  byte_writer_i64(writer, request->duration_ns);
  byte_writer_u8(writer, request->force_keyframe ? 1 : 0);
  byte_writer_zeros(writer, 7);
}

gboolean hxfr_frame_response_parse(ByteReader *reader, HxfrFrameResponse *response) {
  response->pts_ns = byte_reader_i64(reader);
  response->dts_ns = byte_reader_i64(reader);
  response->is_keyframe = byte_reader_u8(reader) != 0;
  byte_reader_skip(reader, 3);
  response->nal_count = byte_reader_u32(reader);
  return byte_reader_ok(reader) && response->nal_count <= HXFR_MAX_NALS;
}

void hxfr_frame_response_write(ByteWriter *writer, const HxfrFrameResponse *response) {
  byte_writer_i64(writer, response->pts_ns);
  byte_writer_i64(writer, response->dts_ns);
  byte_writer_u8(writer, response->is_keyframe ? 1 : 0);
  byte_writer_zeros(writer, 3);
  byte_writer_u32(writer, response->nal_count);
}

gboolean hxfr_nal_entry_parse(ByteReader *reader, const guint8 **nal, guint32 *size) {
  *size = byte_reader_u32(reader);
  *nal = byte_reader_bytes(reader, *size);
  return byte_reader_ok(reader);
}

gboolean hxfr_config_parse(ByteReader *reader, HxfrConfig *config) {
  config->width = byte_reader_u32(reader);
  config->height = byte_reader_u32(reader);
  config->bitrate = byte_reader_u32(reader);
  config->framerate_num = byte_reader_u32(reader);
  config->framerate_den = byte_reader_u32(reader);
  config->profile = byte_reader_u8(reader);
  config->level = byte_reader_u8(reader);
  config->realtime = byte_reader_u8(reader);
  byte_reader_skip(reader, 5);
  return complete(reader);
}

void hxfr_config_write(ByteWriter *writer, const HxfrConfig *config) {
  byte_writer_u32(writer, config->width);
  byte_writer_u32(writer, config->height);
  byte_writer_u32(writer, config->bitrate);
  byte_writer_u32(writer, config->framerate_num);
  byte_writer_u32(writer, config->framerate_den);
  byte_writer_u8(writer, config->profile);
  byte_writer_u8(writer, config->level);
  byte_writer_u8(writer, config->realtime);
  byte_writer_zeros(writer, 5);
}

gboolean hxfr_enable_scanout_parse(ByteReader *reader, HxfrEnableScanout *enable) {
  enable->scanout_id = byte_reader_u32(reader);
  enable->width = byte_reader_u32(reader);
  enable->height = byte_reader_u32(reader);
  enable->refresh_rate = byte_reader_u32(reader);
  return complete(reader);
}

void hxfr_enable_scanout_write(ByteWriter *writer, const HxfrEnableScanout *enable) {
  byte_writer_u32(writer, enable->scanout_id);
  byte_writer_u32(writer, enable->width);
  byte_writer_u32(writer, enable->height);
  byte_writer_u32(writer, enable->refresh_rate);
}

gboolean hxfr_disable_scanout_parse(ByteReader *reader, guint32 *scanout_id) {
  *scanout_id = byte_reader_u32(reader);
  return complete(reader);
}

gboolean hxfr_scanout_resp_parse(ByteReader *reader, HxfrScanoutResp *response) {
  response->scanout_id = byte_reader_u32(reader);
  response->success = byte_reader_u32(reader) != 0;
  read_text(reader, response->connector, sizeof response->connector);
  return complete(reader);
}

void hxfr_scanout_resp_write(ByteWriter *writer, const HxfrScanoutResp *response) {
  byte_writer_u32(writer, response->scanout_id);
  byte_writer_u32(writer, response->success ? 1 : 0);
  byte_writer_text(writer, response->connector, HXFR_CONNECTOR_SIZE);
}

gboolean hxfr_subscribe_parse(ByteReader *reader, guint32 *scanout_id) {
  *scanout_id = byte_reader_u32(reader);
  return complete(reader);
}

gboolean hxfr_subscribe_resp_parse(ByteReader *reader, guint32 *scanout_id, gboolean *success) {
  *scanout_id = byte_reader_u32(reader);
  *success = byte_reader_u32(reader) != 0;
  return complete(reader);
}

void hxfr_subscribe_resp_write(ByteWriter *writer, guint32 scanout_id, gboolean success) {
  byte_writer_u32(writer, scanout_id);
  byte_writer_u32(writer, success ? 1 : 0);
}

gboolean hxfr_error_parse(ByteReader *reader, HxfrError *error) {
  error->code = byte_reader_i32(reader);
  read_text(reader, error->text, sizeof error->text);
  return complete(reader);
}

void hxfr_error_write(ByteWriter *writer, gint32 code, const char *text) {
  byte_writer_i32(writer, code);
  byte_writer_text(writer, text, HXFR_ERROR_TEXT_SIZE);
}

GBytes *hxfr_message(guint8 type, guint16 session_id, const void *payload, gsize size) {
  g_assert(size <= hxfr_max_payload(type));
  guint8 *bytes = g_malloc(HXFR_HEADER_SIZE + size);
  ByteWriter writer;
  byte_writer_init(&writer, bytes, HXFR_HEADER_SIZE + size);
  hxfr_header_write(&writer, &(HxfrHeader){.type = type, .session_id = session_id, .payload_size = (guint32)size});
  byte_writer_bytes(&writer, payload, size);
  g_assert(byte_writer_ok(&writer));
  return g_bytes_new_take(bytes, HXFR_HEADER_SIZE + size);
}

GBytes *hxfr_error_message(guint16 session_id, gint32 code, const char *text) {
  guint8 payload[HXFR_ERROR_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_error_write(&writer, code, text);
  return hxfr_message(HXFR_ERROR, session_id, payload, sizeof payload);
}
