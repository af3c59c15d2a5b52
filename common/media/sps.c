/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/sps.h"

#include "common/base/bit-reader.h"
#include "common/media/frame.h"

/* In macroblocks; guards the multiplications below. */
#define SPS_MAX_MBS (FRAME_MAX_WIDTH / 16 * 2)

static gboolean has_chroma_info(guint8 profile) {
  switch (profile) {
  case 100:
  case 110:
  case 122:
  case 244:
  case 44:
  case 83:
  case 86:
  case 118:
  case 128:
    return TRUE;
  default:
    return FALSE;
  }
}

static void skip_scaling_list(BitReader *reader, guint size) {
  gint last = 8, next = 8;
  for (guint i = 0; i < size && bit_reader_ok(reader); i++) {
    if (next != 0) next = (gint)(((gint64)last + bit_reader_se(reader) + 256) % 256);
    if (next != 0) last = next;
  }
}

static void parse_chroma_info(BitReader *reader, Sps *sps, gboolean *separate_planes) {
  sps->chroma_format_idc = bit_reader_ue(reader);
  if (sps->chroma_format_idc == 3) *separate_planes = bit_reader_bits(reader, 1);
  bit_reader_ue(reader);      /* bit_depth_luma_minus8 */
  bit_reader_ue(reader);      /* bit_depth_chroma_minus8 */
  bit_reader_bits(reader, 1); /* qpprime_y_zero_transform_bypass_flag */
  if (!bit_reader_bits(reader, 1)) return;
  guint lists = sps->chroma_format_idc == 3 ? 12 : 8;
  for (guint i = 0; i < lists; i++) {
    if (bit_reader_bits(reader, 1)) skip_scaling_list(reader, i < 6 ? 16 : 64);
  }
}

static void parse_poc(BitReader *reader, Sps *sps) {
  sps->poc_type = bit_reader_ue(reader);
  if (sps->poc_type == 0) {
    bit_reader_ue(reader); /* log2_max_pic_order_cnt_lsb_minus4 */
  } else if (sps->poc_type == 1) {
    bit_reader_bits(reader, 1);
    bit_reader_se(reader);
    bit_reader_se(reader);
    guint cycle = bit_reader_ue(reader);
    if (cycle > 255) reader->failed = TRUE; /* section 7.4.2.1.1 */
    for (guint i = 0; i < cycle && bit_reader_ok(reader); i++) bit_reader_se(reader);
  }
}

static void skip_hrd(BitReader *reader) {
  guint count = bit_reader_ue(reader) + 1;
  if (count > 32) reader->failed = TRUE; /* section E.2.2 */
  bit_reader_bits(reader, 8);
  for (guint i = 0; i < count && bit_reader_ok(reader); i++) {
    bit_reader_ue(reader);
    bit_reader_ue(reader);
    bit_reader_bits(reader, 1);
  }
  bit_reader_bits(reader, 20);
}

static void parse_signal_type(BitReader *reader, Sps *sps) {
  bit_reader_bits(reader, 3); /* video_format */
  sps->full_range = bit_reader_bits(reader, 1);
  sps->has_colour = bit_reader_bits(reader, 1);
  if (!sps->has_colour) return;
  sps->primaries = (guint8)bit_reader_bits(reader, 8);
  sps->transfer = (guint8)bit_reader_bits(reader, 8);
  sps->matrix = (guint8)bit_reader_bits(reader, 8);
}

static void parse_restriction(BitReader *reader, Sps *sps) {
  bit_reader_bits(reader, 1); /* motion_vectors_over_pic_boundaries_flag */
  bit_reader_ue(reader);      /* max_bytes_per_pic_denom */
  bit_reader_ue(reader);      /* max_bits_per_mb_denom */
  bit_reader_ue(reader);      /* log2_max_mv_length_horizontal */
  bit_reader_ue(reader);      /* log2_max_mv_length_vertical */
  sps->max_num_reorder_frames = bit_reader_ue(reader);
  sps->max_dec_frame_buffering = bit_reader_ue(reader);
}

static void parse_vui(BitReader *reader, Sps *sps) {
  if (bit_reader_bits(reader, 1) && bit_reader_bits(reader, 8) == 255) bit_reader_bits(reader, 32);
  if (bit_reader_bits(reader, 1)) bit_reader_bits(reader, 1);
  if (bit_reader_bits(reader, 1)) parse_signal_type(reader, sps);
  if (bit_reader_bits(reader, 1)) {
    bit_reader_ue(reader); /* chroma_sample_loc_type_top_field */
    bit_reader_ue(reader);
  }
  if (bit_reader_bits(reader, 1)) {
    bit_reader_bits(reader, 32); /* num_units_in_tick */
    bit_reader_bits(reader, 32); /* time_scale */
    bit_reader_bits(reader, 1);
  }
  gboolean nal_hrd = bit_reader_bits(reader, 1);
  if (nal_hrd) skip_hrd(reader);
  gboolean vcl_hrd = bit_reader_bits(reader, 1);
  if (vcl_hrd) skip_hrd(reader);
  if (nal_hrd || vcl_hrd) bit_reader_bits(reader, 1);
  bit_reader_bits(reader, 1); /* pic_struct_present_flag */
  sps->has_restriction = bit_reader_bits(reader, 1);
  if (sps->has_restriction) parse_restriction(reader, sps);
}

static gboolean parse_size(BitReader *reader, Sps *sps, gboolean separate_planes) {
  guint width_mbs = bit_reader_ue(reader) + 1;
  guint height_units = bit_reader_ue(reader) + 1;
  gboolean frame_mbs_only = bit_reader_bits(reader, 1);
  if (!frame_mbs_only) bit_reader_bits(reader, 1); /* mb_adaptive_frame_field_flag */
  bit_reader_bits(reader, 1);                      /* direct_8x8_inference_flag */
  if (width_mbs == 0 || height_units == 0 || width_mbs > SPS_MAX_MBS || height_units > SPS_MAX_MBS) return FALSE;
  sps->width = width_mbs * 16;
  sps->height = height_units * (frame_mbs_only ? 16 : 32);
  if (!bit_reader_bits(reader, 1)) return TRUE;

  guint chroma = separate_planes ? 0 : sps->chroma_format_idc;
  guint unit_x = chroma == 1 || chroma == 2 ? 2 : 1;
  guint unit_y = (chroma == 1 ? 2 : 1) * (frame_mbs_only ? 1 : 2);
  guint64 left = bit_reader_ue(reader), right = bit_reader_ue(reader);
  guint64 top = bit_reader_ue(reader), bottom = bit_reader_ue(reader);
  guint64 crop_x = (left + right) * unit_x, crop_y = (top + bottom) * unit_y;
  if (crop_x >= sps->width || crop_y >= sps->height) return FALSE;
  sps->width -= (guint)crop_x;
  sps->height -= (guint)crop_y;
  return TRUE;
}

gboolean sps_parse(const Nal *nal, Sps *sps) {
  guint8 rbsp[SPS_MAX_SIZE];
  if (nal_type(nal) != NAL_SPS || nal->size > sizeof rbsp) return FALSE;
  BitReader reader;
  bit_reader_init(&reader, rbsp, nal_to_rbsp(nal, rbsp));

  *sps = (Sps){.chroma_format_idc = 1};
  gboolean separate_planes = FALSE;
  sps->profile_idc = (guint8)bit_reader_bits(&reader, 8);
  sps->constraints = (guint8)bit_reader_bits(&reader, 8);
  sps->level_idc = (guint8)bit_reader_bits(&reader, 8);
  bit_reader_ue(&reader); /* seq_parameter_set_id */
  if (has_chroma_info(sps->profile_idc)) parse_chroma_info(&reader, sps, &separate_planes);
  sps->log2_max_frame_num = bit_reader_ue(&reader) + 4;
  parse_poc(&reader, sps);
  sps->max_num_ref_frames = bit_reader_ue(&reader);
  bit_reader_bits(&reader, 1); /* gaps_in_frame_num_value_allowed_flag */
  if (!parse_size(&reader, sps, separate_planes)) return FALSE;
  if (bit_reader_bits(&reader, 1)) parse_vui(&reader, sps);
  return bit_reader_ok(&reader) && sps->chroma_format_idc <= 3;
}

const char *sps_profile_name(const Sps *sps) {
  switch (sps->profile_idc) {
  case 66:
    return sps->constraints & 0x40 ? "constrained baseline" : "baseline";
  case 77:
    return "main";
  case 88:
    return "extended";
  case 100:
    return "high";
  case 110:
    return "high 10";
  case 122:
    return "high 4:2:2";
  case 244:
    return "high 4:4:4 predictive";
  default:
    return "unknown profile";
  }
}
