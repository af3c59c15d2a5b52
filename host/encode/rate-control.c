/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/rate-control.h"

#include "host/encode/encoder.h"

#include <math.h>

/* How much of a new measurement goes into the model: quick, because desktop pictures change their kind at once. */
#define RATE_LEARN 0.5
/* Smallest damage the model divides by: a tile of a 4K screen. */
#define RATE_MIN_DAMAGE 0.0005
/* A refinement may begin when the bucket is this empty. */
#define RATE_REFINE_LEVEL 0.5

static gdouble capacity(const RateControl *control) {
  return (gdouble)control->ceiling * RATE_BUCKET_MS / 1000.0;
}

static gdouble scale(guint qp) {
  return exp2(-(gdouble)qp / 6.0);
}

void rate_control_init(RateControl *control, guint64 ceiling) {
  *control = (RateControl){.ceiling = MAX(ceiling, 1)};
}

void rate_control_set_ceiling(RateControl *control, guint64 ceiling) {
  control->ceiling = MAX(ceiling, 1);
}

static void drain(RateControl *control, gint64 now_us) {
  if (control->drained_us > 0 && now_us > control->drained_us) {
    gdouble drained = (gdouble)control->ceiling * (gdouble)(now_us - control->drained_us) / G_USEC_PER_SEC;
    control->level = MAX(control->level - drained, 0);
  }
  control->drained_us = now_us;
}

guint rate_control_choose(RateControl *control, const RatePicture *picture, guint floor_qp, gint64 now_us) {
  drain(control, now_us);
  gdouble room = MAX(capacity(control) - control->level, 0);
  /* half of what is left, so that the picture after this one finds room as well */
  gdouble target = picture->idr ? room : room / 2;
  gdouble cost = control->cost[picture->idr ? 1 : 0] * MAX(picture->damage, RATE_MIN_DAMAGE);
  guint qp = CLAMP(floor_qp, ENCODER_MIN_QP, ENCODER_MAX_QP);
  while (qp < ENCODER_MAX_QP && cost * scale(qp) > target) qp++;
  return qp;
}

void rate_control_encoded(RateControl *control, const RatePicture *picture, guint qp, gsize bytes) {
  gdouble bits = (gdouble)bytes * 8;
  control->level += bits;
  gdouble measured = bits / scale(qp) / MAX(picture->damage, RATE_MIN_DAMAGE);
  gdouble *cost = &control->cost[picture->idr ? 1 : 0];
  *cost = *cost > 0 ? *cost * (1 - RATE_LEARN) + measured * RATE_LEARN : measured;
}

void rate_control_spent(RateControl *control, gsize bytes) {
  control->level += (gdouble)bytes * 8;
}

static gint64 below_at(const RateControl *control, gdouble part, gint64 now_us) {
  gdouble excess = control->level - capacity(control) * part;
  if (excess <= 0 || control->drained_us == 0) return now_us;
  return MAX(control->drained_us + (gint64)(excess / (gdouble)control->ceiling * G_USEC_PER_SEC), now_us);
}

gint64 rate_control_ready_at(const RateControl *control, gint64 now_us) {
  return below_at(control, 1, now_us);
}

gint64 rate_control_room_at(const RateControl *control, gint64 now_us) {
  return below_at(control, RATE_REFINE_LEVEL, now_us);
}
