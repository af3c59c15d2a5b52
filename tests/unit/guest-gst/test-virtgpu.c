/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/virtgpu.h"

#include <errno.h>
#include <fcntl.h>
#include <gst/allocators/gstdmabuf.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* A kernel whose object is the file behind the fd: two fds of one file are one object, as two DMA-BUF fds may be. */
static guint imports, releases;
static ino_t known[8];

static int fake_open(GError **error) {
  return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int fake_open_none(GError **error) {
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "none here");
  return -1;
}

static int fake_import(int node, int prime_fd, guint32 *handle) {
  struct stat status;
  if (fstat(prime_fd, &status) != 0) return errno;
  imports++;
  for (guint i = 0; i < G_N_ELEMENTS(known); i++) {
    if (known[i] != 0 && known[i] != status.st_ino) continue;
    known[i] = status.st_ino;
    *handle = i + 1;
    return 0;
  }
  return ENOMEM;
}

/* Handle 3 is of another driver. */
static int fake_resource_id(int node, guint32 handle, guint32 *id) {
  if (handle == 3) return EINVAL;
  *id = 100 + handle;
  return 0;
}

static void fake_release(int node, guint32 handle) {
  releases++;
}

static const VirtGpuInterface FAKE = {fake_open, fake_import, fake_resource_id, fake_release};
static const VirtGpuInterface NONE = {.open = fake_open_none};

static int make_fd(void) {
  int fd = memfd_create("dmabuf", MFD_CLOEXEC);
  g_assert_cmpint(fd, >=, 0);
  g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
  return fd;
}

static void begin(void) {
  imports = releases = 0;
  memset(known, 0, sizeof known);
}

static void test_cached(void) {
  begin();
  g_autoptr(GstAllocator) allocator = gst_dmabuf_allocator_new();
  VirtGpu *gpu = virtgpu_create(&FAKE, NULL);
  GstMemory *memory = gst_dmabuf_allocator_alloc(allocator, make_fd(), 4096);
  for (guint i = 0; i < 5; i++) g_assert_cmpuint(virtgpu_resource_id(gpu, memory, NULL), ==, 101);
  g_assert_cmpuint(imports, ==, 1);
  g_assert_cmpuint(releases, ==, 0);
  gst_memory_unref(memory);
  g_assert_cmpuint(releases, ==, 1);
  virtgpu_unref(gpu);
}

static void test_shared_handle(void) {
  begin();
  g_autoptr(GstAllocator) allocator = gst_dmabuf_allocator_new();
  VirtGpu *gpu = virtgpu_create(&FAKE, NULL);
  int fd = make_fd();
  GstMemory *first = gst_dmabuf_allocator_alloc(allocator, dup(fd), 4096);
  GstMemory *second = gst_dmabuf_allocator_alloc(allocator, fd, 4096);
  g_assert_cmpuint(virtgpu_resource_id(gpu, first, NULL), ==, 101);
  g_assert_cmpuint(virtgpu_resource_id(gpu, second, NULL), ==, 101);
  gst_memory_unref(first);
  g_assert_cmpuint(releases, ==, 0); /* the other still has it */
  g_assert_cmpuint(virtgpu_resource_id(gpu, second, NULL), ==, 101);
  gst_memory_unref(second);
  g_assert_cmpuint(releases, ==, 1);
  virtgpu_unref(gpu);
}

static void test_memory_outlives_element(void) {
  begin();
  g_autoptr(GstAllocator) allocator = gst_dmabuf_allocator_new();
  VirtGpu *gpu = virtgpu_create(&FAKE, NULL);
  GstMemory *memory = gst_dmabuf_allocator_alloc(allocator, make_fd(), 4096);
  virtgpu_resource_id(gpu, memory, NULL);
  virtgpu_unref(gpu);
  VirtGpu *next = virtgpu_create(&FAKE, NULL);
  g_assert_cmpuint(virtgpu_resource_id(next, memory, NULL), ==, 101);
  g_assert_cmpuint(imports, ==, 2); /* another node, another import */
  g_assert_cmpuint(releases, ==, 1);
  virtgpu_unref(next);
  gst_memory_unref(memory);
  g_assert_cmpuint(releases, ==, 2);
}

static void test_foreign_buffer(void) {
  begin();
  g_autoptr(GstAllocator) allocator = gst_dmabuf_allocator_new();
  VirtGpu *gpu = virtgpu_create(&FAKE, NULL);
  GstMemory *memory[3];
  for (guint i = 0; i < 3; i++) {
    g_autoptr(GError) error = NULL;
    memory[i] = gst_dmabuf_allocator_alloc(allocator, make_fd(), 4096);
    guint32 id = virtgpu_resource_id(gpu, memory[i], &error);
    g_assert_cmpuint(id, ==, i == 2 ? 0 : 101 + i);
    g_assert_true((error != NULL) == (i == 2));
  }
  g_assert_cmpuint(releases, ==, 1); /* what has no id is not kept */
  for (guint i = 0; i < 3; i++) gst_memory_unref(memory[i]);
  g_assert_cmpuint(releases, ==, 3);
  virtgpu_unref(gpu);
}

static void test_no_node(void) {
  g_autoptr(GError) error = NULL;
  g_assert_null(virtgpu_create(&NONE, &error));
  g_assert_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  virtgpu_unref(NULL);
}

/* What it says depends on the machine; that it says why does not. */
static void test_kernel(void) {
  g_autoptr(GError) error = NULL;
  VirtGpu *gpu = virtgpu_create(&virtgpu_kernel, &error);
  if (gpu)
    g_test_message("there is a virtio-gpu here");
  else
    g_test_message("%s", error->message);
  g_assert_true((gpu == NULL) == (error != NULL));
  virtgpu_unref(gpu);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/virtgpu/cached", test_cached);
  g_test_add_func("/virtgpu/shared-handle", test_shared_handle);
  g_test_add_func("/virtgpu/memory-outlives-element", test_memory_outlives_element);
  g_test_add_func("/virtgpu/foreign-buffer", test_foreign_buffer);
  g_test_add_func("/virtgpu/no-node", test_no_node);
  g_test_add_func("/virtgpu/kernel", test_kernel);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
