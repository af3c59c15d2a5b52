/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/bridge.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "guest/bridge/attempt.h"

#include <gst/gst.h>

struct Bridge {
  const Options *options;
  Hub *hub;
  StreamState state;
  EncoderChoice choice;
  Attempt *attempt;
  GSource *timer; /* ready at stream_state_due() or before */
  guint idr_timer;
  guint idr_repeats;
  guint end_limit;
  guint tell_soon; /* the idle source that tells; 0 */
  char *stage;     /* what the attempt is at */
  char *why;       /* the last failure; NULL: none since the last up */
  HxfrScanout scanout;
  void (*stopped)(gpointer data); /* NULL: it is not being stopped */
  gpointer stopped_data;
};

static gboolean has_element(const char *name, gpointer data) {
  g_autoptr(GstElementFactory) factory = gst_element_factory_find(name);
  return factory != NULL;
}

/* ---- what viewers are told ---- */

static void say(Bridge *bridge, HxfrDisplayState state, const char *text) {
  const char *before;
  if (hub_state(bridge->hub, &before) == state && g_str_equal(before, text)) return;
  static LogLimit limit;
  if (bridge->state.phase == STREAM_GIVEN_UP) {
    log_warn("bridge", "%s", text); /* the last line for a while: never held back */
  } else {
    log_limited(&limit, state == HXFR_STATE_LOST ? LOG_WARN : LOG_INFO, "bridge", "%s", text);
  }
  hub_set_state(bridge->hub, state, text);
}

static char *describe_failing(const Bridge *bridge) {
  const StreamState *state = &bridge->state;
  const char *why = bridge->why;
  guint tries = state->timing.tries;
  if (state->phase == STREAM_GIVEN_UP) {
    const char *plural = state->failures == 1 ? "try" : "tries";
    return g_strdup_printf("gave up after %u %s: %s; press reconnect, or reload the page", state->failures, plural,
                           why);
  }
  if (state->phase == STREAM_WAITING) {
    gdouble pause = (gdouble)MAX(state->retry_us - g_get_monotonic_time(), 0) / G_USEC_PER_SEC;
    return g_strdup_printf("%s; next try in %.2g s (%u of %u failed)", why, pause, state->failures, tries);
  }
  if (state->phase == STREAM_ENDING) return g_strdup_printf("%s; stopping the pipeline", why);
  if (state->phase == STREAM_IDLE) return g_strdup_printf("%s; the next viewer makes it start again", why);
  return g_strdup_printf("%s; trying again (%u of %u failed)", why, state->failures, tries);
}

static void tell(Bridge *bridge) {
  StreamPhase phase = bridge->state.phase;
  gboolean up = phase == STREAM_UP;
  if (!bridge->hub) return;
  bridge->scanout.flags = HXFR_SCANOUT_CONNECTED | (up ? HXFR_SCANOUT_LIT : 0);
  if (bridge->scanout.width > 0) hub_set_scanout(bridge->hub, &bridge->scanout);
  if (up) {
    say(bridge, HXFR_STATE_RUNNING, "the pipeline runs");
  } else if (bridge->why) {
    g_autofree char *text = describe_failing(bridge);
    say(bridge, HXFR_STATE_LOST, text);
  } else if (phase == STREAM_STARTING) {
    say(bridge, HXFR_STATE_STARTING, bridge->stage ? bridge->stage : "starting the pipeline");
  } else {
    say(bridge, HXFR_STATE_STARTING, "idle: the pipeline starts with the first viewer");
  }
}

/* ---- what the state machine says ---- */

static void arm(Bridge *bridge) {
  gint64 due = stream_state_due(&bridge->state);
  g_source_set_ready_time(bridge->timer, due == G_MAXINT64 ? -1 : due);
}

static gboolean on_end_limit(gpointer data) {
  Bridge *bridge = data;
  bridge->end_limit = 0;
  stats_count("bridge.ends-overdue");
  log_warn("bridge", "the pipeline has not stopped for 10 s: one of its elements hangs");
  say(bridge, HXFR_STATE_LOST, "the pipeline does not stop: one of its elements hangs; restart framelift-bridge");
  return G_SOURCE_REMOVE;
}

static void forget_idr(Bridge *bridge) {
  if (bridge->idr_timer) g_source_remove(bridge->idr_timer);
  bridge->idr_timer = 0;
}

static const AttemptEvents ATTEMPT_EVENTS;

static void perform(Bridge *bridge, StreamAction action) {
  if (action == STREAM_START) {
    stats_count("bridge.starts");
    g_clear_pointer(&bridge->stage, g_free);
    bridge->attempt = attempt_create(bridge->options, &bridge->choice, &ATTEMPT_EVENTS, bridge);
  }
  if (action == STREAM_STOP) {
    forget_idr(bridge);
    bridge->end_limit = g_timeout_add(BRIDGE_END_LIMIT_MS, on_end_limit, bridge);
    attempt_stop(bridge->attempt);
  }
  arm(bridge);
}

static void act(Bridge *bridge, StreamAction action) {
  perform(bridge, action);
  tell(bridge);
}

static gboolean on_tell(gpointer data) {
  Bridge *bridge = data;
  bridge->tell_soon = 0;
  tell(bridge);
  return G_SOURCE_REMOVE;
}

/* The hub calls from within a peer's coming or going: that one, half made or half gone, is not to be sent anything. */
static void act_for_hub(Bridge *bridge, StreamAction action) {
  perform(bridge, action);
  if (!bridge->tell_soon) bridge->tell_soon = g_idle_add_full(G_PRIORITY_DEFAULT, on_tell, bridge, NULL);
}

static void take_failure(Bridge *bridge, const char *why) {
  stats_count("bridge.failures");
  g_free(bridge->why);
  bridge->why = g_strdup(why);
}

static gboolean on_timer(gpointer data) {
  Bridge *bridge = data;
  const char *why;
  g_source_set_ready_time(bridge->timer, -1);
  StreamPhase before = bridge->state.phase;
  StreamAction action = stream_state_tick(&bridge->state, g_get_monotonic_time(), &why);
  if (why) take_failure(bridge, why);
  if (action == STREAM_STOP && !why) stats_count("bridge.idle-stops");
  if (action != STREAM_NOTHING || bridge->state.phase != before) {
    act(bridge, action);
  } else {
    arm(bridge);
  }
  return G_SOURCE_CONTINUE;
}

/* ---- what the attempt says ---- */

static void on_stage(const char *text, gpointer data) {
  Bridge *bridge = data;
  g_free(bridge->stage);
  bridge->stage = g_strdup(text);
  tell(bridge);
}

static void on_playing(gpointer data) {
  Bridge *bridge = data;
  stream_state_playing(&bridge->state, g_get_monotonic_time());
  arm(bridge);
}

static void on_buffer(AccessUnit *unit, gpointer data) {
  Bridge *bridge = data;
  gboolean key = unit && unit->info.is_key;
  gboolean went_up = stream_state_heard(&bridge->state, key, g_get_monotonic_time());
  if (key) {
    forget_idr(bridge);
    bridge->scanout.width = unit->info.width;
    bridge->scanout.height = unit->info.height;
  }
  if (went_up) {
    stats_count("bridge.ups");
    g_clear_pointer(&bridge->why, g_free);
    arm(bridge);
  }
  if (went_up || key) tell(bridge);
  if (unit) hub_publish(bridge->hub, 0, unit);
}

static void on_failed(const char *why, gboolean refused, gpointer data) {
  Bridge *bridge = data;
  take_failure(bridge, why);
  act(bridge, stream_state_failed(&bridge->state, refused, g_get_monotonic_time()));
}

static void on_ended(gpointer data) {
  Bridge *bridge = data;
  g_clear_pointer(&bridge->attempt, attempt_destroy);
  if (bridge->end_limit) g_source_remove(bridge->end_limit);
  bridge->end_limit = 0;
  if (bridge->stopped) {
    bridge->stopped(bridge->stopped_data);
    return;
  }
  StreamAction action = stream_state_ended(&bridge->state, g_get_monotonic_time());
  if (bridge->state.phase == STREAM_GIVEN_UP) stats_count("bridge.given-up");
  act(bridge, action);
}

static const AttemptEvents ATTEMPT_EVENTS = {on_stage, on_playing, on_buffer, on_failed, on_ended};

/* ---- what the hub says ---- */

static gboolean on_idr_late(gpointer data) {
  Bridge *bridge = data;
  if (bridge->idr_repeats++ >= BRIDGE_IDR_REPEATS) {
    log_warn("bridge", "the pipeline makes no IDR when it is asked: whoever joins waits for the next one by itself");
    bridge->idr_timer = 0;
    return G_SOURCE_REMOVE;
  }
  stats_count("bridge.idr-repeats");
  attempt_want_idr(bridge->attempt);
  return G_SOURCE_CONTINUE;
}

static void request_idr(gpointer data, guint scanout) {
  Bridge *bridge = data;
  if (bridge->state.phase != STREAM_UP) return; /* it will begin with one */
  attempt_want_idr(bridge->attempt);
  if (bridge->idr_timer) return;
  bridge->idr_repeats = 0;
  bridge->idr_timer = g_timeout_add(BRIDGE_IDR_REPEAT_MS, on_idr_late, bridge);
}

static void set_demand(gpointer data, guint scanout, const HubDemand *demand) {
  Bridge *bridge = data;
  /* `hold` is not for a pipeline: who is behind loses pictures, and gets an IDR when it reads again */
  if (bridge->attempt) attempt_set_bitrate(bridge->attempt, demand->bitrate);
}

static void start(gpointer data, guint scanout, const HubDemand *demand) {
  Bridge *bridge = data;
  act_for_hub(bridge, stream_state_watch(&bridge->state, TRUE, g_get_monotonic_time()));
  set_demand(bridge, scanout, demand);
  request_idr(bridge, scanout);
}

static void stop(gpointer data, guint scanout) {
  Bridge *bridge = data;
  forget_idr(bridge);
  act_for_hub(bridge, stream_state_watch(&bridge->state, FALSE, g_get_monotonic_time()));
}

static void joined(gpointer data, guint scanout) {
  Bridge *bridge = data;
  StreamAction action = stream_state_joined(&bridge->state, g_get_monotonic_time());
  if (action != STREAM_NOTHING) act_for_hub(bridge, action);
}

const HubSource *bridge_hub_source(void) {
  static const HubSource SOURCE = {
      .start = start, .stop = stop, .request_idr = request_idr, .demand = set_demand, .joined = joined};
  return &SOURCE;
}

/* ---- its life ---- */

static gboolean dispatch_timer(GSource *source, GSourceFunc callback, gpointer data) {
  return callback(data);
}

static GSourceFuncs timer_funcs = {.dispatch = dispatch_timer};

Bridge *bridge_create(const Options *options) {
  Bridge *bridge = g_new0(Bridge, 1);
  bridge->options = options;
  stream_state_init(&bridge->state, &options->timing);
  encoder_choice_init(&bridge->choice, options->encoder, has_element, NULL);
  g_strlcpy(bridge->scanout.name, options->name, sizeof bridge->scanout.name);
  bridge->timer = g_source_new(&timer_funcs, sizeof(GSource));
  g_source_set_callback(bridge->timer, on_timer, bridge, NULL);
  g_source_attach(bridge->timer, NULL);
  return bridge;
}

void bridge_set_hub(Bridge *bridge, Hub *hub) {
  bridge->hub = hub;
  tell(bridge);
}

void bridge_stop(Bridge *bridge, void (*stopped)(gpointer data), gpointer data) {
  bridge->stopped = stopped;
  bridge->stopped_data = data;
  g_source_set_ready_time(bridge->timer, -1);
  if (bridge->attempt) {
    attempt_stop(bridge->attempt);
  } else {
    stopped(data);
  }
}

void bridge_destroy(Bridge *bridge) {
  if (!bridge) return;
  g_assert(!bridge->attempt);
  forget_idr(bridge);
  if (bridge->tell_soon) g_source_remove(bridge->tell_soon);
  g_source_destroy(bridge->timer);
  g_source_unref(bridge->timer);
  encoder_choice_finish(&bridge->choice);
  g_free(bridge->stage);
  g_free(bridge->why);
  g_free(bridge);
}
