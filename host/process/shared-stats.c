/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/shared-stats.h"

#include "common/base/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int shared_stats_publish(GError **error) {
  int fd = memfd_create("framelift-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  void *table = MAP_FAILED;
  if (fd >= 0 && ftruncate(fd, STATS_TABLE_SIZE) == 0) {
    table = mmap(NULL, STATS_TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (table != MAP_FAILED &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0) {
    stats_publish(table);
    return fd;
  }
  int code = errno;
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "no shared memory for the counters: %s",
              g_strerror(code));
  if (table != MAP_FAILED) munmap(table, STATS_TABLE_SIZE);
  if (fd >= 0) close(fd);
  return -1;
}

gboolean shared_stats_include(guint place, const char *name, gint64 pid, int fd) {
  static void *mapped[STATS_MAX_OTHERS];
  g_assert(place < STATS_MAX_OTHERS);
  struct stat info;
  void *table = NULL;
  if (fd >= 0) {
    int seals = fcntl(fd, F_GET_SEALS);
    gboolean fits = seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &info) == 0 && info.st_size >= STATS_TABLE_SIZE;
    if (fits) table = mmap(NULL, STATS_TABLE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (table == MAP_FAILED) table = NULL;
    close(fd);
  }
  stats_include(place, name, pid, table);
  if (mapped[place]) munmap(mapped[place], STATS_TABLE_SIZE);
  mapped[place] = table;
  return table != NULL || fd < 0;
}
