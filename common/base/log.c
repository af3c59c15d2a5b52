/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"

#include "common/base/thread.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic int max_level = LOG_INFO;
static Mutex limit_mutex = MUTEX_INIT;

static const char *const LEVEL_NAMES[] = {
    [LOG_ERROR] = "error: ",
    [LOG_WARN] = "warning: ",
    [LOG_INFO] = "",
    [LOG_DEBUG] = "debug: ",
};

void log_set_level(LogLevel level) {
  atomic_store(&max_level, (int)level);
}

gboolean log_enabled(LogLevel level) {
  return (int)level <= atomic_load(&max_level);
}

/* One write(2) a line, so that lines of several threads never mix; control characters that a peer may have put into a
 * text are made harmless for the terminal that shows them. */
static void write_line(LogLevel level, const char *component, const char *text) {
  g_autoptr(GString) line = g_string_sized_new(160);
  g_string_append_printf(line, "framelift: %s: %s", component, LEVEL_NAMES[level]);
  for (const char *c = text; *c; c++) {
    g_string_append_c(line, (guchar)*c < 0x20 || *c == 0x7f ? '?' : *c);
  }
  g_string_append_c(line, '\n');
  ssize_t written = write(STDERR_FILENO, line->str, line->len);
  (void)written; /* a closed stderr leaves nobody to tell */
}

void log_line(LogLevel level, const char *component, const char *format, ...) {
  if (!log_enabled(level)) return;
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  write_line(level, component, text);
}

static gboolean limit_take(LogLimit *limit, guint *held_back) {
  gint64 now = g_get_monotonic_time();
  mutex_lock(&limit_mutex);
  if (now - limit->window_start_us >= G_USEC_PER_SEC) {
    limit->window_start_us = now;
    limit->in_window = limit->in_window > LOG_LIMIT_BURST ? LOG_LIMIT_BURST - 1 : 0;
  }
  gboolean pass = limit->in_window < LOG_LIMIT_BURST;
  limit->in_window++;
  if (pass) {
    *held_back = limit->held_back;
    limit->held_back = 0;
  } else {
    limit->held_back++;
  }
  mutex_unlock(&limit_mutex);
  return pass;
}

void log_limited(LogLimit *limit, LogLevel level, const char *component, const char *format, ...) {
  guint held_back = 0;
  if (!log_enabled(level) || !limit_take(limit, &held_back)) return;
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  if (held_back > 0) {
    g_autofree char *more = g_strdup_printf("%s (and %u like it)", text, held_back);
    write_line(level, component, more);
  } else {
    write_line(level, component, text);
  }
}
