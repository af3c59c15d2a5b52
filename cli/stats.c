/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/client.h"
#include "cli/command.h"

#include <json-glib/json-glib.h>
#include <stdio.h>

static gboolean fetch(Client *client, char **json, GError **error) {
  if (!client_send(client, HXFR_STATS_REQ, 0, NULL, 0, error)) return FALSE;
  Message message;
  do {
    if (!client_receive(client, &message, CLIENT_TIMEOUT_MS, error)) return FALSE;
    ClientUnit unused = {0};
    gboolean is_unit;
    if (message.header.type == HXFR_ERROR) return client_read_unit(client, &message, &unused, &is_unit, error);
  } while (message.header.type != HXFR_STATS);
  *json = g_strndup((const char *)message.payload, message.header.payload_size);
  return TRUE;
}

static void print_counter(JsonObject *object, const gchar *name, JsonNode *node, gpointer data) {
  printf("  %-36s %" G_GINT64_FORMAT "\n", name, json_node_get_int(node));
}

static void print_scanout(JsonArray *array, guint index, JsonNode *node, gpointer data) {
  JsonObject *scanout = json_node_get_object(node);
  printf("scanout %" G_GINT64_FORMAT ": %s, %" G_GINT64_FORMAT "x%" G_GINT64_FORMAT ", %s, %" G_GINT64_FORMAT
         " subscribers\n",
         json_object_get_int_member(scanout, "id"), json_object_get_string_member(scanout, "name"),
         json_object_get_int_member(scanout, "width"), json_object_get_int_member(scanout, "height"),
         json_object_get_boolean_member(scanout, "lit") ? "lit" : "dark",
         json_object_get_int_member(scanout, "subscribers"));
}

static void print_process(JsonArray *array, guint index, JsonNode *node, gpointer data) {
  JsonObject *process = json_node_get_object(node);
  printf("process %" G_GINT64_FORMAT " (%s): %" G_GINT64_FORMAT " ms of CPU\n",
         json_object_get_int_member(process, "pid"), json_object_get_string_member(process, "name"),
         json_object_get_int_member(process, "cpu_ms"));
}

static gboolean print_text(const char *json, GError **error) {
  g_autoptr(JsonNode) root = json_from_string(json, error);
  if (!root) return FALSE;
  JsonObject *object = json_node_get_object(root);
  JsonObject *display = json_object_get_object_member(object, "display");
  JsonObject *process = json_object_get_object_member(object, "process");
  printf("%s, VM \"%s\"\n", json_object_get_string_member(object, "server"),
         json_object_get_string_member(object, "vm"));
  printf("display %s: %s\n", json_object_get_string_member(display, "state"),
         json_object_get_string_member(display, "text"));
  json_array_foreach_element(json_object_get_array_member(object, "scanouts"), print_scanout, NULL);
  printf("memory of process %" G_GINT64_FORMAT ": at most %" G_GINT64_FORMAT " KB\n",
         json_object_get_int_member(process, "pid"), json_object_get_int_member(process, "max_rss_kb"));
  if (json_object_has_member(object, "processes")) {
    json_array_foreach_element(json_object_get_array_member(object, "processes"), print_process, NULL);
  }
  puts("counters");
  json_object_foreach_member(json_object_get_object_member(object, "counters"), print_counter, NULL);
  return TRUE;
}

static gboolean show(Client *client, const char *token, gboolean as_json, GError **error) {
  g_autofree char *json = NULL;
  if (!client_negotiate(client, token, error)) return FALSE;
  if (client->version < HXFR_VERSION) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "a version 1 host has no counters to show");
    return FALSE;
  }
  if (!fetch(client, &json, error)) return FALSE;
  if (!as_json) return print_text(json, error);
  puts(json);
  return TRUE;
}

int command_stats(int argc, char **argv) {
  gboolean as_json = FALSE;
  g_autofree char *token_file = NULL, *address_text = NULL;
  const GOptionEntry entries[] = {
      {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "As JSON", NULL},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &token_file, "The daemon's token, for tcp addresses", "FILE"},
      {NULL},
  };
  int status;
  const char *summary = "Shows every counter, drop and fallback of a daemon.";
  if (!command_parse("stats", summary, entries, argc, argv, &address_text, &status)) return status;
  g_autoptr(GError) error = NULL;
  Address address;
  if (!address_parse(address_text, &address, &error)) return command_usage("stats", "%s", error->message);
  g_autofree char *token = client_read_token(token_file, &error);
  Client client = {0};
  gboolean shown = !error && client_connect(&client, &address, &error) && show(&client, token, as_json, &error);
  client_close(&client);
  return shown ? COMMAND_DONE : command_fail("stats", "%s", error->message);
}
