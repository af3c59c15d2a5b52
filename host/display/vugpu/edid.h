/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * What a monitor says of itself: VESA E-EDID A.2 (EDID 1.4). A preferred mode
 * that its fields cannot hold (a side above 4095, a pixel clock above
 * 655.35 MHz) goes into a DisplayID 1.2 extension block instead.
 */

#define EDID_BLOCK 128u
#define EDID_MAX_SIZE (2u * EDID_BLOCK)

typedef struct {
  guint output; /* its number is part of the name and the serial number */
  guint width;  /* pixels, 1 to 16383 */
  guint height;
  guint refresh_mhz; /* thousandths of a frame a second, 1000 to 240000 */
} EdidMode;

/* Returns how many bytes of `out` are the EDID. */
gsize edid_write(const EdidMode *mode, guint8 out[EDID_MAX_SIZE]);
