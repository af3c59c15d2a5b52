/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * Which encoder raw video goes through: the candidates in their order, why
 * those before the chosen one were not taken, and how each is written in a
 * pipeline. Decides nothing by itself: whoever tries a candidate says whether
 * a decodable picture came. No GStreamer, single thread.
 */

/* The chosen element's name in the pipeline. */
#define ENCODER_ELEMENT_NAME "framelift-encoder"

typedef struct {
  const char *element;
  const char *properties; /* what is set besides the bit rate; "" for nothing */
  const char *format;     /* caps in front of it; NULL: whatever it negotiates */
  guint64 bitrate_unit;   /* of its "bitrate", bit/s; 0: it has none */
} EncoderCandidate;

/* Which elements are installed. */
typedef gboolean (*EncoderRegistry)(const char *element, gpointer data);

typedef struct {
  char *wanted; /* "auto", or an element with its properties */
  EncoderRegistry has;
  gpointer has_data;
  guint next;        /* index of the candidate to try next */
  gboolean accepted; /* the current one works */
  GString *rejected; /* "vsockenc: no answer; vah264enc: not installed" */
} EncoderChoice;

void encoder_choice_init(EncoderChoice *choice, const char *wanted, EncoderRegistry has, gpointer data);
void encoder_choice_finish(EncoderChoice *choice);

/* The part of a pipeline for the candidate that is accepted, or to be tried now; NULL: none is left. The caller's. */
char *encoder_choice_launch(EncoderChoice *choice, guint64 bitrate);
/* That candidate's element; borrowed. Only after encoder_choice_launch() gave something. */
const char *encoder_choice_element(const EncoderChoice *choice);
void encoder_choice_accept(EncoderChoice *choice);
/* It does not work, or works no more: the next one is to be tried. */
void encoder_choice_reject(EncoderChoice *choice, const char *why);
/* All again, from the first. */
void encoder_choice_restart(EncoderChoice *choice);
/* Why the others were not taken, for people; borrowed until the next call, "" if there are none. */
const char *encoder_choice_rejected(const EncoderChoice *choice);

/* The unit of that element's "bitrate" in bit/s: those that are not known count in kbit/s, as most do. 0: it has none.
 */
guint64 encoder_bitrate_unit(const char *element);
