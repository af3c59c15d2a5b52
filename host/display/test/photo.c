/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/photo.h"

#include "host/display/test/noise.h"

#include <math.h>

/*
 * Coordinates: y runs from 0 at the top to 1 at the bottom; x has the same
 * unit and is 0 in the middle, so that shapes keep their proportions in any
 * picture.
 */

#define RIDGES 5u
#define HORIZON 0.66f
#define SHORE 0.70f

typedef struct {
  float r, g, b; /* 0 to 1 */
} Colour;

typedef struct {
  Colour zenith, middle, horizon; /* the sky from top to bottom */
  Colour sun, cloud, shade;       /* sunlight; clouds in it and out of it */
  Colour far, near, ground;       /* mountains, first and last; the pines */
  float sun_x, sun_y;
  guint32 seed;
} Mood;

static const Mood MOODS[PHOTO_MOODS] = {
    [PHOTO_DUSK] = {.zenith = {0.13f, 0.20f, 0.38f},
                    .middle = {0.52f, 0.44f, 0.58f},
                    .horizon = {1.0f, 0.74f, 0.50f},
                    .sun = {1.0f, 0.80f, 0.52f},
                    .cloud = {1.0f, 0.72f, 0.56f},
                    .shade = {0.36f, 0.30f, 0.44f},
                    .far = {0.62f, 0.52f, 0.60f},
                    .near = {0.13f, 0.17f, 0.25f},
                    .ground = {0.035f, 0.05f, 0.075f},
                    .sun_x = 0.24f,
                    .sun_y = 0.52f,
                    .seed = 11},
    [PHOTO_MORNING] = {.zenith = {0.20f, 0.45f, 0.60f},
                       .middle = {0.52f, 0.73f, 0.77f},
                       .horizon = {0.97f, 0.91f, 0.79f},
                       .sun = {1.0f, 0.93f, 0.76f},
                       .cloud = {1.0f, 0.96f, 0.90f},
                       .shade = {0.58f, 0.68f, 0.74f},
                       .far = {0.60f, 0.72f, 0.76f},
                       .near = {0.10f, 0.26f, 0.28f},
                       .ground = {0.03f, 0.10f, 0.10f},
                       .sun_x = -0.30f,
                       .sun_y = 0.44f,
                       .seed = 37},
    [PHOTO_NIGHTFALL] = {.zenith = {0.07f, 0.07f, 0.20f},
                         .middle = {0.28f, 0.20f, 0.44f},
                         .horizon = {0.86f, 0.50f, 0.60f},
                         .sun = {1.0f, 0.66f, 0.62f},
                         .cloud = {0.82f, 0.50f, 0.62f},
                         .shade = {0.20f, 0.15f, 0.32f},
                         .far = {0.46f, 0.34f, 0.54f},
                         .near = {0.09f, 0.09f, 0.20f},
                         .ground = {0.03f, 0.03f, 0.07f},
                         .sun_x = 0.05f,
                         .sun_y = 0.60f,
                         .seed = 71},
    [PHOTO_DAY] = {.zenith = {0.16f, 0.38f, 0.68f},
                   .middle = {0.42f, 0.64f, 0.85f},
                   .horizon = {0.86f, 0.92f, 0.95f},
                   .sun = {1.0f, 0.97f, 0.88f},
                   .cloud = {1.0f, 1.0f, 1.0f},
                   .shade = {0.66f, 0.73f, 0.82f},
                   .far = {0.55f, 0.66f, 0.78f},
                   .near = {0.14f, 0.29f, 0.20f},
                   .ground = {0.05f, 0.11f, 0.06f},
                   .sun_x = -0.55f,
                   .sun_y = -0.12f,
                   .seed = 101},
};

typedef struct {
  const Mood *mood;
  Image *image;
  float unit;           /* of one pixel */
  float *ridge[RIDGES]; /* y of each ridge's top, by column */
} Photo;

static inline Colour mix(Colour a, Colour b, float t) {
  return (Colour){a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t};
}

static inline Colour glow(Colour base, Colour light, float t) {
  return (Colour){base.r + light.r * t, base.g + light.g * t, base.b + light.b * t};
}

static inline Colour dim(Colour base, float t) {
  return (Colour){base.r * t, base.g * t, base.b * t};
}

static inline float clamp(float t) {
  return t < 0 ? 0 : t > 1 ? 1 : t;
}

static inline float step(float from, float to, float value) {
  float t = clamp((value - from) / (to - from));
  return t * t * (3 - 2 * t);
}

static inline guint32 word_of(Colour colour, float dither) {
  guint r = (guint)(clamp(colour.r) * 254 + dither), g = (guint)(clamp(colour.g) * 254 + dither);
  guint b = (guint)(clamp(colour.b) * 254 + dither);
  return 0xff000000u | r << 16 | g << 8 | b;
}

static inline Colour colour_of(guint32 word) {
  const float unit = 1.0f / 255;
  return (Colour){(float)(word >> 16 & 255) * unit, (float)(word >> 8 & 255) * unit, (float)(word & 255) * unit};
}

/* Clouds lie on a ceiling, seen in perspective: smaller and closer together toward the horizon. */
static Colour add_clouds(const Mood *mood, Colour sky, float x, float y, float near_sun) {
  float depth = 0.16f / (HORIZON + 0.10f - y);
  float u = x * depth * 5.0f, v = depth * 9.0f;
  float bend = noise_smooth(u * 0.8f + 9, v * 0.8f, mood->seed);
  float body = noise_fractal(u + bend * 0.7f, v * 1.15f + bend * 0.4f, 6, mood->seed + 20);
  float cover = step(0.02f, 0.46f, body + 0.10f * noise_smooth(u * 0.3f, v * 0.3f, mood->seed + 5));
  float thick = step(0.16f, 0.62f, body);
  Colour lit = mix(mood->cloud, mood->sun, near_sun);
  Colour cloud = mix(lit, mood->shade, thick * (0.80f - 0.45f * near_sun));
  return mix(sky, cloud, cover * 0.88f * step(HORIZON, HORIZON - 0.14f, y));
}

static Colour sky_at(const Mood *mood, float x, float y) {
  float down = clamp(y / HORIZON);
  Colour sky = mix(mix(mood->zenith, mood->middle, step(0, 0.66f, down)), mood->horizon, step(0.42f, 1.0f, down));
  float dx = x - mood->sun_x, dy = y - mood->sun_y;
  float distance = sqrtf(dx * dx + dy * dy);
  float halo = expf(-distance * 5.5f);
  sky = glow(sky, mood->sun, 0.34f * halo);
  sky = mix(sky, (Colour){1, 0.985f, 0.93f}, step(0.034f, 0.029f, distance));
  sky = glow(sky, mood->sun, 0.45f * expf(-distance * 26.0f));
  return add_clouds(mood, sky, x, y, clamp(halo * 1.3f));
}

/* How far down a ridge's top lies: broad masses, sharpened into peaks, roughened. */
static float ridge_top(const Mood *mood, guint ridge, float x) {
  static const float BASE[RIDGES] = {0.60f, 0.64f, 0.655f, 0.685f, 0.70f};
  static const float RISE[RIDGES] = {0.24f, 0.27f, 0.17f, 0.085f, 0.035f};
  static const float WIDE[RIDGES] = {1.9f, 1.35f, 2.1f, 2.6f, 4.4f};
  guint32 seed = mood->seed * 7 + ridge * 31;
  float along = x * WIDE[ridge] + (float)ridge * 17.3f;
  float mass = 1 - 2.0f * fabsf(noise_smooth(along, 0.37f, seed));
  float rough = noise_fractal(along * 3.1f, 4.2f, 6, seed + 3);
  return BASE[ridge] - RISE[ridge] * (0.75f * mass * mass + 0.22f * rough);
}

static void survey(Photo *photo) {
  guint width = photo->image->width;
  for (guint ridge = 0; ridge < RIDGES; ridge++) {
    photo->ridge[ridge] = g_new(float, width);
    for (guint i = 0; i < width; i++) {
      float x = ((float)i + 0.5f - (float)width / 2) * photo->unit;
      photo->ridge[ridge][i] = ridge_top(photo->mood, ridge, x);
    }
  }
}

/* Rock, with light from the sun's side and snow on high ledges, fading into the haze of its valley. */
static Colour rock_at(const Mood *mood, guint ridge, float x, float y, float top) {
  float below = y - top, nearness = (float)ridge / (RIDGES - 1);
  Colour body = mix(mood->far, mood->near, 0.10f + 0.90f * nearness);
  guint32 seed = mood->seed * 13 + ridge;
  float scale = 8.0f + 9.0f * nearness;
  float lean = x * scale + below * scale * 0.9f;
  float facet = noise_fractal(lean, below * scale * 0.8f + top * 6, 5, seed);
  body = dim(body, 1.0f + 0.42f * facet);
  body = glow(body, mood->sun, 0.16f * (1 - nearness * 0.7f) * clamp(facet * 2.2f));
  if (ridge == 1) {
    float snow = step(0.02f, 0.16f, facet + 0.30f - below * 3.6f) * step(0.52f, 0.44f, top + 0.5f * below);
    body = mix(body, mix((Colour){0.93f, 0.94f, 0.97f}, mood->sun, 0.35f), snow * (0.62f + 0.5f * clamp(facet)));
  }
  if (ridge >= 3) body = dim(body, 0.90f + 0.30f * noise_smooth(x * 160, y * 120, seed + 9));
  float haze = (0.62f - 0.10f * (float)ridge) * step(0.0f, 0.20f - 0.02f * (float)ridge, below);
  return mix(body, mix(mood->horizon, mood->far, 0.35f), clamp(haze));
}

/* Above the shore: what is nearest and covers the pixel, and at its edge, the one behind. */
static Colour land_at(const Photo *photo, guint column, float x, float y) {
  float cover[RIDGES];
  gint first = -1; /* the nearest that covers all */
  for (gint i = RIDGES - 1; i >= 0 && first < 0; i--) {
    cover[i] = clamp((y - photo->ridge[i][column]) / photo->unit + 0.5f);
    if (cover[i] >= 1) first = i;
  }
  Colour colour =
      first < 0 ? sky_at(photo->mood, x, y) : rock_at(photo->mood, (guint)first, x, y, photo->ridge[first][column]);
  for (guint i = (guint)(first + 1); i < RIDGES; i++) {
    if (cover[i] > 0) colour = mix(colour, rock_at(photo->mood, i, x, y, photo->ridge[i][column]), cover[i]);
  }
  return colour;
}

/* The lake shows the rows above the shore upside down, moved sideways by ripples that flatten with distance. */
static Colour lake_at(const Photo *photo, gint column, float x, float y) {
  const Mood *mood = photo->mood;
  float depth = y - SHORE;
  float across = x * (6 / (0.06f + depth)) * 0.22f, along = 5.0f / (0.035f + depth);
  float ripple = noise_fractal(across, along * 1.6f, 4, mood->seed + 60);
  float up = SHORE - depth * 1.25f - ripple * depth * 0.10f;
  gint from_y = (gint)(up / photo->unit), shift = (gint)(ripple * 0.05f * (0.15f + depth) / photo->unit);
  gint last_row = (gint)(SHORE / photo->unit) - 1;
  from_y = CLAMP(from_y, 0, MAX(last_row, 0));
  gint from_x = CLAMP(column + shift, 0, (gint)photo->image->width - 1);
  Colour mirrored = colour_of(image_row(photo->image, (guint)from_y)[from_x]);
  Colour water = mix(dim(mirrored, 0.86f), mood->near, 0.10f + 0.45f * step(0, 0.34f, depth));
  float path = expf(-fabsf(x - mood->sun_x) * (9 - depth * 12));
  water = glow(water, mood->sun, 0.55f * path * step(0.12f, 0.50f, ripple + 0.25f * path));
  return mix(water, mood->horizon, 0.30f * step(0.035f, 0.0f, depth));
}

/* How much of the pixel pines cover: triangles with a jagged edge, tall at the picture's sides, none in its middle. */
static float pines_at(const Photo *photo, float x, float y) {
  const float spacing = 0.026f;
  float aspect = (float)photo->image->width * photo->unit / 2, cover = 0;
  gint nearest = (gint)floorf(x / spacing);
  for (gint i = nearest - 2; i <= nearest + 2; i++) {
    guint32 seed = photo->mood->seed * 3;
    float middle = ((float)i + 0.25f + 0.5f * noise_unit((guint32)i, seed)) * spacing;
    float aside = clamp(fabsf(middle + 0.08f) / MAX(aspect, 0.3f));
    float tall = (0.04f + 0.34f * step(0.30f, 1.0f, aside)) * (0.55f + 0.6f * noise_unit((guint32)i, seed + 1));
    float below = y - (1.04f - tall);
    if (below < 0) continue;
    float branch = below * (58 - 40 * below), tier = branch - floorf(branch);
    float half = below * 0.155f * (0.55f + 0.60f * tier) + 0.0012f;
    half += 0.006f * noise_smooth(x * 260, y * 300, seed + 2) * MIN(below * 14, 1);
    cover = MAX(cover, clamp((half - fabsf(x - middle)) / photo->unit + 0.5f));
  }
  return cover;
}

static Colour pixel_at(const Photo *photo, guint column, float x, float y) {
  Colour colour = y < SHORE ? land_at(photo, column, x, y) : lake_at(photo, (gint)column, x, y);
  if (y > 0.58f) {
    float pines = pines_at(photo, x, y);
    if (pines > 0) {
      float leaf = 1 + 0.9f * noise_fractal(x * 90, y * 70, 3, photo->mood->seed + 90);
      colour = mix(colour, dim(photo->mood->ground, leaf), pines * 0.97f);
    }
  }
  float aspect = (float)photo->image->width * photo->unit / 2, corner = x / MAX(aspect, 0.1f);
  float vignette = 1 - 0.16f * corner * corner * (0.35f + (y - 0.5f) * (y - 0.5f) * 2.6f);
  return dim(colour, vignette);
}

static void expose(Photo *photo) {
  guint width = photo->image->width;
  for (guint row = 0; row < photo->image->height; row++) {
    guint32 *pixels = image_row(photo->image, row);
    for (guint i = 0; i < width; i++) {
      float x = ((float)i + 0.5f - (float)width / 2) * photo->unit, y = ((float)row + 0.5f) * photo->unit;
      /* dithered: gradients this wide would show steps */
      pixels[i] = word_of(pixel_at(photo, i, x, y), noise_unit(i, row));
    }
  }
}

Image *photo_create(guint width, guint height, PhotoMood mood) {
  Photo photo = {.mood = &MOODS[mood], .image = image_create(width, height), .unit = 1.0f / (float)height};
  survey(&photo);
  expose(&photo);
  for (guint i = 0; i < RIDGES; i++) g_free(photo.ridge[i]);
  return photo.image;
}
