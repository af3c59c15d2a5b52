/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/bit-reader.h"

static void test_bits(void) {
  const guint8 bytes[] = {0xa5, 0x0f, 0x12, 0x34, 0x56, 0x78};
  BitReader reader;
  bit_reader_init(&reader, bytes, sizeof bytes);
  g_assert_cmphex(bit_reader_bits(&reader, 1), ==, 1);
  g_assert_cmphex(bit_reader_bits(&reader, 3), ==, 2);
  g_assert_cmphex(bit_reader_bits(&reader, 8), ==, 0x50);
  g_assert_cmphex(bit_reader_bits(&reader, 4), ==, 0x0f);
  g_assert_cmphex(bit_reader_bits(&reader, 0), ==, 0);
  g_assert_cmphex(bit_reader_bits(&reader, 32), ==, 0x12345678);
  g_assert_true(bit_reader_ok(&reader));
  g_assert_cmphex(bit_reader_bits(&reader, 0), ==, 0);
  g_assert_true(bit_reader_ok(&reader));
  g_assert_cmphex(bit_reader_bits(&reader, 1), ==, 0);
  g_assert_false(bit_reader_ok(&reader));
}

static void test_failure_is_sticky(void) {
  const guint8 bytes[] = {0xff, 0xff};
  BitReader reader;
  bit_reader_init(&reader, bytes, sizeof bytes);
  g_assert_cmphex(bit_reader_bits(&reader, 17), ==, 0);
  g_assert_cmphex(bit_reader_bits(&reader, 1), ==, 0);
  g_assert_cmphex(bit_reader_ue(&reader), ==, 0);
  g_assert_cmpint(bit_reader_se(&reader), ==, 0);
  g_assert_false(bit_reader_ok(&reader));
}

typedef struct {
  const char *bits;
  guint32 ue;
  gint32 se;
} Code;

/* Table 9-2 and 9-3 of H.264, and the ends of the range. */
static const Code CODES[] = {
    {"1", 0, 0},
    {"010", 1, 1},
    {"011", 2, -1},
    {"00100", 3, 2},
    {"00101", 4, -2},
    {"00110", 5, 3},
    {"00111", 6, -3},
    {"0001000", 7, 4},
    {"000000011111111", 254, -127},
    {"0000000000000000000000000000000"
     "1"
     "0000000000000000000000000000000",
     2147483647u, 1073741824},
    {"0000000000000000000000000000000"
     "1"
     "1111111111111111111111111111110",
     4294967293u, 2147483647},
    {"0000000000000000000000000000000"
     "1"
     "1111111111111111111111111111111",
     4294967294u, -2147483647},
};

/* Bits from a text, left-aligned in `out`; bits after them are ones, so that a reader that goes on is noticed. */
static gsize pack(const char *bits, guint8 out[16]) {
  gsize count = 0;
  for (guint i = 0; i < 16; i++) out[i] = 0xff;
  for (; bits[count]; count++) {
    if (bits[count] == '0') out[count / 8] &= (guint8) ~(0x80u >> (count % 8));
  }
  return count;
}

static void test_exp_golomb(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(CODES); i++) {
    guint8 bytes[16];
    gsize count = pack(CODES[i].bits, bytes);
    BitReader reader;
    bit_reader_init(&reader, bytes, sizeof bytes);
    g_assert_cmpuint(bit_reader_ue(&reader), ==, CODES[i].ue);
    g_assert_true(bit_reader_ok(&reader));
    g_assert_cmpuint(reader.position, ==, count);
    bit_reader_init(&reader, bytes, sizeof bytes);
    g_assert_cmpint(bit_reader_se(&reader), ==, CODES[i].se);
  }
}

/* Every code, cut off after every whole byte before its end, must fail. */
static void test_exp_golomb_truncated(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(CODES); i++) {
    guint8 bytes[16];
    gsize count = pack(CODES[i].bits, bytes);
    for (gsize size = 0; size * 8 < count; size++) {
      g_autofree guint8 *exact = g_memdup2(bytes, MAX(size, 1));
      BitReader reader;
      bit_reader_init(&reader, exact, size);
      g_assert_cmpuint(bit_reader_ue(&reader), ==, 0);
      g_assert_false(bit_reader_ok(&reader));
    }
  }
}

static void test_too_many_zeros(void) {
  const guint8 bytes[16] = {0, 0, 0, 0, 0x80, 0, 0, 0, 0x40}; /* 32 zeros, then a code that would be well-formed */
  BitReader reader;
  bit_reader_init(&reader, bytes, sizeof bytes);
  g_assert_cmpuint(bit_reader_ue(&reader), ==, 0);
  g_assert_false(bit_reader_ok(&reader));
  bit_reader_init(&reader, NULL, 0);
  g_assert_cmpuint(bit_reader_ue(&reader), ==, 0);
  g_assert_false(bit_reader_ok(&reader));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/bit-reader/bits", test_bits);
  g_test_add_func("/bit-reader/failure-is-sticky", test_failure_is_sticky);
  g_test_add_func("/bit-reader/exp-golomb", test_exp_golomb);
  g_test_add_func("/bit-reader/exp-golomb-truncated", test_exp_golomb_truncated);
  g_test_add_func("/bit-reader/too-many-zeros", test_too_many_zeros);
  return g_test_run();
}
