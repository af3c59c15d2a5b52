/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/guest-memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void region_finish(GuestMemoryRegion *region) {
  if (region->map) munmap(region->map, region->offset + region->size);
  if (region->fd >= 0) close(region->fd);
}

void guest_memory_clear(GuestMemory *memory) {
  for (guint i = 0; i < memory->n_regions; i++) region_finish(&memory->regions[i]);
  memory->n_regions = 0;
}

static gboolean refuse(GError **error, guint index, const char *what) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "guest memory region %u: %s", index, what);
  return FALSE;
}

static gboolean overlaps(const GuestMemoryRegion *a, const GuestMemoryRegion *b) {
  return a->guest < b->guest + b->size && b->guest < a->guest + a->size;
}

static gboolean check_region(const GuestMemory *memory, const GuestMemoryRegion *region, GError **error) {
  guint index = memory->n_regions;
  guint64 end;
  struct stat info;
  if (region->size == 0 || __builtin_add_overflow(region->guest, region->size, &end) ||
      __builtin_add_overflow(region->user, region->size, &end) ||
      __builtin_add_overflow(region->offset, region->size, &end) || end > G_MAXINT64) {
    return refuse(error, index, "its size is none");
  }
  if (fstat(region->fd, &info) != 0) return refuse(error, index, g_strerror(errno));
  /* A page past the file's end would be a fatal signal at the first read. */
  if ((guint64)info.st_size < end) return refuse(error, index, "it is larger than its file");
  for (guint i = 0; i < index; i++) {
    if (overlaps(&memory->regions[i], region)) return refuse(error, index, "it overlaps with another");
  }
  return TRUE;
}

/* From the file's beginning: with huge pages a mapping cannot begin anywhere, and address space costs nothing. */
static gboolean map_region(GuestMemoryRegion *region, guint index, GError **error) {
  void *map = mmap(NULL, region->offset + region->size, PROT_READ | PROT_WRITE, MAP_SHARED, region->fd, 0);
  if (map == MAP_FAILED) return refuse(error, index, g_strerror(errno));
  region->map = map;
  return TRUE;
}

gboolean guest_memory_set(GuestMemory *memory, const GuestMemoryRegion *regions, guint n_regions, GError **error) {
  guest_memory_clear(memory);
  gboolean ok = n_regions <= GUEST_MEMORY_MAX_REGIONS || refuse(error, n_regions, "there are too many");
  for (guint i = 0; i < n_regions; i++) {
    GuestMemoryRegion region = regions[i];
    region.map = NULL;
    ok = ok && check_region(memory, &region, error) && map_region(&region, i, error);
    if (ok) {
      memory->regions[memory->n_regions++] = region;
    } else {
      region_finish(&region);
    }
  }
  if (!ok) guest_memory_clear(memory);
  return ok;
}

static const GuestMemoryRegion *find(const GuestMemory *memory, guint64 guest) {
  for (guint i = 0; i < memory->n_regions; i++) {
    const GuestMemoryRegion *region = &memory->regions[i];
    if (guest >= region->guest && guest - region->guest < region->size) return region;
  }
  return NULL;
}

guint8 *guest_memory_span(const GuestMemory *memory, guint64 guest, guint64 wanted, gsize *size) {
  const GuestMemoryRegion *region = find(memory, guest);
  if (!region || wanted == 0) return NULL;
  guint64 at = guest - region->guest;
  *size = (gsize)MIN(wanted, region->size - at);
  return region->map + region->offset + at;
}

guint8 *guest_memory_user(const GuestMemory *memory, guint64 user, gsize size) {
  for (guint i = 0; i < memory->n_regions; i++) {
    const GuestMemoryRegion *region = &memory->regions[i];
    if (user < region->user || user - region->user >= region->size) continue;
    guint64 at = user - region->user;
    return size <= region->size - at ? region->map + region->offset + at : NULL;
  }
  return NULL;
}

gboolean guest_memory_has(const GuestMemory *memory, guint64 guest, guint64 size) {
  while (size > 0) {
    gsize part;
    if (!guest_memory_span(memory, guest, size, &part)) return FALSE;
    guest += part;
    size -= part;
  }
  return TRUE;
}

gboolean guest_memory_read(const GuestMemory *memory, guint64 guest, void *to, gsize size) {
  guint8 *out = to;
  while (size > 0) {
    gsize part;
    const guint8 *from = guest_memory_span(memory, guest, size, &part);
    if (!from) return FALSE;
    memcpy(out, from, part);
    guest += part;
    out += part;
    size -= part;
  }
  return TRUE;
}

gboolean guest_memory_file(const GuestMemory *memory, guint64 guest, guint64 size, int *fd, guint64 *offset) {
  const GuestMemoryRegion *region = find(memory, guest);
  if (!region || size > region->size - (guest - region->guest)) return FALSE;
  *fd = region->fd;
  *offset = region->offset + (guest - region->guest);
  return TRUE;
}
