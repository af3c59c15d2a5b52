/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/image.h"
#include "host/display/test/theme.h"
#include "host/display/test/window.h"

/*
 * A desktop that stands still: wallpaper, panel, dock, and the windows put on
 * it. Laid out for 1920×1080; other sizes scale places and sizes by
 * `geometry`, and text by `scale`, which stays readable for longer.
 */

typedef struct {
  Image *image; /* all of it, opaque */
  const Theme *theme;
  double geometry;
  double scale;
} Desktop;

Desktop *desktop_create(guint width, guint height, const Theme *theme);
void desktop_destroy(Desktop *desktop); /* NULL is legal */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Desktop, desktop_destroy)

/* Pixels for a length of the 1920×1080 design, at least 1. */
guint desktop_length(const Desktop *desktop, double length);
/* The same for text and decorations. */
guint desktop_text_length(const Desktop *desktop, double length);

/* A frame of `width` × `height` design pixels around (x, y), fractions of the picture; inside the picture and not
 * empty. */
Rect desktop_place(const Desktop *desktop, double x, double y, double width, double height);

/* Draws a window into the desktop; returns its content, below the title bar; not empty. */
Rect desktop_window(Desktop *desktop, const Rect *outer, const WindowLook *look);
/* The content of a window with that frame. */
Rect desktop_window_content(const Desktop *desktop, const Rect *outer);

/* Windows that every scene stands among. */
void desktop_add_files(Desktop *desktop, double x, double y, gboolean active);
void desktop_add_monitor(Desktop *desktop, double x, double y);
