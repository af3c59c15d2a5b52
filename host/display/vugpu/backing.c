/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/backing.h"

#include "common/base/stats.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
  guint64 guest;
  guint64 at; /* offset in the backing */
  guint32 size;
} Segment;

struct Backing {
  guint n_segments;
  guint max_segments;
  guint64 size;
  guint8 *view; /* NULL: none */
  gsize view_size;
  guint n_maps;
  gboolean copies; /* a view was tried and cannot be */
  Segment segments[];
};

/* A part of the view while it is made: bytes of one file, one after the other. */
typedef struct {
  int fd;
  guint64 offset; /* in the file */
  gsize at;       /* in the view */
  gsize size;
} Run;

G_STATIC_ASSERT(BACKING_MAX_SEGMENTS == (guint64)FRAME_MAX_WIDTH * FRAME_MAX_HEIGHT * 4 / 4096 + 1);

Backing *backing_create(guint n_segments) {
  g_assert(n_segments <= BACKING_MAX_SEGMENTS);
  Backing *backing = g_try_malloc(sizeof(Backing) + n_segments * sizeof(Segment));
  if (backing) *backing = (Backing){.max_segments = n_segments};
  return backing;
}

void backing_destroy(Backing *backing, guint *maps_left) {
  if (!backing) return;
  backing_drop_view(backing, maps_left);
  g_free(backing);
}

gboolean backing_add(Backing *backing, const GuestMemory *memory, guint64 guest, guint32 size) {
  g_assert(backing->n_segments < backing->max_segments);
  if (!guest_memory_has(memory, guest, size)) return FALSE;
  /* 64 bits hold the sum of as many 32-bit sizes as there can be */
  backing->segments[backing->n_segments++] = (Segment){guest, backing->size, size};
  backing->size += size;
  return TRUE;
}

gboolean backing_is_in(const Backing *backing, const GuestMemory *memory) {
  for (guint i = 0; i < backing->n_segments; i++) {
    if (!guest_memory_has(memory, backing->segments[i].guest, backing->segments[i].size)) return FALSE;
  }
  return TRUE;
}

/* ---- the view ---- */

static gboolean map_run(Backing *backing, const Run *run, guint *maps_left) {
  gsize page = (gsize)sysconf(_SC_PAGESIZE);
  if (run->size == 0) return TRUE;
  if (*maps_left == 0 || run->at % page != 0 || run->offset % page != 0) return FALSE;
  /* Only the last run may end within a page: the next one's place is checked above. */
  if (mmap(backing->view + run->at, run->size, PROT_READ, MAP_SHARED | MAP_FIXED, run->fd, (off_t)run->offset) ==
      MAP_FAILED) {
    return FALSE;
  }
  backing->n_maps++;
  *maps_left -= 1;
  return TRUE;
}

/* Adds one segment's bytes to the run, or maps the run and begins another. FALSE if that cannot be. */
static gboolean extend(Backing *backing, const GuestMemory *memory, const Segment *segment, Run *run,
                       guint *maps_left) {
  guint64 guest = segment->guest;
  guint64 left = MIN((guint64)segment->size, backing->view_size - MIN(segment->at, backing->view_size));
  while (left > 0) {
    gsize size;
    Run next = {.at = run->at + run->size};
    if (!guest_memory_span(memory, guest, left, &size)) return FALSE;
    if (!guest_memory_file(memory, guest, size, &next.fd, &next.offset)) return FALSE;
    next.size = size;
    if (next.fd == run->fd && next.offset == run->offset + run->size) {
      run->size += size;
    } else {
      if (!map_run(backing, run, maps_left)) return FALSE;
      *run = next;
    }
    guest += size;
    left -= size;
  }
  return TRUE;
}

static gboolean map_all(Backing *backing, const GuestMemory *memory, guint *maps_left) {
  Run run = {.fd = -1};
  for (guint i = 0; i < backing->n_segments; i++) {
    if (!extend(backing, memory, &backing->segments[i], &run, maps_left)) return FALSE;
  }
  return map_run(backing, &run, maps_left);
}

const guint8 *backing_view(Backing *backing, const GuestMemory *memory, gsize size, guint *maps_left) {
  if (backing->view || backing->copies) return backing->view;
  /* What no segment covers reads as zeros, and costs no memory: it is never written. */
  void *view = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (view != MAP_FAILED) {
    backing->view = view;
    backing->view_size = size;
    if (map_all(backing, memory, maps_left)) return backing->view;
    backing_drop_view(backing, maps_left);
  }
  stats_count("vugpu.copied-backings");
  backing->copies = TRUE;
  return NULL;
}

void backing_drop_view(Backing *backing, guint *maps_left) {
  if (backing->view) munmap(backing->view, backing->view_size);
  *maps_left += backing->n_maps;
  backing->view = NULL;
  backing->n_maps = 0;
  backing->copies = FALSE;
}

/* ---- copies ---- */

/* The segment that has the byte at `offset`, which there is. */
static guint find(const Backing *backing, guint64 offset) {
  guint low = 0, high = backing->n_segments - 1;
  while (low < high) {
    guint middle = low + (high - low + 1) / 2;
    if (backing->segments[middle].at <= offset) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

void backing_copy(const Backing *backing, const GuestMemory *memory, guint64 offset, guint8 *to, gsize size) {
  if (offset >= backing->size) return;
  size = (gsize)MIN(size, backing->size - offset);
  for (guint i = find(backing, offset); size > 0; i++) {
    const Segment *segment = &backing->segments[i];
    guint64 skip = offset - segment->at;
    gsize part = (gsize)MIN(size, segment->size - skip);
    if (!guest_memory_read(memory, segment->guest + skip, to, part)) return;
    to += part;
    offset += part;
    size -= part;
  }
}
