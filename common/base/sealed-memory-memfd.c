/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/sealed-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* After this nobody gets another mapping that can be written, and no holder can make another's read fault. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static int fail(GError **error, int fd, int code, gsize size, const char *what) {
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code),
              "no shared memory of %" G_GSIZE_FORMAT " bytes: %s: %s", size, what, g_strerror(code));
  if (fd >= 0) close(fd);
  return -1;
}

int sealed_memory_create(const char *name, gsize size, void **mapping, GError **error) {
  int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return fail(error, fd, errno, size, "memfd_create");
  if (ftruncate(fd, (off_t)size) != 0) return fail(error, fd, errno, size, "ftruncate");
  void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return fail(error, fd, errno, size, "mmap");
  if (fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
    int code = errno;
    munmap(memory, size);
    return fail(error, fd, code, size, "sealing it (Linux 5.1 can)");
  }
  *mapping = memory;
  return fd;
}

gboolean sealed_memory_fits(int fd, gsize size) {
  struct stat info;
  int seals = fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &info) == 0 && info.st_size >= (off_t)size;
}
