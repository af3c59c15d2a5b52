/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Counters by name: what `framelift stats` shows. Every drop, retry and
 * fallback has one. A counter is made once, lives until the process ends and
 * is added to from any thread without a lock.
 *
 * Names are "component.what", lower case; what is a sum counts up, what is a
 * level is set.
 */

typedef struct StatsCounter StatsCounter;

/* Finds or makes the counter; `name` is copied, and shorter than STATS_TABLE_NAME. Any thread; never NULL. Keep the pointer on a hot path. */
StatsCounter *stats_counter(const char *name);

void stats_add(StatsCounter *counter, gint64 amount);
void stats_set(StatsCounter *counter, gint64 value);
gint64 stats_get(const StatsCounter *counter);

static inline void stats_count(const char *name) {
  stats_add(stats_counter(name), 1);
}

/*
 * Counters of several processes: each publishes its own in memory that it shares, and one of them shows all.
 */

/* Counters of a process that others can see; those beyond count, and are not seen. We have some hundred. */
#define STATS_TABLE_COUNTERS 500u
#define STATS_TABLE_NAME 56u /* with its NUL */
#define STATS_TABLE_SIZE (STATS_TABLE_COUNTERS * (STATS_TABLE_NAME + 8u))
/* Other processes whose counters can be included. */
#define STATS_MAX_OTHERS 4u

/* From here on counters live in `table`: STATS_TABLE_SIZE zeroed bytes, 8-byte aligned, for as long as the process.
 * Those made before are moved. Once, while the process has one thread. */
void stats_publish(void *table);
/* Another process: its table is part of stats_each(), read only, whatever it contains; the table is the caller's, and
 * stays until it is replaced (NULL: by none). `name` is a literal, `place` below STATS_MAX_OTHERS. Any thread. */
void stats_include(guint place, const char *name, gint64 pid, const void *table);

/* Calls each(name, pid, cpu_ms, data) for this process, named `own`, and those that are included. */
void stats_each_process(const char *own, void (*each)(const char *name, gint64 pid, gint64 cpu_ms, gpointer data),
                        gpointer data);

/* Calls each(name, value, data) for every counter in the order of names; of processes that have the same, the sum. */
void stats_each(void (*each)(const char *name, gint64 value, gpointer data), gpointer data);
