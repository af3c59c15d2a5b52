/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* An access unit with SPS and PPS (key) or a slice alone; `tag` is its last byte. */
GByteArray *fake_unit_make(gboolean key, guint width, guint height, guint8 tag);
