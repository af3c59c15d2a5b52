/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "host/encode/encoder.h"
#include "host/encode/picture-source.h"
#include "host/encode/rate-control.h"

/*
 * An encoder with what decides its quantiser: rate control, and the memory of
 * how fine the last picture was. What a stream's worker and a request's
 * session have in common. One thread.
 */

typedef struct {
  const EncoderInterface *interface;
  gdouble fps; /* for the stream's headers */
  Encoder *encoder;
  RateControl rate;
  guint qp; /* of the last picture */
  gint64 last_pts_us;
} PictureEncoder;

typedef enum {
  PICTURE_MOVING,  /* something changed, or an IDR is wanted */
  PICTURE_REFINED, /* nothing changed: the same, finer */
  PICTURE_REPEATED /* nothing changed: the same */
} PicturePurpose;

typedef struct {
  PicturePurpose purpose;
  gboolean idr;
  gboolean is_new;   /* `source` holds a picture that was not encoded yet */
  gboolean is_still; /* the picture was at its finest: an IDR of it is fine as well */
  gint64 begun_us;   /* when this began, conversion included */
} PictureJob;

void picture_encoder_init(PictureEncoder *encoder, const EncoderInterface *interface, gdouble fps, guint64 bitrate);
void picture_encoder_finish(PictureEncoder *encoder);

/* The next picture is the first of a stream of another size, or of a new encoder after a failure. */
void picture_encoder_restart(PictureEncoder *encoder);

static inline gboolean picture_encoder_is_finest(const PictureEncoder *encoder) {
  return encoder->qp <= RATE_FINE_QP;
}

/* Encodes source->nv12 with source->damage. NULL and error on failure, after which it has restarted (F21). What comes
 * back lacks is_settled. pts is the flush for a new picture, now for others, and ascends. */
AccessUnit *picture_encoder_encode(PictureEncoder *encoder, const PictureSource *source, const PictureJob *job,
                                   GError **error);
