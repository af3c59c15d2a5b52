/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/probe-report.h"

#include <stdio.h>

void probe_report_init(ProbeReport *report, gboolean as_json) {
  *report = (ProbeReport){.as_json = as_json, .builder = json_builder_new(), .detail = g_string_new(NULL)};
  json_builder_begin_object(report->builder);
  json_builder_set_member_name(report->builder, "hops");
  json_builder_begin_array(report->builder);
}

void probe_report_begin(ProbeReport *report, const char *hop) {
  report->hop = hop;
  report->begun_us = g_get_monotonic_time();
  g_string_truncate(report->detail, 0);
}

void probe_report_detail(ProbeReport *report, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_string_vprintf(report->detail, format, args);
  va_end(args);
}

void probe_report_add(ProbeReport *report, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_string_append(report->detail, "; ");
  g_string_append_vprintf(report->detail, format, args);
  va_end(args);
}

static void add_text(JsonBuilder *builder, const char *name, const char *value) {
  json_builder_set_member_name(builder, name);
  json_builder_add_string_value(builder, value);
}

static void add_hop(ProbeReport *report, gboolean good, gdouble ms, const char *error, const char *remedy) {
  JsonBuilder *builder = report->builder;
  json_builder_begin_object(builder);
  add_text(builder, "hop", report->hop);
  json_builder_set_member_name(builder, "ok");
  json_builder_add_boolean_value(builder, good);
  json_builder_set_member_name(builder, "ms");
  json_builder_add_double_value(builder, ms);
  add_text(builder, "detail", report->detail->str);
  if (error) add_text(builder, "error", error);
  if (remedy) add_text(builder, "remedy", remedy);
  json_builder_end_object(builder);
}

void probe_report_end(ProbeReport *report, gboolean good, const char *error, const char *remedy) {
  gdouble ms = (gdouble)(g_get_monotonic_time() - report->begun_us) / 1000;
  add_hop(report, good, ms, error, remedy);
  if (!good) report->failed = g_strdup(report->hop);
  if (report->as_json) return;
  printf("%-5s %-13s %8.1f ms  %s\n", good ? "ok" : "FAIL", report->hop, ms, report->detail->str);
  if (error) printf("      %s\n", error);
  if (remedy) printf("      %s\n", remedy);
  fflush(stdout);
}

void probe_report_finish(ProbeReport *report, gboolean good) {
  JsonBuilder *builder = report->builder;
  json_builder_end_array(builder);
  json_builder_set_member_name(builder, "picture");
  json_builder_add_boolean_value(builder, good);
  if (report->failed) add_text(builder, "failed", report->failed);
  json_builder_end_object(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  g_autofree char *json = json_to_string(root, TRUE);
  if (report->as_json) {
    puts(json);
  } else if (good) {
    puts("A picture came, and a decoder takes it.");
  } else {
    printf("No picture: \"%s\" is where it ends.\n", report->failed);
  }
  g_object_unref(report->builder);
  g_string_free(report->detail, TRUE);
  g_free(report->failed);
}
