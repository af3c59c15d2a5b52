/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * A fingerprint: some places of a picture and the colours there, by which
 * somebody else can tell that his picture is the same one without either
 * being sent (F27). The places are a grid's cells with one random place in
 * each, others every time, so that pictures that differ anywhere are told
 * apart after some frames. No state, any thread.
 */

/* 2 KB on the wire: less than a packet more than a plain request, and a difference of 1/256 of the picture is met. */
#define FINGERPRINT_MAX_PLACES 256u

typedef struct {
  guint16 x;
  guint16 y;
  guint32 pixel; /* 0x00RRGGBB */
} FingerprintPlace;

typedef struct {
  guint count;
  FingerprintPlace places[FINGERPRINT_MAX_PLACES];
} Fingerprint;

/* side × side places (as many as the picture has at least), side at most 16. frame: packed, not empty. *random: the
 * state of the generator, not 0; the same one gives the same places. */
void fingerprint_take(Fingerprint *fingerprint, const Frame *frame, guint side, guint64 *random);

/* Every place has its colour in `frame`, which is packed; alpha is not looked at. Places outside it agree with nothing.
 * Within a shadow's read this may meet the writer: what it says is then to be thrown away. */
gboolean fingerprint_agrees(const Fingerprint *fingerprint, const Frame *frame);
