/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/image.h"

/*
 * Photographs that nobody had to take: mountains behind a lake, with sky,
 * clouds, pines and fine texture, computed from the mood and the size alone.
 * About a quarter of a microsecond a pixel.
 */

typedef enum {
  PHOTO_DUSK,
  PHOTO_MORNING,
  PHOTO_NIGHTFALL,
  PHOTO_DAY,
  PHOTO_MOODS,
} PhotoMood;

/* Opaque; the caller destroys it. The mountains differ from mood to mood. */
Image *photo_create(guint width, guint height, PhotoMood mood);
