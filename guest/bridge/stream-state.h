/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * When the pipeline is started, stopped, tried again and given up (F15).
 * Arithmetic on a clock that the caller passes (monotonic, microseconds,
 * never 0); no timers, no threads, no GStreamer.
 *
 *          viewer            playing, decodable
 *   IDLE ─────────► STARTING ──────────────────► UP
 *    ▲                │  failed                  │ failed, silent; nobody watches any more
 *    │                ▼                          ▼
 *    │◄──────────── ENDING: the pipeline is being torn down
 *    │                │
 *    │ nobody watches ├──────► WAITING ── back-off over ──► STARTING
 *    │◄───────────────┼───────────┘
 *                     └──────► GIVEN_UP ── somebody subscribes ──► STARTING
 *
 * UP is a pipeline from which a decodable picture has come, and nothing less.
 */

typedef enum {
  STREAM_IDLE,
  STREAM_STARTING,
  STREAM_UP,
  STREAM_ENDING,
  STREAM_WAITING,
  STREAM_GIVEN_UP,
} StreamPhase;

/* What the caller has to do now. */
typedef enum {
  STREAM_NOTHING,
  STREAM_START, /* make a pipeline */
  STREAM_STOP,  /* tear it down completely, then stream_state_ended() */
} StreamAction;

typedef struct {
  gint64 idle_us;         /* an unwatched pipeline is stopped after this */
  gint64 first_us;        /* of a playing one, from which nothing came */
  gint64 decodable_us;    /* of a playing one, from which nothing decodable came */
  gint64 silent_us;       /* of one that was up; 0: its silence means nothing */
  gint64 steady_us;       /* up so long: the next failure's pause is the shortest again */
  gint64 back_off_us;     /* the first pause; each is twice the one before */
  gint64 back_off_max_us; /* up to this */
  guint tries;            /* failures in a row without an up between them; then it is given up */
} StreamTiming;

extern const StreamTiming STREAM_TIMING;

typedef struct {
  StreamTiming timing;
  StreamPhase phase;
  StreamPhase after; /* ENDING: what comes then; IDLE is STARTING where somebody watches by then */
  gboolean watched;
  guint failures;    /* in a row, without an up */
  guint pauses;      /* in a row, without a steady up: the next one's exponent */
  gint64 playing_us; /* since when; 0: not yet */
  gint64 heard_us;   /* the last buffer, or playing_us */
  gint64 up_us;
  gint64 left_us;  /* when the last viewer left */
  gint64 retry_us; /* no pipeline before this */
} StreamState;

void stream_state_init(StreamState *state, const StreamTiming *timing);

/* The first viewer came, or the last one left. */
StreamAction stream_state_watch(StreamState *state, gboolean watched, gint64 now_us);
/* A further viewer came. */
StreamAction stream_state_joined(StreamState *state, gint64 now_us);
/* The pipeline has all it needs: from here on something must come. */
void stream_state_playing(StreamState *state, gint64 now_us);
/* A buffer came. TRUE: with this one, decodable, the stream is up. */
gboolean stream_state_heard(StreamState *state, gboolean decodable, gint64 now_us);
/* The pipeline says that it has failed, or ended. final: another try by itself makes no sense. */
StreamAction stream_state_failed(StreamState *state, gboolean final, gint64 now_us);
/* It is torn down, after STREAM_STOP. */
StreamAction stream_state_ended(StreamState *state, gint64 now_us);
/* What the time says. *why is NULL, or what failed by it; static storage. */
StreamAction stream_state_tick(StreamState *state, gint64 now_us, const char **why);
/* When to call that next; G_MAXINT64: not before something else happens. */
gint64 stream_state_due(const StreamState *state);
