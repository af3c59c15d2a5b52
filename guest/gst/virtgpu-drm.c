/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/virtgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <virtgpu_drm.h>
#include <xf86drm.h>

#define FOLDER "/dev/dri"

static gboolean is_virtio_gpu(int node) {
  drmVersion *version = drmGetVersion(node);
  gboolean is = version && g_strcmp0(version->name, "virtio_gpu") == 0;
  drmFreeVersion(version);
  return is;
}

/* Render nodes need no rights that others do not have; a primary node does as well, where there is no render node. */
static int open_kind(const char *prefix, guint *seen) {
  g_autoptr(GDir) folder = g_dir_open(FOLDER, 0, NULL);
  const char *name;
  while (folder && (name = g_dir_read_name(folder)) != NULL) {
    if (!g_str_has_prefix(name, prefix)) continue;
    g_autofree char *path = g_build_filename(FOLDER, name, NULL);
    int node = open(path, O_RDWR | O_CLOEXEC);
    if (node < 0) continue;
    (*seen)++;
    if (is_virtio_gpu(node)) return node;
    close(node);
  }
  return -1;
}

static int open_node(GError **error) {
  guint seen = 0;
  int node = open_kind("renderD", &seen);
  if (node < 0) node = open_kind("card", &seen);
  if (node >= 0) return node;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND,
              seen > 0 ? "none of the %u DRM nodes in " FOLDER " is a virtio-gpu's"
                       : "no DRM node in " FOLDER " can be opened (%u)",
              seen);
  return -1;
}

static int import(int node, int prime_fd, guint32 *handle) {
  return drmPrimeFDToHandle(node, prime_fd, handle) == 0 ? 0 : errno;
}

static int resource_id(int node, guint32 handle, guint32 *id) {
  struct drm_virtgpu_resource_info info = {.bo_handle = handle};
  if (drmIoctl(node, DRM_IOCTL_VIRTGPU_RESOURCE_INFO, &info) != 0) return errno;
  *id = info.res_handle;
  return 0;
}

static void release(int node, guint32 handle) {
  struct drm_gem_close close_handle = {.handle = handle};
  drmIoctl(node, DRM_IOCTL_GEM_CLOSE, &close_handle);
}

const VirtGpuInterface virtgpu_kernel = {
    .open = open_node,
    .import = import,
    .resource_id = resource_id,
    .release = release,
};
