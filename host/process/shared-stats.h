/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/* The counters of one of our processes (common/base/stats.h) in memory that another one of them can see. */

/* This process's counters live in a memfd from here on, sealed so that nobody else can write it. Its descriptor, the
 * caller's; -1 and error. Once, early. */
int shared_stats_publish(GError **error);

/* Another process's, as `place` of ours; takes the descriptor over (-1: none). What was there before is unmapped. FALSE:
 * it is no such memory. */
gboolean shared_stats_include(guint place, const char *name, gint64 pid, int fd);
