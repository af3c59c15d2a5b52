/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/cube.h"

#include "host/display/test/brush.h"
#include "host/display/test/photo.h"

#include <math.h>

/*
 * The eye is at the origin and looks along +z; the cube's corners are ±1
 * around (0, 0, DISTANCE). A pixel's ray D meets the plane of the face with
 * corner P and sides U, V where P + uU + vV is a multiple of D. With
 * A = V×P, B = P×U, C = U×V this gives u = D·A / D·C and v = D·B / D·C: three
 * numbers that are linear along a row, and two divisions. Dividing at every
 * SPAN pixels and going straight in between cannot be told apart.
 */

#define DISTANCE 4.6
#define SPAN 16
#define EDGE_ON 0.004 /* a face turned this far away is thinner than a pixel */
#define TEXTURE 512u  /* pixels; a power of two */
#define TEXTURES 3u
#define EDGES 4u

typedef struct {
  double x, y, z;
} Vector;

typedef struct {
  double a, b, c; /* distance of (x, y) from the edge, pixels, positive inside: ax + by + c */
} Edge;

typedef struct {
  Vector corner, across, down; /* P, U, V */
  Vector normal;
  const Image *texture;
  guint light; /* 0 to 256 */
  Edge edges[EDGES];
  double left, right, top, bottom; /* of its corners */
} Face;

struct Cube {
  guint size;
  double focal; /* pixels */
  Image *textures[TEXTURES];
};

static Vector cross(Vector a, Vector b) {
  return (Vector){a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}

static double dot(Vector a, Vector b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}

static Vector add(Vector a, Vector b, double scale) {
  return (Vector){a.x + b.x * scale, a.y + b.y * scale, a.z + b.z * scale};
}

/* A photo in a light frame. */
static Image *texture_create(PhotoMood mood) {
  Image *image = photo_create(TEXTURE, TEXTURE, mood);
  cairo_t *cairo = image_cairo(image);
  cairo_set_line_width(cairo, 44);
  cairo_rectangle(cairo, 0, 0, TEXTURE, TEXTURE);
  brush_colour(cairo, 0xf3efe8, 1);
  cairo_stroke(cairo);
  cairo_set_line_width(cairo, 2);
  cairo_rectangle(cairo, 22, 22, TEXTURE - 44, TEXTURE - 44);
  brush_colour(cairo, 0x000000, 0.45);
  cairo_stroke(cairo);
  cairo_destroy(cairo);
  return image;
}

Cube *cube_create(guint size) {
  static const PhotoMood MOODS[TEXTURES] = {PHOTO_DUSK, PHOTO_DAY, PHOTO_MORNING};
  Cube *cube = g_new0(Cube, 1);
  cube->size = size;
  /* a corner is √3 from the middle; seen from the side at its widest it just touches the square, less a margin to
   * smooth in */
  cube->focal = MAX(size / 2.0 - 2, 1) * sqrt(DISTANCE * DISTANCE - 3) / sqrt(3);
  for (guint i = 0; i < TEXTURES; i++) cube->textures[i] = texture_create(MOODS[i]);
  return cube;
}

void cube_destroy(Cube *cube) {
  if (!cube) return;
  for (guint i = 0; i < TEXTURES; i++) image_destroy(cube->textures[i]);
  g_free(cube);
}

/* The cube's own x, y and z directions at frame n. Periods without a common factor near: it is long before it repeats.
 */
static void turn(guint64 n, Vector axes[3]) {
  double a = 2 * G_PI * (double)((n + 40) % 419) / 419, b = 2 * G_PI * (double)((n + 75) % 631) / 631;
  double ca = cos(a), sa = sin(a), cb = cos(b), sb = sin(b);
  axes[0] = (Vector){ca, sa * sb, sa * cb};
  axes[1] = (Vector){0, cb, -sb};
  axes[2] = (Vector){-sa, ca * sb, ca * cb};
}

static Vector project(const Cube *cube, Vector point) {
  return (Vector){cube->size / 2.0 + cube->focal * point.x / point.z,
                  cube->size / 2.0 + cube->focal * point.y / point.z, 0};
}

/* Corners go round the face: P, P+U, P+U+V, P+V. */
static void outline(const Cube *cube, Face *face, Vector points[EDGES]) {
  points[0] = project(cube, face->corner);
  points[1] = project(cube, add(face->corner, face->across, 1));
  points[2] = project(cube, add(add(face->corner, face->across, 1), face->down, 1));
  points[3] = project(cube, add(face->corner, face->down, 1));
}

static void measure(const Cube *cube, Face *face) {
  Vector points[EDGES];
  outline(cube, face, points);
  face->left = face->right = points[0].x;
  face->top = face->bottom = points[0].y;
  double middle_x = (points[0].x + points[2].x) / 2, middle_y = (points[0].y + points[2].y) / 2;
  for (guint i = 0; i < EDGES; i++) {
    Vector from = points[i], to = points[(i + 1) % EDGES];
    double dx = to.x - from.x, dy = to.y - from.y, length = MAX(hypot(dx, dy), 1e-6);
    Edge edge = {-dy / length, dx / length, (dy * from.x - dx * from.y) / length};
    if (edge.a * middle_x + edge.b * middle_y + edge.c < 0) edge = (Edge){-edge.a, -edge.b, -edge.c};
    face->edges[i] = edge;
    face->left = MIN(face->left, from.x);
    face->right = MAX(face->right, from.x);
    face->top = MIN(face->top, from.y);
    face->bottom = MAX(face->bottom, from.y);
  }
}

static gboolean same_edge(const Face *a, guint i, const Face *b) {
  /* the middle of an edge lies on both faces that share it: a point on b's plane, and inside b's square */
  Vector ends[EDGES] = {a->corner, add(a->corner, a->across, 1), add(add(a->corner, a->across, 1), a->down, 1),
                        add(a->corner, a->down, 1)};
  Vector middle = add(add(ends[i], ends[i], -0.5), ends[(i + 1) % EDGES], 0.5);
  return fabs(dot(add(middle, b->corner, -1), b->normal)) < 1e-6;
}

/* The faces that look at the eye, at most three. */
static guint visible(const Cube *cube, guint64 n, Face faces[3]) {
  static const Vector LIGHT = {-0.36, -0.62, -0.70};
  Vector axes[3];
  guint count = 0;
  turn(n, axes);
  for (guint i = 0; i < 6 && count < 3; i++) {
    double side = i < 3 ? 1 : -1;
    Vector normal = add((Vector){0, 0, 0}, axes[i % 3], side), middle = add((Vector){0, 0, DISTANCE}, normal, 1);
    if (dot(normal, middle) >= -EDGE_ON) continue;
    /* the cube's y is down on the faces that stand upright, so that their pictures do too */
    guint down_axis = i % 3 == 1 ? 0 : 1, across_axis = 3 - down_axis - i % 3;
    Vector across = add((Vector){0, 0, 0}, axes[across_axis], i % 3 == 0 ? -2 * side : 2 * side);
    Vector down = add((Vector){0, 0, 0}, axes[down_axis], 2);
    Face *face = &faces[count++];
    *face = (Face){.corner = add(add(middle, across, -0.5), down, -0.5),
                   .across = across,
                   .down = down,
                   .normal = normal,
                   .texture = cube->textures[i % TEXTURES]};
    face->light = (guint)(110 + 146 * CLAMP(dot(normal, LIGHT), 0, 1));
    measure(cube, face);
  }
  /* Smoothing both sides of a shared edge would let the ground shine through: the face painted first reaches a pixel
   * under the one painted over it. */
  for (guint i = 0; i < count; i++) {
    for (guint e = 0; e < EDGES; e++) {
      for (guint j = i + 1; j < count; j++) faces[i].edges[e].c += same_edge(&faces[i], e, &faces[j]) ? 1.0 : 0.0;
    }
  }
  return count;
}

static inline guint32 weigh(guint32 a, guint32 b, guint32 weight) {
  return (a * (256 - weight) + b * weight) >> 8 & 0x00ff00ffu;
}

static inline guint32 weigh_high(guint32 a, guint32 b, guint32 weight) {
  return ((a >> 8 & 0x00ff00ffu) * (256 - weight) + (b >> 8 & 0x00ff00ffu) * weight) >> 8 & 0x00ff00ffu;
}

/* The four channels, 16 bits apart. */
static inline guint64 spread(guint32 pixel) {
  return (pixel | (guint64)pixel << 24) & G_GUINT64_CONSTANT(0x00ff00ff00ff00ff);
}

/* Bilinear; u and v in 1/65536 of a texture pixel. The light is part of the weights. */
static inline guint32 sample(const Image *texture, gint u, gint v, guint light) {
  const gint limit = ((gint)TEXTURE - 1) * 65536 - 1;
  u = CLAMP(u, 0, limit);
  v = CLAMP(v, 0, limit);
  const guint32 *at = (const guint32 *)(gconstpointer)(texture->data + (gsize)(v >> 16) * texture->stride) + (u >> 16);
  const guint32 *below = at + texture->stride / 4;
  guint right = (guint)(u >> 8 & 255), down = (guint)(v >> 8 & 255) * light >> 8;
  guint up = light - down, up_right = up * right >> 8, down_right = down * right >> 8;
  guint64 sum = spread(at[0]) * (up - up_right) + spread(at[1]) * up_right + spread(below[0]) * (down - down_right) +
                spread(below[1]) * down_right;
  sum = sum >> 8 & G_GUINT64_CONSTANT(0x00ff00ff00ff00ff);
  return 0xff000000u | (guint32)(sum | sum >> 24);
}

static inline double cover_at(const Face *face, double x, double y) {
  double cover = 1;
  for (guint i = 0; i < EDGES; i++) {
    double inside = face->edges[i].a * x + face->edges[i].b * y + face->edges[i].c + 0.5;
    cover = MIN(cover, inside);
  }
  return MAX(cover, 0);
}

/* Columns at whose centres the pixel is at all inside; empty if from ≥ to. */
static void row_range(const Face *face, double y, gint size, gint *from, gint *to) {
  double left = 0, right = size;
  for (guint i = 0; i < EDGES; i++) {
    const Edge *edge = &face->edges[i];
    double rest = edge->b * y + edge->c + 0.5; /* covered where a·x + rest > 0 */
    if (fabs(edge->a) < 1e-9) {
      if (rest <= 0) right = -1;
    } else if (edge->a > 0) {
      left = MAX(left, -rest / edge->a);
    } else {
      right = MIN(right, -rest / edge->a);
    }
  }
  *from = (gint)floor(CLAMP(left, 0, size));
  *to = (gint)ceil(CLAMP(right, 0, size));
}

typedef struct {
  double u, v, w; /* D·A, D·B, D·C at a pixel */
} Plane;

static Plane plane_at(const Face *face, const Cube *cube, double x, double y) {
  Vector ray = {x - cube->size / 2.0, y - cube->size / 2.0, cube->focal};
  return (Plane){dot(ray, cross(face->down, face->corner)), dot(ray, cross(face->corner, face->across)),
                 dot(ray, cross(face->across, face->down))};
}

/* Where on the texture, in 1/65536 of its pixels; at the edges of a face seen at a sharp angle it may be far off it. */
static inline gint place_on_texture(double part, double whole) {
  const double unit = (TEXTURE - 1) * 65536.0;
  double place = fabs(whole) > 1e-9 ? part / whole : 0;
  return (gint)(CLAMP(place, -2, 3) * unit);
}

static inline guint32 mix_in(guint32 below, guint32 pixel, double cover) {
  guint32 weight = (guint32)(cover * 256 + 0.5);
  return 0xff000000u | weigh(below & 0x00ff00ffu, pixel & 0x00ff00ffu, weight) | weigh_high(below, pixel, weight) << 8;
}

/* `pixels` is where column 0 would be; [from, to) lies inside the picture. */
static void paint_row(const Cube *cube, const Face *face, guint32 *pixels, gint from, gint to, double y) {
  Plane here = plane_at(face, cube, from + 0.5, y), next = plane_at(face, cube, from + 1.5, y);
  Plane step = {next.u - here.u, next.v - here.v, next.w - here.w};
  gint u = place_on_texture(here.u, here.w), v = place_on_texture(here.v, here.w);
  for (gint x = from; x < to; x += SPAN) {
    gint count = MIN(SPAN, to - x);
    here = (Plane){here.u + step.u * count, here.v + step.v * count, here.w + step.w * count};
    gint u_end = place_on_texture(here.u, here.w), v_end = place_on_texture(here.v, here.w);
    gint u_step = (u_end - u) / count, v_step = (v_end - v) / count;
    /* a face is convex: what is whole at both ends is whole between them */
    gboolean whole = cover_at(face, x + 0.5, y) >= 1 && cover_at(face, x + count - 0.5, y) >= 1;
    for (gint i = x; i < x + count; i++, u += u_step, v += v_step) {
      guint32 pixel = sample(face->texture, u, v, face->light);
      pixels[i] = whole ? pixel : mix_in(pixels[i], pixel, cover_at(face, i + 0.5, y));
    }
    u = u_end;
    v = v_end;
  }
}

static void paint_face(const Cube *cube, const Face *face, Image *picture, gint x, gint y) {
  gint size = (gint)cube->size;
  gint top = MAX((gint)floor(face->top) - 1, MAX(0, -y));
  gint bottom = MIN((gint)ceil(face->bottom) + 1, MIN(size, (gint)picture->height - y));
  /* where two edges meet at a sharp corner, smoothing would run on beyond it */
  gint left = MAX((gint)floor(face->left) - 1, -x);
  gint right = MIN((gint)ceil(face->right) + 1, (gint)picture->width - x);
  for (gint row = top; row < bottom; row++) {
    gint from, to;
    row_range(face, row + 0.5, size, &from, &to);
    from = MAX(from, left);
    to = MIN(to, right);
    if (from < to) paint_row(cube, face, image_row(picture, (guint)(y + row)) + x, from, to, row + 0.5);
  }
}

Rect cube_bounds(const Cube *cube, guint64 n) {
  Vector axes[3];
  double left = cube->size, top = cube->size, right = 0, bottom = 0;
  turn(n, axes);
  for (guint i = 0; i < 8; i++) {
    Vector corner = {0, 0, DISTANCE};
    for (guint axis = 0; axis < 3; axis++) corner = add(corner, axes[axis], i >> axis & 1 ? 1 : -1);
    Vector point = project(cube, corner);
    left = MIN(left, point.x), right = MAX(right, point.x);
    top = MIN(top, point.y), bottom = MAX(bottom, point.y);
  }
  Rect bounds = {0, 0, cube->size, cube->size};
  /* two pixels of room: one for smoothing, one for the reach under a shared edge */
  rect_clip((gint64)floor(left) - 2, (gint64)floor(top) - 2, (gint64)ceil(right) - (gint64)floor(left) + 4,
            (gint64)ceil(bottom) - (gint64)floor(top) + 4, cube->size, cube->size, &bounds);
  return bounds;
}

void cube_paint(const Cube *cube, Image *picture, gint x, gint y, guint64 n) {
  Face faces[3];
  guint count = visible(cube, n, faces);
  for (guint i = 0; i < count; i++) paint_face(cube, &faces[i], picture, x, y);
}
