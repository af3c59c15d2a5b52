/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/byte-reader.h"

static const guint8 BYTES[] = {0x01, 0x02, 0x03, 0x84, 0x05, 0x06, 0x07, 0x88, 0xff};

static void test_values(void) {
  ByteReader reader;
  byte_reader_init(&reader, BYTES, sizeof BYTES);
  g_assert_cmphex(byte_reader_u8(&reader), ==, 0x01);
  g_assert_cmphex(byte_reader_u16(&reader), ==, 0x0302);
  g_assert_cmphex(byte_reader_u32(&reader), ==, 0x07060584);
  g_assert_cmpuint(byte_reader_left(&reader), ==, 2);
  g_assert_cmphex(byte_reader_u16(&reader), ==, 0xff88);
  g_assert_true(byte_reader_ok(&reader));
  g_assert_cmpuint(byte_reader_left(&reader), ==, 0);

  byte_reader_init(&reader, BYTES, sizeof BYTES);
  g_assert_cmphex(byte_reader_u64(&reader), ==, G_GUINT64_CONSTANT(0x8807060584030201));
  byte_reader_init(&reader, BYTES, sizeof BYTES);
  g_assert_cmpint(byte_reader_i32(&reader), ==, (gint32)0x84030201);
  byte_reader_init(&reader, BYTES, sizeof BYTES);
  g_assert_cmpint(byte_reader_i64(&reader), ==, (gint64)G_GUINT64_CONSTANT(0x8807060584030201));
}

/* Each read of each size from a buffer of each smaller size: zero, failed, and nothing after it works. The buffers are
 * exact allocations, so that AddressSanitizer sees one byte too many. */
static void test_truncated(void) {
  for (guint want = 1; want <= 8; want *= 2) {
    for (guint have = 0; have < want; have++) {
      g_autofree guint8 *exact = g_memdup2(BYTES + 1, MAX(have, 1));
      ByteReader reader;
      byte_reader_init(&reader, exact, have);
      guint64 value = want == 1   ? byte_reader_u8(&reader)
                      : want == 2 ? byte_reader_u16(&reader)
                      : want == 4 ? byte_reader_u32(&reader)
                                  : byte_reader_u64(&reader);
      g_assert_cmpuint(value, ==, 0);
      g_assert_false(byte_reader_ok(&reader));
      g_assert_cmpuint(byte_reader_left(&reader), ==, 0);
    }
  }
}

static void test_failure_is_sticky(void) {
  ByteReader reader;
  byte_reader_init(&reader, BYTES, 3);
  g_assert_cmpuint(byte_reader_u32(&reader), ==, 0);
  g_assert_cmpuint(byte_reader_u8(&reader), ==, 0); /* would have fitted before */
  g_assert_null(byte_reader_bytes(&reader, 0));
  g_assert_false(byte_reader_ok(&reader));
}

static void test_bytes_in_place(void) {
  ByteReader reader;
  byte_reader_init(&reader, BYTES, sizeof BYTES);
  byte_reader_skip(&reader, 2);
  g_assert_true(byte_reader_bytes(&reader, 3) == BYTES + 2);
  g_assert_true(byte_reader_bytes(&reader, 0) == BYTES + 5);
  g_assert_true(byte_reader_bytes(&reader, 4) == BYTES + 5);
  g_assert_nonnull(byte_reader_bytes(&reader, 0));
  g_assert_true(byte_reader_ok(&reader));
  g_assert_null(byte_reader_bytes(&reader, 1));
  g_assert_false(byte_reader_ok(&reader));
}

/* position + size wraps round: what a peer's 0xffffffff would do on a 32-bit machine. */
static void test_sizes_that_wrap(void) {
  const gsize sizes[] = {G_MAXSIZE, G_MAXSIZE - 1, G_MAXSIZE - 5, G_MAXUINT32, (gsize)G_MAXINT64 + 1};
  for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
    ByteReader reader;
    byte_reader_init(&reader, BYTES, sizeof BYTES);
    byte_reader_skip(&reader, 6);
    g_assert_null(byte_reader_bytes(&reader, sizes[i]));
    g_assert_false(byte_reader_ok(&reader));
    byte_reader_init(&reader, BYTES, sizeof BYTES);
    byte_reader_skip(&reader, sizes[i]);
    g_assert_false(byte_reader_ok(&reader));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/byte-reader/values", test_values);
  g_test_add_func("/byte-reader/truncated", test_truncated);
  g_test_add_func("/byte-reader/failure-is-sticky", test_failure_is_sticky);
  g_test_add_func("/byte-reader/bytes-in-place", test_bytes_in_place);
  g_test_add_func("/byte-reader/sizes-that-wrap", test_sizes_that_wrap);
  return g_test_run();
}
