/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/stats-json.h"

#include "common/base/stats.h"

#include <json-glib/json-glib.h>
#include <sys/resource.h>
#include <unistd.h>

static void add_text(JsonBuilder *builder, const char *name, const char *value) {
  json_builder_set_member_name(builder, name);
  json_builder_add_string_value(builder, value);
}

static void add_number(JsonBuilder *builder, const char *name, gint64 value) {
  json_builder_set_member_name(builder, name);
  json_builder_add_int_value(builder, value);
}

static void add_counter(const char *name, gint64 value, gpointer data) {
  add_number(data, name, value);
}

static void add_scanouts(JsonBuilder *builder, const Hub *hub) {
  const HxfrScanouts *scanouts = hub_scanouts(hub);
  json_builder_set_member_name(builder, "scanouts");
  json_builder_begin_array(builder);
  for (guint i = 0; i < scanouts->count; i++) {
    const HxfrScanout *scanout = &scanouts->entries[i];
    json_builder_begin_object(builder);
    add_number(builder, "id", scanout->id);
    add_text(builder, "name", scanout->name);
    add_number(builder, "width", scanout->width);
    add_number(builder, "height", scanout->height);
    json_builder_set_member_name(builder, "lit");
    json_builder_add_boolean_value(builder, (scanout->flags & HXFR_SCANOUT_LIT) != 0);
    add_number(builder, "subscribers", hub_subscriber_count(hub, scanout->id));
    json_builder_end_object(builder);
  }
  json_builder_end_array(builder);
}

static void add_process(JsonBuilder *builder) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  json_builder_set_member_name(builder, "process");
  json_builder_begin_object(builder);
  add_number(builder, "pid", getpid());
  add_number(builder, "cpu_ms",
             (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                 (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
  add_number(builder, "max_rss_kb", usage.ru_maxrss);
  json_builder_end_object(builder);
}

static void add_one_process(const char *name, gint64 pid, gint64 cpu_ms, gpointer data) {
  JsonBuilder *builder = data;
  json_builder_begin_object(builder);
  add_text(builder, "name", name);
  add_number(builder, "pid", pid);
  add_number(builder, "cpu_ms", cpu_ms);
  json_builder_end_object(builder);
}

static void add_processes(JsonBuilder *builder) {
  json_builder_set_member_name(builder, "processes");
  json_builder_begin_array(builder);
  stats_each_process("stream", add_one_process, builder);
  json_builder_end_array(builder);
}

char *stats_json(const Hub *hub, const char *vm_name, const char *server_name) {
  static const char *const STATES[] = {"starting", "running", "lost"};
  const char *state_text;
  HxfrDisplayState state = hub_state(hub, &state_text);
  g_autoptr(JsonBuilder) builder = json_builder_new();
  json_builder_begin_object(builder);
  add_text(builder, "server", server_name);
  add_text(builder, "vm", vm_name);
  json_builder_set_member_name(builder, "display");
  json_builder_begin_object(builder);
  add_text(builder, "state", STATES[MIN((guint)state, G_N_ELEMENTS(STATES) - 1)]);
  add_text(builder, "text", state_text);
  json_builder_end_object(builder);
  add_scanouts(builder, hub);
  add_process(builder);
  add_processes(builder);
  json_builder_set_member_name(builder, "counters");
  json_builder_begin_object(builder);
  stats_each(add_counter, builder);
  json_builder_end_object(builder);
  json_builder_end_object(builder);
  g_autoptr(JsonNode) root = json_builder_get_root(builder);
  return json_to_string(root, TRUE);
}
