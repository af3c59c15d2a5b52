/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/edid.h"

#include <string.h>

static void assert_sum(const guint8 *bytes, gsize size) {
  guint8 sum = 0;
  for (gsize i = 0; i < size; i++) sum = (guint8)(sum + bytes[i]);
  g_assert_cmpuint(sum, ==, 0);
}

/* The 18 bytes of the n-th descriptor. */
static const guint8 *descriptor(const guint8 *edid, guint n) {
  return edid + 54 + n * 18;
}

static guint upper(guint8 byte) {
  return byte >> 4;
}

static void test_1080p(void) {
  static const guint8 HEADER[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  guint8 edid[EDID_MAX_SIZE];
  gsize size = edid_write(&(EdidMode){0, 1920, 1080, 60000}, edid);
  g_assert_cmpuint(size, ==, EDID_BLOCK);
  g_assert_cmpmem(edid, 8, HEADER, sizeof HEADER);
  assert_sum(edid, size);
  g_assert_cmpuint(edid[18], ==, 1);
  g_assert_cmpuint(edid[19], ==, 4);
  g_assert_cmpuint(edid[20] & 0x80, ==, 0x80);
  /* 1920 pixels at 96 a inch are 50.8 cm */
  g_assert_cmpuint(edid[21], ==, 51);
  g_assert_cmpuint(edid[22], ==, 29);
  g_assert_cmpuint(edid[126], ==, 0);
  /* CVT with reduced blanking, of which the table of VESA says 2080 × 1111 × 60 = 138.65 MHz */
  const guint8 *mode = descriptor(edid, 0);
  g_assert_cmpuint(mode[0] | mode[1] << 8, ==, 13865);
  g_assert_cmpuint(mode[2] | upper(mode[4]) << 8, ==, 1920);
  g_assert_cmpuint(mode[3] | (mode[4] & 15) << 8, ==, 160);
  g_assert_cmpuint(mode[5] | upper(mode[7]) << 8, ==, 1080);
  g_assert_cmpuint(mode[6] | (mode[7] & 15) << 8, ==, 31);
  g_assert_cmpuint(mode[8], ==, 48);
  g_assert_cmpuint(mode[9], ==, 32);
  g_assert_cmpuint(mode[10], ==, 3 << 4 | 5);
  g_assert_cmpuint(mode[12] | upper(mode[14]) << 8, ==, 508);
  g_assert_cmpuint(mode[13] | (mode[14] & 15) << 8, ==, 285);
  g_assert_cmpmem(descriptor(edid, 1), 18, "\0\0\0\xfc\0framelift 0\n ", 18);
  g_assert_cmpuint(descriptor(edid, 2)[3], ==, 0xfd);
  g_assert_cmpuint(descriptor(edid, 3)[3], ==, 0xff);
}

static void test_standard_modes(void) {
  static const guint8 STANDARD[] = {0xd1, 0xc0, 0xb3, 0, 0xa9, 0xc0, 0x95, 0,
                                    0x81, 0x80, 0x81, 0, 0x81, 0xc0, 0x71, 0x40};
  guint8 edid[EDID_MAX_SIZE];
  edid_write(&(EdidMode){3, 1280, 720, 60000}, edid);
  g_assert_cmpmem(edid + 38, 16, STANDARD, sizeof STANDARD);
  g_assert_cmpuint(edid[35], ==, 0x21);
  g_assert_cmpuint(edid[36], ==, 0x08);
  g_assert_cmpuint(edid[12], ==, 4); /* serial number */
  g_assert_nonnull(strstr((const char *)descriptor(edid, 1) + 5, "framelift 3"));
}

static void test_large(void) {
  guint8 edid[EDID_MAX_SIZE];
  gsize size = edid_write(&(EdidMode){1, 5120, 2880, 60000}, edid);
  g_assert_cmpuint(size, ==, EDID_MAX_SIZE);
  assert_sum(edid, EDID_BLOCK);
  assert_sum(edid + EDID_BLOCK, EDID_BLOCK);
  g_assert_cmpuint(edid[126], ==, 1);
  g_assert_cmpuint(descriptor(edid, 0)[0] | descriptor(edid, 0)[1], ==, 0); /* no mode there */
  const guint8 *extension = edid + EDID_BLOCK;
  g_assert_cmpuint(extension[0], ==, 0x70);
  g_assert_cmpuint(extension[1], ==, 0x12);
  assert_sum(extension + 1, 5u + extension[2]);
  g_assert_cmpuint(extension[5], ==, 3);
  g_assert_cmpuint(extension[7], ==, 20);
  const guint8 *timing = extension + 8;
  g_assert_cmpuint(timing[3], ==, 0x80); /* preferred */
  g_assert_cmpuint(timing[4] | timing[5] << 8, ==, 5119);
  g_assert_cmpuint(timing[12] | timing[13] << 8, ==, 2879);
}

/* Every size and rate that an output may have gives valid sums. */
static void test_all(void) {
  static const guint RATES[] = {1000, 23976, 60000, 144000, 240000};
  for (guint width = 64; width <= 8192; width += 127) {
    for (guint i = 0; i < G_N_ELEMENTS(RATES); i++) {
      guint8 edid[EDID_MAX_SIZE];
      guint height = MAX(64, width * 4320 / 8192);
      gsize size = edid_write(&(EdidMode){15, width, height, RATES[i]}, edid);
      for (gsize at = 0; at < size; at += EDID_BLOCK) assert_sum(edid + at, EDID_BLOCK);
    }
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vugpu-edid/1080p", test_1080p);
  g_test_add_func("/vugpu-edid/standard-modes", test_standard_modes);
  g_test_add_func("/vugpu-edid/large", test_large);
  g_test_add_func("/vugpu-edid/all", test_all);
  return g_test_run();
}
