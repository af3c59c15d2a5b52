/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/base/byte-writer.h"
#include "host/display/display.h"
#include "host/display/vugpu/edid.h"

/*
 * The device's sockets for monitors: which have one plugged in, and what kind.
 * The guest learns it by GET_DISPLAY_INFO and GET_EDID (virtio 1.2 section
 * 5.7.6.8), which it sends when it starts and when the device's configuration
 * says VIRTIO_GPU_EVENT_DISPLAY. One thread.
 */

/* struct virtio_gpu_resp_display_info without its header: always 16 outputs of 24 bytes. */
#define GPU_OUTPUTS_INFO_SIZE (DISPLAY_MAX_SCANOUTS * 24u)

typedef struct {
  gboolean connected;
  guint width; /* pixels */
  guint height;
  guint refresh_mhz;
} GpuOutput;

typedef struct {
  GpuOutput outputs[DISPLAY_MAX_SCANOUTS];
} GpuOutputs;

/* The first `count` are connected, all have this size. */
void gpu_outputs_init(GpuOutputs *outputs, guint count, guint width, guint height);
/* Numbers that have been checked. A disconnected one keeps its size. */
void gpu_outputs_set(GpuOutputs *outputs, guint id, gboolean connected, guint width, guint height, guint refresh_mhz);

/* Outputs lie side by side, in the order of their numbers. */
void gpu_outputs_write_info(const GpuOutputs *outputs, ByteWriter *out);
/* Returns the size. */
gsize gpu_outputs_write_edid(const GpuOutputs *outputs, guint id, guint8 out[EDID_MAX_SIZE]);
