/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/capture/shadow.h"

#include "common/base/sealed-memory.h"
#include "common/media/pixel-format.h"

#include <errno.h>
#include <gio/gio.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHADOW_ROW_ALIGN 64u
/* Pixels begin on a page, so that a row never shares a cache line with a generation. */
#define SHADOW_PAGE 4096u

typedef struct {
  _Atomic guint64 sequence; /* odd: the writer is at it */
  _Atomic guint64 generation;
  _Atomic gint64 flush_us;
  _Atomic gint64 captured_us;
  _Atomic guint32 format;
} ShadowHeader;

struct Shadow {
  int refs; /* atomic */
  int fd;
  guint width;
  guint height;
  gsize stride;
  guint columns;
  gsize size; /* of the mapping */
  ShadowHeader *header;
  _Atomic guint64 *tiles;
  guint8 *pixels;
  guint changed; /* tiles, since write_begin: the writer's */
};

static gsize align_up(gsize value, gsize to) {
  return (value + to - 1) / to * to;
}

typedef struct {
  guint columns;
  gsize stride;
  gsize tiles_at;
  gsize pixels_at;
  gsize size;
} Layout;

static Layout lay_out(guint width, guint height) {
  g_assert(width > 0 && height > 0 && width <= FRAME_MAX_WIDTH && height <= FRAME_MAX_HEIGHT);
  guint columns = (width + DAMAGE_TILE - 1) / DAMAGE_TILE, rows = (height + DAMAGE_TILE - 1) / DAMAGE_TILE;
  Layout layout = {.columns = columns, .stride = align_up((gsize)width * 4, SHADOW_ROW_ALIGN)};
  layout.tiles_at = align_up(sizeof(ShadowHeader), 64);
  layout.pixels_at = align_up(layout.tiles_at + sizeof(guint64) * columns * rows, SHADOW_PAGE);
  layout.size = layout.pixels_at + layout.stride * height;
  return layout;
}

/* Takes the descriptor over. */
static Shadow *wrap(int fd, void *memory, guint width, guint height, const Layout *layout) {
  guint8 *bytes = memory;
  Shadow *shadow = g_new0(Shadow, 1);
  *shadow = (Shadow){
      .refs = 1,
      .fd = fd,
      .width = width,
      .height = height,
      .stride = layout->stride,
      .columns = layout->columns,
      .size = layout->size,
      .header = (ShadowHeader *)memory,
      .tiles = (_Atomic guint64 *)(void *)(bytes + layout->tiles_at),
      .pixels = bytes + layout->pixels_at,
  };
  return shadow;
}

Shadow *shadow_create(guint width, guint height, GError **error) {
  Layout layout = lay_out(width, height);
  void *memory = NULL;
  int fd = sealed_memory_create("framelift-shadow", layout.size, &memory, error);
  if (fd < 0) return NULL;
  Shadow *shadow = wrap(fd, memory, width, height, &layout);
  atomic_store(&shadow->header->format, PIXEL_FORMAT_XRGB8888);
  return shadow;
}

Shadow *shadow_open(int fd, guint width, guint height, GError **error) {
  Layout layout = lay_out(width, height);
  Shadow *shadow = NULL;
  if (!sealed_memory_fits(fd, layout.size)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "what was handed over is no shadow of %ux%u", width,
                height);
  } else {
    void *memory = mmap(NULL, layout.size, PROT_READ, MAP_SHARED, fd, 0);
    int code = errno;
    if (memory != MAP_FAILED) {
      shadow = wrap(-1, memory, width, height, &layout);
    } else {
      g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "cannot map a shadow: %s", g_strerror(code));
    }
  }
  close(fd);
  return shadow;
}

int shadow_fd(const Shadow *shadow) {
  return shadow->fd;
}

Shadow *shadow_ref(Shadow *shadow) {
  __atomic_add_fetch(&shadow->refs, 1, __ATOMIC_RELAXED);
  return shadow;
}

void shadow_unref(Shadow *shadow) {
  if (!shadow || __atomic_sub_fetch(&shadow->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  munmap(shadow->header, shadow->size);
  if (shadow->fd >= 0) close(shadow->fd);
  g_free(shadow);
}

guint shadow_width(const Shadow *shadow) {
  return shadow->width;
}

guint shadow_height(const Shadow *shadow) {
  return shadow->height;
}

void shadow_write_begin(Shadow *shadow) {
  guint64 sequence = atomic_load_explicit(&shadow->header->sequence, memory_order_relaxed);
  atomic_store_explicit(&shadow->header->sequence, sequence + 1, memory_order_relaxed);
  atomic_thread_fence(memory_order_release);
  shadow->changed = 0;
}

/* One pass: rows are compared until the first difference, from there on they are copied. The readers of a sequence lock
 * read while this writes, on purpose: they throw away what they read then. ThreadSanitizer cannot know that. */
__attribute__((no_sanitize("thread"))) static gboolean
compare_and_copy(guint8 *to, gsize to_stride, const guint8 *from, gsize from_stride, gsize row_bytes, guint rows) {
  guint row = 0;
  while (row < rows && memcmp(to + row * to_stride, from + row * from_stride, row_bytes) == 0) row++;
  if (row == rows) return FALSE;
  for (; row < rows; row++) memcpy(to + row * to_stride, from + row * from_stride, row_bytes);
  return TRUE;
}

guint shadow_write_rect(Shadow *shadow, const Frame *frame, const Rect *rect) {
  g_assert(frame->width == shadow->width && frame->height == shadow->height);
  const guint8 *first = frame->data + rect->y * frame->stride + (gsize)rect->x * 4;
  Frame block = {frame->format, rect->width, rect->height, frame->stride, first};
  return shadow_write_block(shadow, &block, rect->x, rect->y);
}

guint shadow_write_block(Shadow *shadow, const Frame *block, guint left, guint top) {
  g_assert(left + block->width <= shadow->width && top + block->height <= shadow->height);
  atomic_store_explicit(&shadow->header->format, block->format, memory_order_relaxed);
  guint64 next = atomic_load_explicit(&shadow->header->generation, memory_order_relaxed) + 1;
  guint changed = 0;
  guint right = left + block->width, bottom = top + block->height;
  for (guint y = top; y < bottom;) {
    guint rows = MIN(DAMAGE_TILE - y % DAMAGE_TILE, bottom - y);
    for (guint x = left; x < right;) {
      guint pixels = MIN(DAMAGE_TILE - x % DAMAGE_TILE, right - x);
      if (compare_and_copy(shadow->pixels + y * shadow->stride + (gsize)x * 4, shadow->stride,
                           block->data + (y - top) * block->stride + (gsize)(x - left) * 4, block->stride,
                           (gsize)pixels * 4, rows)) {
        atomic_store_explicit(&shadow->tiles[(y / DAMAGE_TILE) * shadow->columns + x / DAMAGE_TILE], next,
                              memory_order_relaxed);
        changed++;
      }
      x += pixels;
    }
    y += rows;
  }
  shadow->changed += changed;
  return changed;
}

guint64 shadow_write_end(Shadow *shadow, gint64 flush_us) {
  ShadowHeader *header = shadow->header;
  guint64 generation = atomic_load_explicit(&header->generation, memory_order_relaxed);
  if (shadow->changed > 0 || generation == 0) { /* a first picture is one even if it is black */
    atomic_store_explicit(&header->generation, ++generation, memory_order_relaxed);
    atomic_store_explicit(&header->flush_us, flush_us, memory_order_relaxed);
    atomic_store_explicit(&header->captured_us, g_get_monotonic_time(), memory_order_relaxed);
  }
  guint64 sequence = atomic_load_explicit(&header->sequence, memory_order_relaxed);
  atomic_store_explicit(&header->sequence, sequence + 1, memory_order_release);
  return generation;
}

guint64 shadow_read_begin(const Shadow *shadow, ShadowState *state) {
  guint64 sequence = atomic_load_explicit(&shadow->header->sequence, memory_order_acquire);
  if (sequence & 1) return 0;
  state->generation = atomic_load_explicit(&shadow->header->generation, memory_order_relaxed);
  state->flush_us = atomic_load_explicit(&shadow->header->flush_us, memory_order_relaxed);
  state->captured_us = atomic_load_explicit(&shadow->header->captured_us, memory_order_relaxed);
  return sequence + 2; /* never 0 */
}

gboolean shadow_read_end(const Shadow *shadow, guint64 ticket) {
  atomic_thread_fence(memory_order_acquire);
  return atomic_load_explicit(&shadow->header->sequence, memory_order_relaxed) + 2 == ticket;
}

void shadow_damage_since(const Shadow *shadow, guint64 generation, Damage *damage) {
  for (guint row = 0; row < damage->rows; row++) {
    for (guint column = 0; column < damage->columns; column++) {
      guint64 tile = atomic_load_explicit(&shadow->tiles[row * shadow->columns + column], memory_order_relaxed);
      if (tile > generation) damage_set(damage, column, row);
    }
  }
}

/* Of what another process wrote, only what is a packed format: a reader's arithmetic depends on it. */
static guint32 format_of(const Shadow *shadow) {
  guint32 format = atomic_load_explicit(&shadow->header->format, memory_order_relaxed);
  const PixelFormatInfo *info = pixel_format_info(format);
  return info && !info->planar ? format : PIXEL_FORMAT_XRGB8888;
}

Frame shadow_frame(const Shadow *shadow) {
  return (Frame){
      .format = format_of(shadow),
      .width = shadow->width,
      .height = shadow->height,
      .stride = shadow->stride,
      .data = shadow->pixels,
  };
}

guint64 shadow_generation(const Shadow *shadow) {
  return atomic_load_explicit(&shadow->header->generation, memory_order_relaxed);
}
