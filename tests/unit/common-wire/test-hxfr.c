/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/hxfr.h"

#include <string.h>

/* A parser of whole payloads, whatever its struct is. */
typedef gboolean (*Parse)(ByteReader *reader);

static gboolean parse_frame_request(ByteReader *reader) {
  HxfrFrameRequest request;
  return hxfr_frame_request_parse(reader, &request);
}

static gboolean parse_frame_response(ByteReader *reader) {
  HxfrFrameResponse response;
  if (!hxfr_frame_response_parse(reader, &response)) return FALSE;
  for (guint32 i = 0; i < response.nal_count; i++) {
    const guint8 *nal;
    guint32 size;
    if (!hxfr_nal_entry_parse(reader, &nal, &size)) return FALSE;
  }
  return byte_reader_left(reader) == 0;
}

static gboolean parse_config(ByteReader *reader) {
  HxfrConfig config;
  return hxfr_config_parse(reader, &config);
}

static gboolean parse_enable_scanout(ByteReader *reader) {
  HxfrEnableScanout enable;
  return hxfr_enable_scanout_parse(reader, &enable);
}

static gboolean parse_disable_scanout(ByteReader *reader) {
  guint32 scanout;
  return hxfr_disable_scanout_parse(reader, &scanout);
}

static gboolean parse_scanout_resp(ByteReader *reader) {
  HxfrScanoutResp response;
  gboolean good = hxfr_scanout_resp_parse(reader, &response);
  if (good) g_assert_true(g_utf8_validate(response.connector, -1, NULL));
  return good;
}

static gboolean parse_subscribe(ByteReader *reader) {
  guint32 scanout;
  return hxfr_subscribe_parse(reader, &scanout);
}

static gboolean parse_subscribe_resp(ByteReader *reader) {
  guint32 scanout;
  gboolean success;
  return hxfr_subscribe_resp_parse(reader, &scanout, &success);
}

static gboolean parse_error(ByteReader *reader) {
  HxfrError error;
  gboolean good = hxfr_error_parse(reader, &error);
  if (good) g_assert_true(g_utf8_validate(error.text, -1, NULL));
  return good;
}

typedef struct {
  const char *name;
  Parse parse;
  gsize size;        /* of the fixed part */
  gboolean may_grow; /* pixels may follow */
} Message;

static const Message MESSAGES[] = {
    {"FRAME_REQUEST", parse_frame_request, HXFR_FRAME_REQUEST_SIZE, TRUE},
    {"FRAME_RESPONSE", parse_frame_response, HXFR_FRAME_RESPONSE_SIZE, FALSE},
    {"CONFIG", parse_config, HXFR_CONFIG_SIZE, FALSE},
    {"ENABLE_SCANOUT", parse_enable_scanout, HXFR_ENABLE_SCANOUT_SIZE, FALSE},
    {"DISABLE_SCANOUT", parse_disable_scanout, HXFR_DISABLE_SCANOUT_SIZE, FALSE},
    {"SCANOUT_RESP", parse_scanout_resp, HXFR_SCANOUT_RESP_SIZE, FALSE},
    {"SUBSCRIBE", parse_subscribe, HXFR_SUBSCRIBE_SIZE, FALSE},
    {"SUBSCRIBE_RESP", parse_subscribe_resp, HXFR_SUBSCRIBE_RESP_SIZE, FALSE},
    {"ERROR", parse_error, HXFR_ERROR_SIZE, FALSE},
};

/* Parses an allocation of exactly this size, all of one byte. */
static gboolean parse_filled(Parse parse, gsize size, guint8 fill) {
  g_autofree guint8 *exact = g_malloc(MAX(size, 1));
  memset(exact, fill, MAX(size, 1));
  ByteReader reader;
  byte_reader_init(&reader, exact, size);
  return parse(&reader);
}

static void test_every_size(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(MESSAGES); i++) {
    for (gsize size = 0; size < MESSAGES[i].size + 40; size++) {
      gboolean expected = size == MESSAGES[i].size || (size > MESSAGES[i].size && MESSAGES[i].may_grow);
      gboolean got = parse_filled(MESSAGES[i].parse, size, 0);
      if (got != expected) g_error("%s of %zu bytes: %d", MESSAGES[i].name, size, got);
    }
  }
}

/* All bits set: 0xffffffff where a size or a count is, negative times, text without an end. */
static void test_all_ones(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(MESSAGES); i++) {
    gboolean expected = MESSAGES[i].parse != parse_frame_response; /* its nal_count is a lie */
    g_assert_cmpint(parse_filled(MESSAGES[i].parse, MESSAGES[i].size, 0xff), ==, expected);
  }
}

static void test_random_bytes(void) {
  for (guint round = 0; round < 20000; round++) {
    const Message *message = &MESSAGES[round % G_N_ELEMENTS(MESSAGES)];
    guint8 bytes[300];
    for (gsize i = 0; i < sizeof bytes; i++) bytes[i] = (guint8)g_test_rand_int();
    ByteReader reader;
    byte_reader_init(&reader, bytes, (gsize)g_test_rand_int_range(0, sizeof bytes));
    message->parse(&reader);
  }
}

static void test_header(void) {
  const guint8 bytes[] = {'H', 'X', 'F', 'R', 0x30, 0x81, 0x02, 0x01, 0xff, 0xfe, 0xfd, 0xfc};
  HxfrHeader header;
  g_assert_true(hxfr_header_parse(bytes, &header));
  g_assert_cmphex(header.type, ==, 0x30);
  g_assert_cmphex(header.flags, ==, 0x81);
  g_assert_cmphex(header.session_id, ==, 0x0102);
  g_assert_cmphex(header.payload_size, ==, 0xfcfdfeff);
  guint8 again[HXFR_HEADER_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, again, sizeof again);
  hxfr_header_write(&writer, &header);
  g_assert_cmpmem(again, writer.position, bytes, sizeof bytes);
}

static void test_frame_request(void) {
  const HxfrFrameRequest request = {
      .resource_id = 0xfedcba98,
      .width = 1920,
      .height = 1080,
      .format = 0x34325241,
      .stride = 7680,
      .pts_ns = G_MININT64,
      .duration_ns = -1,
      .force_keyframe = TRUE,
  };
  guint8 bytes[HXFR_FRAME_REQUEST_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, bytes, sizeof bytes);
  hxfr_frame_request_write(&writer, &request);
  g_assert_cmpuint(writer.position, ==, sizeof bytes);
  HxfrFrameRequest again;
  ByteReader reader;
  byte_reader_init(&reader, bytes, sizeof bytes);
  g_assert_true(hxfr_frame_request_parse(&reader, &again));
  g_assert_cmphex(again.resource_id, ==, request.resource_id);
  g_assert_cmpuint(again.width, ==, request.width);
  g_assert_cmpuint(again.height, ==, request.height);
  g_assert_cmphex(again.format, ==, request.format);
  g_assert_cmpuint(again.stride, ==, request.stride);
  g_assert_cmpint(again.pts_ns, ==, request.pts_ns);
  g_assert_cmpint(again.duration_ns, ==, request.duration_ns);
  g_assert_true(again.force_keyframe);
}

/* A FRAME_RESPONSE whose entries lie: about their count, and about their sizes. */
static void write_response(GByteArray *out, guint32 count, const guint32 *sizes, guint n_sizes, gsize bytes_each) {
  guint8 fixed[HXFR_FRAME_RESPONSE_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, fixed, sizeof fixed);
  hxfr_frame_response_write(&writer, &(HxfrFrameResponse){1, 2, TRUE, count});
  g_byte_array_append(out, fixed, sizeof fixed);
  for (guint i = 0; i < n_sizes; i++) {
    guint8 size[4] = {(guint8)sizes[i], (guint8)(sizes[i] >> 8), (guint8)(sizes[i] >> 16), (guint8)(sizes[i] >> 24)};
    g_byte_array_append(out, size, 4);
    for (gsize k = 0; k < bytes_each; k++) g_byte_array_append(out, (const guint8 *)"\x65", 1);
  }
}

static gboolean parse_response(guint32 count, const guint32 *sizes, guint n_sizes, gsize bytes_each, gsize cut) {
  g_autoptr(GByteArray) bytes = g_byte_array_new();
  write_response(bytes, count, sizes, n_sizes, bytes_each);
  gsize size = bytes->len - MIN(cut, bytes->len);
  g_autofree guint8 *exact = g_memdup2(bytes->data, MAX(size, 1));
  ByteReader reader;
  byte_reader_init(&reader, exact, size);
  return parse_frame_response(&reader);
}

static void test_nal_entries(void) {
  const guint32 honest[] = {5, 5, 5};
  g_assert_true(parse_response(3, honest, 3, 5, 0));
  g_assert_true(parse_response(0, NULL, 0, 0, 0));
  for (gsize cut = 1; cut <= 3 * 9; cut++) g_assert_false(parse_response(3, honest, 3, 5, cut));
  g_assert_false(parse_response(4, honest, 3, 5, 0));
  g_assert_false(parse_response(2, honest, 3, 5, 0));
  g_assert_false(parse_response(HXFR_MAX_NALS, honest, 3, 5, 0));
  g_assert_false(parse_response(HXFR_MAX_NALS + 1, honest, 3, 5, 0));
  g_assert_false(parse_response(G_MAXUINT32, honest, 3, 5, 0));
  const guint32 lies[] = {6, 0xffffffff, 0x80000000, 0xfffffffb, 0xfffffffc};
  for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) g_assert_false(parse_response(1, &lies[i], 1, 5, 0));
  const guint32 empty[] = {0, 0};
  g_assert_true(parse_response(2, empty, 2, 0, 0));
}

static void test_most_nals(void) {
  g_autofree guint32 *sizes = g_new0(guint32, HXFR_MAX_NALS + 1);
  g_assert_true(parse_response(HXFR_MAX_NALS, sizes, HXFR_MAX_NALS, 0, 0));
  g_assert_false(parse_response(HXFR_MAX_NALS + 1, sizes, HXFR_MAX_NALS + 1, 0, 0));
}

/* ERROR texts: without an end, not UTF-8, with an end in the middle. */
static void test_error_text(void) {
  static const struct {
    const char *bytes;
    const char *text;
  } CASES[] = {{"denied\0rest", "denied"}, {"caf\xc3\xa9", "caf\xc3\xa9"}, {"bad \xff after", "bad "}, {"\xc3", ""}};
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    guint8 bytes[HXFR_ERROR_SIZE] = {0xfe, 0xff, 0xff, 0xff};
    memcpy(bytes + 4, CASES[i].bytes, strlen(CASES[i].bytes) + (i == 0 ? 5 : 0));
    ByteReader reader;
    byte_reader_init(&reader, bytes, sizeof bytes);
    HxfrError error;
    g_assert_true(hxfr_error_parse(&reader, &error));
    g_assert_cmpint(error.code, ==, -2);
    g_assert_cmpstr(error.text, ==, CASES[i].text);
  }
  guint8 endless[HXFR_ERROR_SIZE];
  memset(endless, 'x', sizeof endless);
  ByteReader reader;
  byte_reader_init(&reader, endless, sizeof endless);
  HxfrError error;
  g_assert_true(hxfr_error_parse(&reader, &error));
  g_assert_cmpuint(strlen(error.text), ==, HXFR_ERROR_TEXT_SIZE - 1);
}

/* Our own texts may be longer than the field: cut, still UTF-8, still ended. */
static void test_error_message(void) {
  g_autoptr(GString) text = g_string_new("x");
  for (guint i = 0; i < 200; i++) g_string_append(text, "é");
  g_autoptr(GBytes) message = hxfr_error_message(7, HXFR_ERR_INTERNAL, text->str);
  gsize size;
  const guint8 *bytes = g_bytes_get_data(message, &size);
  g_assert_cmpuint(size, ==, HXFR_HEADER_SIZE + HXFR_ERROR_SIZE);
  HxfrHeader header;
  g_assert_true(hxfr_header_parse(bytes, &header));
  g_assert_cmphex(header.type, ==, 0xff);
  g_assert_cmpuint(header.session_id, ==, 7);
  g_assert_cmpuint(header.payload_size, ==, HXFR_ERROR_SIZE);
  const char *wire_text = (const char *)bytes + HXFR_HEADER_SIZE + 4;
  g_assert_cmpuint(strlen(wire_text), ==, 255);
  g_assert_true(g_utf8_validate(wire_text, -1, NULL));
}

/* The numbers of the wire protocol's tables, written down a second time. */
static void test_numbers(void) {
  g_assert_cmpuint(HXFR_FRAME_REQUEST_SIZE, ==, 44);
  g_assert_cmpuint(HXFR_FRAME_RESPONSE_SIZE, ==, 24);
  g_assert_cmpuint(HXFR_CONFIG_SIZE, ==, 28);
  g_assert_cmpuint(HXFR_ENABLE_SCANOUT_SIZE, ==, 16);
  g_assert_cmpuint(HXFR_SCANOUT_RESP_SIZE, ==, 72);
  g_assert_cmpuint(HXFR_ERROR_SIZE, ==, 260);
  g_assert_cmpuint(hxfr_max_payload(HXFR_PING), ==, 64);
  g_assert_cmpuint(hxfr_max_payload(HXFR_FRAME_REQUEST), ==, (64 << 20) + 44);
  g_assert_cmpuint(hxfr_max_payload(HXFR_SUBSCRIBE), ==, 4096);
  g_assert_cmpuint(hxfr_max_payload(0x7f), ==, 4096);
  g_assert_cmpstr(hxfr_type_name(0x01), ==, "FRAME_REQUEST");
  g_assert_cmpstr(hxfr_type_name(0xff), ==, "ERROR");
  g_assert_cmpstr(hxfr_type_name(0x7f), ==, "unknown");
  g_assert_cmpstr(hxfr_error_name(-2), ==, "resource not found");
  g_assert_cmpstr(hxfr_error_name(-98), ==, "unknown error");
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/hxfr/every-size", test_every_size);
  g_test_add_func("/hxfr/all-ones", test_all_ones);
  g_test_add_func("/hxfr/random-bytes", test_random_bytes);
  g_test_add_func("/hxfr/header", test_header);
  g_test_add_func("/hxfr/frame-request", test_frame_request);
  g_test_add_func("/hxfr/nal-entries", test_nal_entries);
  g_test_add_func("/hxfr/most-nals", test_most_nals);
  g_test_add_func("/hxfr/error-text", test_error_text);
  g_test_add_func("/hxfr/error-message", test_error_message);
  g_test_add_func("/hxfr/numbers", test_numbers);
  return g_test_run();
}
