/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/guest-memory.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

static int make_file(gsize size) {
  int fd = memfd_create("guest", MFD_CLOEXEC);
  g_assert_cmpint(fd, >=, 0);
  g_assert_no_errno(ftruncate(fd, (off_t)size));
  return fd;
}

/* Two regions that follow each other in the guest, from two files, the second from the middle of its file. */
static void make(GuestMemory *memory) {
  const GuestMemoryRegion regions[] = {
      {.guest = 0x1000, .size = 2 * PAGE, .user = 0x70000000, .offset = 0, .fd = make_file(2 * PAGE)},
      {.guest = 0x3000, .size = 2 * PAGE, .user = 0x90000000, .offset = PAGE, .fd = make_file(3 * PAGE)},
  };
  g_autoptr(GError) error = NULL;
  g_assert_true(guest_memory_set(memory, regions, 2, &error));
  g_assert_no_error(error);
  memset(memory->regions[0].map, 1, 2 * PAGE);
  memset(memory->regions[1].map, 2, 3 * PAGE);
}

static void test_spans(void) {
  GuestMemory memory = {0};
  gsize size;
  make(&memory);
  g_assert_true(guest_memory_span(&memory, 0x1000, 5, &size) == memory.regions[0].map);
  g_assert_cmpuint(size, ==, 5);
  g_assert_true(guest_memory_span(&memory, 0x2ffe, 100, &size) == memory.regions[0].map + 0x1ffe);
  g_assert_cmpuint(size, ==, 2);
  g_assert_true(guest_memory_span(&memory, 0x3000, 1, &size) == memory.regions[1].map + PAGE);
  g_assert_null(guest_memory_span(&memory, 0x1000, 0, &size));
  g_assert_null(guest_memory_span(&memory, 0xfff, 1, &size));
  g_assert_null(guest_memory_span(&memory, 0x5000, 1, &size));
  g_assert_null(guest_memory_span(&memory, G_MAXUINT64, 1, &size));
  guest_memory_clear(&memory);
  g_assert_null(guest_memory_span(&memory, 0x1000, 1, &size));
}

static void test_has(void) {
  GuestMemory memory = {0};
  make(&memory);
  g_assert_true(guest_memory_has(&memory, 0x1000, 4 * PAGE));
  g_assert_false(guest_memory_has(&memory, 0x1000, 4 * PAGE + 1));
  g_assert_false(guest_memory_has(&memory, 0x1001, G_MAXUINT64));
  g_assert_true(guest_memory_has(&memory, 12, 0));
  guest_memory_clear(&memory);
}

static void test_read_crosses(void) {
  GuestMemory memory = {0};
  guint8 bytes[4];
  make(&memory);
  g_assert_true(guest_memory_read(&memory, 0x2ffe, bytes, 4));
  g_assert_cmpmem(bytes, 4, "\1\1\2\2", 4);
  g_assert_false(guest_memory_read(&memory, 0x4ffe, bytes, 4));
  guest_memory_clear(&memory);
}

static void test_user(void) {
  GuestMemory memory = {0};
  make(&memory);
  g_assert_true(guest_memory_user(&memory, 0x90000010, 16) == memory.regions[1].map + PAGE + 0x10);
  g_assert_nonnull(guest_memory_user(&memory, 0x70000000, 2 * PAGE));
  g_assert_null(guest_memory_user(&memory, 0x70000001, 2 * PAGE)); /* it goes on in the guest, not in QEMU */
  g_assert_null(guest_memory_user(&memory, 0x70000000, G_MAXSIZE));
  g_assert_null(guest_memory_user(&memory, 0, 1));
  guest_memory_clear(&memory);
}

static void test_file(void) {
  GuestMemory memory = {0};
  int fd;
  guint64 offset;
  make(&memory);
  g_assert_true(guest_memory_file(&memory, 0x4000, PAGE, &fd, &offset));
  g_assert_cmpint(fd, ==, memory.regions[1].fd);
  g_assert_cmpuint(offset, ==, 2 * PAGE);
  g_assert_false(guest_memory_file(&memory, 0x2000, PAGE + 1, &fd, &offset));
  guest_memory_clear(&memory);
}

typedef struct {
  GuestMemoryRegion region;
  const char *names;
} Lie;

static void test_lies(void) {
  static const Lie LIES[] = {
      {{.guest = 0x9000, .size = 0, .user = 0, .offset = 0}, "size"},
      {{.guest = 0x9000, .size = 3 * PAGE, .user = 0, .offset = 0}, "larger than its file"},
      {{.guest = 0x9000, .size = PAGE, .user = 0, .offset = 2 * PAGE}, "larger than its file"},
      {{.guest = G_MAXUINT64 - 5, .size = PAGE, .user = 0, .offset = 0}, "size"},
      {{.guest = 0x9000, .size = PAGE, .user = G_MAXUINT64, .offset = 0}, "size"},
      {{.guest = 0x9000, .size = PAGE, .user = 0, .offset = G_MAXUINT64 - 5}, "size"},
      {{.guest = 0x9000, .size = G_MAXINT64, .user = 0, .offset = 4096}, "size"},
      {{.guest = 0x1fff, .size = PAGE, .user = 0, .offset = 0}, "overlaps"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(LIES); i++) {
    GuestMemory memory = {0};
    g_autoptr(GError) error = NULL;
    GuestMemoryRegion regions[2] = {{.guest = 0x1000, .size = PAGE, .user = 0, .fd = make_file(PAGE)}, LIES[i].region};
    regions[1].fd = make_file(2 * PAGE);
    g_assert_false(guest_memory_set(&memory, regions, 2, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    g_assert_nonnull(strstr(error->message, LIES[i].names));
    g_assert_cmpuint(memory.n_regions, ==, 0);
    g_assert_cmpint(fcntl(regions[0].fd, F_GETFD), ==, -1);
    g_assert_cmpint(fcntl(regions[1].fd, F_GETFD), ==, -1);
  }
}

static void test_too_many(void) {
  GuestMemory memory = {0};
  GuestMemoryRegion regions[GUEST_MEMORY_MAX_REGIONS + 1] = {0};
  for (guint i = 0; i <= GUEST_MEMORY_MAX_REGIONS; i++) {
    regions[i] = (GuestMemoryRegion){.guest = i * PAGE, .size = PAGE, .user = i * PAGE, .fd = make_file(PAGE)};
  }
  g_assert_false(guest_memory_set(&memory, regions, GUEST_MEMORY_MAX_REGIONS + 1, NULL));
  g_assert_cmpint(fcntl(regions[GUEST_MEMORY_MAX_REGIONS].fd, F_GETFD), ==, -1);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/guest-memory/spans", test_spans);
  g_test_add_func("/guest-memory/has", test_has);
  g_test_add_func("/guest-memory/read-crosses", test_read_crosses);
  g_test_add_func("/guest-memory/user", test_user);
  g_test_add_func("/guest-memory/file", test_file);
  g_test_add_func("/guest-memory/lies", test_lies);
  g_test_add_func("/guest-memory/too-many", test_too_many);
  return g_test_run();
}
