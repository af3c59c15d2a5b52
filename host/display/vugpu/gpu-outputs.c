/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/gpu-outputs.h"

void gpu_outputs_init(GpuOutputs *outputs, guint count, guint width, guint height) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    outputs->outputs[id] = (GpuOutput){id < count, width, height, DISPLAY_DEFAULT_REFRESH_MHZ};
  }
}

void gpu_outputs_set(GpuOutputs *outputs, guint id, gboolean connected, guint width, guint height, guint refresh_mhz) {
  GpuOutput *output = &outputs->outputs[id];
  output->connected = connected;
  if (!connected) return;
  output->width = width;
  output->height = height;
  output->refresh_mhz = refresh_mhz;
}

void gpu_outputs_write_info(const GpuOutputs *outputs, ByteWriter *out) {
  guint32 x = 0;
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    const GpuOutput *output = &outputs->outputs[id];
    if (!output->connected) {
      byte_writer_zeros(out, 24);
      continue;
    }
    byte_writer_u32(out, x);
    byte_writer_u32(out, 0);
    byte_writer_u32(out, output->width);
    byte_writer_u32(out, output->height);
    byte_writer_u32(out, 1); /* enabled */
    byte_writer_u32(out, 0); /* flags */
    x += output->width;
  }
}

gsize gpu_outputs_write_edid(const GpuOutputs *outputs, guint id, guint8 out[EDID_MAX_SIZE]) {
  const GpuOutput *output = &outputs->outputs[id];
  EdidMode mode = {id, output->width, output->height, output->refresh_mhz};
  return edid_write(&mode, out);
}
