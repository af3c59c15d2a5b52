/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/noise.h"

static inline gint floor_of(float value) {
  gint whole = (gint)value;
  return whole - (value < (float)whole);
}

static inline float corner(guint32 hash, float x, float y) {
  static const float DIRECTIONS[8][2] = {
      {1, 0}, {0, 1}, {-1, 0}, {0, -1}, {0.707f, 0.707f}, {-0.707f, 0.707f}, {0.707f, -0.707f}, {-0.707f, -0.707f}};
  const float *direction = DIRECTIONS[hash >> 29];
  return direction[0] * x + direction[1] * y;
}

static inline float fade(float t) {
  return t * t * t * (t * (t * 6 - 15) + 10);
}

float noise_smooth(float x, float y, guint32 seed) {
  gint column = floor_of(x), row = floor_of(y);
  float fx = x - (float)column, fy = y - (float)row;
  guint32 left = (guint32)column ^ seed * 0x68e31da4u, top = (guint32)row;
  guint32 right = (guint32)(column + 1) ^ seed * 0x68e31da4u;
  float a = corner(noise_hash(left, top), fx, fy), b = corner(noise_hash(right, top), fx - 1, fy);
  float c = corner(noise_hash(left, top + 1), fx, fy - 1), d = corner(noise_hash(right, top + 1), fx - 1, fy - 1);
  float u = fade(fx), v = fade(fy);
  float upper = a + (b - a) * u, lower = c + (d - c) * u;
  return upper + (lower - upper) * v;
}

float noise_fractal(float x, float y, guint octaves, guint32 seed) {
  float sum = 0, strength = 0.75f;
  for (guint i = 0; i < octaves; i++) {
    sum += strength * noise_smooth(x, y, seed + i);
    /* turned a little at each octave, or the lattices line up and show */
    float turned = 1.7f * x + 1.1f * y;
    y = 1.7f * y - 1.1f * x;
    x = turned;
    strength *= 0.5f;
  }
  return sum;
}
