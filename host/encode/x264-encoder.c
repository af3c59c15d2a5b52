/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/encoder.h"

#include "common/base/log.h"

#include <stdint.h>
#include <string.h>
#include <x264.h>

/*
 * libx264 as one wants it for a desktop. Why each setting is what it is:
 * docs/encoding.md. In short: constant quantiser, forced for every frame by
 * our own rate control, because x264's lowers it on calm pictures until a
 * blinking cursor costs 15 KB a frame; damage hints (mb_info) so that what did
 * not change costs next to nothing; no B-frames, one reference, one slice: one
 * in, one out, and every browser's decoder takes it.
 */

#define MB 16u
#define MBS_PER_TILE (DAMAGE_TILE / MB)

typedef struct {
  Encoder base;
  x264_t *x264;
  guint8 *mb_info;
  guint mb_columns;
  guint mb_rows;
  gint64 frames;
} X264Encoder;

static void on_log(void *data, int level, const char *format, va_list args) {
  if (level > X264_LOG_WARNING) return;
  static LogLimit limit;
  g_autofree char *text = g_strdup_vprintf(format, args);
  log_limited(&limit, LOG_WARN, "x264", "%s", g_strchomp(text));
}

static void set_rate_control(x264_param_t *param) {
  param->rc.i_rc_method = X264_RC_CQP;
  /* CQP clips a forced quantiser to the range between those of its frame types. x264 takes factors up to 10, which is
   * 20 steps: P in the middle, I 20 below it, B 20 above. */
  param->rc.i_qp_constant = (ENCODER_MIN_QP + ENCODER_MAX_QP) / 2;
  param->rc.f_ip_factor = 10;
  param->rc.f_pb_factor = 10;
  param->rc.i_aq_mode = X264_AQ_NONE;
  param->rc.b_mb_tree = 0;
  param->i_keyint_max = X264_KEYINT_MAX_INFINITE;
  param->i_scenecut_threshold = 0;
}

static void set_analysis(x264_param_t *param) {
  param->analyse.b_mb_info = 1;
  /* hints are honoured only where reference 0 is the frame before, unweighted */
  param->analyse.i_weighted_pred = X264_WEIGHTP_NONE;
  param->i_frame_reference = 1;
  param->analyse.i_subpel_refine = 0;
  param->analyse.inter = 0;
  param->analyse.intra = 0;
  param->analyse.b_transform_8x8 = 0;
  param->analyse.i_trellis = 0;
  param->analyse.b_mixed_references = 0;
  /* a scroll of 16 pixels is not found by the hexagon search, and then costs eight times the bytes */
  param->analyse.i_me_method = X264_ME_UMH;
  param->analyse.i_me_range = 24;
  param->analyse.b_psy = 0;
}

static void set_stream(x264_param_t *param, const EncoderConfig *config) {
  param->i_width = (int)((config->width + 1) & ~1u);
  param->i_height = (int)((config->height + 1) & ~1u);
  param->i_csp = X264_CSP_NV12;
  param->i_fps_num = config->fps_num;
  param->i_fps_den = config->fps_den;
  param->b_vfr_input = 0;
  param->b_annexb = 1;
  param->b_repeat_headers = 1;
  param->b_aud = 0;
  param->i_bframe = 0;
  param->b_cabac = 0;
  param->vui.b_fullrange = 0;
  param->vui.i_vidformat = 5; /* unspecified */
  param->vui.i_colorprim = 1; /* BT.709, H.264 tables E-3 to E-5 */
  param->vui.i_transfer = 1;
  param->vui.i_colmatrix = 1;
}

static void fill_param(x264_param_t *param, const EncoderConfig *config) {
  x264_param_default_preset(param, "superfast", "zerolatency");
  param->i_threads = 1;
  param->b_sliced_threads = 0;
  param->i_lookahead_threads = 1;
  param->i_log_level = X264_LOG_WARNING;
  param->pf_log = on_log;
  set_stream(param, config);
  set_rate_control(param);
  set_analysis(param);
  x264_param_apply_profile(param, "baseline"); /* x264 says "baseline" and writes constrained baseline */
}

static void x264_destroy(Encoder *base) {
  X264Encoder *encoder = (X264Encoder *)base;
  if (encoder->x264) x264_encoder_close(encoder->x264);
  g_free(encoder->mb_info);
  g_free(encoder);
}

static Encoder *x264_create(const EncoderConfig *config, GError **error) {
  X264Encoder *encoder = g_new0(X264Encoder, 1);
  encoder->base.interface = &X264_ENCODER;
  encoder->mb_columns = (config->width + MB - 1) / MB;
  encoder->mb_rows = (config->height + MB - 1) / MB;
  encoder->mb_info = g_try_malloc0((gsize)encoder->mb_columns * encoder->mb_rows);
  x264_param_t param;
  fill_param(&param, config);
  encoder->x264 = encoder->mb_info ? x264_encoder_open(&param) : NULL;
  if (encoder->x264) return &encoder->base;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED,
              "libx264 does not open at %ux%u: out of memory, or a size it refuses", config->width, config->height);
  x264_destroy(&encoder->base);
  return NULL;
}

/* A byte a macroblock: constant where its tile has no damage. */
static void fill_mb_info(X264Encoder *encoder, const Damage *damage) {
  for (guint row = 0; row < encoder->mb_rows; row++) {
    guint8 *line = encoder->mb_info + (gsize)row * encoder->mb_columns;
    for (guint column = 0; column < encoder->mb_columns; column++) {
      line[column] = damage_get(damage, column / MBS_PER_TILE, row / MBS_PER_TILE) ? 0 : X264_MBINFO_CONSTANT;
    }
  }
}

static gboolean x264_encode(Encoder *base, const EncoderInput *input, EncoderOutput *output, GError **error) {
  X264Encoder *encoder = (X264Encoder *)base;
  x264_picture_t in, out;
  x264_picture_init(&in);
  in.i_pts = encoder->frames++;
  in.i_type = input->idr ? X264_TYPE_IDR : X264_TYPE_P;
  in.i_qpplus1 = (int)input->qp + 1;
  in.img.i_csp = X264_CSP_NV12;
  in.img.i_plane = 2;
  in.img.plane[0] = input->picture->luma;
  in.img.plane[1] = input->picture->chroma;
  in.img.i_stride[0] = in.img.i_stride[1] = (int)input->picture->stride;
  if (!input->idr) {
    fill_mb_info(encoder, input->damage);
    in.prop.mb_info = encoder->mb_info;
  }
  x264_nal_t *nals;
  int count = 0;
  int size = x264_encoder_encode(encoder->x264, &nals, &count, &in, &out);
  if (size <= 0 || count <= 0) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "libx264 gave no picture (%d)", size);
    return FALSE;
  }
  *output = (EncoderOutput){.data = nals[0].p_payload, .size = (gsize)size, .is_key = out.b_keyframe};
  return TRUE;
}

const EncoderInterface X264_ENCODER = {"x264", x264_create, x264_encode, x264_destroy};
