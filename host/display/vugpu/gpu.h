/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/vugpu/gpu-outputs.h"
#include "host/display/vugpu/gpu-scanouts.h"
#include "host/display/vugpu/vugpu-settings.h"

/*
 * The device's whole state: what a reset has to bring back to its beginning
 * (F11) is here, and nowhere else. One thread.
 */

/* As the guest last said; kept, and shown by nothing yet. */
typedef struct {
  guint32 resource_id; /* 0: hidden */
  guint32 x;           /* of the scanout, pixels */
  guint32 y;
  guint32 hot_x;
  guint32 hot_y;
} GpuCursor;

typedef struct {
  guint initial_outputs;
  guint initial_width;
  guint initial_height;
  gboolean attached;  /* there is a QEMU */
  guint n_outputs;    /* as many as the driver has asked about: QEMU's max_outputs, which it tells us in no other way */
  GpuOutputs outputs;
  GpuScanouts scanouts;
  ResourceTable resources;
  const GuestMemory *memory;
  GpuCursor cursors[DISPLAY_MAX_SCANOUTS];
} Gpu;

/* `memory` and the sink outlive it. */
void gpu_init(Gpu *gpu, const VugpuSettings *settings, const GuestMemory *memory, const DisplaySink *sink,
              gpointer sink_data);
void gpu_finish(Gpu *gpu); /* the sink hears nothing */

/* QEMU is there, or has left: then it is as after a reset, and no output is connected. */
void gpu_set_attached(Gpu *gpu, gboolean attached);
/* Every resource freed, every scanout dark, outputs and cursors as at the start. */
void gpu_reset(Gpu *gpu);
/* Before the guest's memory is replaced: what is noted is captured, and nothing is held that refers to it; and after.
 */
void gpu_memory_changes(Gpu *gpu);
void gpu_memory_changed(Gpu *gpu);

/* Numbers that have been checked. The guest learns it when it asks again. */
void gpu_set_output(Gpu *gpu, guint id, gboolean connected, guint width, guint height, guint refresh_mhz);
/* The guest has asked for GET_DISPLAY_INFO: from here on it knows the outputs as they are, and so may the sink. */
void gpu_note_outputs_read(Gpu *gpu);

/* It has asked for this output's EDID, so there is one. */
void gpu_note_output_asked(Gpu *gpu, guint id);

/* The whole picture of a resource, valid until the next call that takes the gpu. */
DisplayRead gpu_read(Gpu *gpu, guint32 resource_id, Frame *frame);
