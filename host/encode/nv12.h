/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * Packed pixels to NV12: BT.709, limited range (ITU-R BT.709-6 section 3,
 * H.264 table E-5 matrix_coefficients 1), chroma the mean of 2×2 pixels. An
 * own conversion because the libraries at hand do BT.601 only, or cost six
 * times as much (libyuv, swscale).
 *
 * Converting a rectangle gives exactly the bytes that converting the whole
 * picture gives there: damage hints to an encoder depend on it.
 */

typedef struct {
  guint width; /* even: odd pictures repeat their last column and row */
  guint height;
  gsize stride; /* of both planes, bytes */
  guint8 *luma;
  guint8 *chroma; /* U, V interleaved; stride × height / 2 */
} Nv12;

/* Black. FALSE where there is no memory. width and height are the picture's, odd or even. */
gboolean nv12_init(Nv12 *picture, guint width, guint height);
void nv12_finish(Nv12 *picture);

/* Converts the rectangle, grown to even borders. frame: packed, at most one pixel smaller than the picture either way.
 */
void nv12_convert(Nv12 *picture, const Frame *frame, const Rect *rect);
