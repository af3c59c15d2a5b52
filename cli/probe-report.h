/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* What `framelift probe` prints: a line a hop as it goes, or one JSON object at the end. */

typedef struct {
  gboolean as_json;
  JsonBuilder *builder;
  const char *hop;
  GString *detail;
  gint64 begun_us;
  char *failed; /* the hop that did; NULL: none */
} ProbeReport;

void probe_report_init(ProbeReport *report, gboolean as_json);
void probe_report_begin(ProbeReport *report, const char *hop);
/* The hop's findings: the first sets them, others add to them. */
void probe_report_detail(ProbeReport *report, const char *format, ...) G_GNUC_PRINTF(2, 3);
void probe_report_add(ProbeReport *report, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* error and remedy may be NULL. */
void probe_report_end(ProbeReport *report, gboolean good, const char *error, const char *remedy);
void probe_report_finish(ProbeReport *report, gboolean good);
