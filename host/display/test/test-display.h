/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/display.h"
#include "host/display/test/test-settings.h"

/*
 * A display without a VM: test scenes at a steady rate. Frame n of every
 * scanout is due n periods after the first; one that is late is painted late
 * and none is skipped, so numbers are without gaps. More than a quarter of a
 * second behind, the clock starts anew ("test.late" counts). Every start
 * begins at frame 0, whose one rect is the whole picture. Where a frame changes
 * nothing there is no update.
 */

/* *settings is copied. Painting what stands still happens after the start, on the display's thread; until then the
 * state is DISPLAY_STARTING. */
Display *test_display_create(const TestSettings *settings);
