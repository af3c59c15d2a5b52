/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/vugpu/gpu.h"
#include "host/vhost/virtqueue.h"

/*
 * The 2D commands of virtio-gpu: virtio 1.2 section 5.7.6.7 and after. What a
 * guest may send is anything; each command is answered with the
 * specification's error, counted, and logged at a bounded rate. One thread.
 */

/* struct virtio_gpu_ctrl_hdr */
#define GPU_COMMANDS_HEADER 24u
/* struct virtio_gpu_mem_entry */
#define GPU_COMMANDS_ENTRY 16u
/* virtio_gpu_resp_edid has room for so many bytes of EDID. */
#define GPU_COMMANDS_EDID 1024u

/* enum virtio_gpu_ctrl_type */
typedef enum {
  GPU_GET_DISPLAY_INFO = 0x0100,
  GPU_RESOURCE_CREATE_2D,
  GPU_RESOURCE_UNREF,
  GPU_SET_SCANOUT,
  GPU_RESOURCE_FLUSH,
  GPU_TRANSFER_TO_HOST_2D,
  GPU_RESOURCE_ATTACH_BACKING,
  GPU_RESOURCE_DETACH_BACKING,
  GPU_GET_CAPSET_INFO,
  GPU_GET_CAPSET,
  GPU_GET_EDID,
  GPU_UPDATE_CURSOR = 0x0300,
  GPU_MOVE_CURSOR,
  GPU_OK_NODATA = 0x1100,
  GPU_OK_DISPLAY_INFO,
  GPU_OK_EDID = 0x1104,
  GPU_ERR_UNSPEC = 0x1200,
  GPU_ERR_OUT_OF_MEMORY,
  GPU_ERR_INVALID_SCANOUT_ID,
  GPU_ERR_INVALID_RESOURCE_ID,
  GPU_ERR_INVALID_CONTEXT_ID,
  GPU_ERR_INVALID_PARAMETER,
} GpuType;

/* In a header's flags: wants its fence id back in the answer (5.7.6.7). */
#define GPU_FLAG_FENCE 1u

/* Carries out one command and writes its answer. Returns the answer's bytes. */
guint32 gpu_commands_run(Gpu *gpu, const VirtqueueElement *element);
