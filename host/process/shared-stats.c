/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/shared-stats.h"

#include "common/base/sealed-memory.h"
#include "common/base/stats.h"

#include <sys/mman.h>
#include <unistd.h>

int shared_stats_publish(GError **error) {
  void *table = NULL;
  int fd = sealed_memory_create("framelift-stats", STATS_TABLE_SIZE, &table, error);
  if (fd >= 0) stats_publish(table);
  return fd;
}

gboolean shared_stats_include(guint place, const char *name, gint64 pid, int fd) {
  static void *mapped[STATS_MAX_OTHERS];
  g_assert(place < STATS_MAX_OTHERS);
  void *table = NULL;
  if (fd >= 0) {
    if (sealed_memory_fits(fd, STATS_TABLE_SIZE)) table = mmap(NULL, STATS_TABLE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (table == MAP_FAILED) table = NULL;
    close(fd);
  }
  stats_include(place, name, pid, table);
  if (mapped[place]) munmap(mapped[place], STATS_TABLE_SIZE);
  mapped[place] = table;
  return table != NULL || fd < 0;
}
