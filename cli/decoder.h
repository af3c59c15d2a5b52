/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* H.264 by libavcodec, one access unit in, one picture out: what a viewer's decoder will make of a stream. One thread.
 */

typedef struct Decoder Decoder;

/* Borrowed until the next call. */
typedef struct {
  guint width;
  guint height;
  const guint8 *planes[3]; /* Y, U, V; 4:2:0 */
  gsize strides[3];
} DecodedPicture;

Decoder *decoder_create(GError **error);
void decoder_destroy(Decoder *decoder); /* NULL is legal */

/* TRUE: it was taken, and *got says whether a picture came out at once, as it must. FALSE and error: it is damaged. */
gboolean decoder_decode(Decoder *decoder, const guint8 *data, gsize size, DecodedPicture *picture, gboolean *got,
                        GError **error);
