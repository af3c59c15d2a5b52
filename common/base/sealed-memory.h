/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Memory that one process writes and another reads, without either trusting
 * the other: it keeps its size for life, and whoever gets the descriptor
 * cannot write it. A file for each way of a system to have such memory, which
 * meson chooses; sealed-memory-memfd.c is Linux's.
 */

/* Zeroes of that size, mapped for writing. The name is seen in /proc alone. Returns the descriptor, close-on-exec, to
 * be given away or closed; both it and the mapping are the caller's. -1 and error on failure. */
int sealed_memory_create(const char *name, gsize size, void **mapping, GError **error);

/* Whether what another process handed over is such memory of at least that size: mapped for reading, reads stay inside,
 * whatever the other does. */
gboolean sealed_memory_fits(int fd, gsize size);
