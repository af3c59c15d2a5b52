/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/picture-encoder.h"

#include "common/base/stats.h"

/* A moving picture's quantiser sinks no faster than this: what was coarse comes back over some pictures and not in one
 * that is ten times their size. */
#define PICTURE_QP_DESCENT 2u

void picture_encoder_init(PictureEncoder *encoder, const EncoderInterface *interface, gdouble fps, guint64 bitrate) {
  *encoder = (PictureEncoder){.interface = interface, .fps = fps, .qp = RATE_IDR_QP};
  rate_control_init(&encoder->rate, bitrate);
}

void picture_encoder_finish(PictureEncoder *encoder) {
  g_clear_pointer(&encoder->encoder, encoder_destroy);
}

void picture_encoder_restart(PictureEncoder *encoder) {
  g_clear_pointer(&encoder->encoder, encoder_destroy);
  encoder->qp = RATE_IDR_QP;
}

static gboolean open_encoder(PictureEncoder *encoder, const PictureSource *source, GError **error) {
  if (encoder->encoder) return TRUE;
  EncoderConfig config = {
      .width = source->width,
      .height = source->height,
      .fps_num = (guint)(encoder->fps * 1000 + 0.5),
      .fps_den = 1000,
  };
  encoder->encoder = encoder_create(encoder->interface, &config, error);
  if (encoder->encoder) stats_count("encode.opened");
  return encoder->encoder != NULL;
}

static guint choose_qp(PictureEncoder *encoder, const PictureJob *job, const RatePicture *picture) {
  if (job->purpose == PICTURE_REFINED) return MAX(encoder->qp, RATE_FINE_QP + RATE_REFINE_STEP) - RATE_REFINE_STEP;
  /* x264 takes the hint "constant" only where the last quantiser was not higher: at the highest it takes it everywhere,
   * and nothing is coded, so that the quantiser means nothing. At the picture's own it tries some macroblocks again for
   * ever. */
  if (job->purpose == PICTURE_REPEATED) return ENCODER_MAX_QP;
  guint floor_qp = RATE_BASE_QP;
  if (picture->idr) {
    floor_qp = job->is_still && !job->is_new ? RATE_FINE_QP : RATE_IDR_QP;
  } else if (encoder->qp > RATE_BASE_QP) {
    floor_qp = MAX(RATE_BASE_QP, encoder->qp - PICTURE_QP_DESCENT);
  }
  return rate_control_choose(&encoder->rate, picture, floor_qp, job->begun_us);
}

static void count(const PictureJob *job, gboolean idr, gsize bytes, gint64 encode_us) {
  stats_count("encode.total");
  if (job->purpose == PICTURE_MOVING) stats_count(idr ? "encode.idr" : "encode.pictures");
  if (job->purpose == PICTURE_REFINED) stats_count("encode.refinements");
  stats_add(stats_counter("encode.bytes"), (gint64)bytes);
  stats_add(stats_counter("encode.time-us"), encode_us);
}

static AccessUnit *make_unit(PictureEncoder *encoder, const PictureSource *source, const PictureJob *job,
                             const EncoderOutput *output, gint64 converted_us) {
  gint64 done = g_get_monotonic_time();
  gboolean fresh = job->purpose == PICTURE_MOVING && job->is_new;
  encoder->last_pts_us = MAX(fresh ? source->state.flush_us : job->begun_us, encoder->last_pts_us + 1);
  AccessUnitInfo info = {
      .flush_us = encoder->last_pts_us,
      .encoded_us = done,
      .width = source->width,
      .height = source->height,
      .is_key = output->is_key,
      .is_refinement = job->purpose == PICTURE_REFINED,
      .is_keep_alive = job->purpose == PICTURE_REPEATED,
      .capture_us = fresh ? (guint32)MAX(source->state.captured_us - source->state.flush_us, 0) : 0,
      .queue_us = fresh ? (guint32)MAX(job->begun_us - source->state.captured_us, 0) : 0,
      .convert_us = (guint32)(converted_us - job->begun_us),
      .encode_us = (guint32)(done - converted_us),
      .frames_merged = fresh ? source->merged : 0,
      .qp = encoder->qp,
  };
  Rect rects[ACCESS_UNIT_MAX_RECTS];
  guint n_rects = job->purpose == PICTURE_MOVING ? damage_to_rects(&source->damage, rects, G_N_ELEMENTS(rects)) : 0;
  return access_unit_create(&info, rects, n_rects, output->data, output->size);
}

AccessUnit *picture_encoder_encode(PictureEncoder *encoder, const PictureSource *source, const PictureJob *job,
                                   GError **error) {
  gint64 converted = g_get_monotonic_time();
  gboolean idr = job->idr || !encoder->encoder;
  if (!open_encoder(encoder, source, error)) return NULL;
  const Damage *damage = &source->damage;
  RatePicture picture = {idr, idr ? 1 : (gdouble)damage_count(damage) / (damage->columns * damage->rows)};
  EncoderInput input = {.picture = &source->nv12, .damage = damage, .idr = idr};
  input.qp = choose_qp(encoder, job, &picture);
  EncoderOutput output;
  if (!encoder_encode(encoder->encoder, &input, &output, error)) {
    picture_encoder_restart(encoder);
    return NULL;
  }
  if (job->purpose != PICTURE_REPEATED) encoder->qp = input.qp;
  if (job->purpose == PICTURE_MOVING) {
    rate_control_encoded(&encoder->rate, &picture, input.qp, output.size);
  } else {
    rate_control_spent(&encoder->rate, output.size);
  }
  count(job, idr, output.size, g_get_monotonic_time() - job->begun_us);
  AccessUnit *unit = make_unit(encoder, source, job, &output, converted);
  if (unit) return unit;
  /* what is lost here is lost to all: only an IDR mends it (F08) */
  picture_encoder_restart(encoder);
  stats_count("encode.no-memory");
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no memory for an access unit");
  return NULL;
}
