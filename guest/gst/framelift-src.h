/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/base/gstpushsrc.h>

/*
 * frameliftsrc: the H.264 of a scanout as the host pushes it, a live source
 * with the host's timing.
 */

G_BEGIN_DECLS

#define FRAMELIFT_SRC_TYPE (framelift_src_get_type())
G_DECLARE_FINAL_TYPE(FrameliftSrc, framelift_src, FRAMELIFT, SRC, GstPushSrc)

GST_ELEMENT_REGISTER_DECLARE(frameliftsrc)

/* Access units that wait for downstream. One that does not keep up gets an IDR instead of old pictures: a quarter of a
 * second at 60 a second. */
#define FRAMELIFT_SRC_QUEUE 16u

G_END_DECLS
