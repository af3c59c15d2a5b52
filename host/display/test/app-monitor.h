/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"
#include "host/display/test/theme.h"

/* A system monitor's window: two curves and their legends, dark. Draws inside `area`, pixels. */
void app_monitor_draw(cairo_t *cairo, const Rect *area, const Theme *theme, double scale);
