/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/annexb.h"

/*
 * What a sequence parameter set says: ITU-T H.264 (08/2021) section 7.3.2.1.1
 * and annex E. Any input is safe; single call, no state.
 */

/* More than any SPS with its VUI; scaling lists are the longest part. */
#define SPS_MAX_SIZE 1024u

typedef struct {
  guint8 profile_idc;
  guint8 constraints; /* constraint_set0_flag is bit 7 */
  guint8 level_idc;
  guint width; /* cropped, pixels */
  guint height;
  guint chroma_format_idc;
  guint poc_type;
  guint log2_max_frame_num;
  guint max_num_ref_frames;
  gboolean has_restriction; /* bitstream_restriction_flag */
  guint max_num_reorder_frames;
  guint max_dec_frame_buffering;
  gboolean has_colour; /* colour_description_present_flag */
  gboolean full_range;
  guint8 primaries;
  guint8 transfer;
  guint8 matrix;
} Sps;

/* FALSE if the NAL is no SPS, or a malformed one. */
gboolean sps_parse(const Nal *nal, Sps *sps);

/* "constrained baseline", "main", "high", "high 4:4:4 predictive", … Static storage. */
const char *sps_profile_name(const Sps *sps);
