/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/resource.h"

#include "common/base/stats.h"

#include <string.h>

#define PIXEL_BYTES 4u

/* virtio 1.2 section 5.7.6.8, virtio_gpu_formats: bytes in memory order, as their names say. */
static const struct {
  guint32 format;
  guint32 pixel_format;
  gboolean swap;
} FORMATS[] = {
    {1, PIXEL_FORMAT_ARGB8888, FALSE},   /* B8G8R8A8 */
    {2, PIXEL_FORMAT_XRGB8888, FALSE},   /* B8G8R8X8 */
    {3, PIXEL_FORMAT_ARGB8888, TRUE},    /* A8R8G8B8 */
    {4, PIXEL_FORMAT_XRGB8888, TRUE},    /* X8R8G8B8 */
    {67, PIXEL_FORMAT_ABGR8888, FALSE},  /* R8G8B8A8 */
    {68, PIXEL_FORMAT_XBGR8888, TRUE},   /* X8B8G8R8 */
    {121, PIXEL_FORMAT_ABGR8888, TRUE},  /* A8B8G8R8 */
    {134, PIXEL_FORMAT_XBGR8888, FALSE}, /* R8G8B8X8 */
};

/* ---- the table ---- */

void resource_table_init(ResourceTable *table) {
  *table = (ResourceTable){.by_id = g_hash_table_new(NULL, NULL), .maps_left = BACKING_MAX_MAPS};
}

void resource_table_finish(ResourceTable *table) {
  resource_table_clear(table);
  g_hash_table_unref(table->by_id);
}

guint resource_table_count(const ResourceTable *table) {
  return g_hash_table_size(table->by_id);
}

Resource *resource_table_find(const ResourceTable *table, guint32 id) {
  return g_hash_table_lookup(table->by_id, GUINT_TO_POINTER(id));
}

static void release(ResourceTable *table, Resource *resource) {
  backing_destroy(resource->backing, &table->maps_left);
  table->bytes -= resource->bytes;
  if (resource->own) table->own_bytes -= resource->bytes;
  g_free(resource->own);
  g_free(resource);
}

void resource_table_remove(ResourceTable *table, Resource *resource) {
  g_hash_table_remove(table->by_id, GUINT_TO_POINTER(resource->id));
  release(table, resource);
}

void resource_table_clear(ResourceTable *table) {
  GHashTableIter iter;
  gpointer resource;
  g_hash_table_iter_init(&iter, table->by_id);
  while (g_hash_table_iter_next(&iter, NULL, &resource)) {
    g_hash_table_iter_remove(&iter);
    release(table, resource);
  }
}

ResourceResult resource_table_create(ResourceTable *table, guint32 id, guint32 format, guint32 width, guint32 height) {
  guint i = 0;
  while (i < G_N_ELEMENTS(FORMATS) && FORMATS[i].format != format) i++;
  if (id == 0 || resource_table_find(table, id)) return RESOURCE_BAD_ID;
  if (i == G_N_ELEMENTS(FORMATS) || width == 0 || height == 0 || width > RESOURCE_MAX_SIDE ||
      height > RESOURCE_MAX_SIDE) {
    return RESOURCE_BAD_PARAMETER;
  }
  gsize stride = (gsize)width * PIXEL_BYTES, bytes = stride * height; /* at most 1 GiB */
  if (resource_table_count(table) == RESOURCE_MAX_COUNT || bytes > RESOURCE_MAX_BYTES - table->bytes) {
    stats_count("vugpu.resource-limit");
    return RESOURCE_NO_MEMORY;
  }
  Resource *resource = g_new(Resource, 1);
  *resource = (Resource){
      .id = id,
      .format = FORMATS[i].pixel_format,
      .swap = FORMATS[i].swap,
      .width = width,
      .height = height,
      .stride = stride,
      .bytes = bytes,
  };
  table->bytes += bytes;
  g_hash_table_insert(table->by_id, GUINT_TO_POINTER(id), resource);
  return RESOURCE_OK;
}

void resource_table_memory_changed(ResourceTable *table, const GuestMemory *memory) {
  GHashTableIter iter;
  gpointer value;
  g_hash_table_iter_init(&iter, table->by_id);
  while (g_hash_table_iter_next(&iter, NULL, &value)) {
    Resource *resource = value;
    if (!resource->backing) continue;
    backing_drop_view(resource->backing, &table->maps_left);
    if (backing_is_in(resource->backing, memory)) continue;
    stats_count("vugpu.lost-backings");
    resource_detach(table, resource);
  }
}

/* ---- a resource ---- */

ResourceResult resource_attach(ResourceTable *table, Resource *resource, Backing *backing) {
  if (resource->backing) return RESOURCE_REFUSED;
  resource->backing = backing;
  return RESOURCE_OK;
}

ResourceResult resource_detach(ResourceTable *table, Resource *resource) {
  if (!resource->backing) return RESOURCE_REFUSED;
  backing_destroy(resource->backing, &table->maps_left);
  resource->backing = NULL;
  return RESOURCE_OK;
}

static void swap_row(guint8 *row, guint pixels) {
  for (guint i = 0; i < pixels; i++) {
    guint32 pixel;
    memcpy(&pixel, row + (gsize)i * PIXEL_BYTES, sizeof pixel);
    pixel = GUINT32_SWAP_LE_BE(pixel);
    memcpy(row + (gsize)i * PIXEL_BYTES, &pixel, sizeof pixel);
  }
}

/* Rows are as far apart in the backing as they are in the resource. */
static void copy_rect(Resource *resource, const GuestMemory *memory, const Rect *rect, guint64 offset) {
  guint8 *to = resource->own + rect->y * resource->stride + (gsize)rect->x * PIXEL_BYTES;
  for (guint row = 0; row < rect->height; row++) {
    backing_copy(resource->backing, memory, offset, to, (gsize)rect->width * PIXEL_BYTES);
    if (resource->swap) swap_row(to, rect->width);
    if (__builtin_add_overflow(offset, resource->stride, &offset)) return;
    to += resource->stride;
  }
}

/* From here on the resource is the host's; it begins with what the backing has. */
static gboolean make_own(ResourceTable *table, Resource *resource, const GuestMemory *memory) {
  if (resource->own) return TRUE;
  if (resource->bytes <= RESOURCE_MAX_OWN_BYTES - table->own_bytes) resource->own = g_try_malloc0(resource->bytes);
  if (!resource->own) {
    stats_count("vugpu.resource-limit");
    return FALSE;
  }
  table->own_bytes += resource->bytes;
  stats_count("vugpu.copied-resources");
  if (resource->backing) copy_rect(resource, memory, &(Rect){0, 0, resource->width, resource->height}, 0);
  return TRUE;
}

ResourceResult resource_transfer(ResourceTable *table, Resource *resource, const GuestMemory *memory, const Rect *rect,
                                 guint64 offset) {
  if (!resource->backing) return RESOURCE_REFUSED;
  guint64 usual = rect->y * resource->stride + (guint64)rect->x * PIXEL_BYTES;
  if ((resource->swap || offset != usual) && !make_own(table, resource, memory)) return RESOURCE_NO_MEMORY;
  if (resource->own) copy_rect(resource, memory, rect, offset);
  rect_list_add(&resource->dirty, rect);
  return RESOURCE_OK;
}

gboolean resource_frame(ResourceTable *table, Resource *resource, const GuestMemory *memory, const Rect *rect,
                        Frame *frame) {
  const guint8 *pixels = resource->own;
  if (!pixels && !resource->backing) return FALSE;
  if (!pixels && !resource->swap) {
    pixels = backing_view(resource->backing, memory, resource->bytes, &table->maps_left);
  }
  if (!pixels) pixels = make_own(table, resource, memory) ? resource->own : NULL;
  if (!pixels) return FALSE;
  *frame = (Frame){
      .format = resource->format,
      .width = rect->width,
      .height = rect->height,
      .stride = resource->stride,
      .data = pixels + rect->y * resource->stride + (gsize)rect->x * PIXEL_BYTES,
  };
  return TRUE;
}
