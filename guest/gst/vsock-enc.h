/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gst/video/gstvideoencoder.h>

/*
 * vsockenc: raw frames in, the host's H.264 of them out. A frame goes to the
 * host as the resource id of its DMA-BUF, as "what the scanout shows", or as
 * pixels; docs/gstreamer.md says when.
 */

G_BEGIN_DECLS

#define VSOCK_ENC_TYPE (vsock_enc_get_type())
G_DECLARE_FINAL_TYPE(VsockEnc, vsock_enc, VSOCK, ENC, GstVideoEncoder)

GST_ELEMENT_REGISTER_DECLARE(vsockenc)

/* How many frames are on their way at once: hides the way to the host and back, and no more. */
#define VSOCK_ENC_WINDOW 4u

typedef enum {
  VSOCK_ENC_UPLOAD_AUTO,
  VSOCK_ENC_UPLOAD_NEVER,
  VSOCK_ENC_UPLOAD_ALWAYS,
} VsockEncUpload;

/* For tests: another window; before the element is started. */
void vsock_enc_set_window(VsockEnc *self, guint window);

G_END_DECLS
