/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* Repeatable randomness, smooth and not: the same numbers give the same result, always. Any thread. */

static inline guint32 noise_hash(guint32 a, guint32 b) {
  guint32 h = a * 0x9e3779b1u ^ (b + 0x7f4a7c15u) * 0x85ebca77u;
  h = (h ^ h >> 15) * 0x2c1b3c6du;
  h = (h ^ h >> 12) * 0x297a2d39u;
  return h ^ h >> 15;
}

/* 0 to 1 */
static inline float noise_unit(guint32 a, guint32 b) {
  return (float)(noise_hash(a, b) >> 8) * (1.0f / 16777216.0f);
}

/* Gradient noise, about -0.7 to 0.7, zero on whole coordinates; |x| and |y| below 2^30. */
float noise_smooth(float x, float y, guint32 seed);
/* Octaves of it, each twice as fine and half as strong as the one before; about -1 to 1. */
float noise_fractal(float x, float y, guint octaves, guint32 seed);
