/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * NAL units of an H.264 byte stream: ITU-T H.264 (08/2021) annex B and
 * section 7.4.1. Iterates in place, owns nothing, any input is safe.
 */

typedef enum {
  NAL_SLICE = 1,
  NAL_SLICE_IDR = 5,
  NAL_SEI = 6,
  NAL_SPS = 7,
  NAL_PPS = 8,
  NAL_AUD = 9,
} NalType;

typedef struct {
  const guint8 *data;  /* from the NAL header byte on, without start code and trailing zeros */
  gsize size;          /* at least 1 */
  const guint8 *entry; /* from the start code on: what goes on the wire */
  gsize entry_size;
} Nal;

typedef struct {
  const guint8 *data;
  gsize size;
  gsize position;
} AnnexbIterator;

void annexb_init(AnnexbIterator *iterator, const guint8 *data, gsize size);
/* FALSE at the end. Bytes before the first start code are passed over. */
gboolean annexb_next(AnnexbIterator *iterator, Nal *nal);

static inline guint nal_type(const Nal *nal) {
  return nal->data[0] & 0x1f;
}

/* The RBSP of a NAL (without its header byte): emulation prevention bytes taken out, section 7.3.1. `out` holds
 * nal->size bytes; returns how many were written. */
gsize nal_to_rbsp(const Nal *nal, guint8 *out);
