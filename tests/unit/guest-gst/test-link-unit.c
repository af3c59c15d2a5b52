/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/link-unit.h"

#include "tests/unit/guest-gst/fake-unit.h"

#include <string.h>

/* A FRAME_RESPONSE of some NAL entries; the caller may lie about their number and size. */
static GByteArray *response(gint64 pts, guint32 count, guint32 size_1, const void *nal_1, gsize real_1) {
  GByteArray *payload = g_byte_array_new();
  g_byte_array_set_size(payload, (guint)(HXFR_FRAME_RESPONSE_SIZE + 4 + real_1));
  ByteWriter writer;
  byte_writer_init(&writer, payload->data, payload->len);
  hxfr_frame_response_write(&writer, &(HxfrFrameResponse){pts, pts, FALSE, count});
  byte_writer_u32(&writer, size_1);
  byte_writer_bytes(&writer, nal_1, real_1);
  return payload;
}

static void test_response(void) {
  g_autoptr(GByteArray) picture = fake_unit_make(TRUE, 320, 240, 9);
  g_autoptr(GByteArray) payload = response(77, 1, picture->len, picture->data, picture->len);
  g_autoptr(GError) error = NULL;
  g_autoptr(LinkUnit) unit = link_unit_from_response(payload->data, payload->len, &error);
  g_assert_no_error(error);
  g_assert_cmpint(unit->pts_ns, ==, 77);
  g_assert_true(unit->is_key); /* though the flag said no */
  g_assert_cmpmem(unit->data, unit->size, picture->data, picture->len);
}

static void assert_refused(GByteArray *payload, const char *word) {
  g_autoptr(GError) error = NULL;
  g_assert_null(link_unit_from_response(payload->data, payload->len, &error));
  g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  if (!strstr(error->message, word)) g_error("\"%s\" does not say \"%s\"", error->message, word);
  g_byte_array_unref(payload);
}

static void test_response_lies(void) {
  static const guint8 SLICE[] = {0, 0, 1, 0x41, 5}, SEI[] = {0, 0, 1, 6, 5};
  assert_refused(response(0, 2, sizeof SLICE, SLICE, sizeof SLICE), "shorter");
  assert_refused(response(0, 1, sizeof SLICE + 1, SLICE, sizeof SLICE), "shorter");
  assert_refused(response(0, 1, G_MAXUINT32, SLICE, sizeof SLICE), "shorter");
  assert_refused(response(0, HXFR_MAX_NALS + 1, sizeof SLICE, SLICE, sizeof SLICE), "malformed");
  assert_refused(response(0, 0, 0, NULL, 0), "without a picture");
  assert_refused(response(0, 1, 0, NULL, 0), "without a picture");
  assert_refused(response(0, 1, sizeof SEI, SEI, sizeof SEI), "without a picture");
  GByteArray *whole = response(0, 1, sizeof SLICE, SLICE, sizeof SLICE);
  for (guint size = 0; size < whole->len; size++) {
    g_autoptr(GError) error = NULL;
    g_assert_null(link_unit_from_response(whole->data, size, &error));
    g_assert_nonnull(error);
  }
  g_byte_array_unref(whole);
}

static void test_push(void) {
  g_autoptr(GByteArray) picture = fake_unit_make(FALSE, 0, 0, 9);
  guint8 payload[HXFR_UNIT_FIXED_SIZE + 2 * 8 + 64] = {0};
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_unit_write(&writer, &(HxfrUnit){.sequence = 5, .pts_ns = -3, .rect_count = 2});
  byte_writer_zeros(&writer, 16);
  byte_writer_bytes(&writer, picture->data, picture->len);
  g_autoptr(GError) error = NULL;
  g_autoptr(LinkUnit) unit = link_unit_from_push(payload, writer.position, &error);
  g_assert_no_error(error);
  g_assert_false(unit->is_key);
  g_assert_true(unit->has_sequence);
  g_assert_cmpuint(unit->sequence, ==, 5);
  g_assert_cmpint(unit->pts_ns, ==, -3);
  g_assert_cmpmem(unit->data, unit->size, picture->data, picture->len);
  for (gsize size = 0; size < HXFR_UNIT_FIXED_SIZE + 16 + 4; size++) {
    g_autoptr(GError) why = NULL;
    g_assert_null(link_unit_from_push(payload, size, &why));
    g_assert_error(why, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/link-unit/response", test_response);
  g_test_add_func("/link-unit/response-lies", test_response_lies);
  g_test_add_func("/link-unit/push", test_push);
  return g_test_run();
}
