/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"
#include "guest/bridge/stream-state.h"
#include "stream/peer.h"

/* framelift-bridge's command line, as far as it can be checked without doing anything. */

/* kbit/s: as frameliftd's. */
#define OPTIONS_MIN_BITRATE 100
#define OPTIONS_MAX_BITRATE 1000000
#define OPTIONS_MAX_IDLE_STOP_S 86400
#define OPTIONS_MAX_LISTENERS 16u

/*
 * Intervals of the state machine for tests: FRAMELIFT_BRIDGE_TEST=NAME=NUMBER,… with the names back-off,
 * back-off-max, first, decodable, silent, steady (all ms) and tries. Not for use.
 */
#define OPTIONS_TEST_VARIABLE "FRAMELIFT_BRIDGE_TEST"

typedef enum {
  SOURCE_PIPELINE,  /* text: a pipeline that ends in H.264 */
  SOURCE_RAW,       /* text: a pipeline that ends in raw video */
  SOURCE_SUBSCRIBE, /* text: an address; scanout, subscribe_token_file */
  SOURCE_CAPTURE,   /* text: "screen", or a PipeWire node's number */
} SourceKind;

typedef struct {
  Address address;
  PeerTrust trust;
} ListenOption;

typedef struct {
  SourceKind source;
  char *text;
  guint scanout;
  char *subscribe_token_file; /* NULL: none */
  GArray *listen;             /* of ListenOption; at most OPTIONS_MAX_LISTENERS */
  gboolean http;              /* the page is served */
  Address http_address;       /* there */
  char **http_names;
  char *token_file;    /* NULL: the default place */
  char *name;          /* what is shown, for people */
  char *encoder;       /* "auto", an element's name, or one with properties */
  guint64 bitrate;     /* bit/s */
  StreamTiming timing; /* with --idle-stop */
  gboolean verbose;
} Options;

typedef enum {
  OPTIONS_RUN,
  OPTIONS_EXIT,  /* --help or --version: it has been printed */
  OPTIONS_USAGE, /* *error says what is wrong */
} OptionsResult;

/* hooks: the value of OPTIONS_TEST_VARIABLE, or NULL. */
OptionsResult options_parse(Options *options, int argc, char **argv, const char *hooks, GError **error);
void options_finish(Options *options);
