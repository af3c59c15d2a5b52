/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/photo.h"

/* What tells one scanout's desktop from another's. */

typedef struct {
  const char *name; /* "amber"; static storage */
  guint32 accent;   /* 0xRRGGBB, readable on light and dark */
  PhotoMood mood;   /* of the wallpaper */
} Theme;

/* The theme of a scanout, any number; static storage. */
const Theme *theme_of(guint scanout);
