/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/sps.h"

#include "tests/unit/support/support.h"

#include <string.h>

/* SPS NALs that libx264 wrote (frameliftd's own, and ffmpeg's for the others), and what ffmpeg's trace_headers says of
 * them. */
typedef struct {
  const char *nal;
  const char *profile;
  Sps expected;
} Case;

static const Case CASES[] = {
    /* frameliftd --display test:1920x1080@60 */
    {"6742c02ada01e0089f966a02020280000003008000003c478c1950",
     "constrained baseline",
     {.profile_idc = 66,
      .constraints = 0xc0,
      .level_idc = 42,
      .width = 1920,
      .height = 1080,
      .chroma_format_idc = 1,
      .poc_type = 2,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 1,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 0,
      .max_dec_frame_buffering = 1,
      .has_colour = TRUE,
      .full_range = FALSE,
      .primaries = 1,
      .transfer = 1,
      .matrix = 1}},
    /* 640x360: cropped in height */
    {"6742c01ed900a02ff970110000030001000003003c0f162e48",
     "constrained baseline",
     {.profile_idc = 66,
      .constraints = 0xc0,
      .level_idc = 30,
      .width = 640,
      .height = 360,
      .chroma_format_idc = 1,
      .poc_type = 2,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 3,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 0,
      .max_dec_frame_buffering = 3}},
    {"67640028acd940780227e5c044000003000400000300f03c60c658",
     "high",
     {.profile_idc = 100,
      .level_idc = 40,
      .width = 1920,
      .height = 1080,
      .chroma_format_idc = 1,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 4,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 2,
      .max_dec_frame_buffering = 4}},
    /* with NAL HRD parameters before the restriction */
    {"67640028acd940780227e5c044000003000400000300f1918003d090007a138b0c01e30632c0",
     "high",
     {.profile_idc = 100,
      .level_idc = 40,
      .width = 1920,
      .height = 1080,
      .chroma_format_idc = 1,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 4,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 2,
      .max_dec_frame_buffering = 4}},
    /* interlaced 720x576: map units are field pairs */
    {"6764001facd940b424d80880000003008000001e0f8b16cb",
     "high",
     {.profile_idc = 100,
      .level_idc = 31,
      .width = 720,
      .height = 576,
      .chroma_format_idc = 1,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 4,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 2,
      .max_dec_frame_buffering = 4}},
    {"676e001fa6cd9405005bb0110000030001000003003c0f183196",
     "high 10",
     {.profile_idc = 110,
      .level_idc = 31,
      .width = 1280,
      .height = 720,
      .chroma_format_idc = 1,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 4,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 2,
      .max_dec_frame_buffering = 4}},
    /* 1918x1078 in 4:2:2: crops by 2 across and by 1 down */
    {"677a0028bcd940780227a8bc0440000003004000000f03c60c6580",
     "high 4:2:2",
     {.profile_idc = 122,
      .level_idc = 40,
      .width = 1918,
      .height = 1078,
      .chroma_format_idc = 2,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 4,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 2,
      .max_dec_frame_buffering = 4}},
    /* 66x50 in 4:4:4: crops by 1 */
    {"67f4000a919b28a4f1f1f80880000003008000001e078912cb",
     "high 4:4:4 predictive",
     {.profile_idc = 244,
      .level_idc = 10,
      .width = 66,
      .height = 50,
      .chroma_format_idc = 3,
      .log2_max_frame_num = 4,
      .max_num_ref_frames = 4,
      .has_restriction = TRUE,
      .max_num_reorder_frames = 2,
      .max_dec_frame_buffering = 4}},
};

static GBytes *nal_of_case(gsize i) {
  return support_hex(CASES[i].nal);
}

static gboolean parse(const guint8 *data, gsize size, Sps *sps) {
  g_autofree guint8 *exact = g_memdup2(data, size);
  Nal nal = {.data = exact, .size = size};
  return sps_parse(&nal, sps);
}

static void test_real(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GBytes) bytes = nal_of_case(i);
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    Sps sps;
    g_assert_true(parse(data, size, &sps));
    const Sps *expected = &CASES[i].expected;
    g_assert_cmpuint(sps.profile_idc, ==, expected->profile_idc);
    g_assert_cmphex(sps.constraints, ==, expected->constraints);
    g_assert_cmpuint(sps.level_idc, ==, expected->level_idc);
    g_assert_cmpuint(sps.width, ==, expected->width);
    g_assert_cmpuint(sps.height, ==, expected->height);
    g_assert_cmpuint(sps.chroma_format_idc, ==, expected->chroma_format_idc);
    g_assert_cmpuint(sps.poc_type, ==, expected->poc_type);
    g_assert_cmpuint(sps.log2_max_frame_num, ==, expected->log2_max_frame_num);
    g_assert_cmpuint(sps.max_num_ref_frames, ==, expected->max_num_ref_frames);
    g_assert_cmpint(sps.has_restriction, ==, expected->has_restriction);
    g_assert_cmpuint(sps.max_num_reorder_frames, ==, expected->max_num_reorder_frames);
    g_assert_cmpuint(sps.max_dec_frame_buffering, ==, expected->max_dec_frame_buffering);
    g_assert_cmpint(sps.has_colour, ==, expected->has_colour);
    g_assert_cmpint(sps.full_range, ==, expected->full_range);
    g_assert_cmpuint(sps.primaries, ==, expected->primaries);
    g_assert_cmpuint(sps.transfer, ==, expected->transfer);
    g_assert_cmpuint(sps.matrix, ==, expected->matrix);
    g_assert_cmpstr(sps_profile_name(&sps), ==, CASES[i].profile);
  }
}

/* Cut off after each byte: refused, but where only trailing bits are lost, and never read past. */
static void test_truncated(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GBytes) bytes = nal_of_case(i);
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    for (gsize cut = 1; cut + 1 < size; cut++) {
      Sps sps;
      g_assert_false(parse(data, cut, &sps));
    }
  }
}

/* Every single bit flipped, and every byte replaced: no crash, and sizes stay within what the parser promises. */
static void check_bounds(const guint8 *data, gsize size) {
  Sps sps;
  if (!parse(data, size, &sps)) return;
  g_assert_cmpuint(sps.width, >, 0);
  g_assert_cmpuint(sps.height, >, 0);
  g_assert_cmpuint(sps.width, <=, 16384);
  g_assert_cmpuint(sps.height, <=, 32768);
  g_assert_cmpuint(sps.chroma_format_idc, <=, 3);
  g_assert_nonnull(sps_profile_name(&sps));
}

static void test_flipped(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GBytes) bytes = nal_of_case(i);
    gsize size;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    g_autofree guint8 *copy = g_memdup2(data, size);
    for (gsize bit = 8; bit < size * 8; bit++) {
      copy[bit / 8] ^= (guint8)(1 << (bit % 8));
      check_bounds(copy, size);
      copy[bit / 8] ^= (guint8)(1 << (bit % 8));
    }
    for (gsize k = 1; k < size; k++) {
      for (guint value = 0; value < 256; value++) {
        copy[k] = (guint8)value;
        check_bounds(copy, size);
      }
      copy[k] = data[k];
    }
  }
}

static void test_refused(void) {
  g_autoptr(GBytes) bytes = nal_of_case(0);
  gsize size;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  Sps sps;
  g_autofree guint8 *copy = g_memdup2(data, size);
  copy[0] = 0x68; /* a PPS's header */
  g_assert_false(parse(copy, size, &sps));

  g_autofree guint8 *large = g_malloc0(SPS_MAX_SIZE + 1);
  memcpy(large, data, size);
  g_assert_true(parse(large, SPS_MAX_SIZE, &sps));
  g_assert_false(parse(large, SPS_MAX_SIZE + 1, &sps));

  /* a width of 2^32 - 1 macroblocks, and 0 after it wraps: ue(v) with 31 zeros */
  static const char *const HUGE_SIZES[] = {
      "6742c02ad8 00000001fffffffe80",
      "6742c02ad8 0000000100000000 80",
      "6742c02ad8 ffffffffffffffffff",
  };
  for (gsize i = 0; i < G_N_ELEMENTS(HUGE_SIZES); i++) {
    g_autoptr(GBytes) huge = support_hex(HUGE_SIZES[i]);
    gsize huge_size;
    const guint8 *huge_data = g_bytes_get_data(huge, &huge_size);
    g_assert_false(parse(huge_data, huge_size, &sps));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/sps/real", test_real);
  g_test_add_func("/sps/truncated", test_truncated);
  g_test_add_func("/sps/flipped", test_flipped);
  g_test_add_func("/sps/refused", test_refused);
  return g_test_run();
}
