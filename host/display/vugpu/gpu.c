/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/gpu.h"

#include <string.h>

static void init_outputs(Gpu *gpu) {
  gpu_outputs_init(&gpu->outputs, gpu->initial_outputs, gpu->initial_width, gpu->initial_height);
}

void gpu_init(Gpu *gpu, const VugpuSettings *settings, const GuestMemory *memory, const DisplaySink *sink,
              gpointer sink_data) {
  *gpu = (Gpu){
      .initial_outputs = settings->outputs,
      .initial_width = settings->width,
      .initial_height = settings->height,
      .memory = memory,
  };
  init_outputs(gpu);
  resource_table_init(&gpu->resources);
  gpu_scanouts_init(&gpu->scanouts, &gpu->resources, memory, sink, sink_data);
}

void gpu_finish(Gpu *gpu) {
  resource_table_finish(&gpu->resources);
}

void gpu_note_outputs_read(Gpu *gpu) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    const GpuOutput *output = &gpu->outputs.outputs[id];
    gpu_scanouts_set_connected(&gpu->scanouts, id, gpu->attached && output->connected, output->refresh_mhz);
  }
}

static void tell_n_outputs(Gpu *gpu, guint count) {
  const DisplaySink *sink = gpu->scanouts.sink;
  if (count == gpu->n_outputs) return;
  gpu->n_outputs = count;
  if (sink->outputs) sink->outputs(gpu->scanouts.sink_data, count);
}

void gpu_note_output_asked(Gpu *gpu, guint id) {
  tell_n_outputs(gpu, MAX(gpu->n_outputs, id + 1));
}

void gpu_reset(Gpu *gpu) {
  tell_n_outputs(gpu, 0);
  gpu_scanouts_darken_all(&gpu->scanouts);
  resource_table_clear(&gpu->resources);
  memset(gpu->cursors, 0, sizeof gpu->cursors);
  init_outputs(gpu);
  gpu_note_outputs_read(gpu);
}

void gpu_set_attached(Gpu *gpu, gboolean attached) {
  gpu->attached = attached;
  gpu_reset(gpu);
}

void gpu_memory_changes(Gpu *gpu) {
  gpu_scanouts_capture(&gpu->scanouts);
}

void gpu_memory_changed(Gpu *gpu) {
  resource_table_memory_changed(&gpu->resources, gpu->memory);
}

void gpu_set_output(Gpu *gpu, guint id, gboolean connected, guint width, guint height, guint refresh_mhz) {
  gpu_outputs_set(&gpu->outputs, id, connected, width, height, refresh_mhz);
}

DisplayRead gpu_read(Gpu *gpu, guint32 resource_id, Frame *frame) {
  Resource *resource = resource_table_find(&gpu->resources, resource_id);
  if (!resource) return DISPLAY_READ_NOT_FOUND;
  Rect all = {0, 0, resource->width, resource->height};
  if (resource->width > FRAME_MAX_WIDTH || resource->height > FRAME_MAX_HEIGHT) return DISPLAY_READ_NO_BACKING;
  return resource_frame(&gpu->resources, resource, gpu->memory, &all, frame) ? DISPLAY_READ_OK
                                                                             : DISPLAY_READ_NO_BACKING;
}
