/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "framelift-config.h"
#include "guest/gst/framelift-src.h"
#include "guest/gst/vsock-enc.h"

/* The GStreamer plugin "framelift": vsockenc and frameliftsrc. */

#define PACKAGE "framelift"

static gboolean plugin_init(GstPlugin *plugin) {
  return GST_ELEMENT_REGISTER(vsockenc, plugin) && GST_ELEMENT_REGISTER(frameliftsrc, plugin);
}

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, framelift, "H.264 of a virtual machine's screen, by its host",
                  plugin_init, FRAMELIFT_VERSION, "LGPL", "framelift", "framelift")
