/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/hub.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "stream/idr-policy.h"

#include <string.h>

#define HUB_TICK_MS 250
/* Units that wait in every lane before the encoder is held: a lane this far behind gains nothing by more of them. */
#define HUB_HOLD_BACKLOG 3u
/* How often a held stream is looked at again: a third of a frame at 60 a second. */
#define HUB_HOLD_POLL_MS 5

typedef struct {
  Hub *hub;
  guint scanout;
  GPtrArray *subscriptions; /* of HubSubscription, not owned */
  guint64 sequence;
  IdrPolicy idr;
  GSource *idr_timer;
  GSource *hold_timer;
  HubDemand demand;
} Stream;

struct HubSubscription {
  Stream *stream;
  Outbox *outbox;
  guint version;
  guint bitrate;
  gint64 last_lag_idr_us;
  HubWake wake;
  gpointer wake_data;
};

typedef struct {
  HubWatch watch;
  gpointer data;
} Watcher;

struct Hub {
  GMainContext *context;
  const HubSource *source;
  gpointer source_data;
  Stream streams[HXFR_MAX_SCANOUTS];
  HxfrScanouts scanouts;
  HxfrDisplayState state;
  char *state_text;
  GArray *watchers; /* of Watcher */
  GSource *tick;    /* while anybody subscribes */
  guint subscribers;
};

static void clear_source(GSource **source) {
  if (!*source) return;
  g_source_destroy(*source);
  g_clear_pointer(source, g_source_unref);
}

static GSource *add_timer(Hub *hub, gint64 ready_us, guint repeat_ms, GSourceFunc run, gpointer data) {
  GSource *source = g_timeout_source_new(repeat_ms);
  g_source_set_callback(source, run, data, NULL);
  if (ready_us > 0) g_source_set_ready_time(source, ready_us);
  g_source_attach(source, hub->context);
  return source;
}

Hub *hub_create(GMainContext *context, const HubSource *source, gpointer source_data) {
  Hub *hub = g_new0(Hub, 1);
  hub->context = context;
  hub->source = source;
  hub->source_data = source_data;
  hub->state_text = g_strdup("starting");
  hub->watchers = g_array_new(FALSE, FALSE, sizeof(Watcher));
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    hub->streams[i] = (Stream){.hub = hub, .scanout = i, .subscriptions = g_ptr_array_new()};
  }
  return hub;
}

void hub_destroy(Hub *hub) {
  if (!hub) return;
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    g_assert(hub->streams[i].subscriptions->len == 0);
    clear_source(&hub->streams[i].idr_timer);
    clear_source(&hub->streams[i].hold_timer);
    g_ptr_array_unref(hub->streams[i].subscriptions);
  }
  clear_source(&hub->tick);
  g_array_unref(hub->watchers);
  g_free(hub->state_text);
  g_free(hub);
}

static void tell_watchers(Hub *hub, HubEvent event) {
  /* a watcher may unwatch, itself or another: go over a copy and look each one up again */
  g_autoptr(GArray) copy = g_array_copy(hub->watchers);
  for (guint i = 0; i < copy->len; i++) {
    Watcher watcher = g_array_index(copy, Watcher, i);
    for (guint k = 0; k < hub->watchers->len; k++) {
      Watcher *now = &g_array_index(hub->watchers, Watcher, k);
      if (now->watch != watcher.watch || now->data != watcher.data) continue;
      watcher.watch(event, watcher.data);
      break;
    }
  }
}

void hub_watch(Hub *hub, HubWatch watch, gpointer data) {
  g_array_append_val(hub->watchers, ((Watcher){watch, data}));
}

void hub_unwatch(Hub *hub, HubWatch watch, gpointer data) {
  for (guint i = 0; i < hub->watchers->len; i++) {
    Watcher *watcher = &g_array_index(hub->watchers, Watcher, i);
    if (watcher->watch != watch || watcher->data != data) continue;
    g_array_remove_index(hub->watchers, i);
    return;
  }
}

static HxfrScanout *find_scanout(Hub *hub, guint id) {
  for (guint i = 0; i < hub->scanouts.count; i++) {
    if (hub->scanouts.entries[i].id == id) return &hub->scanouts.entries[i];
  }
  return NULL;
}

gboolean hub_has_scanout(const Hub *hub, guint scanout) {
  for (guint i = 0; i < hub->scanouts.count; i++) {
    if (hub->scanouts.entries[i].id == scanout) return TRUE;
  }
  return hub->scanouts.count == 0 && scanout == 0 && hub->state != HXFR_STATE_RUNNING;
}

void hub_set_scanout(Hub *hub, const HxfrScanout *scanout) {
  g_assert(scanout->id < HXFR_MAX_SCANOUTS);
  HxfrScanout *known = find_scanout(hub, scanout->id);
  if (known && memcmp(known, scanout, sizeof *known) == 0) return;
  if (!known) known = &hub->scanouts.entries[hub->scanouts.count++];
  *known = *scanout;
  tell_watchers(hub, HUB_SCANOUTS_CHANGED);
}

void hub_set_state(Hub *hub, HxfrDisplayState state, const char *text) {
  if (hub->state == state && g_strcmp0(hub->state_text, text) == 0) return;
  hub->state = state;
  g_free(hub->state_text);
  hub->state_text = g_strdup(text);
  tell_watchers(hub, HUB_STATE_CHANGED);
}

const HxfrScanouts *hub_scanouts(const Hub *hub) {
  return &hub->scanouts;
}

HxfrDisplayState hub_state(const Hub *hub, const char **text) {
  *text = hub->state_text;
  return hub->state;
}

guint hub_subscriber_count(const Hub *hub, guint scanout) {
  return hub->streams[scanout].subscriptions->len;
}

/* What the subscribers of now ask of the source; tells it where that is something new. */
static void update_demand(Stream *stream, gboolean hold) {
  HubDemand demand = {.hold = hold};
  gboolean unlimited = FALSE; /* who wishes nothing wants all there is */
  for (guint i = 0; i < stream->subscriptions->len; i++) {
    const HubSubscription *subscription = g_ptr_array_index(stream->subscriptions, i);
    unlimited |= subscription->bitrate == 0;
    demand.bitrate = MAX(demand.bitrate, subscription->bitrate);
    if (subscription->version < HXFR_VERSION) demand.keep_alive_hz = HUB_KEEP_ALIVE_HZ;
  }
  if (unlimited) demand.bitrate = 0;
  if (memcmp(&demand, &stream->demand, sizeof demand) == 0) return;
  stream->demand = demand;
  stream->hub->source->demand(stream->hub->source_data, stream->scanout, &demand);
}

/* Everybody is behind: only then is the encoder held, so that one laggard never slows the others. */
static gboolean all_behind(const Stream *stream) {
  for (guint i = 0; i < stream->subscriptions->len; i++) {
    const HubSubscription *subscription = g_ptr_array_index(stream->subscriptions, i);
    if (!outbox_is_behind(subscription->outbox, stream->scanout, HUB_HOLD_BACKLOG)) return FALSE;
  }
  return stream->subscriptions->len > 0;
}

static gboolean on_hold_poll(gpointer data) {
  Stream *stream = data;
  if (all_behind(stream)) {
    update_demand(stream, TRUE); /* somebody may have joined, and fallen behind, since it was held */
    return G_SOURCE_CONTINUE;
  }
  clear_source(&stream->hold_timer);
  update_demand(stream, FALSE);
  return G_SOURCE_REMOVE;
}

static void hold_if_all_behind(Stream *stream) {
  if (stream->hold_timer || !all_behind(stream)) return;
  stats_count("hub.holds");
  update_demand(stream, TRUE);
  stream->hold_timer = add_timer(stream->hub, 0, HUB_HOLD_POLL_MS, on_hold_poll, stream);
}

static gboolean on_idr_due(gpointer data) {
  Stream *stream = data;
  clear_source(&stream->idr_timer);
  if (!idr_policy_take(&stream->idr, g_get_monotonic_time())) return G_SOURCE_REMOVE;
  stats_count("hub.idr-requests");
  stream->hub->source->request_idr(stream->hub->source_data, stream->scanout);
  return G_SOURCE_REMOVE;
}

static void want_idr(Stream *stream, gint64 not_before_us) {
  gint64 now = g_get_monotonic_time();
  idr_policy_want(&stream->idr, now, not_before_us);
  clear_source(&stream->idr_timer);
  if (stream->idr.due_us <= now) {
    on_idr_due(stream);
  } else {
    stream->idr_timer = add_timer(stream->hub, stream->idr.due_us, 1000, on_idr_due, stream);
  }
}

static gboolean on_tick(gpointer data) {
  Hub *hub = data;
  gint64 now = g_get_monotonic_time();
  /* a quarter less than promised, so that the promise holds in spite of the tick's own grain */
  gint64 idle = (gint64)(HUB_HEARTBEAT_MS - HUB_TICK_MS) * 1000;
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    Stream *stream = &hub->streams[i];
    for (guint k = 0; k < stream->subscriptions->len; k++) {
      HubSubscription *subscription = g_ptr_array_index(stream->subscriptions, k);
      if (outbox_push_heartbeat(subscription->outbox, i, stream->sequence, now, idle)) {
        subscription->wake(subscription->wake_data);
      }
    }
  }
  return G_SOURCE_CONTINUE;
}

static void start_source(Stream *stream) {
  Hub *hub = stream->hub;
  stream->demand = (HubDemand){0};
  stream->idr = (IdrPolicy){.last_us = g_get_monotonic_time()}; /* it begins with one */
  stats_count("hub.streams-started");
  for (guint i = 0; i < stream->subscriptions->len; i++) {
    const HubSubscription *subscription = g_ptr_array_index(stream->subscriptions, i);
    if (subscription->version < HXFR_VERSION) stream->demand.keep_alive_hz = HUB_KEEP_ALIVE_HZ;
  }
  hub->source->start(hub->source_data, stream->scanout, &stream->demand);
}

HubSubscription *hub_subscribe(Hub *hub, guint scanout, Outbox *outbox, guint version, HubWake wake, gpointer data) {
  if (scanout >= HXFR_MAX_SCANOUTS || !hub_has_scanout(hub, scanout)) return NULL;
  Stream *stream = &hub->streams[scanout];
  HubSubscription *subscription = g_new0(HubSubscription, 1);
  subscription->stream = stream;
  subscription->outbox = outbox_ref(outbox);
  subscription->version = version;
  subscription->wake = wake;
  subscription->wake_data = data;
  outbox_open_lane(outbox, scanout, version);
  g_ptr_array_add(stream->subscriptions, subscription);
  stats_add(stats_counter("hub.subscribers"), 1);
  if (hub->subscribers++ == 0) hub->tick = add_timer(hub, 0, HUB_TICK_MS, on_tick, hub);
  if (stream->subscriptions->len == 1) {
    start_source(stream);
  } else {
    update_demand(stream, FALSE);
    want_idr(stream, 0);
    if (hub->source->joined) hub->source->joined(hub->source_data, scanout);
  }
  return subscription;
}

void hub_unsubscribe(HubSubscription *subscription) {
  if (!subscription) return;
  Stream *stream = subscription->stream;
  Hub *hub = stream->hub;
  g_ptr_array_remove_fast(stream->subscriptions, subscription);
  outbox_close_lane(subscription->outbox, stream->scanout);
  outbox_unref(subscription->outbox);
  g_free(subscription);
  stats_add(stats_counter("hub.subscribers"), -1);
  if (--hub->subscribers == 0) clear_source(&hub->tick);
  if (stream->subscriptions->len > 0) {
    update_demand(stream, stream->demand.hold);
    return;
  }
  clear_source(&stream->idr_timer);
  clear_source(&stream->hold_timer);
  hub->source->stop(hub->source_data, stream->scanout);
}

void hub_want_idr(HubSubscription *subscription) {
  want_idr(subscription->stream, 0);
}

void hub_want_idr_after_lag(HubSubscription *subscription) {
  gint64 not_before = subscription->last_lag_idr_us ? subscription->last_lag_idr_us + IDR_LAGGARD_INTERVAL_US : 0;
  subscription->last_lag_idr_us = MAX(g_get_monotonic_time(), not_before);
  stats_count("hub.idr-after-lag");
  want_idr(subscription->stream, not_before);
}

void hub_wish_bitrate(HubSubscription *subscription, guint bitrate) {
  subscription->bitrate = bitrate;
  update_demand(subscription->stream, subscription->stream->demand.hold);
}

void hub_publish(Hub *hub, guint scanout, AccessUnit *unit) {
  Stream *stream = &hub->streams[scanout];
  unit->info.sequence = stream->sequence++;
  if (unit->info.is_key) {
    idr_policy_came(&stream->idr);
    clear_source(&stream->idr_timer);
  }
  for (guint i = 0; i < stream->subscriptions->len; i++) {
    HubSubscription *subscription = g_ptr_array_index(stream->subscriptions, i);
    outbox_push_unit(subscription->outbox, scanout, unit);
    subscription->wake(subscription->wake_data);
  }
  stats_count("hub.units");
  stats_add(stats_counter("hub.bytes"), (gint64)unit->size);
  hold_if_all_behind(stream);
  access_unit_unref(unit);
}
