/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"
#include "host/display/test/theme.h"

/* A file manager's window: places on the left, pictures on the right. Draws inside `area`, pixels. */
void app_files_draw(cairo_t *cairo, const Rect *area, const Theme *theme, double scale);
