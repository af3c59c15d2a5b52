/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"
#include "host/display/test/theme.h"

/* A window's frame: shadow, rounded corners, title bar, buttons. Lengths in pixels; `scale` is that of the desktop's
 * text and decorations, 1 at 1920×1080. */

typedef struct {
  const char *title;
  gboolean dark;
  gboolean active; /* has the focus: deeper shadow, accent */
} WindowLook;

guint window_title_height(double scale);
/* How far the shadow reaches beyond the frame, on each side. */
guint window_shadow(double scale);

/* Draws shadow, frame and empty content; `outer` is the frame without its shadow, and may lie anywhere. */
void window_draw(cairo_t *cairo, const Rect *outer, const WindowLook *look, const Theme *theme, double scale);
/* Restricts drawing to the content, rounded corners respected; undone by cairo_restore() of the caller's cairo_save().
 */
void window_clip(cairo_t *cairo, const Rect *outer, double scale);
