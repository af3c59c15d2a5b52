/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/unit-message.h"

#include "tests/unit/support/support.h"

#include <string.h>

static ByteReader payload_of(GBytes *message, HxfrHeader *header) {
  gsize size;
  const guint8 *bytes = g_bytes_get_data(message, &size);
  g_assert_cmpuint(size, >=, HXFR_HEADER_SIZE);
  g_assert_true(hxfr_header_parse(bytes, header));
  g_assert_cmpuint(header->payload_size, ==, size - HXFR_HEADER_SIZE);
  ByteReader reader;
  byte_reader_init(&reader, bytes + HXFR_HEADER_SIZE, header->payload_size);
  return reader;
}

/* Rule 5: the entries of a FRAME_RESPONSE, one after the other, are the access unit. */
static void test_version_1(void) {
  g_autoptr(AccessUnit) unit = support_unit(TRUE, 9, 100);
  unit->info.flush_us = 5000123;
  g_autoptr(GBytes) message = unit_message_v1(unit, 7, 5000000);
  HxfrHeader header;
  ByteReader reader = payload_of(message, &header);
  g_assert_cmphex(header.type, ==, HXFR_FRAME_RESPONSE);
  g_assert_cmpuint(header.session_id, ==, 7);
  HxfrFrameResponse response;
  g_assert_true(hxfr_frame_response_parse(&reader, &response));
  g_assert_cmpint(response.pts_ns, ==, 123000);
  g_assert_cmpint(response.dts_ns, ==, 123000);
  g_assert_true(response.is_keyframe);
  g_assert_cmpuint(response.nal_count, ==, 3);
  g_autoptr(GByteArray) joined = g_byte_array_new();
  for (guint32 i = 0; i < response.nal_count; i++) {
    const guint8 *nal;
    guint32 size;
    g_assert_true(hxfr_nal_entry_parse(&reader, &nal, &size));
    g_assert_cmpmem(nal, 4, "\0\0\0\1", 4);
    g_byte_array_append(joined, nal, size);
  }
  g_assert_cmpuint(byte_reader_left(&reader), ==, 0);
  g_assert_cmpmem(joined->data, joined->len, unit->data, unit->size);
}

/* A joiner's first picture may have been shown before it came: no negative times. */
static void test_pts_not_negative(void) {
  g_autoptr(AccessUnit) unit = support_unit(FALSE, 9, 100);
  unit->info.flush_us = 1;
  g_autoptr(GBytes) message = unit_message_v1(unit, 0, 5000000);
  HxfrHeader header;
  ByteReader reader = payload_of(message, &header);
  HxfrFrameResponse response;
  g_assert_true(hxfr_frame_response_parse(&reader, &response));
  g_assert_cmpint(response.pts_ns, ==, 0);
  g_assert_false(response.is_keyframe);
}

static void test_version_2(void) {
  const Rect rects[] = {{64, 128, 192, 64}, {0, 0, 64, 64}};
  const AccessUnitInfo info = {
      .sequence = 77,
      .flush_us = 2000,
      .encoded_us = g_get_monotonic_time(),
      .width = 641,
      .height = 481,
      .is_key = TRUE,
      .is_settled = TRUE,
      .capture_us = 1,
      .queue_us = 2,
      .convert_us = 3,
      .encode_us = 4,
      .frames_merged = 5,
      .qp = 30,
  };
  g_autoptr(AccessUnit) unit = access_unit_create(&info, rects, 2, "\0\0\1\x65zz", 6);
  guint8 head[HXFR_HEADER_SIZE + HXFR_UNIT_FIXED_SIZE];
  g_assert_cmpuint(unit_message_head(unit, 3, 1000, head), ==, sizeof head);
  g_autoptr(GByteArray) whole = g_byte_array_new();
  g_byte_array_append(whole, head, sizeof head);
  g_byte_array_append(whole, unit->body, (guint)unit->body_size);

  g_autoptr(GBytes) message = g_bytes_new(whole->data, whole->len);
  HxfrHeader header;
  ByteReader reader = payload_of(message, &header);
  g_assert_cmphex(header.type, ==, HXFR_UNIT);
  g_assert_cmpuint(header.session_id, ==, 3);
  HxfrUnit parsed;
  g_assert_true(hxfr_unit_parse(&reader, &parsed));
  g_assert_cmpuint(parsed.sequence, ==, 77);
  g_assert_cmpint(parsed.pts_ns, ==, 1000000);
  g_assert_cmpuint(parsed.flags, ==, HXFR_UNIT_KEY | HXFR_UNIT_SETTLED);
  g_assert_cmpuint(parsed.width, ==, 641);
  g_assert_cmpuint(parsed.height, ==, 481);
  g_assert_cmpuint(parsed.capture_us, ==, 1);
  g_assert_cmpuint(parsed.queue_us, ==, 2);
  g_assert_cmpuint(parsed.convert_us, ==, 3);
  g_assert_cmpuint(parsed.encode_us, ==, 4);
  g_assert_cmpuint(parsed.send_us, <, 60 * G_USEC_PER_SEC);
  g_assert_cmpuint(parsed.frames_merged, ==, 5);
  g_assert_cmpuint(parsed.qp, ==, 30);
  g_assert_cmpuint(parsed.rect_count, ==, 2);
  for (guint i = 0; i < 2; i++) {
    Rect rect;
    g_assert_true(hxfr_rect_parse(&reader, &rect));
    g_assert_cmpmem(&rect, sizeof rect, &rects[i], sizeof rect);
  }
  const guint8 *data = byte_reader_bytes(&reader, 6);
  g_assert_cmpmem(data, 6, "\0\0\1\x65zz", 6);
  g_assert_cmpuint(byte_reader_left(&reader), ==, 0);
}

static guint32 flags_of(const AccessUnitInfo *info) {
  g_autoptr(AccessUnit) unit = access_unit_create(info, NULL, 0, "\0\0\1\x41z", 5);
  guint8 head[HXFR_HEADER_SIZE + HXFR_UNIT_FIXED_SIZE];
  unit_message_head(unit, 0, 0, head);
  ByteReader reader;
  HxfrUnit parsed;
  byte_reader_init(&reader, head + HXFR_HEADER_SIZE, HXFR_UNIT_FIXED_SIZE);
  g_assert_true(hxfr_unit_parse(&reader, &parsed));
  return parsed.flags;
}

static void test_flags(void) {
  g_assert_cmphex(flags_of(&(AccessUnitInfo){0}), ==, 0);
  g_assert_cmphex(flags_of(&(AccessUnitInfo){.is_key = TRUE}), ==, 1);
  g_assert_cmphex(flags_of(&(AccessUnitInfo){.is_refinement = TRUE}), ==, 2);
  g_assert_cmphex(flags_of(&(AccessUnitInfo){.is_keep_alive = TRUE}), ==, 4);
  g_assert_cmphex(flags_of(&(AccessUnitInfo){.is_settled = TRUE}), ==, 8);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/unit-message/version-1", test_version_1);
  g_test_add_func("/unit-message/pts-not-negative", test_pts_not_negative);
  g_test_add_func("/unit-message/version-2", test_version_2);
  g_test_add_func("/unit-message/flags", test_flags);
  return g_test_run();
}
