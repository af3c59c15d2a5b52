/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/nv12.h"

#include <string.h>

#define NV12_ALIGN 64u

/* BT.709's luma weights and their chroma rows, scaled to limited range and to 16 fractional bits. */
enum {
  Y_R = 11966, /* 0.2126 × 219/255 */
  Y_G = 40254, /* 0.7152 × 219/255 */
  Y_B = 4064,  /* 0.0722 × 219/255 */
  U_R = -6596, /* -0.2126 / 1.8556 × 224/255 */
  U_G = -22189,
  U_B = 28785, /* 0.5 × 224/255 */
  V_R = 28785,
  V_G = -26145, /* -0.7152 / 1.5748 × 224/255 */
  V_B = -2640,
};

/* Chroma works on the sum of four pixels: 18 fractional bits. */
#define Y_OFFSET ((16 << 16) + (1 << 15))
#define C_OFFSET ((128 << 18) + (1 << 17))

/* gcc vectorises these loops at -O3 only, clang at -O2. x86 twice, because not every one has AVX2; NEON is part of
 * every aarch64. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__) || !defined(__GNUC__)
#define NV12_VECTORISED
#elif defined(__x86_64__) && defined(__gnu_linux__)
#define NV12_VECTORISED __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define NV12_VECTORISED __attribute__((optimize("O3")))
#endif

gboolean nv12_init(Nv12 *picture, guint width, guint height) {
  g_assert(width > 0 && height > 0 && width <= FRAME_MAX_WIDTH && height <= FRAME_MAX_HEIGHT);
  picture->width = (width + 1) & ~1u;
  picture->height = (height + 1) & ~1u;
  picture->stride = (picture->width + NV12_ALIGN - 1) / NV12_ALIGN * NV12_ALIGN;
  picture->luma = g_try_malloc(picture->stride * picture->height * 3 / 2);
  if (!picture->luma) return FALSE;
  picture->chroma = picture->luma + picture->stride * picture->height;
  memset(picture->luma, 16, picture->stride * picture->height);
  memset(picture->chroma, 128, picture->stride * picture->height / 2);
  return TRUE;
}

void nv12_finish(Nv12 *picture) {
  g_clear_pointer(&picture->luma, g_free);
  *picture = (Nv12){0};
}

/* The readers' side of the shadow's sequence lock (shadow.c): what is read here while it is written is thrown away. */
__attribute__((no_sanitize("thread"))) NV12_VECTORISED static void
luma_row(guint8 *restrict out, const guint32 *restrict pixels, guint count, gint c0, gint c1, gint c2) {
  for (guint i = 0; i < count; i++) {
    gint a = pixels[i] & 0xff, b = (pixels[i] >> 8) & 0xff, c = (pixels[i] >> 16) & 0xff;
    out[i] = (guint8)((a * c0 + b * c1 + c * c2 + Y_OFFSET) >> 16);
  }
}

/* Two rows, count pairs of pixels. Byte order in the loop is the format's; the caller orders the weights. */
__attribute__((no_sanitize("thread"))) NV12_VECTORISED static void
chroma_row(guint8 *restrict out, const guint32 *restrict top, const guint32 *restrict bottom, guint count,
           const gint *restrict u, const gint *restrict v) {
  const gint u0 = u[0], u1 = u[1], u2 = u[2], v0 = v[0], v1 = v[1], v2 = v[2];
  for (guint i = 0; i < count; i++) {
    guint32 p = top[2 * i], q = top[2 * i + 1], r = bottom[2 * i], s = bottom[2 * i + 1];
    /* even and odd bytes of four pixels summed side by side in one word: 4 × 255 fits 16 bits */
    guint32 even = (p & 0xff00ff) + (q & 0xff00ff) + (r & 0xff00ff) + (s & 0xff00ff);
    guint32 odd = ((p >> 8) & 0xff) + ((q >> 8) & 0xff) + ((r >> 8) & 0xff) + ((s >> 8) & 0xff);
    gint a = (gint)(even & 0xffff), b = (gint)odd, c = (gint)(even >> 16);
    guint32 cu = (guint32)((a * u0 + b * u1 + c * u2 + C_OFFSET) >> 18);
    guint32 cv = (guint32)((a * v0 + b * v1 + c * v2 + C_OFFSET) >> 18);
    out[2 * i] = (guint8)cu;
    out[2 * i + 1] = (guint8)cv;
  }
}

typedef struct {
  gint y[3];
  gint u[3];
  gint v[3];
} Weights;

static const Weights BLUE_FIRST = {{Y_B, Y_G, Y_R}, {U_B, U_G, U_R}, {V_B, V_G, V_R}};
static const Weights RED_FIRST = {{Y_R, Y_G, Y_B}, {U_R, U_G, U_B}, {V_R, V_G, V_B}};

static const guint32 *row_of(const Frame *frame, guint y) {
  return (const guint32 *)(const void *)(frame->data + MIN(y, frame->height - 1) * frame->stride);
}

/* The last pair of an odd width, its missing column the repeated one. */
static void odd_column(Nv12 *picture, const Frame *frame, guint y, const Weights *weights) {
  guint last = frame->width - 1;
  guint32 top[2] = {row_of(frame, y)[last], row_of(frame, y)[last]};
  guint32 bottom[2] = {row_of(frame, y + 1)[last], row_of(frame, y + 1)[last]};
  luma_row(picture->luma + y * picture->stride + last, top, 2, weights->y[0], weights->y[1], weights->y[2]);
  luma_row(picture->luma + (y + 1) * picture->stride + last, bottom, 2, weights->y[0], weights->y[1], weights->y[2]);
  chroma_row(picture->chroma + y / 2 * picture->stride + last, top, bottom, 1, weights->u, weights->v);
}

void nv12_convert(Nv12 *picture, const Frame *frame, const Rect *rect) {
  const PixelFormatInfo *format = pixel_format_info(frame->format);
  const Weights *weights = format && format->red_first ? &RED_FIRST : &BLUE_FIRST;
  guint left = rect->x & ~1u, top = rect->y & ~1u;
  guint right = MIN((rect->x + rect->width + 1) & ~1u, picture->width);
  guint bottom = MIN((rect->y + rect->height + 1) & ~1u, picture->height);
  gboolean odd = right > frame->width;
  guint columns = (odd ? frame->width - 1 : right) - left;
  for (guint y = top; y < bottom; y += 2) {
    const guint32 *first = row_of(frame, y) + left, *second = row_of(frame, y + 1) + left;
    guint8 *luma = picture->luma + y * picture->stride + left;
    luma_row(luma, first, columns, weights->y[0], weights->y[1], weights->y[2]);
    luma_row(luma + picture->stride, second, columns, weights->y[0], weights->y[1], weights->y[2]);
    chroma_row(picture->chroma + y / 2 * picture->stride + left, first, second, columns / 2, weights->u, weights->v);
    if (odd) odd_column(picture, frame, y, weights);
  }
}
