/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/sps.h"

#include <gst/gst.h>

/*
 * The caps of a stream, out of its own SPS: size, profile and level are the
 * host's to say. No state, any thread.
 */

/* Every caps that can come out of here. */
#define H264_CAPS_TEMPLATE "video/x-h264, stream-format = (string) byte-stream, alignment = (string) au"

/* Of an access unit in Annex B form; NULL if it has no (readable) SPS before its first slice. *sps is filled in. */
GstCaps *h264_caps_from_unit(const guint8 *data, gsize size, Sps *sps);

/* The least level_idc (ITU-T H.264 table A-1) that carries such a stream; 0/0 frames a second count as 60. */
guint8 h264_caps_level(guint width, guint height, guint fps_num, guint fps_den);
