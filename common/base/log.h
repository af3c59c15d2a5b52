/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Log lines on stderr: "framelift: component: text". Any thread.
 *
 * What a peer can provoke goes through a LogLimit, so that nobody fills a
 * disk by being wrong quickly; the lines held back are counted and the count
 * is part of the next line that gets through.
 */

typedef enum {
  LOG_ERROR,
  LOG_WARN,
  LOG_INFO,
  LOG_DEBUG,
} LogLevel;

/* Lines above this level are dropped; LOG_INFO at start. */
void log_set_level(LogLevel level);
gboolean log_enabled(LogLevel level);

void log_line(LogLevel level, const char *component, const char *format, ...) G_GNUC_PRINTF(3, 4);

#define log_error(component, ...) log_line(LOG_ERROR, component, __VA_ARGS__)
#define log_warn(component, ...) log_line(LOG_WARN, component, __VA_ARGS__)
#define log_info(component, ...) log_line(LOG_INFO, component, __VA_ARGS__)
#define log_debug(component, ...)                                                                                      \
  do {                                                                                                                 \
    if (log_enabled(LOG_DEBUG)) log_line(LOG_DEBUG, component, __VA_ARGS__);                                           \
  } while (0)

/* At most LOG_LIMIT_BURST lines, then one a second. Zero-initialised is ready; static storage, any thread. */
#define LOG_LIMIT_BURST 5

typedef struct {
  gint64 window_start_us; /* monotonic */
  guint in_window;
  guint held_back;
} LogLimit;

void log_limited(LogLimit *limit, LogLevel level, const char *component, const char *format, ...) G_GNUC_PRINTF(4, 5);
