/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Which quantiser the next picture gets. Arithmetic on the sizes of those
 * before: no encoder, no clock of its own, no threads.
 *
 * The model: a leaky bucket that holds RATE_BUCKET_MS of the ceiling and
 * drains at the ceiling. A picture's size is predicted from the one before of
 * its kind, at 2^((QP' - QP)/6) times the bits for another quantiser and in
 * proportion to its damage. The quantiser is the lowest, from RATE_BASE_QP
 * up, whose predicted size fits into what the bucket has left. A desktop at
 * rest never touches the ceiling; a full-screen video rides on it.
 *
 * When the screen is still, quality comes back in steps down to RATE_FINE_QP
 * (refinement), and then nothing is sent.
 */

#define RATE_BUCKET_MS 400u
#define RATE_BASE_QP 24u /* moving pictures: 41 to 45 dB on desktop scenes */
#define RATE_FINE_QP 18u /* still ones: nobody tells them from the source */
#define RATE_IDR_QP 30u  /* of a moving picture: a third of the bytes of 24, and refined at once */
#define RATE_REFINE_STEP 4u

typedef struct {
  guint64 ceiling; /* bit/s */
  gdouble level;   /* bits in the bucket */
  gint64 drained_us;
  gdouble cost[2]; /* bits of a wholly damaged picture at QP 0 by the model: P, IDR */
} RateControl;

typedef struct {
  gboolean idr;
  gdouble damage; /* damaged part of the picture, 0 to 1 */
} RatePicture;

/* ceiling in bit/s. */
void rate_control_init(RateControl *control, guint64 ceiling);
void rate_control_set_ceiling(RateControl *control, guint64 ceiling);

/* The quantiser, from `floor_qp` up. */
guint rate_control_choose(RateControl *control, const RatePicture *picture, guint floor_qp, gint64 now_us);
/* What it came out as. */
void rate_control_encoded(RateControl *control, const RatePicture *picture, guint qp, gsize bytes);
/* Bytes beside the moving pictures: refinements, repeats. */
void rate_control_spent(RateControl *control, gsize bytes);

/* When the bucket has room for another moving picture (so that the frame rate follows where even the highest quantiser
 * is too much), and for a refinement: monotonic microseconds, now_us or later. */
gint64 rate_control_ready_at(const RateControl *control, gint64 now_us);
gint64 rate_control_room_at(const RateControl *control, gint64 now_us);
