/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/stats.h"

#include "common/base/thread.h"

#include <stdatomic.h>
#include <string.h>

struct StatsCounter {
  const char *name;
  _Atomic gint64 value;
};

static Mutex table_mutex = MUTEX_INIT;
static GPtrArray *table; /* sorted by name, guarded by table_mutex */

static guint lower_bound(const char *name) {
  guint low = 0, high = table->len;
  while (low < high) {
    guint middle = (low + high) / 2;
    const StatsCounter *counter = g_ptr_array_index(table, middle);
    if (strcmp(counter->name, name) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

StatsCounter *stats_counter(const char *name) {
  mutex_lock(&table_mutex);
  if (!table) table = g_ptr_array_new();
  guint at = lower_bound(name);
  StatsCounter *counter = at < table->len ? g_ptr_array_index(table, at) : NULL;
  if (!counter || strcmp(counter->name, name) != 0) {
    counter = g_new0(StatsCounter, 1);
    counter->name = name;
    g_ptr_array_insert(table, (gint)at, counter);
  }
  mutex_unlock(&table_mutex);
  return counter;
}

void stats_add(StatsCounter *counter, gint64 amount) {
  atomic_fetch_add_explicit(&counter->value, amount, memory_order_relaxed);
}

void stats_set(StatsCounter *counter, gint64 value) {
  atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

gint64 stats_get(const StatsCounter *counter) {
  return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

void stats_each(void (*each)(const char *name, gint64 value, gpointer data), gpointer data) {
  mutex_lock(&table_mutex);
  for (guint i = 0; table && i < table->len; i++) {
    StatsCounter *counter = g_ptr_array_index(table, i);
    each(counter->name, stats_get(counter), data);
  }
  mutex_unlock(&table_mutex);
}
