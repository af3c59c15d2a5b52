/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/bridge/encoder-choice.h"
#include "guest/bridge/options.h"
#include "guest/bridge/pipeline.h"

/*
 * One attempt at a stream: the screen's node if it is the screen, an encoder
 * if one is needed and none is chosen yet, then the pipeline. On the default
 * main context. Each part ends with it.
 */

/* How long a candidate may take for its first decodable picture. A hardware encoder opens in some tenths of a second.
 */
#define ATTEMPT_ENCODER_LIMIT_MS 4000

typedef struct Attempt Attempt;

typedef struct {
  /* What it is at, for people: "trying x264enc". */
  void (*stage)(const char *text, gpointer data);
  void (*playing)(gpointer data);
  void (*buffer)(AccessUnit *unit, gpointer data); /* as PipelineEvents' */
  /* Once; stop it now. `refused`: somebody said no, and is not to be asked again by a timer. */
  void (*failed)(const char *why, gboolean refused, gpointer data);
  void (*ended)(gpointer data); /* after attempt_stop(): destroy it now */
} AttemptEvents;

/* Borrows options and choice. Never calls back before it has returned. */
Attempt *attempt_create(const Options *options, EncoderChoice *choice, const AttemptEvents *events, gpointer data);
void attempt_stop(Attempt *attempt);
void attempt_destroy(Attempt *attempt); /* after `ended`; NULL is legal */

void attempt_want_idr(Attempt *attempt);
/* bit/s; 0: nobody wishes one. */
void attempt_set_bitrate(Attempt *attempt, guint64 bitrate);
