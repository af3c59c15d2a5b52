/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/hxfr-v2.h"

#include <string.h>

typedef struct {
  guint8 bytes[4096];
  gsize size;
} Payload;

static ByteWriter begin(Payload *payload) {
  ByteWriter writer;
  byte_writer_init(&writer, payload->bytes, sizeof payload->bytes);
  return writer;
}

static void end(Payload *payload, const ByteWriter *writer) {
  g_assert_true(byte_writer_ok(writer));
  payload->size = writer->position;
}

/* A reader of an allocation of exactly `size` bytes; the caller frees *exact. */
static ByteReader read_exactly(const Payload *payload, gsize size, guint8 **exact) {
  *exact = g_malloc0(MAX(size, 1));
  memcpy(*exact, payload->bytes, MIN(size, payload->size));
  ByteReader reader;
  byte_reader_init(&reader, *exact, size);
  return reader;
}

/* Each parser refuses each truncation, and takes what a later revision has put behind (16 bytes more). */
static void check_sizes(const Payload *payload, gboolean (*parse)(ByteReader *reader)) {
  for (gsize size = 0; size <= payload->size + 16; size++) {
    guint8 *exact;
    ByteReader reader = read_exactly(payload, size, &exact);
    gboolean good = parse(&reader);
    if (good != (size >= payload->size)) g_error("%zu of %zu bytes: %d", size, payload->size, good);
    g_free(exact);
  }
}

static gboolean parse_hello(ByteReader *reader) {
  HxfrHello hello;
  return hxfr_hello_parse(reader, &hello);
}

static gboolean parse_welcome(ByteReader *reader) {
  HxfrWelcome welcome;
  return hxfr_welcome_parse(reader, &welcome);
}

static gboolean parse_scanouts(ByteReader *reader) {
  HxfrScanouts scanouts;
  return hxfr_scanouts_parse(reader, &scanouts);
}

static gboolean parse_state(ByteReader *reader) {
  guint32 state;
  char text[8];
  return hxfr_state_parse(reader, &state, text, sizeof text);
}

static gboolean parse_unit(ByteReader *reader) {
  HxfrUnit unit;
  return hxfr_unit_parse(reader, &unit);
}

static gboolean parse_heartbeat(ByteReader *reader) {
  HxfrHeartbeat heartbeat;
  return hxfr_heartbeat_parse(reader, &heartbeat);
}

static gboolean parse_fingerprint(ByteReader *reader) {
  HxfrRequestFingerprint request;
  return hxfr_request_fingerprint_parse(reader, &request);
}

static gboolean parse_tiles(ByteReader *reader) {
  HxfrRequestTiles tiles;
  return hxfr_request_tiles_parse(reader, &tiles);
}

static gboolean parse_wanted(ByteReader *reader) {
  HxfrPixelsWanted wanted;
  return hxfr_pixels_wanted_parse(reader, &wanted);
}

static gboolean parse_scanout(ByteReader *reader) {
  guint32 scanout;
  return hxfr_request_scanout_parse(reader, &scanout);
}

static Payload make_hello(gsize token_size, gsize name_size) {
  HxfrHello hello = {.version = 2, .features = 0x01020304};
  memset(hello.token, 't', token_size);
  memset(hello.name, 'n', name_size);
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_hello_write(&writer, &hello);
  end(&payload, &writer);
  return payload;
}

static void test_hello(void) {
  static const gsize SIZES[][2] = {{0, 0}, {32, 20}, {HXFR_MAX_TOKEN, HXFR_MAX_NAME}};
  for (gsize i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    Payload payload = make_hello(SIZES[i][0], SIZES[i][1]);
    g_assert_cmpuint(payload.size, ==, HXFR_HELLO_FIXED_SIZE + SIZES[i][0] + SIZES[i][1]);
    HxfrHello hello;
    ByteReader reader;
    byte_reader_init(&reader, payload.bytes, payload.size);
    g_assert_true(hxfr_hello_parse(&reader, &hello));
    g_assert_cmpuint(hello.version, ==, 2);
    g_assert_cmphex(hello.features, ==, 0x01020304);
    g_assert_cmpuint(strlen(hello.token), ==, SIZES[i][0]);
    g_assert_cmpuint(strlen(hello.name), ==, SIZES[i][1]);
    check_sizes(&payload, parse_hello);
  }
}

/* The two sizes in HELLO, as a peer that lies would set them. */
static void test_hello_lies(void) {
  static const guint16 LIES[] = {HXFR_MAX_TOKEN + 1, 0x8000, 0xffff};
  for (gsize i = 0; i < G_N_ELEMENTS(LIES); i++) {
    for (guint field = 0; field < 2; field++) {
      Payload payload = make_hello(10, 10);
      payload.bytes[8 + 2 * field] = (guint8)LIES[i];
      payload.bytes[9 + 2 * field] = (guint8)(LIES[i] >> 8);
      ByteReader reader;
      byte_reader_init(&reader, payload.bytes, sizeof payload.bytes); /* even if there were that many bytes */
      g_assert_false(parse_hello(&reader));
      byte_reader_init(&reader, payload.bytes, payload.size);
      g_assert_false(parse_hello(&reader));
    }
  }
  Payload payload = make_hello(10, 10);
  payload.bytes[10] = HXFR_MAX_NAME + 1;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, sizeof payload.bytes);
  g_assert_false(parse_hello(&reader));
}

static void test_hello_text(void) {
  Payload payload = make_hello(4, 4);
  memcpy(payload.bytes + HXFR_HELLO_FIXED_SIZE, "a\0bcx\xff\x1bz", 8);
  HxfrHello hello;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_hello_parse(&reader, &hello));
  g_assert_cmpstr(hello.token, ==, "a");
  g_assert_cmpstr(hello.name, ==, "x");
}

static void test_welcome(void) {
  HxfrWelcome welcome = {.version = 2, .rights = 3, .features = 7, .heartbeat_ms = 1000, .name = "vm é"};
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_welcome_write(&writer, &welcome);
  end(&payload, &writer);
  HxfrWelcome again;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_welcome_parse(&reader, &again));
  g_assert_cmpuint(again.version, ==, 2);
  g_assert_cmpuint(again.rights, ==, 3);
  g_assert_cmpuint(again.features, ==, 7);
  g_assert_cmpuint(again.heartbeat_ms, ==, 1000);
  g_assert_cmpstr(again.name, ==, "vm é");
  check_sizes(&payload, parse_welcome);
  payload.bytes[12] = 0xff;
  payload.bytes[13] = 0xff;
  byte_reader_init(&reader, payload.bytes, sizeof payload.bytes);
  g_assert_false(hxfr_welcome_parse(&reader, &again));
}

static void test_scanouts(void) {
  HxfrScanouts scanouts = {.count = HXFR_MAX_SCANOUTS};
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    scanouts.entries[i] = (HxfrScanout){i, 1920 + i, 1080, 60000, HXFR_SCANOUT_CONNECTED, "screen"};
  }
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_scanouts_write(&writer, &scanouts);
  end(&payload, &writer);
  g_assert_cmpuint(payload.size, ==, 4 + HXFR_MAX_SCANOUTS * HXFR_SCANOUT_ENTRY_SIZE);
  HxfrScanouts again;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_scanouts_parse(&reader, &again));
  g_assert_cmpuint(again.count, ==, HXFR_MAX_SCANOUTS);
  g_assert_cmpmem(again.entries, sizeof again.entries, scanouts.entries, sizeof scanouts.entries);
  check_sizes(&payload, parse_scanouts);

  static const guint16 LIES[] = {HXFR_MAX_SCANOUTS + 1, 0x7fff, 0xffff};
  for (gsize i = 0; i < G_N_ELEMENTS(LIES); i++) {
    payload.bytes[0] = (guint8)LIES[i];
    payload.bytes[1] = (guint8)(LIES[i] >> 8);
    byte_reader_init(&reader, payload.bytes, sizeof payload.bytes);
    g_assert_false(hxfr_scanouts_parse(&reader, &again));
  }
  memset(payload.bytes, 0xff, sizeof payload.bytes);
  payload.bytes[0] = 1;
  payload.bytes[1] = 0;
  byte_reader_init(&reader, payload.bytes, sizeof payload.bytes);
  g_assert_true(hxfr_scanouts_parse(&reader, &again));
  g_assert_cmpstr(again.entries[0].name, ==, ""); /* no UTF-8, no end */
}

static void test_state(void) {
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_state_write(&writer, HXFR_STATE_LOST, "waiting: é");
  end(&payload, &writer);
  guint32 state;
  char text[64], small[11], one[1];
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_state_parse(&reader, &state, text, sizeof text));
  g_assert_cmpuint(state, ==, HXFR_STATE_LOST);
  g_assert_cmpstr(text, ==, "waiting: é");
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_state_parse(&reader, &state, small, sizeof small));
  g_assert_cmpstr(small, ==, "waiting: "); /* é would be cut through */
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_state_parse(&reader, &state, one, sizeof one));
  g_assert_cmpstr(one, ==, "");
  check_sizes(&payload, parse_state);
  memset(payload.bytes + 4, 0xff, 4); /* a text of 4 GB */
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_false(hxfr_state_parse(&reader, &state, text, sizeof text));
}

static void test_unit(void) {
  const HxfrUnit unit = {
      .sequence = G_MAXUINT64 - 1,
      .pts_ns = -5,
      .flags = HXFR_UNIT_KEY | HXFR_UNIT_SETTLED,
      .width = 8192,
      .height = 4320,
      .capture_us = 1,
      .queue_us = 2,
      .convert_us = 3,
      .encode_us = 4,
      .send_us = 5,
      .frames_merged = 6,
      .rect_count = HXFR_MAX_UNIT_RECTS,
      .qp = 51,
  };
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_unit_write(&writer, &unit);
  end(&payload, &writer);
  g_assert_cmpuint(payload.size, ==, HXFR_UNIT_FIXED_SIZE);
  HxfrUnit again;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_unit_parse(&reader, &again));
  g_assert_cmpuint(byte_reader_left(&reader), ==, 0); /* at the first rectangle */
  Payload twice;
  writer = begin(&twice);
  hxfr_unit_write(&writer, &again);
  g_assert_cmpmem(twice.bytes, writer.position, payload.bytes, payload.size);
  g_assert_cmpuint(again.send_us, ==, 5);
  g_assert_cmpint(again.pts_ns, ==, -5);
  check_sizes(&payload, parse_unit);

  payload.bytes[48] = HXFR_MAX_UNIT_RECTS + 1; /* rect_count */
  byte_reader_init(&reader, payload.bytes, sizeof payload.bytes);
  g_assert_false(hxfr_unit_parse(&reader, &again));
  memset(payload.bytes + 48, 0xff, 2);
  byte_reader_init(&reader, payload.bytes, sizeof payload.bytes);
  g_assert_false(hxfr_unit_parse(&reader, &again));
}

static void test_unit_rect(void) {
  const guint8 bytes[] = {1, 0, 2, 0, 0xff, 0xff, 4, 1};
  for (gsize size = 0; size <= sizeof bytes; size++) {
    g_autofree guint8 *exact = g_memdup2(bytes, MAX(size, 1));
    Rect rect;
    ByteReader reader;
    byte_reader_init(&reader, exact, size);
    g_assert_cmpint(hxfr_rect_parse(&reader, &rect), ==, size == sizeof bytes);
    if (size == sizeof bytes) g_assert_cmpmem(&rect, sizeof rect, &((Rect){1, 2, 0xffff, 0x104}), sizeof rect);
  }
}

static void test_heartbeat(void) {
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_heartbeat_write(&writer, &(HxfrHeartbeat){G_MAXUINT64, G_MININT64});
  end(&payload, &writer);
  g_assert_cmpuint(payload.size, ==, HXFR_HEARTBEAT_SIZE);
  HxfrHeartbeat again;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_heartbeat_parse(&reader, &again));
  g_assert_cmpuint(again.sequence, ==, G_MAXUINT64);
  g_assert_cmpint(again.now_ns, ==, G_MININT64);
  check_sizes(&payload, parse_heartbeat);
}

static const HxfrFrameRequest FRAME = {
    .width = 1920,
    .height = 1080,
    .format = PIXEL_FORMAT_XRGB8888,
    .pts_ns = -5,
    .duration_ns = 16666667,
    .force_keyframe = TRUE,
};

static void test_fingerprint(void) {
  static const guint COUNTS[] = {1, 64, FINGERPRINT_MAX_PLACES};
  for (gsize i = 0; i < G_N_ELEMENTS(COUNTS); i++) {
    HxfrRequestFingerprint request = {.request = FRAME, .scanout = 3, .fingerprint = {.count = COUNTS[i]}}, again;
    for (guint n = 0; n < COUNTS[i]; n++) {
      request.fingerprint.places[n] = (FingerprintPlace){(guint16)(0xffff - n), (guint16)n, 0x00a0b0c0 + n};
    }
    Payload payload;
    ByteWriter writer = begin(&payload);
    hxfr_request_fingerprint_write(&writer, &request);
    end(&payload, &writer);
    g_assert_cmpuint(payload.size, ==, HXFR_FINGERPRINT_FIXED_SIZE + COUNTS[i] * HXFR_PLACE_SIZE);
    g_assert_cmpuint(payload.size, <=, HXFR_MAX_REQUEST);
    ByteReader reader;
    byte_reader_init(&reader, payload.bytes, payload.size);
    g_assert_true(hxfr_request_fingerprint_parse(&reader, &again));
    g_assert_cmpint(again.request.pts_ns, ==, -5);
    g_assert_true(again.request.force_keyframe);
    g_assert_cmpuint(again.scanout, ==, 3);
    g_assert_cmpmem(again.fingerprint.places, COUNTS[i] * sizeof(FingerprintPlace), request.fingerprint.places,
                    COUNTS[i] * sizeof(FingerprintPlace));
    check_sizes(&payload, parse_fingerprint);
  }
}

/* F24: the number of places, as a peer that lies would set it. */
static void test_fingerprint_lies(void) {
  static const guint16 LIES[] = {0, 2, FINGERPRINT_MAX_PLACES + 1, 0x8000, 0xffff};
  HxfrRequestFingerprint request = {.request = FRAME, .fingerprint = {.count = 1}};
  for (gsize i = 0; i < G_N_ELEMENTS(LIES); i++) {
    Payload payload = {0};
    ByteWriter writer = begin(&payload);
    hxfr_request_fingerprint_write(&writer, &request);
    end(&payload, &writer);
    payload.bytes[HXFR_FRAME_REQUEST_SIZE + 2] = (guint8)LIES[i];
    payload.bytes[HXFR_FRAME_REQUEST_SIZE + 3] = (guint8)(LIES[i] >> 8);
    ByteReader reader;
    byte_reader_init(&reader, payload.bytes, payload.size);
    g_assert_false(parse_fingerprint(&reader));
    if (LIES[i] == 2) continue;
    byte_reader_init(&reader, payload.bytes, sizeof payload.bytes); /* even if there were that many */
    g_assert_false(parse_fingerprint(&reader));
  }
}

/* The bytes themselves: what stands where is in docs/protocol.md. */
static void test_tiles(void) {
  HxfrRequestTiles tiles = {.request = FRAME, .picture = 0x11121314, .base = 0x21222324, .rect_count = 2}, again;
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_request_tiles_write(&writer, &tiles);
  hxfr_rect_write(&writer, &(Rect){1, 2, 0xffff, 0x104});
  end(&payload, &writer);
  static const guint8 TAIL[] = {0x14, 0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 2, 0, 0, 0, 1, 0, 2, 0, 255, 255, 4, 1};
  g_assert_cmpmem(payload.bytes + HXFR_FRAME_REQUEST_SIZE, payload.size - HXFR_FRAME_REQUEST_SIZE, TAIL, sizeof TAIL);
  payload.size = HXFR_TILES_FIXED_SIZE;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_request_tiles_parse(&reader, &again));
  g_assert_cmpuint(byte_reader_left(&reader), ==, 0);
  g_assert_cmpuint(again.request.width, ==, 1920);
  g_assert_cmphex(again.picture, ==, 0x11121314);
  g_assert_cmphex(again.base, ==, 0x21222324);
  g_assert_cmpuint(again.rect_count, ==, 2);
  check_sizes(&payload, parse_tiles);
  static const guint LIES[] = {HXFR_MAX_TILE_RECTS + 1, 0xffff};
  for (gsize i = 0; i < G_N_ELEMENTS(LIES); i++) {
    payload.bytes[HXFR_FRAME_REQUEST_SIZE + 8] = (guint8)LIES[i];
    payload.bytes[HXFR_FRAME_REQUEST_SIZE + 9] = (guint8)(LIES[i] >> 8);
    byte_reader_init(&reader, payload.bytes, payload.size);
    g_assert_false(parse_tiles(&reader));
  }
  payload.bytes[HXFR_FRAME_REQUEST_SIZE + 9] = 0;
  memset(payload.bytes + HXFR_FRAME_REQUEST_SIZE, 0, 4); /* a picture without a number */
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_false(parse_tiles(&reader));
  g_assert_cmpuint(HXFR_MAX_TILE_RECTS, ==, 128 * 68);
}

static void test_pixels_wanted(void) {
  Payload payload;
  ByteWriter writer = begin(&payload);
  hxfr_pixels_wanted_write(&writer, &(HxfrPixelsWanted){G_MININT64 + 7, HXFR_WANTED_IN_ORDER});
  end(&payload, &writer);
  g_assert_cmpuint(payload.size, ==, HXFR_PIXELS_WANTED_SIZE);
  HxfrPixelsWanted again;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_pixels_wanted_parse(&reader, &again));
  g_assert_cmpint(again.pts_ns, ==, G_MININT64 + 7);
  g_assert_cmpuint(again.reason, ==, 4);
  check_sizes(&payload, parse_wanted);
  for (guint32 reason = 0; reason < 8; reason++) g_assert_nonnull(hxfr_wanted_reason_text(reason));
}

static void test_request_scanout(void) {
  Payload payload = {{0x0f, 0, 0, 0x80}, HXFR_REQUEST_SCANOUT_SIZE};
  guint32 scanout;
  ByteReader reader;
  byte_reader_init(&reader, payload.bytes, payload.size);
  g_assert_true(hxfr_request_scanout_parse(&reader, &scanout));
  g_assert_cmphex(scanout, ==, 0x8000000f);
  check_sizes(&payload, parse_scanout);
}

/* Their limits: pixels only where there are some. */
static void test_limits(void) {
  g_assert_cmpuint(hxfr_max_payload(HXFR_REQUEST_FINGERPRINT), ==, 4096);
  g_assert_cmpuint(hxfr_max_payload(HXFR_PIXELS_WANTED), ==, 4096);
  g_assert_cmpuint(hxfr_max_payload(HXFR_REQUEST_SCANOUT), ==, 4096);
  g_assert_cmpuint(hxfr_max_payload(HXFR_REQUEST_TILES), ==, 56 + 8704 * 8 + (64u << 20));
  g_assert_cmpstr(hxfr_type_name(HXFR_REQUEST_TILES), ==, "REQUEST_TILES");
}

static void test_random_bytes(void) {
  static gboolean (*const PARSERS[])(ByteReader *) = {parse_hello,   parse_welcome,    parse_scanouts, parse_state,
                                                      parse_unit,    parse_heartbeat,  parse_tiles,    parse_wanted,
                                                      parse_scanout, parse_fingerprint};
  for (guint round = 0; round < 30000; round++) {
    guint8 bytes[400];
    gsize size = (gsize)g_test_rand_int_range(0, sizeof bytes);
    for (gsize i = 0; i < size; i++) bytes[i] = (guint8)(g_test_rand_int() & (round % 3 ? 0xff : 0x0f));
    g_autofree guint8 *exact = g_memdup2(bytes, MAX(size, 1));
    ByteReader reader;
    byte_reader_init(&reader, exact, size);
    PARSERS[round % G_N_ELEMENTS(PARSERS)](&reader);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/hxfr-v2/hello", test_hello);
  g_test_add_func("/hxfr-v2/hello-lies", test_hello_lies);
  g_test_add_func("/hxfr-v2/hello-text", test_hello_text);
  g_test_add_func("/hxfr-v2/welcome", test_welcome);
  g_test_add_func("/hxfr-v2/scanouts", test_scanouts);
  g_test_add_func("/hxfr-v2/state", test_state);
  g_test_add_func("/hxfr-v2/unit", test_unit);
  g_test_add_func("/hxfr-v2/unit-rect", test_unit_rect);
  g_test_add_func("/hxfr-v2/heartbeat", test_heartbeat);
  g_test_add_func("/hxfr-v2/fingerprint", test_fingerprint);
  g_test_add_func("/hxfr-v2/fingerprint-lies-F24", test_fingerprint_lies);
  g_test_add_func("/hxfr-v2/tiles", test_tiles);
  g_test_add_func("/hxfr-v2/pixels-wanted", test_pixels_wanted);
  g_test_add_func("/hxfr-v2/request-scanout", test_request_scanout);
  g_test_add_func("/hxfr-v2/limits", test_limits);
  g_test_add_func("/hxfr-v2/random-bytes", test_random_bytes);
  return g_test_run();
}
