/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/theme.h"

#include <cairo.h>

/* The bar along the top of a desktop and the dock at its bottom; sizes in pixels. */

void panel_draw(cairo_t *cairo, guint width, const Theme *theme, double scale);
void panel_draw_dock(cairo_t *cairo, guint width, guint height, const Theme *theme, double scale);
