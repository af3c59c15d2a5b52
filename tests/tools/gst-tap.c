/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * gst-tap PIPELINE [--seconds S] [--output FILE.h264] [--leak]
 *
 * Runs a pipeline (gst_parse_launch(); an appsink named "sink", our element named "element") until its end, for S
 * seconds, or until SIGTERM, and prints what happens as JSON lines for a test to judge: an object for each buffer at
 * the sink with what it carries and when it came, one for each warning and error on the bus, and at the end the
 * element's counters.
 * --output: the buffers' bytes, one after the other. --leak: loses one buffer on purpose, for tests of leak tests.
 * Exit status 1 after an error.
 */
#include <gst/gst.h>
#include <json-glib/json-glib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* How often the bus is looked at while no buffer comes. */
#define PULL_NS (50 * GST_MSECOND)

typedef struct {
  GstElement *pipeline;
  GstElement *sink;
  GstElement *element;
  GstBus *bus;
  FILE *output; /* NULL: none */
  gint64 started_us;
  gdouble seconds; /* 0: until its end */
  gboolean failed;
} Tap;

static volatile sig_atomic_t terminated;

static void on_signal(int number) {
  terminated = 1;
}

static void die(const char *what, const char *why) {
  fprintf(stderr, "gst-tap: %s: %s\n", what, why);
  exit(1);
}

static gdouble elapsed_ms(const Tap *tap) {
  return (gdouble)(g_get_monotonic_time() - tap->started_us) / 1000;
}

static void print_text(const char *name, const char *value) {
  g_autoptr(JsonNode) node = json_node_init_string(json_node_alloc(), value);
  g_autofree char *json = json_to_string(node, FALSE);
  printf("{\"%s\":%s}\n", name, json);
}

static void take(Tap *tap, GstSample *sample) {
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  GstMapInfo map;
  gint width = 0, height = 0;
  const GstStructure *caps = gst_caps_get_structure(gst_sample_get_caps(sample), 0);
  gst_structure_get_int(caps, "width", &width);
  gst_structure_get_int(caps, "height", &height);
  printf("{\"pts\":%" G_GINT64_FORMAT ",\"size\":%" G_GSIZE_FORMAT
         ",\"key\":%s,\"discont\":%s,\"width\":%d,\"height\":%d,\"at\":%.2f}\n",
         (gint64)GST_BUFFER_PTS(buffer), gst_buffer_get_size(buffer),
         GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT) ? "false" : "true",
         GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DISCONT) ? "true" : "false", width, height, elapsed_ms(tap));
  if (tap->output && gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    if (fwrite(map.data, 1, map.size, tap->output) != map.size) die("--output", "cannot write");
    gst_buffer_unmap(buffer, &map);
  }
}

static void hear(Tap *tap) {
  GstMessage *message;
  while ((message = gst_bus_pop_filtered(tap->bus, GST_MESSAGE_ERROR | GST_MESSAGE_WARNING)) != NULL) {
    g_autoptr(GError) error = NULL;
    if (GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
      gst_message_parse_error(message, &error, NULL);
      print_text("error", error->message);
      tap->failed = TRUE;
    } else {
      gst_message_parse_warning(message, &error, NULL);
      print_text("warning", error->message);
    }
    gst_message_unref(message);
  }
}

static gboolean is_over(const Tap *tap) {
  return terminated || tap->failed || (tap->seconds > 0 && elapsed_ms(tap) >= tap->seconds * 1000);
}

/* FALSE: it has ended. */
static gboolean step(Tap *tap) {
  GstSample *sample = NULL;
  gboolean eos = FALSE;
  g_signal_emit_by_name(tap->sink, "try-pull-sample", PULL_NS, &sample);
  if (sample) take(tap, sample);
  if (sample) gst_sample_unref(sample);
  hear(tap);
  fflush(stdout);
  g_object_get(tap->sink, "eos", &eos, NULL);
  if (!sample && eos) puts("{\"eos\":true}");
  return (sample || !eos) && !is_over(tap);
}

static gboolean print_counter(GQuark name, const GValue *value, gpointer data) {
  gboolean *first = data;
  printf("%s\"%s\":%" G_GUINT64_FORMAT, *first ? "" : ",", g_quark_to_string(name), g_value_get_uint64(value));
  *first = FALSE;
  return TRUE;
}

static void print_stats(Tap *tap) {
  g_autoptr(GstStructure) stats = NULL;
  gboolean first = TRUE;
  g_object_get(tap->element, "stats", &stats, NULL);
  printf("{\"stats\":{");
  gst_structure_foreach(stats, print_counter, &first);
  puts("}}");
}

static void run(Tap *tap) {
  tap->bus = gst_element_get_bus(tap->pipeline);
  tap->started_us = g_get_monotonic_time();
  gst_element_set_state(tap->pipeline, GST_STATE_PLAYING);
  while (step(tap)) continue;
  print_stats(tap);
  gst_element_set_state(tap->pipeline, GST_STATE_NULL);
}

int main(int argc, char **argv) {
  Tap tap = {0};
  g_autoptr(GError) error = NULL;
  g_autofree char *path = NULL;
  gboolean leak = FALSE;
  const GOptionEntry entries[] = {
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &tap.seconds, "Stop after so long", "S"},
      {"output", 0, 0, G_OPTION_ARG_FILENAME, &path, "Where the buffers go", "FILE"},
      {"leak", 0, 0, G_OPTION_ARG_NONE, &leak, "Lose a buffer", NULL},
      {NULL},
  };
  GOptionContext *context = g_option_context_new("PIPELINE");
  g_option_context_add_main_entries(context, entries, NULL);
  if (!g_option_context_parse(context, &argc, &argv, &error)) die("usage", error->message);
  g_option_context_free(context);
  if (argc != 2) die("usage", "gst-tap PIPELINE [--seconds S] [--output FILE] [--leak]");
  gst_init(NULL, NULL);
  tap.pipeline = gst_parse_launch(argv[1], &error);
  if (error) die(argv[1], error->message);
  tap.sink = gst_bin_get_by_name(GST_BIN(tap.pipeline), "sink");
  tap.element = gst_bin_get_by_name(GST_BIN(tap.pipeline), "element");
  if (!tap.sink || !tap.element) die(argv[1], "there is no \"sink\" and \"element\"");
  if (path && !(tap.output = fopen(path, "wbe"))) die(path, "cannot make it");
  signal(SIGTERM, on_signal);
  if (leak) gst_buffer_new_allocate(NULL, 16, NULL);
  run(&tap);
  if (tap.output) fclose(tap.output);
  gst_object_unref(tap.bus);
  gst_object_unref(tap.element);
  gst_object_unref(tap.sink);
  gst_object_unref(tap.pipeline);
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return tap.failed ? 1 : 0;
}
