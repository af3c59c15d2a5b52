/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/byte-writer.h"

#include <string.h>

static void test_values(void) {
  guint8 out[1 + 2 + 4 + 8 + 4 + 8 + 3 + 2];
  const guint8 expected[] = {0x11, 0x33, 0x22, 0x77, 0x66, 0x55, 0x44, 0xff, 0xee, 0xdd, 0xcc,
                             0xbb, 0xaa, 0x99, 0x88, 0xfe, 0xff, 0xff, 0xff, 0xfd, 0xff, 0xff,
                             0xff, 0xff, 0xff, 0xff, 0xff, 'a',  'b',  'c',  0,    0};
  G_STATIC_ASSERT(sizeof out == sizeof expected);
  memset(out, 0xaa, sizeof out);
  ByteWriter writer;
  byte_writer_init(&writer, out, sizeof out);
  byte_writer_u8(&writer, 0x11);
  byte_writer_u16(&writer, 0x2233);
  byte_writer_u32(&writer, 0x44556677);
  byte_writer_u64(&writer, G_GUINT64_CONSTANT(0x8899aabbccddeeff));
  byte_writer_i32(&writer, -2);
  byte_writer_i64(&writer, -3);
  byte_writer_bytes(&writer, "abc", 3);
  byte_writer_zeros(&writer, 2);
  g_assert_true(byte_writer_ok(&writer));
  g_assert_cmpmem(out, writer.position, expected, sizeof expected);
}

/* What does not fit is not written at all, and nothing is written after it. */
static void test_overflow(void) {
  for (guint room = 0; room < 8; room++) {
    guint8 out[9];
    memset(out, 0xaa, sizeof out);
    ByteWriter writer;
    byte_writer_init(&writer, out, room);
    byte_writer_u64(&writer, 0);
    g_assert_false(byte_writer_ok(&writer));
    byte_writer_u8(&writer, 0); /* would fit */
    byte_writer_zeros(&writer, 0);
    g_assert_cmpuint(writer.position, ==, 0);
    g_assert_false(byte_writer_ok(&writer));
    for (guint i = 0; i < sizeof out; i++) g_assert_cmphex(out[i], ==, 0xaa);
  }
}

static void test_sizes_that_wrap(void) {
  guint8 out[8];
  ByteWriter writer;
  byte_writer_init(&writer, out, sizeof out);
  byte_writer_u32(&writer, 1);
  byte_writer_bytes(&writer, out, G_MAXSIZE - 2);
  g_assert_false(byte_writer_ok(&writer));
  byte_writer_init(&writer, out, sizeof out);
  byte_writer_u32(&writer, 1);
  byte_writer_zeros(&writer, G_MAXSIZE);
  g_assert_false(byte_writer_ok(&writer));
}

typedef struct {
  const char *text;
  const char *kept; /* in a field of 8 bytes */
} TextCase;

static void test_text(void) {
  static const TextCase CASES[] = {
      {"", ""},
      {"abc", "abc"},
      {"1234567", "1234567"},
      {"12345678", "1234567"},
      {"123456é", "123456"},             /* é is 2 bytes: 8 with it, 7 would cut it */
      {"12345é", "12345é"},              /* fits exactly */
      {"12345éé", "12345é"},             /* cut between two */
      {"1234€€", "1234€"},               /* 3 bytes each */
      {"12345€", "12345"},               /* cut within */
      {"1234\xf0\x9f\x98\x80x", "1234"}, /* 4 bytes */
      {"\xf0\x9f\x98\x80\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    guint8 out[9], expected[8] = {0};
    memset(out, 0xaa, sizeof out);
    memcpy(expected, CASES[i].kept, strlen(CASES[i].kept));
    ByteWriter writer;
    byte_writer_init(&writer, out, 8);
    byte_writer_text(&writer, CASES[i].text, 8);
    g_assert_true(byte_writer_ok(&writer));
    g_assert_cmpmem(out, 8, expected, 8);
    g_assert_cmphex(out[8], ==, 0xaa);
  }
  ByteWriter none;
  guint8 canary = 0xaa;
  byte_writer_init(&none, &canary, 1);
  byte_writer_text(&none, "x", 0);
  g_assert_true(byte_writer_ok(&none));
  byte_writer_text(&none, "x", 2);
  g_assert_false(byte_writer_ok(&none));
  g_assert_cmphex(canary, ==, 0xaa);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/byte-writer/values", test_values);
  g_test_add_func("/byte-writer/overflow", test_overflow);
  g_test_add_func("/byte-writer/sizes-that-wrap", test_sizes_that_wrap);
  g_test_add_func("/byte-writer/text", test_text);
  return g_test_run();
}
