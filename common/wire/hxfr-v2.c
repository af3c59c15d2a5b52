/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/hxfr-v2.h"

#include <string.h>

/* `size` bytes of text into a field that holds `room` with its NUL: too long is malformed, bad UTF-8 is cut off. */
static void read_sized_text(ByteReader *reader, gsize size, char *text, gsize room) {
  text[0] = '\0';
  if (size >= room) {
    reader->failed = TRUE;
    return;
  }
  const guint8 *bytes = byte_reader_bytes(reader, size);
  if (!bytes) return;
  memcpy(text, bytes, size);
  text[size] = '\0';
  const char *end;
  if (!g_utf8_validate(text, -1, &end)) text[end - text] = '\0';
}

gboolean hxfr_hello_parse(ByteReader *reader, HxfrHello *hello) {
  hello->version = byte_reader_u16(reader);
  byte_reader_skip(reader, 2);
  hello->features = byte_reader_u32(reader);
  guint16 token_size = byte_reader_u16(reader);
  guint16 name_size = byte_reader_u16(reader);
  read_sized_text(reader, token_size, hello->token, sizeof hello->token);
  read_sized_text(reader, name_size, hello->name, sizeof hello->name);
  return byte_reader_ok(reader);
}

void hxfr_hello_write(ByteWriter *writer, const HxfrHello *hello) {
  gsize token_size = strlen(hello->token), name_size = strlen(hello->name);
  byte_writer_u16(writer, hello->version);
  byte_writer_u16(writer, 0);
  byte_writer_u32(writer, hello->features);
  byte_writer_u16(writer, (guint16)token_size);
  byte_writer_u16(writer, (guint16)name_size);
  byte_writer_bytes(writer, hello->token, token_size);
  byte_writer_bytes(writer, hello->name, name_size);
}

gboolean hxfr_welcome_parse(ByteReader *reader, HxfrWelcome *welcome) {
  welcome->version = byte_reader_u16(reader);
  welcome->rights = byte_reader_u16(reader);
  welcome->features = byte_reader_u32(reader);
  welcome->heartbeat_ms = byte_reader_u32(reader);
  guint16 name_size = byte_reader_u16(reader);
  byte_reader_skip(reader, 2);
  read_sized_text(reader, name_size, welcome->name, sizeof welcome->name);
  return byte_reader_ok(reader);
}

void hxfr_welcome_write(ByteWriter *writer, const HxfrWelcome *welcome) {
  gsize name_size = strlen(welcome->name);
  byte_writer_u16(writer, welcome->version);
  byte_writer_u16(writer, welcome->rights);
  byte_writer_u32(writer, welcome->features);
  byte_writer_u32(writer, welcome->heartbeat_ms);
  byte_writer_u16(writer, (guint16)name_size);
  byte_writer_u16(writer, 0);
  byte_writer_bytes(writer, welcome->name, name_size);
}

static void scanout_parse(ByteReader *reader, HxfrScanout *scanout) {
  scanout->id = byte_reader_u32(reader);
  scanout->width = byte_reader_u32(reader);
  scanout->height = byte_reader_u32(reader);
  scanout->refresh_mhz = byte_reader_u32(reader);
  scanout->flags = byte_reader_u32(reader);
  byte_reader_skip(reader, 4);
  const guint8 *name = byte_reader_bytes(reader, sizeof scanout->name);
  memset(scanout->name, 0, sizeof scanout->name);
  if (name) memcpy(scanout->name, name, sizeof scanout->name - 1);
  const char *end;
  if (!g_utf8_validate(scanout->name, -1, &end)) scanout->name[end - scanout->name] = '\0';
}

gboolean hxfr_scanouts_parse(ByteReader *reader, HxfrScanouts *scanouts) {
  scanouts->count = byte_reader_u16(reader);
  byte_reader_skip(reader, 2);
  if (scanouts->count > HXFR_MAX_SCANOUTS) return FALSE;
  for (guint i = 0; i < scanouts->count; i++) scanout_parse(reader, &scanouts->entries[i]);
  return byte_reader_ok(reader);
}

void hxfr_scanouts_write(ByteWriter *writer, const HxfrScanouts *scanouts) {
  byte_writer_u16(writer, (guint16)scanouts->count);
  byte_writer_u16(writer, 0);
  for (guint i = 0; i < scanouts->count; i++) {
    const HxfrScanout *scanout = &scanouts->entries[i];
    byte_writer_u32(writer, scanout->id);
    byte_writer_u32(writer, scanout->width);
    byte_writer_u32(writer, scanout->height);
    byte_writer_u32(writer, scanout->refresh_mhz);
    byte_writer_u32(writer, scanout->flags);
    byte_writer_u32(writer, 0);
    byte_writer_text(writer, scanout->name, sizeof scanout->name);
  }
}

gboolean hxfr_state_parse(ByteReader *reader, guint32 *state, char *text, gsize size) {
  g_assert(size > 0);
  *state = byte_reader_u32(reader);
  guint32 text_size = byte_reader_u32(reader);
  const guint8 *bytes = byte_reader_bytes(reader, text_size);
  text[0] = '\0';
  if (!bytes) return FALSE;
  gsize kept = MIN(text_size, size - 1);
  memcpy(text, bytes, kept);
  text[kept] = '\0';
  const char *end;
  if (!g_utf8_validate(text, -1, &end)) text[end - text] = '\0';
  return byte_reader_ok(reader);
}

void hxfr_state_write(ByteWriter *writer, guint32 state, const char *text) {
  gsize size = strlen(text);
  byte_writer_u32(writer, state);
  byte_writer_u32(writer, (guint32)size);
  byte_writer_bytes(writer, text, size);
}

gboolean hxfr_unit_parse(ByteReader *reader, HxfrUnit *unit) {
  unit->sequence = byte_reader_u64(reader);
  unit->pts_ns = byte_reader_i64(reader);
  unit->flags = byte_reader_u32(reader);
  unit->width = byte_reader_u16(reader);
  unit->height = byte_reader_u16(reader);
  unit->capture_us = byte_reader_u32(reader);
  unit->queue_us = byte_reader_u32(reader);
  unit->convert_us = byte_reader_u32(reader);
  unit->encode_us = byte_reader_u32(reader);
  unit->send_us = byte_reader_u32(reader);
  unit->frames_merged = byte_reader_u32(reader);
  unit->rect_count = byte_reader_u16(reader);
  unit->qp = byte_reader_u16(reader);
  byte_reader_skip(reader, 4);
  return byte_reader_ok(reader) && unit->rect_count <= HXFR_MAX_UNIT_RECTS;
}

void hxfr_unit_write(ByteWriter *writer, const HxfrUnit *unit) {
  byte_writer_u64(writer, unit->sequence);
  byte_writer_i64(writer, unit->pts_ns);
  byte_writer_u32(writer, unit->flags);
  byte_writer_u16(writer, unit->width);
  byte_writer_u16(writer, unit->height);
  byte_writer_u32(writer, unit->capture_us);
  byte_writer_u32(writer, unit->queue_us);
  byte_writer_u32(writer, unit->convert_us);
  byte_writer_u32(writer, unit->encode_us);
  byte_writer_u32(writer, unit->send_us);
  byte_writer_u32(writer, unit->frames_merged);
  byte_writer_u16(writer, unit->rect_count);
  byte_writer_u16(writer, unit->qp);
  byte_writer_u32(writer, 0);
}

gboolean hxfr_rect_parse(ByteReader *reader, Rect *rect) {
  rect->x = byte_reader_u16(reader);
  rect->y = byte_reader_u16(reader);
  rect->width = byte_reader_u16(reader);
  rect->height = byte_reader_u16(reader);
  return byte_reader_ok(reader);
}

gboolean hxfr_heartbeat_parse(ByteReader *reader, HxfrHeartbeat *heartbeat) {
  heartbeat->sequence = byte_reader_u64(reader);
  heartbeat->now_ns = byte_reader_i64(reader);
  return byte_reader_ok(reader);
}

void hxfr_heartbeat_write(ByteWriter *writer, const HxfrHeartbeat *heartbeat) {
  byte_writer_u64(writer, heartbeat->sequence);
  byte_writer_i64(writer, heartbeat->now_ns);
}

gboolean hxfr_request_fingerprint_parse(ByteReader *reader, HxfrRequestFingerprint *request) {
  Fingerprint *fingerprint = &request->fingerprint;
  hxfr_frame_request_parse(reader, &request->request);
  request->scanout = byte_reader_u16(reader);
  fingerprint->count = byte_reader_u16(reader);
  if (fingerprint->count == 0 || fingerprint->count > FINGERPRINT_MAX_PLACES) return FALSE;
  for (guint i = 0; i < fingerprint->count; i++) {
    FingerprintPlace *place = &fingerprint->places[i];
    place->x = byte_reader_u16(reader);
    place->y = byte_reader_u16(reader);
    place->pixel = byte_reader_u32(reader);
  }
  return byte_reader_ok(reader);
}

void hxfr_request_fingerprint_write(ByteWriter *writer, const HxfrRequestFingerprint *request) {
  const Fingerprint *fingerprint = &request->fingerprint;
  hxfr_frame_request_write(writer, &request->request);
  byte_writer_u16(writer, request->scanout);
  byte_writer_u16(writer, (guint16)fingerprint->count);
  for (guint i = 0; i < fingerprint->count; i++) {
    byte_writer_u16(writer, fingerprint->places[i].x);
    byte_writer_u16(writer, fingerprint->places[i].y);
    byte_writer_u32(writer, fingerprint->places[i].pixel);
  }
}

gboolean hxfr_request_tiles_parse(ByteReader *reader, HxfrRequestTiles *tiles) {
  hxfr_frame_request_parse(reader, &tiles->request);
  tiles->picture = byte_reader_u32(reader);
  tiles->base = byte_reader_u32(reader);
  tiles->rect_count = byte_reader_u16(reader);
  byte_reader_skip(reader, 2);
  return byte_reader_ok(reader) && tiles->picture != 0 && tiles->rect_count <= HXFR_MAX_TILE_RECTS;
}

void hxfr_request_tiles_write(ByteWriter *writer, const HxfrRequestTiles *tiles) {
  hxfr_frame_request_write(writer, &tiles->request);
  byte_writer_u32(writer, tiles->picture);
  byte_writer_u32(writer, tiles->base);
  byte_writer_u16(writer, tiles->rect_count);
  byte_writer_u16(writer, 0);
}

void hxfr_rect_write(ByteWriter *writer, const Rect *rect) {
  byte_writer_u16(writer, (guint16)rect->x);
  byte_writer_u16(writer, (guint16)rect->y);
  byte_writer_u16(writer, (guint16)rect->width);
  byte_writer_u16(writer, (guint16)rect->height);
}

gboolean hxfr_pixels_wanted_parse(ByteReader *reader, HxfrPixelsWanted *wanted) {
  wanted->pts_ns = byte_reader_i64(reader);
  wanted->reason = byte_reader_u32(reader);
  return byte_reader_ok(reader);
}

void hxfr_pixels_wanted_write(ByteWriter *writer, const HxfrPixelsWanted *wanted) {
  byte_writer_i64(writer, wanted->pts_ns);
  byte_writer_u32(writer, wanted->reason);
}

const char *hxfr_wanted_reason_text(guint32 reason) {
  switch (reason) {
  case HXFR_WANTED_DARK:
    return "nothing is shown on the scanout";
  case HXFR_WANTED_OTHER_SIZE:
    return "the scanout has another size";
  case HXFR_WANTED_DIFFERENT:
    return "the scanout shows another picture";
  case HXFR_WANTED_IN_ORDER:
    return "an earlier one is still wanted";
  case HXFR_WANTED_NO_BASE:
    return "the base picture is gone";
  default:
    return "a reason unknown here";
  }
}

gboolean hxfr_request_scanout_parse(ByteReader *reader, guint32 *scanout) {
  *scanout = byte_reader_u32(reader);
  return byte_reader_ok(reader);
}
