/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/stats.h"

#include "common/base/thread.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Also what a shared table is made of: its name is written once, before its first use; an empty one ends the table. */
struct StatsCounter {
  char name[STATS_TABLE_NAME];
  _Atomic gint64 value;
};

G_STATIC_ASSERT(sizeof(StatsCounter) * STATS_TABLE_COUNTERS == STATS_TABLE_SIZE);

static Mutex table_mutex = MUTEX_INIT;
/* guarded by table_mutex */
static GPtrArray *table;        /* sorted by name */
static GPtrArray *retired;      /* were replaced by shared ones; somebody may hold them yet */
static StatsCounter *published; /* NULL: nobody else looks */
static guint n_published;
static struct {
  const char *name;
  gint64 pid;
  const StatsCounter *table; /* NULL: there is none */
} others[STATS_MAX_OTHERS];

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

static StatsCounter *make(const char *name) {
  gboolean shared = published && n_published < STATS_TABLE_COUNTERS;
  StatsCounter *counter = shared ? &published[n_published++] : g_new0(StatsCounter, 1);
  g_strlcpy(counter->name, name, sizeof counter->name);
  return counter;
}

StatsCounter *stats_counter(const char *name) {
  g_assert(strlen(name) < STATS_TABLE_NAME);
  mutex_lock(&table_mutex);
  if (!table) table = g_ptr_array_new();
  guint at = lower_bound(name);
  StatsCounter *counter = at < table->len ? g_ptr_array_index(table, at) : NULL;
  if (!counter || strcmp(counter->name, name) != 0) {
    counter = make(name);
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

void stats_publish(void *shared) {
  mutex_lock(&table_mutex);
  g_assert(!published);
  published = shared;
  for (guint i = 0; table && i < table->len; i++) {
    StatsCounter *old = g_ptr_array_index(table, i);
    StatsCounter *counter = make(old->name);
    stats_set(counter, stats_get(old));
    table->pdata[i] = counter;
    if (!retired) retired = g_ptr_array_new();
    g_ptr_array_add(retired, old);
  }
  mutex_unlock(&table_mutex);
}

void stats_include(guint place, const char *name, gint64 pid, const void *shared) {
  g_assert(place < STATS_MAX_OTHERS);
  mutex_lock(&table_mutex);
  others[place].name = name;
  others[place].pid = pid;
  others[place].table = shared;
  mutex_unlock(&table_mutex);
}

/* -1: not known, because it has ended. */
static gint64 cpu_ms_of(pid_t pid) {
  clockid_t clock;
  struct timespec time;
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return -1;
  return (gint64)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void stats_each_process(const char *own, void (*each)(const char *name, gint64 pid, gint64 cpu_ms, gpointer data),
                        gpointer data) {
  each(own, getpid(), cpu_ms_of(0), data);
  mutex_lock(&table_mutex);
  for (guint i = 0; i < STATS_MAX_OTHERS; i++) {
    if (others[i].table) each(others[i].name, others[i].pid, cpu_ms_of((pid_t)others[i].pid), data);
  }
  mutex_unlock(&table_mutex);
}

typedef struct {
  char name[STATS_TABLE_NAME];
  gint64 value;
} Total;

static void add_total(GArray *totals, const char *name, gint64 value) {
  Total total = {.value = value};
  g_strlcpy(total.name, name, sizeof total.name);
  g_array_append_val(totals, total);
}

/* Another process writes there, and may write anything: what is no name of ours ends it. */
static void add_others(GArray *totals, const StatsCounter *counters) {
  for (guint i = 0; i < STATS_TABLE_COUNTERS; i++) {
    char name[STATS_TABLE_NAME];
    memcpy(name, counters[i].name, sizeof name);
    name[sizeof name - 1] = '\0';
    gsize length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-");
    if (length == 0 || name[length] != '\0') return;
    add_total(totals, name, stats_get(&counters[i]));
  }
}

static gint compare_totals(gconstpointer a, gconstpointer b) {
  return strcmp(((const Total *)a)->name, ((const Total *)b)->name);
}

void stats_each(void (*each)(const char *name, gint64 value, gpointer data), gpointer data) {
  g_autoptr(GArray) totals = g_array_new(FALSE, FALSE, sizeof(Total));
  mutex_lock(&table_mutex);
  for (guint i = 0; table && i < table->len; i++) {
    const StatsCounter *counter = g_ptr_array_index(table, i);
    add_total(totals, counter->name, stats_get(counter));
  }
  for (guint i = 0; i < STATS_MAX_OTHERS; i++) {
    if (others[i].table) add_others(totals, others[i].table);
  }
  mutex_unlock(&table_mutex);
  g_array_sort(totals, compare_totals);
  for (guint i = 0; i < totals->len; i++) {
    Total *total = &g_array_index(totals, Total, i);
    for (; i + 1 < totals->len && strcmp(g_array_index(totals, Total, i + 1).name, total->name) == 0; i++) {
      /* another process may have put any number there */
      total->value = (gint64)((guint64)total->value + (guint64)g_array_index(totals, Total, i + 1).value);
    }
    each(total->name, total->value, data);
  }
}
