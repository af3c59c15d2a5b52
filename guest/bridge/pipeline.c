/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/pipeline.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "guest/bridge/encoder-choice.h"
#include "guest/bridge/unit-maker.h"

#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <string.h>

/* Buffers that may wait for the main context; then the pipeline waits. Half a second at 60 a second. */
#define SINK_MAX_BUFFERS 30
#define SINK_TEXT                                                                                                      \
  " ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au"                              \
  " ! appsink name=framelift-sink sync=false wait-on-eos=false enable-last-sample=false"
/* A picture that is said to be older than this has a timestamp that means something else. */
#define MAX_AGE (2 * GST_SECOND)
#define PTHREAD_NAME "pipeline"

struct Pipeline {
  const PipelineEvents *events;
  gpointer data;
  GstElement *element;
  GstAppSink *sink;
  GstElement *encoder; /* whose bit rate can be set; NULL: none */
  guint64 bitrate_unit;
  guint64 text_bitrate; /* of the element itself */
  UnitMaker maker;
  GSource *wake; /* of the main context: buffers, playing, ended */
  GSource *bus;
  gboolean told_playing;
  gboolean failed;
  gboolean stopping;

  Mutex mutex; /* for all below */
  Cond changed;
  gboolean playing;
  gboolean refused; /* to go on */
  gboolean stop;
  gboolean ended;
};

/* ---- on the pipeline's threads ---- */

static void wake(Pipeline *pipeline) {
  g_source_set_ready_time(pipeline->wake, 0);
}

static GstFlowReturn on_new_sample(GstAppSink *sink, gpointer data) {
  wake(data);
  return GST_FLOW_OK;
}

static void set_flag(Pipeline *pipeline, gboolean *flag) {
  mutex_lock(&pipeline->mutex);
  *flag = TRUE;
  mutex_unlock(&pipeline->mutex);
  wake(pipeline);
}

/* What is not live has no clock of its own, and comes as fast as it can be read: the sink's clock paces it. */
static gboolean play(Pipeline *pipeline) {
  GstStateChangeReturn paused = gst_element_set_state(pipeline->element, GST_STATE_PAUSED);
  if (paused == GST_STATE_CHANGE_FAILURE) return FALSE;
  if (paused != GST_STATE_CHANGE_NO_PREROLL) g_object_set(pipeline->sink, "sync", TRUE, NULL);
  return gst_element_set_state(pipeline->element, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
}

static void run(void *data) {
  Pipeline *pipeline = data;
  set_flag(pipeline, play(pipeline) ? &pipeline->playing : &pipeline->refused);
  mutex_lock(&pipeline->mutex);
  while (!pipeline->stop) cond_wait(&pipeline->changed, &pipeline->mutex);
  mutex_unlock(&pipeline->mutex);
  gst_element_set_state(pipeline->element, GST_STATE_NULL);
  /* the last thing that this thread does with it is under the mutex: whoever sees `ended` there may free it */
  mutex_lock(&pipeline->mutex);
  pipeline->ended = TRUE;
  wake(pipeline);
  mutex_unlock(&pipeline->mutex);
}

/* ---- on the main context ---- */

static void fail(Pipeline *pipeline, const char *why, gboolean encoder) {
  if (pipeline->failed || pipeline->stopping) return;
  pipeline->failed = TRUE;
  pipeline->events->failed(why, encoder, pipeline->data);
}

static void fail_by_message(Pipeline *pipeline, GstMessage *message) {
  g_autoptr(GError) error = NULL;
  g_autofree char *debug = NULL;
  gst_message_parse_error(message, &error, &debug);
  /* "file(line): function (): /path/to/element:\nwhat happened": the last part says more than the message */
  const char *detail = debug ? strchr(debug, '\n') : NULL;
  g_autofree char *line = g_strdup_printf("%s: %s%s%s", GST_MESSAGE_SRC_NAME(message), error->message,
                                          detail ? " " : "", detail ? detail + 1 : "");
  g_autofree char *text = g_utf8_make_valid(g_strdelimit(line, "\r\n", ' '), -1);
  fail(pipeline, text, g_strcmp0(GST_MESSAGE_SRC_NAME(message), ENCODER_ELEMENT_NAME) == 0);
}

static void note_warning(GstMessage *message) {
  static LogLimit limit;
  g_autoptr(GError) error = NULL;
  gst_message_parse_warning(message, &error, NULL);
  stats_count("bridge.pipeline-warnings");
  log_limited(&limit, LOG_WARN, "pipeline", "%s: %s", GST_MESSAGE_SRC_NAME(message), error->message);
}

static gboolean on_message(GstBus *bus, GstMessage *message, gpointer data) {
  switch (GST_MESSAGE_TYPE(message)) {
  case GST_MESSAGE_ERROR:
    fail_by_message(data, message);
    break;
  case GST_MESSAGE_EOS:
    fail(data, "the pipeline has come to its end", FALSE);
    break;
  case GST_MESSAGE_CLOCK_LOST:
    fail(data, "the pipeline has lost its clock", FALSE);
    break;
  case GST_MESSAGE_WARNING:
    note_warning(message);
    break;
  default:
    break;
  }
  return G_SOURCE_CONTINUE;
}

/* When the picture was there, by the pipeline's clock, whatever clock that is. */
static gint64 flush_time(Pipeline *pipeline, GstSample *sample, gint64 now_us) {
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  const GstSegment *segment = gst_sample_get_segment(sample);
  g_autoptr(GstClock) clock = gst_element_get_clock(pipeline->element);
  if (!clock || !GST_BUFFER_PTS_IS_VALID(buffer) || segment->format != GST_FORMAT_TIME) return now_us;
  GstClockTime running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
  if (!GST_CLOCK_TIME_IS_VALID(running)) return now_us;
  GstClockTime due = gst_element_get_base_time(pipeline->element) + running;
  GstClockTime now = gst_clock_get_time(clock);
  return now > due && now - due < MAX_AGE ? now_us - (gint64)(now - due) / 1000 : now_us;
}

static void take_sample(Pipeline *pipeline, GstSample *sample) {
  GstBuffer *buffer = gst_sample_get_buffer(sample);
  gint64 now = g_get_monotonic_time();
  AccessUnit *unit = NULL;
  GstMapInfo map;
  if (buffer && gst_buffer_map(buffer, &map, GST_MAP_READ)) {
    unit = unit_maker_make(&pipeline->maker, map.data, map.size, flush_time(pipeline, sample, now), now);
    gst_buffer_unmap(buffer, &map);
  }
  pipeline->events->buffer(unit, pipeline->data);
}

static void take_samples(Pipeline *pipeline) {
  while (!pipeline->failed && !pipeline->stopping) {
    GstSample *sample = gst_app_sink_try_pull_sample(pipeline->sink, 0);
    if (!sample) return;
    take_sample(pipeline, sample);
    gst_sample_unref(sample);
  }
}

static gboolean on_wake(gpointer data) {
  Pipeline *pipeline = data;
  g_source_set_ready_time(pipeline->wake, -1);
  mutex_lock(&pipeline->mutex);
  gboolean playing = pipeline->playing, refused = pipeline->refused, ended = pipeline->ended;
  mutex_unlock(&pipeline->mutex);
  if (ended) {
    pipeline->events->ended(pipeline->data); /* frees it */
    return G_SOURCE_CONTINUE;
  }
  if (pipeline->stopping) return G_SOURCE_CONTINUE;
  if (playing && !pipeline->told_playing) {
    pipeline->told_playing = TRUE;
    pipeline->events->playing(pipeline->data);
  }
  take_samples(pipeline);
  if (!refused || pipeline->failed) return G_SOURCE_CONTINUE;
  /* an element that refuses says why on the bus; the message is there already */
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline->element);
  g_autoptr(GstMessage) message = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR);
  if (message) {
    fail_by_message(pipeline, message);
  } else {
    fail(pipeline, "the pipeline cannot be started", FALSE);
  }
  return G_SOURCE_CONTINUE;
}

static gboolean dispatch_wake(GSource *source, GSourceFunc callback, gpointer data) {
  return callback(data);
}

static GSourceFuncs wake_funcs = {.dispatch = dispatch_wake};

/* The element whose "bitrate" is the stream's: our encoder, an encoder of the text's, or frameliftsrc. */
static GstElement *find_encoder(GstElement *pipeline) {
  GstElement *found = gst_bin_get_by_name(GST_BIN(pipeline), ENCODER_ELEMENT_NAME);
  GstIterator *elements = found ? NULL : gst_bin_iterate_recurse(GST_BIN(pipeline));
  g_auto(GValue) item = G_VALUE_INIT;
  while (elements && !found && gst_iterator_next(elements, &item) == GST_ITERATOR_OK) {
    GstElement *element = g_value_get_object(&item);
    GstElementFactory *factory = gst_element_get_factory(element);
    gboolean makes = factory && (gst_element_factory_list_is_type(factory, GST_ELEMENT_FACTORY_TYPE_VIDEO_ENCODER) ||
                                 g_str_equal(GST_OBJECT_NAME(factory), "frameliftsrc"));
    if (makes) found = gst_object_ref(element);
    g_value_reset(&item);
  }
  g_clear_pointer(&elements, gst_iterator_free);
  GParamSpec *spec = found ? g_object_class_find_property(G_OBJECT_GET_CLASS(found), "bitrate") : NULL;
  if (!spec || spec->value_type != G_TYPE_UINT) gst_clear_object(&found);
  return found;
}

static void init_encoder(Pipeline *pipeline) {
  pipeline->encoder = find_encoder(pipeline->element);
  if (!pipeline->encoder) return;
  guint value;
  GstElementFactory *factory = gst_element_get_factory(pipeline->encoder);
  g_object_get(pipeline->encoder, "bitrate", &value, NULL);
  pipeline->bitrate_unit = encoder_bitrate_unit(GST_OBJECT_NAME(factory));
  pipeline->text_bitrate = value * pipeline->bitrate_unit;
}

static void init_sources(Pipeline *pipeline) {
  pipeline->wake = g_source_new(&wake_funcs, sizeof(GSource));
  g_source_set_callback(pipeline->wake, on_wake, pipeline, NULL);
  g_source_attach(pipeline->wake, NULL);
  g_autoptr(GstBus) bus = gst_element_get_bus(pipeline->element);
  pipeline->bus = gst_bus_create_watch(bus);
  g_source_set_callback(pipeline->bus, G_SOURCE_FUNC(on_message), pipeline, NULL);
  g_source_attach(pipeline->bus, NULL);
}

Pipeline *pipeline_create(const char *text, const PipelineEvents *events, gpointer data, GError **error) {
  g_autofree char *whole = g_strconcat(text, SINK_TEXT, NULL);
  g_autoptr(GError) why = NULL;
  GstElement *element = gst_parse_launch_full(whole, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &why);
  if (!element) {
    g_propagate_prefixed_error(error, g_steal_pointer(&why), "the pipeline's text: ");
    return NULL;
  }
  Pipeline *pipeline = g_new0(Pipeline, 1);
  pipeline->events = events;
  pipeline->data = data;
  pipeline->element = gst_object_ref_sink(element);
  pipeline->sink = GST_APP_SINK(gst_bin_get_by_name(GST_BIN(element), "framelift-sink"));
  gst_app_sink_set_max_buffers(pipeline->sink, SINK_MAX_BUFFERS);
  mutex_init(&pipeline->mutex);
  cond_init(&pipeline->changed);
  init_encoder(pipeline);
  init_sources(pipeline);
  GstAppSinkCallbacks callbacks = {.new_sample = on_new_sample};
  gst_app_sink_set_callbacks(pipeline->sink, &callbacks, pipeline, NULL);
  stats_count("bridge.pipelines");
  return pipeline;
}

gboolean pipeline_start(Pipeline *pipeline, GError **error) {
  return thread_start_detached(PTHREAD_NAME, run, pipeline, error);
}

void pipeline_stop(Pipeline *pipeline) {
  if (pipeline->stopping) return;
  pipeline->stopping = TRUE;
  g_source_destroy(pipeline->bus);
  mutex_lock(&pipeline->mutex);
  pipeline->stop = TRUE;
  cond_signal(&pipeline->changed);
  mutex_unlock(&pipeline->mutex);
}

void pipeline_destroy(Pipeline *pipeline) {
  if (!pipeline) return;
  /* the thread has let go of the mutex once it can be had */
  mutex_lock(&pipeline->mutex);
  mutex_unlock(&pipeline->mutex);
  g_source_destroy(pipeline->wake);
  g_source_destroy(pipeline->bus);
  gst_clear_object(&pipeline->encoder);
  gst_object_unref(pipeline->sink);
  gst_object_unref(pipeline->element);
  g_source_unref(pipeline->wake);
  g_source_unref(pipeline->bus);
  cond_finish(&pipeline->changed);
  mutex_finish(&pipeline->mutex);
  g_free(pipeline);
}

void pipeline_want_idr(Pipeline *pipeline) {
  GstEvent *event = gst_video_event_new_upstream_force_key_unit(GST_CLOCK_TIME_NONE, TRUE, 0);
  if (!gst_element_send_event(GST_ELEMENT(pipeline->sink), event)) stats_count("bridge.idr-unheard");
}

void pipeline_set_bitrate(Pipeline *pipeline, guint64 bitrate) {
  if (!pipeline->encoder || !pipeline->bitrate_unit) return;
  guint64 value = (bitrate ? bitrate : pipeline->text_bitrate) / pipeline->bitrate_unit;
  g_object_set(pipeline->encoder, "bitrate", (guint)MIN(value, G_MAXUINT), NULL);
}
