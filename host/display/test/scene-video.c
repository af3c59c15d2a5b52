/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/noise.h"
#include "host/display/test/scene.h"

#include <math.h>

/*
 * A film that fills the screen: a photo larger than the picture, panned by
 * sixteenths of a pixel, under grain that is new at every frame. The photo
 * keeps GRAIN clear of black and white, so that adding never overflows a byte.
 */

#define GRAIN 10
#define GRAIN_WORDS 65536u /* a power of two, twice the longest row and more */
#define GRAIN_MASK (GRAIN_WORDS / 2 - 1)
#define BLOCK 64u /* bytes, what IMAGE_ALIGN grants */

G_STATIC_ASSERT(GRAIN_WORDS / 2 >= FRAME_MAX_WIDTH + 16);
G_STATIC_ASSERT(IMAGE_ALIGN % BLOCK == 0);

typedef struct {
  Image *photo;
  guint32 *grain;
  guint reach_x, reach_y; /* whole pixels that the pan spans */
} VideoScene;

static void fit_range(Image *photo) {
  for (guint row = 0; row < photo->height; row++) {
    guint8 *bytes = photo->data + row * photo->stride;
    for (guint i = 0; i < photo->width * 4; i++) {
      if (i % 4 != 3) bytes[i] = (guint8)(GRAIN + bytes[i] * (255 - 2 * GRAIN) / 255);
    }
  }
}

/* The same in blue, green and red, as film has it; bytes that wrap around stand for what is below zero. */
static guint32 *grain_create(void) {
  guint32 *grain = g_new(guint32, GRAIN_WORDS);
  for (guint i = 0; i < GRAIN_WORDS; i++) {
    float sum = noise_unit(i, 1) + noise_unit(i, 2) + noise_unit(i, 3) - 1.5f;
    guint8 level = (guint8)(gint)(sum / 1.5f * GRAIN);
    grain[i] = (guint32)level * 0x010101u;
  }
  return grain;
}

static gpointer create(Desktop *desktop) {
  const Image *picture = desktop->image;
  VideoScene *scene = g_new0(VideoScene, 1);
  scene->reach_x = picture->width / 8;
  scene->reach_y = picture->height / 8;
  /* 17: the last block of a row, and the neighbour that is mixed in */
  scene->photo =
      photo_create(picture->width + scene->reach_x + 17, picture->height + scene->reach_y + 2, desktop->theme->mood);
  fit_range(scene->photo);
  scene->grain = grain_create();
  return scene;
}

static void destroy(gpointer data) {
  VideoScene *scene = data;
  image_destroy(scene->photo);
  g_free(scene->grain);
  g_free(scene);
}

typedef struct {
  guint16 here, right, below, across; /* in 1/256, together 256 */
} Weights;

/* Blocks of a fixed size with nothing to decide inside: compilers turn them into vector instructions at -O2. */
static void paint_row(guint8 *restrict to, const guint8 *restrict from, gsize stride, const guint8 *restrict grain,
                      gsize bytes, Weights weights) {
  const guint8 *restrict under = from + stride;
  for (gsize at = 0; at < bytes; at += BLOCK) {
    for (guint i = 0; i < BLOCK; i++) {
      guint16 sum = (guint16)(from[at + i] * weights.here + from[at + i + 4] * weights.right +
                              under[at + i] * weights.below + under[at + i + 4] * weights.across);
      to[at + i] = (guint8)((sum >> 8) + grain[at + i]);
    }
  }
}

/* Sixteenths of a pixel, 0 to 16 × reach; slow waves that have no common period soon. */
static guint pan(guint64 n, guint period, guint reach) {
  double phase = 2 * G_PI * (double)(n % period) / period;
  return (guint)((0.5 - 0.5 * cos(phase)) * reach * 16);
}

static void paint(gpointer data, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
  const VideoScene *scene = data;
  guint x = pan(n + 97, 787, scene->reach_x), y = pan(n + 31, 601, scene->reach_y);
  guint right = x & 15, down = y & 15;
  Weights weights = {(guint16)((16 - right) * (16 - down)), (guint16)(right * (16 - down)),
                     (guint16)((16 - right) * down), (guint16)(right * down)};
  gsize bytes = ((gsize)picture->width * 4 + BLOCK - 1) / BLOCK * BLOCK;
  for (guint row = 0; row < picture->height; row++) {
    const guint8 *from = scene->photo->data + (row + (y >> 4)) * scene->photo->stride + (gsize)(x >> 4) * 4;
    const guint32 *grain = scene->grain + (noise_hash((guint32)n, row) & GRAIN_MASK);
    paint_row(picture->data + row * picture->stride, from, scene->photo->stride, (const guint8 *)grain, bytes, weights);
  }
  scene_damage_add(damage, picture, 0, 0, picture->width, picture->height);
}

const SceneInterface scene_video = {.create = create, .destroy = destroy, .paint = paint};
