/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/attempt.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "guest/bridge/capture.h"

#include <stdlib.h>
#include <string.h>

/* What encoders are tried on: small, live, and different from picture to picture. */
#define PROBE_SOURCE "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=30/1"

struct Attempt {
  const Options *options;
  EncoderChoice *choice;
  const AttemptEvents *events;
  gpointer data;
  guint begin; /* sources of the main context; 0 */
  guint probe_limit;
  Capture *capture;
  char *source;       /* where the picture comes from, as text; NULL: not known yet */
  Pipeline *pipeline; /* a candidate's, or the stream's own */
  gboolean probing;
  gboolean probe_good;
  char *probe_why; /* it did not work */
  gboolean failed;
  gboolean stopping;
  guint64 bitrate; /* that viewers wish; 0: none */
};

static void fail_or_refuse(Attempt *attempt, const char *why, gboolean refused) {
  if (attempt->failed || attempt->stopping) return;
  attempt->failed = TRUE;
  attempt->events->failed(why, refused, attempt->data);
}

static void fail(Attempt *attempt, const char *why) {
  fail_or_refuse(attempt, why, FALSE);
}

static void advance(Attempt *attempt);

/* ---- the pipeline, a candidate's or the stream's ---- */

static void end_probe(Attempt *attempt, const char *why) {
  if (attempt->probe_limit) g_source_remove(attempt->probe_limit);
  attempt->probe_limit = 0;
  attempt->probe_good = why == NULL;
  g_free(attempt->probe_why);
  attempt->probe_why = g_strdup(why);
  pipeline_stop(attempt->pipeline); /* `ended` goes on from here */
}

static void on_playing(gpointer data) {
  Attempt *attempt = data;
  if (!attempt->probing) attempt->events->playing(attempt->data);
}

static void on_buffer(AccessUnit *unit, gpointer data) {
  Attempt *attempt = data;
  if (!attempt->probing) {
    attempt->events->buffer(unit, attempt->data);
    return;
  }
  if (unit) end_probe(attempt, NULL);
  access_unit_unref(unit);
}

static void on_failed(const char *why, gboolean encoder, gpointer data) {
  Attempt *attempt = data;
  if (attempt->probing) {
    end_probe(attempt, why);
    return;
  }
  /* it worked when it was tried: with this picture, or at this moment, it does not. One that was asked for by name
   * stays */
  gboolean others = g_str_equal(attempt->options->encoder, "auto");
  if (encoder && others && attempt->choice->accepted) encoder_choice_reject(attempt->choice, why);
  fail(attempt, why);
}

static void say_choice(Attempt *attempt) {
  const char *element = encoder_choice_element(attempt->choice);
  const char *rejected = encoder_choice_rejected(attempt->choice);
  g_autofree char *counter = g_strdup_printf("bridge.encoder.%.32s", element);
  char *space = strchr(counter, ' ');
  if (space) *space = '\0';
  stats_count(counter);
  log_info("encoder", "chose %s%s%s%s", element, *rejected ? " (" : "", rejected, *rejected ? ")" : "");
}

static void finish_probe(Attempt *attempt) {
  attempt->probing = FALSE;
  if (attempt->stopping) return;
  if (attempt->probe_good) {
    encoder_choice_accept(attempt->choice);
    say_choice(attempt);
  } else {
    stats_count("bridge.encoders-rejected");
    encoder_choice_reject(attempt->choice, attempt->probe_why);
  }
  advance(attempt);
}

static void finish(Attempt *attempt) {
  g_clear_pointer(&attempt->capture, capture_close);
  attempt->events->ended(attempt->data);
}

static void on_ended(gpointer data) {
  Attempt *attempt = data;
  g_clear_pointer(&attempt->pipeline, pipeline_destroy);
  if (attempt->probing) finish_probe(attempt);
  if (attempt->stopping && !attempt->pipeline) finish(attempt);
}

static const PipelineEvents PIPELINE_EVENTS = {on_playing, on_buffer, on_failed, on_ended};

/* FALSE: it has failed, *why says so; the caller's. */
static gboolean run_text(Attempt *attempt, const char *text, char **why) {
  g_autoptr(GError) error = NULL;
  log_debug("attempt", "%s", text);
  attempt->pipeline = pipeline_create(text, &PIPELINE_EVENTS, attempt, &error);
  if (attempt->pipeline && pipeline_start(attempt->pipeline, &error)) return TRUE;
  g_clear_pointer(&attempt->pipeline, pipeline_destroy);
  *why = g_strdup(error->message);
  return FALSE;
}

static void run_stream(Attempt *attempt, const char *encoder) {
  g_autofree char *why = NULL;
  g_autofree char *text = encoder ? g_strconcat(attempt->source, " ! ", encoder, NULL) : g_strdup(attempt->source);
  if (run_text(attempt, text, &why)) {
    if (attempt->bitrate) pipeline_set_bitrate(attempt->pipeline, attempt->bitrate);
  } else {
    fail(attempt, why);
  }
}

/* ---- the encoder ---- */

static gboolean on_probe_limit(gpointer data) {
  Attempt *attempt = data;
  attempt->probe_limit = 0;
  end_probe(attempt, "no decodable picture within 4 s");
  return G_SOURCE_REMOVE;
}

static void try_encoder(Attempt *attempt, const char *encoder) {
  g_autofree char *text = g_strconcat(PROBE_SOURCE " ! ", encoder, NULL);
  g_autofree char *stage = g_strdup_printf("trying %s", encoder_choice_element(attempt->choice));
  g_autofree char *why = NULL;
  attempt->events->stage(stage, attempt->data);
  attempt->probing = TRUE;
  if (run_text(attempt, text, &why)) {
    attempt->probe_limit = g_timeout_add(ATTEMPT_ENCODER_LIMIT_MS, on_probe_limit, attempt);
    return;
  }
  attempt->probe_good = FALSE;
  g_free(attempt->probe_why);
  attempt->probe_why = g_steal_pointer(&why);
  finish_probe(attempt);
}

static void give_up_encoders(Attempt *attempt) {
  g_autofree char *why = g_strdup_printf("no encoder works here: %s", encoder_choice_rejected(attempt->choice));
  encoder_choice_restart(attempt->choice);
  fail(attempt, why);
}

/* ---- the order of things ---- */

static void on_node(guint32 node, int fd, gpointer data) {
  Attempt *attempt = data;
  if (attempt->failed || attempt->stopping) return;
  attempt->source = capture_launch(node, fd);
  advance(attempt);
}

static void on_capture_failed(const char *why, gboolean refused, gpointer data) {
  fail_or_refuse(data, why, refused);
}

static const CaptureEvents CAPTURE_EVENTS = {on_node, on_capture_failed};

/* A text in quotes, as gst_parse_launch() reads it. */
static char *quote(const char *text) {
  GString *quoted = g_string_new("\"");
  for (; *text; text++) {
    if (*text == '"' || *text == '\\') g_string_append_c(quoted, '\\');
    g_string_append_c(quoted, *text);
  }
  g_string_append_c(quoted, '"');
  return g_string_free(quoted, FALSE);
}

static char *write_subscription(const Options *options) {
  g_autofree char *address = quote(options->text);
  g_autofree char *file = options->subscribe_token_file ? quote(options->subscribe_token_file) : NULL;
  return g_strdup_printf("frameliftsrc address=%s scanout=%u%s%s", address, options->scanout,
                         file ? " token-file=" : "", file ? file : "");
}

static void find_source(Attempt *attempt) {
  const Options *options = attempt->options;
  if (options->source == SOURCE_SUBSCRIBE) {
    attempt->source = write_subscription(options);
  } else if (options->source != SOURCE_CAPTURE) {
    attempt->source = g_strdup(options->text);
  } else if (!g_str_equal(options->text, "screen")) {
    attempt->source = capture_launch((guint32)g_ascii_strtoull(options->text, NULL, 10), -1);
  } else {
    attempt->events->stage("asking the desktop for its screen", attempt->data);
    attempt->capture = capture_open(&CAPTURE_EVENTS, attempt);
  }
}

/* Does the next thing that is still to be done. The encoder comes first: a desktop shows that it is being recorded. */
static void advance(Attempt *attempt) {
  const Options *options = attempt->options;
  gboolean encodes = options->source == SOURCE_RAW || options->source == SOURCE_CAPTURE;
  g_autofree char *encoder = encodes ? encoder_choice_launch(attempt->choice, options->bitrate) : NULL;
  if (encodes && !encoder) {
    give_up_encoders(attempt);
  } else if (encodes && !attempt->choice->accepted) {
    try_encoder(attempt, encoder);
  } else {
    if (!attempt->source) find_source(attempt);
    if (!attempt->source) return; /* on_node() goes on */
    attempt->events->stage("starting the pipeline", attempt->data);
    run_stream(attempt, encoder);
  }
}

static gboolean on_begin(gpointer data) {
  Attempt *attempt = data;
  attempt->begin = 0;
  advance(attempt);
  return G_SOURCE_REMOVE;
}

Attempt *attempt_create(const Options *options, EncoderChoice *choice, const AttemptEvents *events, gpointer data) {
  Attempt *attempt = g_new0(Attempt, 1);
  attempt->options = options;
  attempt->choice = choice;
  attempt->events = events;
  attempt->data = data;
  attempt->begin = g_idle_add(on_begin, attempt);
  return attempt;
}

static gboolean on_nothing_left(gpointer data) {
  Attempt *attempt = data;
  attempt->begin = 0;
  finish(attempt);
  return G_SOURCE_REMOVE;
}

void attempt_stop(Attempt *attempt) {
  if (attempt->stopping) return;
  attempt->stopping = TRUE;
  if (attempt->begin) g_source_remove(attempt->begin);
  if (attempt->probe_limit) g_source_remove(attempt->probe_limit);
  attempt->begin = attempt->probe_limit = 0;
  if (attempt->pipeline) {
    pipeline_stop(attempt->pipeline);
  } else {
    attempt->begin = g_idle_add(on_nothing_left, attempt);
  }
}

void attempt_destroy(Attempt *attempt) {
  if (!attempt) return;
  g_assert(!attempt->pipeline);
  if (attempt->begin) g_source_remove(attempt->begin);
  capture_close(attempt->capture);
  g_free(attempt->source);
  g_free(attempt->probe_why);
  g_free(attempt);
}

void attempt_want_idr(Attempt *attempt) {
  if (attempt->pipeline && !attempt->probing) pipeline_want_idr(attempt->pipeline);
}

void attempt_set_bitrate(Attempt *attempt, guint64 bitrate) {
  attempt->bitrate = bitrate;
  if (attempt->pipeline && !attempt->probing) pipeline_set_bitrate(attempt->pipeline, bitrate);
}
