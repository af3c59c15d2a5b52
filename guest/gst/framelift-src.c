/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/framelift-src.h"

#include "common/base/thread.h"
#include "framelift-config.h"
#include "guest/gst/h264-caps.h"
#include "guest/gst/host-clock.h"
#include "guest/gst/host-settings.h"
#include "guest/gst/link-report.h"
#include "guest/gst/link.h"

#include <gst/video/video.h>

GST_DEBUG_CATEGORY_STATIC(framelift_src_debug);
#define GST_CAT_DEFAULT framelift_src_debug

/* How much later than the fastest an access unit usually is: an IDR takes longer to encode than a P-frame. */
#define LATENCY_NS (20 * GST_MSECOND)

enum {
  PROP_BITRATE = HOST_SETTINGS_N,
  PROP_STATS,
};

struct _FrameliftSrc {
  GstPushSrc parent;

  /* the object lock's */
  HostSettings settings;
  guint bitrate_kbit;
  LinkCounters counters;

  Link *link; /* from start to stop; the pointer changes with the object lock held */

  Mutex mutex; /* for all below */
  Cond changed;
  gboolean flushing;
  GError *failure;
  GQueue units;       /* LinkUnit, complete up to here from the last IDR on */
  gboolean need_key;  /* something was dropped: nothing but an IDR is of use (F08) */
  gboolean asked_key; /* and it is asked for */
  gboolean restarted; /* a new connection: a new clock */
  gboolean discont;
  guint64 overflows; /* access units dropped because downstream did not take them */

  /* the streaming thread's */
  HostClock clock;
  GstCaps *caps;
  guint64 sequence; /* of the last one handed out */
};

G_DEFINE_FINAL_TYPE(FrameliftSrc, framelift_src, GST_TYPE_PUSH_SRC)

static GstStaticPadTemplate src_template =
    GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(H264_CAPS_TEMPLATE));

/* With the mutex held. */
static void drop_units(FrameliftSrc *self) {
  g_queue_clear_full(&self->units, (GDestroyNotify)link_unit_destroy);
  self->need_key = self->discont = TRUE;
  self->asked_key = FALSE;
}

/* The link's events, all in its thread. */

static void on_up(const LinkHost *host, gpointer data) {
  FrameliftSrc *self = data;
  mutex_lock(&self->mutex);
  drop_units(self);
  self->asked_key = TRUE; /* as it did at the start */
  self->restarted = TRUE;
  mutex_unlock(&self->mutex);
}

static void on_down(const GError *why, gpointer data) {
  link_report_warning(GST_ELEMENT(data), why);
}

static void on_failed(const GError *why, gpointer data) {
  FrameliftSrc *self = data;
  mutex_lock(&self->mutex);
  self->failure = g_error_copy(why);
  cond_signal(&self->changed);
  mutex_unlock(&self->mutex);
}

static void on_unit(LinkUnit *unit, gpointer data) {
  FrameliftSrc *self = data;
  guint dropped = 0;
  mutex_lock(&self->mutex);
  if (unit->is_key) self->need_key = FALSE;
  if (!self->need_key && self->units.length >= FRAMELIFT_SRC_QUEUE) {
    dropped = self->units.length + 1;
    self->overflows += dropped;
    drop_units(self); /* the IDR is asked for when downstream takes something again */
  }
  if (self->need_key) {
    link_unit_destroy(unit);
  } else {
    g_queue_push_tail(&self->units, unit);
  }
  cond_signal(&self->changed);
  mutex_unlock(&self->mutex);
  if (dropped > 0) GST_WARNING_OBJECT(self, "downstream does not keep up: %u access units are dropped", dropped);
}

static void on_answered(guint64 id, LinkUnit *unit, const GError *why, gpointer data) {
  link_unit_destroy(unit); /* nobody asked */
}

static void on_dropped(gpointer data) {
  FrameliftSrc *self = data;
  mutex_lock(&self->mutex);
  self->need_key = self->discont = TRUE;
  self->asked_key = FALSE;
  cond_signal(&self->changed);
  mutex_unlock(&self->mutex);
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

/* The streaming thread. */

/* Waits for the next access unit; the link has the time limits. *restarted: of a new connection. */
static GstFlowReturn take_unit(FrameliftSrc *self, LinkUnit **unit, gboolean *restarted, gboolean *discont) {
  GstFlowReturn result = GST_FLOW_OK;
  g_autoptr(GError) failure = NULL;
  mutex_lock(&self->mutex);
  while (!self->flushing && !self->failure && self->units.length == 0) {
    if (self->need_key && !self->asked_key) {
      self->asked_key = TRUE;
      link_want_key(self->link);
    }
    cond_wait(&self->changed, &self->mutex);
  }
  if (self->flushing) {
    result = GST_FLOW_FLUSHING;
  } else if (self->units.length == 0) {
    result = GST_FLOW_ERROR;
    failure = g_error_copy(self->failure);
  } else {
    *unit = g_queue_pop_head(&self->units);
    *restarted = self->restarted;
    *discont = self->discont;
    self->restarted = self->discont = FALSE;
  }
  mutex_unlock(&self->mutex);
  if (failure) link_report_error(GST_ELEMENT(self), failure);
  return result;
}

/* When the unit arrived, in running time; 0 where there is no clock yet. */
static gint64 running_time_of(FrameliftSrc *self, const LinkUnit *unit) {
  g_autoptr(GstClock) clock = gst_element_get_clock(GST_ELEMENT(self));
  if (!clock) return 0;
  gint64 now = (gint64)gst_clock_get_time(clock) - (gint64)gst_element_get_base_time(GST_ELEMENT(self));
  return MAX(now - (g_get_monotonic_time() - unit->arrived_us) * 1000, 0);
}

static GstFlowReturn follow_caps(FrameliftSrc *self, const LinkUnit *unit) {
  Sps sps;
  g_autoptr(GstCaps) caps = h264_caps_from_unit(unit->data, unit->size, &sps);
  if (!caps || (self->caps && gst_caps_is_equal(caps, self->caps))) return GST_FLOW_OK;
  gst_caps_replace(&self->caps, caps);
  GST_INFO_OBJECT(self, "the host sends %ux%u", sps.width, sps.height);
  return gst_base_src_set_caps(GST_BASE_SRC(self), caps) ? GST_FLOW_OK : GST_FLOW_NOT_NEGOTIATED;
}

static GstFlowReturn framelift_src_create(GstPushSrc *source, GstBuffer **buffer) {
  FrameliftSrc *self = FRAMELIFT_SRC(source);
  g_autoptr(LinkUnit) unit = NULL;
  gboolean restarted, discont;
  GstFlowReturn result = take_unit(self, &unit, &restarted, &discont);
  if (result == GST_FLOW_OK && unit->is_key) result = follow_caps(self, unit);
  if (result != GST_FLOW_OK) return result;
  if (restarted) host_clock_restart(&self->clock);
  if (!restarted && unit->has_sequence && unit->sequence != self->sequence + 1) discont = TRUE;
  self->sequence = unit->sequence;
  gint64 pts = host_clock_map(&self->clock, unit->pts_ns, running_time_of(self, unit));
  *buffer = gst_buffer_new_wrapped(g_steal_pointer(&unit->data), unit->size);
  GST_BUFFER_PTS(*buffer) = GST_BUFFER_DTS(*buffer) = (GstClockTime)pts;
  if (!unit->is_key) GST_BUFFER_FLAG_SET(*buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  if (discont) GST_BUFFER_FLAG_SET(*buffer, GST_BUFFER_FLAG_DISCONT);
  GST_LOG_OBJECT(self, "access unit pts=%" GST_TIME_FORMAT " host pts=%" G_GINT64_FORMAT " bytes=%" G_GSIZE_FORMAT "%s",
                 GST_TIME_ARGS((GstClockTime)pts), unit->pts_ns, unit->size, unit->is_key ? " key" : "");
  return GST_FLOW_OK;
}

/* The caps are the stream's own, and come with it. */
static gboolean framelift_src_negotiate(GstBaseSrc *source) {
  return TRUE;
}

static void set_flushing(FrameliftSrc *self, gboolean flushing) {
  mutex_lock(&self->mutex);
  self->flushing = flushing;
  cond_signal(&self->changed);
  mutex_unlock(&self->mutex);
}

static gboolean framelift_src_unlock(GstBaseSrc *source) {
  set_flushing(FRAMELIFT_SRC(source), TRUE);
  return TRUE;
}

static gboolean framelift_src_unlock_stop(GstBaseSrc *source) {
  set_flushing(FRAMELIFT_SRC(source), FALSE);
  return TRUE;
}

static gboolean framelift_src_event(GstBaseSrc *source, GstEvent *event) {
  FrameliftSrc *self = FRAMELIFT_SRC(source);
  if (!gst_video_event_is_force_key_unit(event)) {
    return GST_BASE_SRC_CLASS(framelift_src_parent_class)->event(source, event);
  }
  GST_OBJECT_LOCK(self);
  if (self->link) link_want_key(self->link);
  GST_OBJECT_UNLOCK(self);
  return TRUE;
}

static gboolean framelift_src_query(GstBaseSrc *source, GstQuery *query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) {
    return GST_BASE_SRC_CLASS(framelift_src_parent_class)->query(source, query);
  }
  gst_query_set_latency(query, TRUE, LATENCY_NS, GST_CLOCK_TIME_NONE);
  return TRUE;
}

static gboolean fail_start(FrameliftSrc *self, const GError *error) {
  GST_ELEMENT_ERROR(self, RESOURCE, SETTINGS, ("settings: %s", error->message), (NULL));
  return FALSE;
}

/* With the object lock held: a wish that the host weighs against its other subscribers'; 0 is none. */
static void configure(FrameliftSrc *self, Link *link) {
  HxfrConfig config = {
      .bitrate = (guint32)MIN((guint64)self->bitrate_kbit * 1000, G_MAXUINT32),
      .framerate_num = 60,
      .framerate_den = 1,
      .profile = 66,
      .level = 40,
      .realtime = 1,
  };
  link_configure(link, &config);
}

static gboolean framelift_src_start(GstBaseSrc *source) {
  FrameliftSrc *self = FRAMELIFT_SRC(source);
  g_autoptr(GError) error = NULL;
  g_autofree char *token_file = NULL;
  LinkSettings settings = {.mode = LINK_SUBSCRIPTION, .program = "frameliftsrc " FRAMELIFT_VERSION};
  GST_OBJECT_LOCK(self);
  gboolean good = host_settings_address(&self->settings, &settings.address, &error);
  settings.scanout = self->settings.scanout;
  settings.timeout_ms = self->settings.timeout_ms;
  settings.token_file = token_file = g_strdup(self->settings.token_file);
  GST_OBJECT_UNLOCK(self);
  if (!good) return fail_start(self, error);
  mutex_lock(&self->mutex);
  drop_units(self);
  self->asked_key = TRUE; /* a subscription begins with an IDR */
  mutex_unlock(&self->mutex);
  self->clock = (HostClock){0};
  Link *link = link_create(&settings, &LINK_EVENTS, self, &error);
  if (!link) return fail_start(self, error);
  GST_OBJECT_LOCK(self);
  self->link = link;
  if (self->bitrate_kbit > 0) configure(self, link);
  GST_OBJECT_UNLOCK(self);
  return TRUE;
}

static gboolean framelift_src_stop(GstBaseSrc *source) {
  FrameliftSrc *self = FRAMELIFT_SRC(source);
  GST_OBJECT_LOCK(self);
  Link *link = g_steal_pointer(&self->link);
  if (link) link_counters(link, &self->counters);
  GST_OBJECT_UNLOCK(self);
  link_destroy(link);
  mutex_lock(&self->mutex);
  drop_units(self);
  g_clear_error(&self->failure);
  mutex_unlock(&self->mutex);
  gst_clear_caps(&self->caps);
  return TRUE;
}

static void framelift_src_set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec) {
  FrameliftSrc *self = FRAMELIFT_SRC(object);
  GST_OBJECT_LOCK(self);
  gboolean known = host_settings_set(&self->settings, id, value);
  if (id == PROP_BITRATE) {
    self->bitrate_kbit = g_value_get_uint(value);
    if (self->link) configure(self, self->link);
  } else if (!known) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(self);
}

static void framelift_src_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec) {
  FrameliftSrc *self = FRAMELIFT_SRC(object);
  GST_OBJECT_LOCK(self);
  if (id == PROP_BITRATE) {
    g_value_set_uint(value, self->bitrate_kbit);
  } else if (id == PROP_STATS) {
    if (self->link) link_counters(self->link, &self->counters);
    GstStructure *stats = link_report_stats(&self->counters);
    mutex_lock(&self->mutex);
    gst_structure_set(stats, "overflows", G_TYPE_UINT64, self->overflows, NULL);
    mutex_unlock(&self->mutex);
    g_value_take_boxed(value, stats);
  } else if (!host_settings_get(&self->settings, id, value)) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID(object, id, spec);
  }
  GST_OBJECT_UNLOCK(self);
}

static void framelift_src_finalize(GObject *object) {
  FrameliftSrc *self = FRAMELIFT_SRC(object);
  host_settings_finish(&self->settings);
  cond_finish(&self->changed);
  mutex_finish(&self->mutex);
  G_OBJECT_CLASS(framelift_src_parent_class)->finalize(object);
}

static void framelift_src_class_init(FrameliftSrcClass *klass) {
  GObjectClass *object_class = G_OBJECT_CLASS(klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS(klass);
  GstBaseSrcClass *source_class = GST_BASE_SRC_CLASS(klass);
  GST_DEBUG_CATEGORY_INIT(framelift_src_debug, "frameliftsrc", 0, "H.264 of a scanout, from the host");
  object_class->set_property = framelift_src_set_property;
  object_class->get_property = framelift_src_get_property;
  object_class->finalize = framelift_src_finalize;
  host_settings_install(object_class);
  g_object_class_install_property(
      object_class, PROP_BITRATE,
      g_param_spec_uint("bitrate", "Bit rate", "A wish for the stream's bit rate, kbit/s; 0: the host's", 0,
                        G_MAXUINT32 / 1000, 0, G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property(object_class, PROP_STATS,
                                  g_param_spec_boxed("stats", "Statistics", "What went over the connection, counted",
                                                     GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_element_class_set_static_metadata(element_class, "H.264 of a VM's scanout", "Source/Video/Network",
                                        "Gets a scanout of this virtual machine from the host, encoded (framelift)",
                                        "The framelift authors");
  gst_element_class_add_static_pad_template(element_class, &src_template);
  source_class->start = framelift_src_start;
  source_class->stop = framelift_src_stop;
  source_class->negotiate = framelift_src_negotiate;
  source_class->unlock = framelift_src_unlock;
  source_class->unlock_stop = framelift_src_unlock_stop;
  source_class->event = framelift_src_event;
  source_class->query = framelift_src_query;
  GST_PUSH_SRC_CLASS(klass)->create = framelift_src_create;
}

static void framelift_src_init(FrameliftSrc *self) {
  host_settings_init(&self->settings);
  mutex_init(&self->mutex);
  cond_init(&self->changed);
  gst_base_src_set_live(GST_BASE_SRC(self), TRUE);
  gst_base_src_set_format(GST_BASE_SRC(self), GST_FORMAT_TIME);
}

GST_ELEMENT_REGISTER_DEFINE(frameliftsrc, "frameliftsrc", GST_RANK_NONE, FRAMELIFT_SRC_TYPE)
