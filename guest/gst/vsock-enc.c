/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/vsock-enc.h"

#include "framelift-config.h"
#include "guest/gst/frame-flow.h"
#include "guest/gst/frame-pixels.h"
#include "guest/gst/h264-caps.h"
#include "guest/gst/host-settings.h"
#include "guest/gst/link-report.h"
#include "guest/gst/link.h"
#include "guest/gst/virtgpu.h"

#include <gst/allocators/gstdmabuf.h>

GST_DEBUG_CATEGORY_STATIC(vsock_enc_debug);
#define GST_CAT_DEFAULT vsock_enc_debug

/* Known from such elements: what a desktop at 1080p needs. */
#define DEFAULT_BITRATE_KBIT 10000u
/* A host that cannot encode says so for every frame; once in so long is enough for people. */
#define WARN_EVERY_US (10 * G_USEC_PER_SEC)
/* Of a source that does not say how fast it is. */
#define DEFAULT_FRAME_NS (GST_SECOND / 30)

enum {
  PROP_BITRATE = HOST_SETTINGS_N,
  PROP_KEYFRAME_INTERVAL,
  PROP_UPLOAD,
  PROP_STATS,
};

struct _VsockEnc {
  GstVideoEncoder parent;

  /* the object lock's */
  HostSettings settings;
  guint bitrate_kbit;
  guint keyframe_interval;
  VsockEncUpload upload;
  HxfrConfig config;     /* width 0: no caps yet */
  LinkCounters counters; /* of the last link */

  /* from start to stop; the pointer changes with the object lock held */
  Link *link;
  GThread *output;
  FrameFlow flow;   /* guards itself */
  gint64 warned_us; /* the link's thread */

  /* the stream lock's */
  GstVideoCodecState *input;
  GstCaps *caps; /* the last SPS's */
  Sps sps;
  gboolean restate; /* the input changed: its rate and aspect are to be stated again */
  guint64 frames;   /* since start, for keyframe-interval */

  /* the streaming thread's */
  VirtGpu *gpu;
  gboolean gpu_tried;
};

G_DEFINE_FINAL_TYPE(VsockEnc, vsock_enc, GST_TYPE_VIDEO_ENCODER)

#define FORMATS "{ BGRx, BGRA, RGBx, RGBA, NV12 }"
/* FRAME_MAX_WIDTH and FRAME_MAX_HEIGHT, common/media/frame.h */
#define SIZES "width = [ 1, 8192 ], height = [ 1, 4320 ], framerate = (fraction) [ 0, max ]"

static GstStaticPadTemplate sink_template =
    GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS,
                            GST_STATIC_CAPS("video/x-raw(memory:DMABuf), format = " FORMATS ", " SIZES
                                            "; video/x-raw, format = " FORMATS ", " SIZES));

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(H264_CAPS_TEMPLATE));

static GType upload_type(void) {
  static gsize type;
  static const GEnumValue VALUES[] = {
      {VSOCK_ENC_UPLOAD_AUTO, "Where the host has no other way to the picture, and takes them", "auto"},
      {VSOCK_ENC_UPLOAD_NEVER, "Never", "never"},
      {VSOCK_ENC_UPLOAD_ALWAYS, "Every frame", "always"},
      {0, NULL, NULL},
  };
  if (g_once_init_enter(&type)) g_once_init_leave(&type, g_enum_register_static("VsockEncUpload", VALUES));
  return type;
}

/* The link's events, all in its thread. */

static void on_up(const LinkHost *host, gpointer data) {
  frame_flow_open(&VSOCK_ENC(data)->flow, host);
}

static void on_down(const GError *why, gpointer data) {
  VsockEnc *self = data;
  /* what is asked again begins with an IDR by itself */
  frame_flow_want_key(&self->flow, TRUE, FALSE);
  link_report_warning(GST_ELEMENT(self), why);
}

static void on_failed(const GError *why, gpointer data) {
  VsockEnc *self = data;
  link_report_error(GST_ELEMENT(self), why);
  frame_flow_fail(&self->flow);
}

static void on_unit(LinkUnit *unit, gpointer data) {
  link_unit_destroy(unit); /* nobody subscribed */
}

static void on_answered(guint64 id, LinkUnit *unit, const GError *why, gpointer data) {
  VsockEnc *self = data;
  gint64 now = g_get_monotonic_time();
  if (why) {
    GST_WARNING_OBJECT(self, "a frame is dropped: %s", why->message);
    if (self->warned_us == 0 || now - self->warned_us > WARN_EVERY_US) {
      self->warned_us = now;
      link_report_warning(GST_ELEMENT(self), why);
    }
  }
  gboolean had_unit = unit != NULL;
  if (!frame_flow_answer(&self->flow, id, unit) && had_unit) {
    GST_DEBUG_OBJECT(self, "an access unit is dropped: it was flushed, or an IDR has to come first");
  }
}

static void on_dropped(gpointer data) {
  frame_flow_want_key(&VSOCK_ENC(data)->flow, TRUE, TRUE);
}

static void on_log(LogLevel level, const char *text, gpointer data) {
  link_report_log(GST_CAT_DEFAULT, GST_ELEMENT(data), level, text);
}

static const LinkEvents LINK_EVENTS = {
    .up = on_up,
    .down = on_down,
    .failed = on_failed,
    .unit = on_unit,
    .answered = on_answered,
    .dropped = on_dropped,
    .log = on_log,
};

/* Output: a thread of its own, because downstream may block and answers must not wait for it (F01). */

static void describe(GstVideoInfo *info, const Sps *sps) {
  GST_VIDEO_INFO_WIDTH(info) = (gint)sps->width;
  GST_VIDEO_INFO_HEIGHT(info) = (gint)sps->height;
  info->chroma_site = GST_VIDEO_CHROMA_SITE_UNKNOWN;
  info->colorimetry = (GstVideoColorimetry){0};
  if (!sps->has_colour) return;
  info->colorimetry.range = sps->full_range ? GST_VIDEO_COLOR_RANGE_0_255 : GST_VIDEO_COLOR_RANGE_16_235;
  info->colorimetry.matrix = gst_video_color_matrix_from_iso(sps->matrix);
  info->colorimetry.transfer = gst_video_transfer_function_from_iso(sps->transfer);
  info->colorimetry.primaries = gst_video_color_primaries_from_iso(sps->primaries);
}

/* Downstream's caps are what the host made, whatever came in. Takes caps over; the stream lock is held. */
static void state_caps(VsockEnc *self, GstCaps *caps) {
  gst_caps_replace(&self->caps, caps);
  self->restate = FALSE;
  GstVideoCodecState *state = gst_video_encoder_set_output_state(GST_VIDEO_ENCODER(self), caps, self->input);
  describe(&state->info, &self->sps);
  gst_video_codec_state_unref(state);
  GST_INFO_OBJECT(self, "the host encodes %ux%u", self->sps.width, self->sps.height);
}

static void follow_unit(VsockEnc *self, const LinkUnit *unit) {
  Sps sps;
  GstCaps *caps = h264_caps_from_unit(unit->data, unit->size, &sps);
  GST_VIDEO_ENCODER_STREAM_LOCK(self);
  if (caps && (self->restate || !self->caps || !gst_caps_is_equal(caps, self->caps))) {
    self->sps = sps;
    state_caps(self, g_steal_pointer(&caps));
  }
  GST_VIDEO_ENCODER_STREAM_UNLOCK(self);
  gst_clear_caps(&caps);
}

/* The base class drops nothing before it has caps; where the host's first answers are errors, they are a guess. */
static void guess_caps(VsockEnc *self) {
  GST_VIDEO_ENCODER_STREAM_LOCK(self);
  if (!self->caps && self->input) {
    self->sps = (Sps){.width = (guint)GST_VIDEO_INFO_WIDTH(&self->input->info),
                      .height = (guint)GST_VIDEO_INFO_HEIGHT(&self->input->info)};
    state_caps(self, gst_caps_from_string(H264_CAPS_TEMPLATE ", profile = (string) constrained-baseline"));
  }
  GST_VIDEO_ENCODER_STREAM_UNLOCK(self);
}

static GstFlowReturn deliver(VsockEnc *self, FrameFlowDone *done) {
  GstVideoCodecFrame *frame = done->frame;
  LinkUnit *unit = done->unit;
  if (!unit) {
    guess_caps(self);
    return gst_video_encoder_finish_frame(GST_VIDEO_ENCODER(self), frame);
  }
  if (unit->is_key) {
    follow_unit(self, unit);
    GST_VIDEO_CODEC_FRAME_SET_SYNC_POINT(frame);
  }
  frame->output_buffer = gst_buffer_new_wrapped(g_steal_pointer(&unit->data), unit->size);
  frame->dts = frame->pts; /* no reordering, docs/protocol.md rule 4 */
  GST_DEBUG_OBJECT(self, "Finished frame pts=%" GST_TIME_FORMAT " bytes=%" G_GSIZE_FORMAT "%s after %.1f ms",
                   GST_TIME_ARGS(frame->pts), unit->size, unit->is_key ? " key" : "",
                   (double)(unit->arrived_us - done->asked_us) / 1000);
  link_unit_destroy(unit);
  return gst_video_encoder_finish_frame(GST_VIDEO_ENCODER(self), frame);
}

static gpointer run_output(gpointer data) {
  VsockEnc *self = data;
  FrameFlowDone done;
  while (frame_flow_take(&self->flow, &done)) frame_flow_delivered(&self->flow, deliver(self, &done));
  return NULL;
}

/* Requests: the streaming thread, with the stream lock held but while it waits (F26). */

/* With the object lock held. */
static void configure(VsockEnc *self) {
  self->config.bitrate = (guint32)MIN((guint64)self->bitrate_kbit * 1000, G_MAXUINT32);
  if (self->link && self->config.width > 0) link_configure(self->link, &self->config);
}

static void configure_for(VsockEnc *self, const GstVideoInfo *info) {
  guint width = (guint)GST_VIDEO_INFO_WIDTH(info), height = (guint)GST_VIDEO_INFO_HEIGHT(info);
  guint fps_num = (guint)GST_VIDEO_INFO_FPS_N(info), fps_den = (guint)GST_VIDEO_INFO_FPS_D(info);
  GST_OBJECT_LOCK(self);
  self->config = (HxfrConfig){
      .width = width,
      .height = height,
      .framerate_num = fps_num > 0 ? fps_num : 60,
      .framerate_den = fps_num > 0 ? fps_den : 1,
      .profile = 66,
      .level = h264_caps_level(width, height, fps_num, fps_den),
      .realtime = 1,
  };
  configure(self);
  GST_OBJECT_UNLOCK(self);
}

static guint32 resource_id(VsockEnc *self, GstBuffer *buffer) {
  GstMemory *memory = gst_buffer_n_memory(buffer) > 0 ? gst_buffer_peek_memory(buffer, 0) : NULL;
  if (!memory || !gst_is_dmabuf_memory(memory)) return 0;
  g_autoptr(GError) error = NULL;
  if (!self->gpu && !self->gpu_tried) {
    self->gpu_tried = TRUE;
    self->gpu = virtgpu_create(&virtgpu_kernel, &error);
    if (!self->gpu) GST_WARNING_OBJECT(self, "DMA-BUFs have no resource ids: %s", error->message);
  }
  if (!self->gpu) return 0;
  guint32 id = virtgpu_resource_id(self->gpu, memory, &error);
  if (id == 0) GST_LOG_OBJECT(self, "a DMA-BUF has no resource id: %s", error ? error->message : "id 0");
  return id;
}

/* With "auto" the link decides frame by frame whether they are sent; a host that takes none needs none to choose from.
 */
static gboolean may_want_pixels(VsockEncUpload upload, const LinkHost *host, guint32 resource) {
  if (upload != VSOCK_ENC_UPLOAD_AUTO) return upload == VSOCK_ENC_UPLOAD_ALWAYS;
  guint32 features = host->version >= HXFR_VERSION ? host->features : 0;
  return resource == 0 && (features & (HXFR_FEATURE_PIXELS | HXFR_FEATURE_TILES)) != 0;
}

static gboolean fill_request(VsockEnc *self, GstVideoCodecFrame *frame, Request *request) {
  const GstVideoInfo *info = &self->input->info;
  LinkHost host;
  frame_flow_host(&self->flow, &host);
  GST_OBJECT_LOCK(self);
  VsockEncUpload upload = self->upload;
  guint interval = self->keyframe_interval;
  GST_OBJECT_UNLOCK(self);
  gboolean by_resource =
      upload != VSOCK_ENC_UPLOAD_ALWAYS && (host.version < HXFR_VERSION || (host.features & HXFR_FEATURE_RESOURCES));
  *request = (Request){
      .resource_id = by_resource ? resource_id(self, frame->input_buffer) : 0,
      .width = (guint)GST_VIDEO_INFO_WIDTH(info),
      .height = (guint)GST_VIDEO_INFO_HEIGHT(info),
      .format = frame_pixels_fourcc(GST_VIDEO_INFO_FORMAT(info), host.version < HXFR_VERSION),
      .stride = frame_pixels_stride(frame->input_buffer, info),
      .pts_ns = GST_CLOCK_TIME_IS_VALID(frame->pts) ? (gint64)frame->pts : REQUEST_NO_PTS,
      .duration_ns = GST_CLOCK_TIME_IS_VALID(frame->duration) ? (gint64)frame->duration : 0,
      .force_keyframe =
          GST_VIDEO_CODEC_FRAME_IS_FORCE_KEYFRAME(frame) || (interval > 0 && self->frames % interval == 0),
  };
  self->frames++;
  if (!may_want_pixels(upload, &host, request->resource_id)) return TRUE;
  g_autoptr(GError) error = NULL;
  request->ask_first = upload == VSOCK_ENC_UPLOAD_AUTO;
  request->pixels = frame_pixels_map(frame->input_buffer, info, &request->stride, &error);
  /* a frame that is larger than what goes over the wire may yet be what the scanout shows */
  gboolean small = request->pixels && g_bytes_get_size(request->pixels) <= HXFR_MAX_PIXELS;
  if (request->pixels && (small || request->ask_first)) return TRUE;
  if (request->pixels) g_set_error(&error, LINK_ERROR, LINK_ERROR_REQUEST, "more than 64 MiB of pixels in a frame");
  g_clear_pointer(&request->pixels, g_bytes_unref);
  GST_ELEMENT_ERROR(self, STREAM, ENCODE, ("settings: upload: %s", error->message), (NULL));
  return FALSE;
}

static GstFlowReturn vsock_enc_handle_frame(GstVideoEncoder *encoder, GstVideoCodecFrame *frame) {
  VsockEnc *self = VSOCK_ENC(encoder);
  GST_VIDEO_ENCODER_STREAM_UNLOCK(encoder);
  GstFlowReturn result = frame_flow_wait_room(&self->flow);
  GST_VIDEO_ENCODER_STREAM_LOCK(encoder);
  Request request;
  if (result == GST_FLOW_OK && !fill_request(self, frame, &request)) result = GST_FLOW_ERROR;
  if (result != GST_FLOW_OK) {
    gst_video_codec_frame_unref(frame);
    return result;
  }
  request.id = frame_flow_ask(&self->flow, frame, &request.force_keyframe);
  link_request(self->link, &request);
  return GST_FLOW_OK;
}

static GstFlowReturn vsock_enc_finish(GstVideoEncoder *encoder) {
  VsockEnc *self = VSOCK_ENC(encoder);
  GST_VIDEO_ENCODER_STREAM_UNLOCK(encoder);
  GstFlowReturn result = frame_flow_drain(&self->flow);
  GST_VIDEO_ENCODER_STREAM_LOCK(encoder);
  return result;
}

static gboolean vsock_enc_flush(GstVideoEncoder *encoder) {
  GST_VIDEO_ENCODER_STREAM_UNLOCK(encoder);
  frame_flow_end_flush(&VSOCK_ENC(encoder)->flow);
  GST_VIDEO_ENCODER_STREAM_LOCK(encoder);
  return TRUE;
}

static gboolean vsock_enc_set_format(GstVideoEncoder *encoder, GstVideoCodecState *state) {
  VsockEnc *self = VSOCK_ENC(encoder);
  g_clear_pointer(&self->input, gst_video_codec_state_unref);
  self->input = gst_video_codec_state_ref(state);
  self->restate = TRUE;
  const GstVideoInfo *info = &state->info;
  configure_for(self, info);
  frame_flow_want_key(&self->flow, FALSE, TRUE);
  GstClockTime frame_ns = DEFAULT_FRAME_NS;
  if (GST_VIDEO_INFO_FPS_N(info) > 0) {
    frame_ns =
        gst_util_uint64_scale(GST_SECOND, (guint64)GST_VIDEO_INFO_FPS_D(info), (guint64)GST_VIDEO_INFO_FPS_N(info));
  }
  /* a host that keeps up needs less than a frame's time for each; more than the window cannot be under way */
  gst_video_encoder_set_latency(encoder, frame_ns, frame_ns * self->flow.limit);
  return TRUE;
}

static gboolean vsock_enc_sink_event(GstVideoEncoder *encoder, GstEvent *event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_START) frame_flow_begin_flush(&VSOCK_ENC(encoder)->flow);
  return GST_VIDEO_ENCODER_CLASS(vsock_enc_parent_class)->sink_event(encoder, event);
}

static gboolean vsock_enc_propose_allocation(GstVideoEncoder *encoder, GstQuery *query) {
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, NULL); /* any stride will do */
  return GST_VIDEO_ENCODER_CLASS(vsock_enc_parent_class)->propose_allocation(encoder, query);
}

static gboolean vsock_enc_stop(GstVideoEncoder *encoder) {
  VsockEnc *self = VSOCK_ENC(encoder);
  frame_flow_stop(&self->flow);
  GST_OBJECT_LOCK(self);
  Link *link = g_steal_pointer(&self->link);
  GST_OBJECT_UNLOCK(self);
  if (link) link_counters(link, &self->counters);
  link_destroy(link);
  g_clear_pointer(&self->output, g_thread_join);
  frame_flow_reset(&self->flow);
  g_clear_pointer(&self->input, gst_video_codec_state_unref);
  gst_clear_caps(&self->caps);
  g_clear_pointer(&self->gpu, virtgpu_unref);
  self->gpu_tried = FALSE;
  return TRUE;
}

static gboolean fail_start(VsockEnc *self, const GError *error) {
  GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("settings: %s", error->message), (NULL));
  return FALSE;
}

static gboolean vsock_enc_start(GstVideoEncoder *encoder) {
  VsockEnc *self = VSOCK_ENC(encoder);
  g_autoptr(GError) error = NULL;
  g_autofree char *token_file = NULL;
  LinkSettings settings = {.mode = LINK_REQUESTS, .program = "vsockenc " FRAMELIFT_VERSION};
  GST_OBJECT_LOCK(self);
  gboolean good = host_settings_address(&self->settings, &settings.address, &error);
  settings.scanout = self->settings.scanout;
  settings.timeout_ms = self->settings.timeout_ms;
  settings.token_file = token_file = g_strdup(self->settings.token_file);
  GST_OBJECT_UNLOCK(self);
  if (!good) return fail_start(self, error);
  frame_flow_reset(&self->flow);
  self->frames = 0;
  self->warned_us = 0;
  self->restate = FALSE;
  self->output = g_thread_try_new("vsockenc-output", run_output, self, &error);
  if (!self->output) return fail_start(self, error);
  Link *link = link_create(&settings, &LINK_EVENTS, self, &error);
  if (!link) {
    vsock_enc_stop(encoder);
    return fail_start(self, error);
  }
  GST_OBJECT_LOCK(self);
  self->config = (HxfrConfig){0};
  self->link = link;
  GST_OBJECT_UNLOCK(self);
  return TRUE;
}

/* Deactivating the pads waits for handle_frame, so whoever waits in there is woken before. */
static GstStateChangeReturn vsock_enc_change_state(GstElement *element, GstStateChange transition) {
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) frame_flow_stop(&VSOCK_ENC(element)->flow);
  return GST_ELEMENT_CLASS(vsock_enc_parent_class)->change_state(element, transition);
}

static void vsock_enc_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  VsockEnc *self = VSOCK_ENC(object);
  GST_OBJECT_LOCK(self);
  gboolean known = host_settings_set(&self->settings, id, value);
  if (id == PROP_BITRATE)
    self->bitrate_kbit = g_value_get_uint(value);
  else if (id == PROP_KEYFRAME_INTERVAL)
    self->keyframe_interval = g_value_get_uint(value);
  else if (id == PROP_UPLOAD)
    self->upload = (VsockEncUpload)g_value_get_enum(value);
  else if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  if (id == PROP_BITRATE) configure(self);
  GST_OBJECT_UNLOCK(self);
}

static void vsock_enc_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  VsockEnc *self = VSOCK_ENC(object);
  GST_OBJECT_LOCK(self);
  gboolean known = host_settings_get(&self->settings, id, value);
  if (id == PROP_BITRATE)
    g_value_set_uint(value, self->bitrate_kbit);
  else if (id == PROP_KEYFRAME_INTERVAL)
    g_value_set_uint(value, self->keyframe_interval);
  else if (id == PROP_UPLOAD)
    g_value_set_enum(value, self->upload);
  else if (id == PROP_STATS) {
    if (self->link) link_counters(self->link, &self->counters);
    g_value_take_boxed(value, link_report_stats(&self->counters));
  } else if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  GST_OBJECT_UNLOCK(self);
}

static void vsock_enc_finalize(GObject *object) {
  VsockEnc *self = VSOCK_ENC(object);
  frame_flow_finish(&self->flow);
  host_settings_finish(&self->settings);
  G_OBJECT_CLASS(vsock_enc_parent_class)->finalize(object);
}

static void install_properties(GObjectClass *object_class) {
  const GParamFlags live = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
  host_settings_install(object_class);
  g_object_class_install_property(object_class, PROP_BITRATE,
                                  g_param_spec_uint("bitrate", "Bit rate", "Of the stream, kbit/s", 1,
                                                    G_MAXUINT32 / 1000, DEFAULT_BITRATE_KBIT, live));
  g_object_class_install_property(
      object_class, PROP_KEYFRAME_INTERVAL,
      g_param_spec_uint("keyframe-interval", "Key frame interval",
                        "Ask for a key frame with every Nth frame; 0: only when somebody wants one", 0, G_MAXUINT, 0,
                        live));
  g_object_class_install_property(object_class, PROP_UPLOAD,
                                  g_param_spec_enum("upload", "Upload", "When pixels are sent to the host",
                                                    upload_type(), VSOCK_ENC_UPLOAD_AUTO, live));
  g_object_class_install_property(object_class, PROP_STATS,
                                  g_param_spec_boxed("stats", "Statistics", "What went over the connection, counted",
                                                     GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_type_mark_as_plugin_api(upload_type(), 0);
}

static void vsock_enc_class_init(VsockEncClass *klass) {
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstVideoEncoderClass *encoder_class = GST_VIDEO_ENCODER_CLASS(klass);
  GST_DEBUG_CATEGORY_INIT(vsock_enc_debug, "vsockenc", 0, "H.264 by the host of this virtual machine");
  object_class->set_property = vsock_enc_set_property;
  object_class->get_property = vsock_enc_get_property;
  object_class->finalize = vsock_enc_finalize;
  install_properties(object_class);
  element_class->change_state = vsock_enc_change_state;
  gst_element_class_set_static_metadata(element_class, "H.264 encoder of a VM's host", "Codec/Encoder/Video/Hardware",
                                        "Has frames encoded by the host of this virtual machine (framelift)",
                                        "The framelift authors");
  gst_element_class_add_static_pad_template(element_class, &sink_template);
  gst_element_class_add_static_pad_template(element_class, &src_template);
  encoder_class->start = vsock_enc_start;
  encoder_class->stop = vsock_enc_stop;
  encoder_class->set_format = vsock_enc_set_format;
  encoder_class->handle_frame = vsock_enc_handle_frame;
  encoder_class->finish = vsock_enc_finish;
  encoder_class->flush = vsock_enc_flush;
  encoder_class->sink_event = vsock_enc_sink_event;
  encoder_class->propose_allocation = vsock_enc_propose_allocation;
}

static void vsock_enc_init(VsockEnc *self) {
  host_settings_init(&self->settings);
  frame_flow_init(&self->flow, VSOCK_ENC_WINDOW);
  self->bitrate_kbit = DEFAULT_BITRATE_KBIT;
  self->upload = VSOCK_ENC_UPLOAD_AUTO;
}

void vsock_enc_set_window(VsockEnc *self, guint window) {
  self->flow.limit = window;
}

GST_ELEMENT_REGISTER_DEFINE(vsockenc, "vsockenc", GST_RANK_NONE, VSOCK_ENC_TYPE)
