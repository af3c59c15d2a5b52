/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/virtgpu.h"

static int open_node(GError **error) {
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "this build has no libdrm");
  return -1;
}

const VirtGpuInterface virtgpu_kernel = {.open = open_node};
