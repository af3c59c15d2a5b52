/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/options.h"

#include "common/net/listen-text.h"
#include "common/wire/hxfr.h"
#include "framelift-config.h"

#include <stdio.h>
#include <string.h>

/* A desktop's PipeWire node sends its last picture twice a second while nothing changes. */
#define CAPTURE_SILENT_MS 10000
/* Nothing is known of such a pipeline: a camera that hangs should be noticed, a slide show should not be stopped. */
#define OTHER_SILENT_MS 60000

static const char SUMMARY[] =
    "Runs a GStreamer pipeline, and shows its picture in a browser and to any program that speaks HXFR.\n"
    "\n"
    "  framelift-bridge --http 127.0.0.1:8080 --capture screen\n"
    "  framelift-bridge --http 127.0.0.1:8080 --source 'videotestsrc is-live=true'";

static const char DESCRIPTION[] =
    "Sources (one of them; --capture screen if there is none):\n"
    "  --pipeline TEXT      a pipeline as for gst-launch-1.0 that ends in H.264\n"
    "  --source TEXT        one that ends in raw video: an encoder is chosen\n"
    "  --subscribe ADDRESS  a scanout of frameliftd's, passed on as it is\n"
    "  --capture screen     this session's desktop (GNOME's screen cast, or the portal); an encoder is chosen\n"
    "  --capture NODE       a PipeWire node by its number; likewise\n"
    "\n"
    "Addresses:\n"
    "  unix:/path             only this user can connect\n"
    "  tcp:HOST:PORT          a peer must send the token\n"
    "  tcp:127.0.0.1:PORT,v1  open to every program on this machine, for version 1 peers, which cannot send one\n"
    "\n"
    "Encoders of auto, in this order: vsockenc (where its host answers), vah264enc, vaapih264enc, nvh264enc,\n"
    "v4l2h264enc, x264enc, openh264enc. --encoder takes one of them, any other element, or one with its properties:\n"
    "  --encoder 'vsockenc address=tcp:10.0.2.2:5900 token-file=/etc/framelift.token'\n"
    "\n"
    "Exit status: 0 normal, 1 failure, 2 wrong usage.";

typedef struct {
  char *pipeline;
  char *source;
  char *subscribe;
  char *capture;
  char *subscribe_token_file;
  gint scanout;
  char **listen;
  char *http;
  char **http_names;
  char *token_file;
  char *name;
  char *encoder;
  gint bitrate;
  gdouble idle_stop;
  gboolean verbose;
  gboolean version;
} Raw;

static void raw_clear(Raw *raw) {
  g_free(raw->pipeline);
  g_free(raw->source);
  g_free(raw->subscribe);
  g_free(raw->capture);
  g_free(raw->subscribe_token_file);
  g_strfreev(raw->listen);
  g_free(raw->http);
  g_strfreev(raw->http_names);
  g_free(raw->token_file);
  g_free(raw->name);
  g_free(raw->encoder);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Raw, raw_clear)

static gboolean usage(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean usage(GError **error, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, text);
  return FALSE;
}

static gboolean check_listen(const char *text, ListenOption *option, GError **error) {
  gboolean version_1;
  if (!listen_text_parse(text, &option->address, &version_1, error)) return FALSE;
  if (option->address.kind == ADDRESS_VSOCK) {
    return usage(error, "--listen %s: vsock is not served by the bridge; use unix: or tcp:", text);
  }
  option->trust = option->address.kind == ADDRESS_UNIX ? PEER_TRUSTED : PEER_NEEDS_TOKEN;
  if (version_1) option->trust = PEER_VERSION_1;
  return TRUE;
}

static gboolean check_doors(Raw *raw, Options *options, GError **error) {
  if (!raw->listen && !raw->http) return usage(error, "nothing to serve: give --http HOST:PORT or --listen ADDRESS");
  for (guint i = 0; raw->listen && raw->listen[i]; i++) {
    ListenOption option;
    if (!check_listen(raw->listen[i], &option, error)) return FALSE;
    if (i >= OPTIONS_MAX_LISTENERS) return usage(error, "--listen: %u addresses at the most", OPTIONS_MAX_LISTENERS);
    g_array_append_val(options->listen, option);
  }
  if (raw->http && !listen_text_parse_http(raw->http, &options->http_address, error)) return FALSE;
  options->http = raw->http != NULL;
  return TRUE;
}

static gboolean check_capture(const Raw *raw, GError **error) {
  if (!raw->capture || g_str_equal(raw->capture, "screen")) return TRUE;
  if (g_ascii_string_to_unsigned(raw->capture, 10, 0, G_MAXUINT32 - 1, NULL, NULL)) return TRUE;
  return usage(error, "--capture %s: \"screen\", or the number of a PipeWire node", raw->capture);
}

static gboolean check_subscribe(const Raw *raw, GError **error) {
  Address address;
  if (raw->scanout < 0 || raw->scanout >= (gint)HXFR_MAX_SCANOUTS) {
    return usage(error, "--scanout %d: from 0 to %u", raw->scanout, HXFR_MAX_SCANOUTS - 1);
  }
  if (!raw->subscribe && (raw->scanout || raw->subscribe_token_file)) {
    return usage(error, "--scanout and --subscribe-token-file go with --subscribe");
  }
  return !raw->subscribe || address_parse(raw->subscribe, &address, error);
}

static gboolean check_source(Raw *raw, Options *options, GError **error) {
  char **places[] = {
      [SOURCE_PIPELINE] = &raw->pipeline,
      [SOURCE_RAW] = &raw->source,
      [SOURCE_SUBSCRIBE] = &raw->subscribe,
      [SOURCE_CAPTURE] = &raw->capture,
  };
  static const gint64 SILENT_MS[] = {
      [SOURCE_PIPELINE] = OTHER_SILENT_MS,
      [SOURCE_RAW] = OTHER_SILENT_MS,
      [SOURCE_SUBSCRIBE] = 0, /* a still screen is silent, and frameliftsrc watches its host by itself */
      [SOURCE_CAPTURE] = CAPTURE_SILENT_MS,
  };
  if (!check_capture(raw, error) || !check_subscribe(raw, error)) return FALSE;
  guint given = 0;
  options->source = SOURCE_CAPTURE;
  for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
    if (!*places[i]) continue;
    if (**places[i] == '\0') return usage(error, "an empty source");
    options->source = i;
    given++;
  }
  if (given > 1) return usage(error, "--pipeline, --source, --subscribe and --capture: give one of them");
  options->text = given ? g_steal_pointer(places[options->source]) : g_strdup("screen");
  options->scanout = (guint)raw->scanout;
  options->timing.silent_us = SILENT_MS[options->source] * 1000;
  return TRUE;
}

static gboolean check_rest(Raw *raw, Options *options, GError **error) {
  if (raw->name && (strlen(raw->name) > 64 || strchr(raw->name, '/') || raw->name[0] == '\0')) {
    return usage(error, "--name: 1 to 64 bytes without a slash");
  }
  if (raw->bitrate < OPTIONS_MIN_BITRATE || raw->bitrate > OPTIONS_MAX_BITRATE) {
    return usage(error, "--bitrate %d: from %d to %d kbit/s", raw->bitrate, OPTIONS_MIN_BITRATE, OPTIONS_MAX_BITRATE);
  }
  if (!(raw->idle_stop >= 0 && raw->idle_stop <= OPTIONS_MAX_IDLE_STOP_S)) {
    return usage(error, "--idle-stop %g: from 0 to %d seconds", raw->idle_stop, OPTIONS_MAX_IDLE_STOP_S);
  }
  gboolean chooses = options->source == SOURCE_RAW || options->source == SOURCE_CAPTURE;
  if (raw->encoder && !chooses) return usage(error, "--encoder goes with --source and --capture: nothing else encodes");
  if (raw->encoder && raw->encoder[strspn(raw->encoder, " ")] == '\0') {
    return usage(error, "--encoder: auto, or an element's name");
  }
  options->bitrate = (guint64)raw->bitrate * 1000;
  options->timing.idle_us = (gint64)(raw->idle_stop * G_USEC_PER_SEC);
  options->encoder = raw->encoder ? g_steal_pointer(&raw->encoder) : g_strdup("auto");
  options->name = raw->name ? g_steal_pointer(&raw->name) : g_strdup("bridge");
  options->http_names = g_steal_pointer(&raw->http_names);
  options->token_file = g_steal_pointer(&raw->token_file);
  options->subscribe_token_file = g_steal_pointer(&raw->subscribe_token_file);
  options->verbose = raw->verbose;
  return TRUE;
}

static gboolean take_hook(StreamTiming *timing, const char *name, guint64 number) {
  const struct {
    const char *name;
    gint64 *us;
  } TIMES[] = {
      {"back-off", &timing->back_off_us}, {"back-off-max", &timing->back_off_max_us},
      {"first", &timing->first_us},       {"decodable", &timing->decodable_us},
      {"silent", &timing->silent_us},     {"steady", &timing->steady_us},
  };
  for (guint i = 0; i < G_N_ELEMENTS(TIMES); i++) {
    if (!g_str_equal(name, TIMES[i].name)) continue;
    *TIMES[i].us = (gint64)number * 1000;
    return TRUE;
  }
  if (!g_str_equal(name, "tries")) return FALSE;
  timing->tries = (guint)number;
  return TRUE;
}

static gboolean take_hooks(StreamTiming *timing, const char *hooks, GError **error) {
  g_auto(GStrv) words = g_strsplit(hooks ? hooks : "", ",", -1);
  for (guint i = 0; words[i]; i++) {
    guint64 number;
    char *equals = strchr(words[i], '=');
    if (equals) *equals = '\0';
    if (equals && g_ascii_string_to_unsigned(equals + 1, 10, 0, G_MAXUINT32, &number, NULL) &&
        take_hook(timing, words[i], number)) {
      continue;
    }
    return usage(error, OPTIONS_TEST_VARIABLE ": \"%s\" is no hook", words[i]);
  }
  return TRUE;
}

static gboolean read_line(Raw *raw, int argc, char **argv, OptionsResult *result, GError **error) {
  const GOptionEntry entries[] = {
      {"pipeline", 0, 0, G_OPTION_ARG_STRING, &raw->pipeline, "A pipeline that ends in H.264", "TEXT"},
      {"source", 0, 0, G_OPTION_ARG_STRING, &raw->source, "A pipeline that ends in raw video", "TEXT"},
      {"subscribe", 0, 0, G_OPTION_ARG_STRING, &raw->subscribe, "A scanout of frameliftd's", "ADDRESS"},
      {"scanout", 0, 0, G_OPTION_ARG_INT, &raw->scanout, "Which one (0)", "N"},
      {"subscribe-token-file", 0, 0, G_OPTION_ARG_FILENAME, &raw->subscribe_token_file, "That daemon's token", "FILE"},
      {"capture", 0, 0, G_OPTION_ARG_STRING, &raw->capture, "The desktop, or a PipeWire node (screen)", "screen|NODE"},
      {"encoder", 0, 0, G_OPTION_ARG_STRING, &raw->encoder, "Of raw video (auto)", "auto|ELEMENT"},
      {"bitrate", 0, 0, G_OPTION_ARG_INT, &raw->bitrate, "Ceiling of the stream (10000)", "KBIT/S"},
      {"idle-stop", 0, 0, G_OPTION_ARG_DOUBLE, &raw->idle_stop, "Stop so long after the last viewer (5)", "SECONDS"},
      {"http", 0, 0, G_OPTION_ARG_STRING, &raw->http, "Serve the page there; port 0: any", "HOST:PORT"},
      {"http-name", 0, 0, G_OPTION_ARG_STRING_ARRAY, &raw->http_names, "A further host name of the page (repeatable)",
       "NAME"},
      {"listen", 'l', 0, G_OPTION_ARG_STRING_ARRAY, &raw->listen, "Serve HXFR there (repeatable)", "ADDRESS"},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &raw->token_file, "The token; made if there is none", "FILE"},
      {"name", 0, 0, G_OPTION_ARG_STRING, &raw->name, "What is shown, for people (bridge)", "NAME"},
      {"verbose", 'v', 0, G_OPTION_ARG_NONE, &raw->verbose, "Log every step", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Print the version", NULL},
      {NULL},
  };
  g_autoptr(GOptionContext) context = g_option_context_new(NULL);
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_summary(context, SUMMARY);
  g_option_context_set_description(context, DESCRIPTION);
  g_option_context_set_help_enabled(context, FALSE);
  *result = OPTIONS_EXIT;
  for (int i = 1; i < argc; i++) {
    if (!g_str_equal(argv[i], "--help") && !g_str_equal(argv[i], "-h")) continue;
    g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
    fputs(help, stdout);
    return FALSE;
  }
  *result = OPTIONS_USAGE;
  if (!g_option_context_parse(context, &argc, &argv, error)) return FALSE;
  return argc == 1 || usage(error, "\"%s\" is no option", argv[1]);
}

OptionsResult options_parse(Options *options, int argc, char **argv, const char *hooks, GError **error) {
  g_auto(Raw) raw = {.bitrate = 10000, .idle_stop = 5};
  OptionsResult result;
  g_set_prgname("framelift-bridge");
  *options = (Options){.listen = g_array_new(FALSE, FALSE, sizeof(ListenOption)), .timing = STREAM_TIMING};
  if (!read_line(&raw, argc, argv, &result, error)) return result;
  if (raw.version) {
    printf("framelift-bridge %s\n", FRAMELIFT_VERSION);
    return OPTIONS_EXIT;
  }
  gboolean good = check_source(&raw, options, error) && check_doors(&raw, options, error) &&
                  check_rest(&raw, options, error) && take_hooks(&options->timing, hooks, error);
  return good ? OPTIONS_RUN : OPTIONS_USAGE;
}

void options_finish(Options *options) {
  g_array_unref(options->listen);
  g_free(options->text);
  g_free(options->subscribe_token_file);
  g_strfreev(options->http_names);
  g_free(options->token_file);
  g_free(options->name);
  g_free(options->encoder);
}
