/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/stream-state.h"

const StreamTiming STREAM_TIMING = {
    .idle_us = 5 * G_USEC_PER_SEC,
    .first_us = 5 * G_USEC_PER_SEC,
    .decodable_us = 10 * G_USEC_PER_SEC,
    .silent_us = 60 * G_USEC_PER_SEC,
    .steady_us = 10 * G_USEC_PER_SEC,
    .back_off_us = G_USEC_PER_SEC / 4,
    .back_off_max_us = 5 * G_USEC_PER_SEC,
    .tries = 10,
};

void stream_state_init(StreamState *state, const StreamTiming *timing) {
  *state = (StreamState){.timing = *timing};
}

static gboolean runs(const StreamState *state) {
  return state->phase == STREAM_STARTING || state->phase == STREAM_UP;
}

static StreamAction begin(StreamState *state) {
  state->phase = STREAM_STARTING;
  state->playing_us = state->heard_us = state->up_us = 0;
  return STREAM_START;
}

static StreamAction end(StreamState *state, StreamPhase after) {
  state->phase = STREAM_ENDING;
  state->after = after;
  return STREAM_STOP;
}

static StreamAction begin_or_wait(StreamState *state, gint64 now_us) {
  if (now_us >= state->retry_us) return begin(state);
  state->phase = STREAM_WAITING;
  return STREAM_NOTHING;
}

/* Somebody asks for the picture: that is what gets a stream out of having been given up. */
static StreamAction revive(StreamState *state) {
  gboolean ending = state->phase == STREAM_ENDING && state->after == STREAM_GIVEN_UP;
  if (!ending && state->phase != STREAM_GIVEN_UP) return STREAM_NOTHING;
  state->failures = state->pauses = 0;
  state->retry_us = 0;
  state->after = STREAM_IDLE;
  return ending ? STREAM_NOTHING : begin(state);
}

StreamAction stream_state_watch(StreamState *state, gboolean watched, gint64 now_us) {
  state->watched = watched;
  if (!watched) {
    state->left_us = now_us;
    if (state->phase == STREAM_WAITING) state->phase = STREAM_IDLE;
    return STREAM_NOTHING;
  }
  if (state->phase == STREAM_IDLE) return begin_or_wait(state, now_us);
  return revive(state);
}

StreamAction stream_state_joined(StreamState *state, gint64 now_us) {
  return revive(state);
}

void stream_state_playing(StreamState *state, gint64 now_us) {
  if (state->phase == STREAM_STARTING) state->playing_us = state->heard_us = now_us;
}

gboolean stream_state_heard(StreamState *state, gboolean decodable, gint64 now_us) {
  if (!runs(state)) return FALSE;
  state->heard_us = now_us;
  if (state->phase == STREAM_UP) {
    if (now_us - state->up_us >= state->timing.steady_us) state->pauses = 0;
    return FALSE;
  }
  if (!decodable) return FALSE;
  state->phase = STREAM_UP;
  state->up_us = now_us;
  state->failures = 0;
  return TRUE;
}

StreamAction stream_state_failed(StreamState *state, gboolean final, gint64 now_us) {
  if (!runs(state)) return STREAM_NOTHING;
  state->failures++;
  gboolean over = final || state->failures >= state->timing.tries;
  return end(state, over ? STREAM_GIVEN_UP : STREAM_WAITING);
}

/* 0.25, 0.5 … 5 s; the exponent stays where no shift overflows. */
static gint64 next_pause(StreamState *state) {
  gint64 pause = state->timing.back_off_us << MIN(state->pauses, 16u);
  state->pauses++;
  return MIN(pause, state->timing.back_off_max_us);
}

StreamAction stream_state_ended(StreamState *state, gint64 now_us) {
  g_assert(state->phase == STREAM_ENDING);
  state->phase = STREAM_IDLE;
  if (state->after == STREAM_GIVEN_UP) {
    state->phase = STREAM_GIVEN_UP;
    return STREAM_NOTHING;
  }
  if (state->after == STREAM_WAITING) state->retry_us = now_us + next_pause(state);
  return state->watched ? begin_or_wait(state, now_us) : STREAM_NOTHING;
}

static const char *overdue(const StreamState *state, gint64 now_us) {
  const StreamTiming *timing = &state->timing;
  if (state->phase == STREAM_UP) {
    gboolean silent = timing->silent_us > 0 && now_us - state->heard_us >= timing->silent_us;
    return silent ? "nothing comes out of the pipeline any more" : NULL;
  }
  if (state->phase != STREAM_STARTING || state->playing_us == 0) return NULL;
  if (now_us - state->heard_us >= timing->first_us) return "nothing comes out of the pipeline";
  if (now_us - state->playing_us >= timing->decodable_us) return "what comes out of the pipeline cannot be decoded";
  return NULL;
}

StreamAction stream_state_tick(StreamState *state, gint64 now_us, const char **why) {
  *why = overdue(state, now_us);
  if (*why) return stream_state_failed(state, FALSE, now_us);
  if (runs(state) && !state->watched && now_us - state->left_us >= state->timing.idle_us) {
    return end(state, STREAM_IDLE);
  }
  if (state->phase == STREAM_WAITING && now_us >= state->retry_us) return begin(state);
  return STREAM_NOTHING;
}

gint64 stream_state_due(const StreamState *state) {
  const StreamTiming *timing = &state->timing;
  gint64 due = G_MAXINT64;
  if (state->phase == STREAM_WAITING) return state->retry_us;
  if (!runs(state)) return due;
  if (!state->watched) due = state->left_us + timing->idle_us;
  if (state->phase == STREAM_UP && timing->silent_us > 0) due = MIN(due, state->heard_us + timing->silent_us);
  if (state->phase == STREAM_STARTING && state->playing_us > 0) {
    due = MIN(due, state->heard_us + timing->first_us);
    due = MIN(due, state->playing_us + timing->decodable_us);
  }
  return due;
}
