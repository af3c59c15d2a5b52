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

/* Finds or makes the counter; `name` is a literal. Any thread; never NULL. Keep the pointer on a hot path. */
StatsCounter *stats_counter(const char *name);

void stats_add(StatsCounter *counter, gint64 amount);
void stats_set(StatsCounter *counter, gint64 value);
gint64 stats_get(const StatsCounter *counter);

static inline void stats_count(const char *name) {
  stats_add(stats_counter(name), 1);
}

/* Calls each(name, value, data) for every counter in the order of names. */
void stats_each(void (*each)(const char *name, gint64 value, gpointer data), gpointer data);
