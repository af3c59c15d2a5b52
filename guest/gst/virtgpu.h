/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gst/gst.h>

/*
 * From a DMA-BUF to the resource id that the host knows it by: PRIME fd →
 * GEM handle → VIRTGPU_RESOURCE_INFO. The GEM handle is not the id. One DRM
 * node is opened for each VirtGpu.
 *
 * The kernel gives one handle for one object, however often it is imported,
 * and one close ends it; so handles are counted by the buffers that share
 * them, and kept as long as the buffer's memory lives: a pool's buffers are
 * asked about once. Memory may be freed in any thread, after virtgpu_unref()
 * too; all functions are for any thread.
 */

typedef struct VirtGpu VirtGpu;

/* What the kernel does; replaced in tests. All but open return 0 or an errno. */
typedef struct {
  int (*open)(GError **error); /* the virtio-gpu's node; -1 and error if there is none */
  int (*import)(int node, int prime_fd, guint32 *handle);
  int (*resource_id)(int node, guint32 handle, guint32 *id);
  void (*release)(int node, guint32 handle);
} VirtGpuInterface;

/* NULL and error (G_IO_ERROR_NOT_FOUND) if this machine has no virtio-gpu; reason in the text. */
VirtGpu *virtgpu_create(const VirtGpuInterface *interface, GError **error);
void virtgpu_unref(VirtGpu *gpu); /* NULL is legal */

/* The resource id of a memory that is a DMA-BUF; 0 and error if it is none of this GPU's. */
guint32 virtgpu_resource_id(VirtGpu *gpu, GstMemory *memory, GError **error);

/* The kernel's own, virtgpu-drm.c; where there is no libdrm, one that finds nothing, virtgpu-none.c. */
extern const VirtGpuInterface virtgpu_kernel;
