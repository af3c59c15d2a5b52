/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/virtgpu.h"

#include "common/base/thread.h"

#include <gst/allocators/gstdmabuf.h>
#include <unistd.h>

struct VirtGpu {
  gint refs; /* atomic: the owner, and every memory that has an entry */
  const VirtGpuInterface *interface;
  int node;
  Mutex mutex;
  GHashTable *handles; /* handle → how many memories share it */
};

/* Hangs on a memory for its life. */
typedef struct {
  VirtGpu *gpu;
  guint32 handle;
  guint32 id;
} Entry;

static G_DEFINE_QUARK(framelift - virtgpu - entry, entry);

VirtGpu *virtgpu_create(const VirtGpuInterface *interface, GError **error) {
  int node = interface->open(error);
  if (node < 0) return NULL;
  VirtGpu *gpu = g_new0(VirtGpu, 1);
  gpu->refs = 1;
  gpu->interface = interface;
  gpu->node = node;
  gpu->handles = g_hash_table_new(NULL, NULL);
  mutex_init(&gpu->mutex);
  return gpu;
}

void virtgpu_unref(VirtGpu *gpu) {
  if (!gpu || !g_atomic_int_dec_and_test(&gpu->refs)) return;
  g_hash_table_unref(gpu->handles);
  mutex_finish(&gpu->mutex);
  close(gpu->node);
  g_free(gpu);
}

/* With the mutex held. */
static void take(VirtGpu *gpu, guint32 handle) {
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(gpu->handles, GUINT_TO_POINTER(handle)));
  g_hash_table_insert(gpu->handles, GUINT_TO_POINTER(handle), GUINT_TO_POINTER(count + 1));
}

static void give_back(VirtGpu *gpu, guint32 handle) {
  guint count = GPOINTER_TO_UINT(g_hash_table_lookup(gpu->handles, GUINT_TO_POINTER(handle)));
  if (count > 1) {
    g_hash_table_insert(gpu->handles, GUINT_TO_POINTER(handle), GUINT_TO_POINTER(count - 1));
    return;
  }
  g_hash_table_remove(gpu->handles, GUINT_TO_POINTER(handle));
  gpu->interface->release(gpu->node, handle);
}

static void entry_free(gpointer data) {
  Entry *entry = data;
  mutex_lock(&entry->gpu->mutex);
  give_back(entry->gpu, entry->handle);
  mutex_unlock(&entry->gpu->mutex);
  virtgpu_unref(entry->gpu);
  g_free(entry);
}

/* The mutex is held from import to count, so that nobody closes the handle in between. */
static Entry *entry_create(VirtGpu *gpu, int prime_fd, GError **error) {
  guint32 handle, id;
  mutex_lock(&gpu->mutex);
  int code = gpu->interface->import(gpu->node, prime_fd, &handle);
  if (code == 0) {
    take(gpu, handle);
    code = gpu->interface->resource_id(gpu->node, handle, &id);
    if (code != 0) give_back(gpu, handle);
  }
  mutex_unlock(&gpu->mutex);
  if (code != 0) {
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "not a buffer of the virtio-gpu: %s",
                g_strerror(code));
    return NULL;
  }
  Entry *entry = g_new(Entry, 1);
  *entry = (Entry){.gpu = gpu, .handle = handle, .id = id};
  g_atomic_int_inc(&gpu->refs);
  return entry;
}

guint32 virtgpu_resource_id(VirtGpu *gpu, GstMemory *memory, GError **error) {
  Entry *entry = gst_mini_object_get_qdata(GST_MINI_OBJECT(memory), entry_quark());
  if (entry && entry->gpu == gpu) return entry->id;
  entry = entry_create(gpu, gst_dmabuf_memory_get_fd(memory), error);
  if (!entry) return 0;
  guint32 id = entry->id;
  /* replaces the entry of another element's node, if there is one: right, and slower only for buffers that two share */
  gst_mini_object_set_qdata(GST_MINI_OBJECT(memory), entry_quark(), entry, entry_free);
  return id;
}
