/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/console-surface.h"

#include "common/media/pixel-format.h"
#include "host/display/qemu-dbus/pixman-format.h"

#include <string.h>

/* Readers of a frame take pixels as 32-bit words. */
static gboolean usable_in_place(const PixelBlock *block) {
  return pixman_format_is_xrgb8888(block->format) && block->stride % 4 == 0 && (guintptr)block->data % 4 == 0;
}

/* Not more than 8192 × 4320 × 4 bytes: blocks are within FRAME_MAX. */
static gboolean reserve_own(ConsoleSurface *surface, guint width, guint height) {
  gsize size = (gsize)width * 4 * height;
  if (surface->own && surface->own_size == size) return TRUE;
  g_free(surface->own);
  surface->own = g_try_malloc(size);
  surface->own_size = surface->own ? size : 0;
  return surface->own != NULL;
}

static void show_own(ConsoleSurface *surface, guint width, guint height) {
  surface->width = width;
  surface->height = height;
  surface->stride = (gsize)width * 4;
  surface->data = surface->own;
}

gboolean console_surface_show(ConsoleSurface *surface, PixelBlock *block) {
  guint width = block->rect.width, height = block->rect.height;
  pixel_block_finish(&surface->borrowed);
  if (usable_in_place(block)) {
    surface->borrowed = *block;
    *block = (PixelBlock){0};
    surface->width = width;
    surface->height = height;
    surface->stride = surface->borrowed.stride;
    surface->data = surface->borrowed.data;
    return TRUE;
  }
  if (!reserve_own(surface, width, height)) {
    pixel_block_finish(block);
    console_surface_finish(surface);
    return FALSE;
  }
  show_own(surface, width, height);
  pixel_block_write(block, surface->own, surface->stride);
  pixel_block_finish(block);
  return TRUE;
}

/* The message's memory is not ours to write to. */
static gboolean make_own(ConsoleSurface *surface) {
  if (surface->data == surface->own) return surface->own != NULL;
  if (!reserve_own(surface, surface->width, surface->height)) return FALSE;
  show_own(surface, surface->width, surface->height);
  pixel_block_write(&surface->borrowed, surface->own, surface->stride);
  pixel_block_finish(&surface->borrowed);
  return TRUE;
}

gboolean console_surface_apply(ConsoleSurface *surface, PixelBlock *block) {
  gboolean ok = surface->width > 0 && make_own(surface);
  if (ok) pixel_block_write(block, surface->own, surface->stride);
  pixel_block_finish(block);
  return ok;
}

void console_surface_finish(ConsoleSurface *surface) {
  pixel_block_finish(&surface->borrowed);
  g_free(surface->own);
  *surface = (ConsoleSurface){0};
}

Frame console_surface_frame(const ConsoleSurface *surface) {
  return (Frame){
      .format = PIXEL_FORMAT_XRGB8888,
      .width = surface->width,
      .height = surface->height,
      .stride = surface->stride,
      .data = surface->data,
  };
}
