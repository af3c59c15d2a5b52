/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/hxfr-v2.h"

/* What a host keeps of a session's pictures: tiles go in, a picture is there. Everything that a client may not send
 * aborts the test. One thread. */

typedef struct {
  guint32 number; /* 0: no picture */
  guint32 format;
  guint width;
  guint height;
  guint8 *pixels; /* rows without gaps; NV12's chroma behind its luma */
} FakeCanvas;

void fake_canvas_finish(FakeCanvas *canvas);
/* The reader is behind the fixed part. FALSE: the base is not there, and nothing was done. */
gboolean fake_canvas_apply(FakeCanvas *canvas, const HxfrRequestTiles *tiles, ByteReader *reader);
