/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Whether the host is asked to compare a frame with its scanout, or is sent
 * pixels: the first frame of a connection or of a size is compared closely,
 * those after it less closely while they agree; when one does not, pixels go,
 * and another try is made after a pause that grows. Arithmetic: the clock is
 * passed in. One thread.
 */

/* Places of a fingerprint, a side of the grid: where it decides, and where the ones before agreed. */
#define UPLOAD_WAY_DECIDING_SIDE 16u
#define UPLOAD_WAY_SIDE 8u
/* Pauses between tries while pixels go: 1, 2, 4, 8 s. A scanout that agreed for the longest is a reliable one, and the
 * pauses begin anew; one that agrees now and then costs an IDR at each change of mind. */
#define UPLOAD_WAY_PAUSE_MS 1000u
#define UPLOAD_WAY_MAX_PAUSE_MS 8000u

typedef struct {
  guint width; /* of the frames it knows about */
  guint height;
  gboolean agreed;  /* the last answer for this size */
  gboolean pixels;  /* likewise, and it was no */
  gint64 agreed_us; /* monotonic: since when; 0: it does not */
  gint64 try_us;    /* monotonic: when the next try is due */
  guint pause_ms;   /* the last one; 0: none yet */
} UploadWay;

void upload_way_init(UploadWay *way);

/* The side of the grid of places for a frame of that size; 0: its pixels. */
guint upload_way_side(const UploadWay *way, guint width, guint height, gint64 now_us);
/* A fingerprint of such a frame was sent: until its answer there is no other try. */
void upload_way_asked(UploadWay *way, guint width, guint height);
/* What the host says of a fingerprint of a frame of that size. FALSE: that was known. */
gboolean upload_way_agreed(UploadWay *way, guint width, guint height, gint64 now_us);
gboolean upload_way_refused(UploadWay *way, guint width, guint height, gint64 now_us);
/* The host answered by an error: nothing is known, and another try is made later. */
void upload_way_failed(UploadWay *way, gint64 now_us);
