/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/qemu-dbus/pixel-block.h"

/*
 * A console's whole picture as it is now, XRGB8888. While QEMU sends whole
 * pictures in that layout the surface *is* the message's memory and nothing
 * is copied; the first partial update moves it into memory of its own.
 *
 * Single thread. Zero-initialised is an empty surface.
 */

typedef struct {
  guint width; /* pixels; 0 while there is no picture */
  guint height;
  gsize stride;
  const guint8 *data; /* in `borrowed` or `own` */
  PixelBlock borrowed;
  guint8 *own; /* kept for the next update while a message's memory is shown */
  gsize own_size;
} ConsoleSurface;

/* A new whole picture; takes the block over, whatever it returns. FALSE: no memory, and the surface is empty now. */
gboolean console_surface_show(ConsoleSurface *surface, PixelBlock *block);
/* A part of the picture, which the block's rect is inside; takes the block over. FALSE: no memory, or the surface is
 * empty; it is as it was. */
gboolean console_surface_apply(ConsoleSurface *surface, PixelBlock *block);
void console_surface_finish(ConsoleSurface *surface);

/* Valid until the surface changes. Only of a surface with a picture. */
Frame console_surface_frame(const ConsoleSurface *surface);
