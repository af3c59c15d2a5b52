/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/h264-caps.h"

#include <gst/pbutils/pbutils.h>

static gboolean find_sps(const guint8 *data, gsize size, Nal *nal) {
  AnnexbIterator iterator;
  annexb_init(&iterator, data, size);
  while (annexb_next(&iterator, nal)) {
    guint type = nal_type(nal);
    if (type == NAL_SPS) return TRUE;
    if (type >= NAL_SLICE && type <= NAL_SLICE_IDR) return FALSE;
  }
  return FALSE;
}

GstCaps *h264_caps_from_unit(const guint8 *data, gsize size, Sps *sps) {
  Nal nal;
  if (!find_sps(data, size, &nal) || nal.size < 4 || !sps_parse(&nal, sps)) return NULL;
  GstCaps *caps = gst_caps_from_string(H264_CAPS_TEMPLATE);
  gst_caps_set_simple(caps, "width", G_TYPE_INT, (gint)sps->width, "height", G_TYPE_INT, (gint)sps->height, NULL);
  /* takes the SPS from profile_idc on, behind the NAL's own header */
  gst_codec_utils_h264_caps_set_level_and_profile(caps, nal.data + 1, (guint)nal.size - 1);
  return caps;
}

guint8 h264_caps_level(guint width, guint height, guint fps_num, guint fps_den) {
  static const struct {
    guint8 level;
    guint frame; /* macroblocks */
    guint rate;  /* macroblocks a second */
  } LEVELS[] = {
      {40, 8192, 245760},   {42, 8704, 522240},    {50, 22080, 589824},   {51, 36864, 983040},
      {52, 36864, 2073600}, {60, 139264, 4177920}, {61, 139264, 8355840},
  };
  guint64 frame = (((guint64)width + 15) / 16) * (((guint64)height + 15) / 16);
  gboolean known = fps_num > 0 && fps_den > 0;
  guint64 rate = gst_util_uint64_scale_ceil(frame, known ? fps_num : 60, known ? fps_den : 1);
  for (guint i = 0; i < G_N_ELEMENTS(LEVELS); i++) {
    if (frame <= LEVELS[i].frame && rate <= LEVELS[i].rate) return LEVELS[i].level;
  }
  return 62;
}
