/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gst/video/video.h>

/*
 * A frame's pixels as FRAME_REQUEST carries them: rows one after the other at
 * one stride, NV12's second plane right behind the first. In place where the
 * buffer is so already, repacked where not. No state, any thread.
 */

/* The DRM fourcc of a format that vsockenc takes. Hosts of version 1 know the formats with alpha only, whose bytes are
 * the same: `with_alpha` names those. 0 for other formats. */
guint32 frame_pixels_fourcc(GstVideoFormat format, gboolean with_alpha);

/* Stride of the first plane, in bytes, as the buffer has it. */
guint frame_pixels_stride(GstBuffer *buffer, const GstVideoInfo *info);

/* NULL and error if the buffer cannot be read, is too small, or no memory could be had. The bytes hold the buffer. */
GBytes *frame_pixels_map(GstBuffer *buffer, const GstVideoInfo *info, guint *stride, GError **error);
