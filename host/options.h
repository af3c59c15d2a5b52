/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/net/address.h"
#include "host/display-choice.h"
#include "host/encode/encoder.h"
#include "host/vsock/vsock-settings.h"
#include "stream/peer.h"

/* frameliftd's command line, as far as it can be checked without doing anything. */

#define OPTIONS_MIN_FPS 1.0
#define OPTIONS_MAX_FPS 240.0
/* kbit/s: what is less shows nothing, what is more no link that needs a codec. */
#define OPTIONS_MIN_BITRATE 100
#define OPTIONS_MAX_BITRATE 1000000
/* They are handed from process to process in one message. */
#define OPTIONS_MAX_LISTENERS 16u

typedef struct {
  Address address;
  PeerTrust trust;
} ListenOption;

typedef struct {
  DisplayChoice display;
  VsockSettings vsock;  /* our vsock device */
  GArray *listen;       /* of ListenOption; at most OPTIONS_MAX_LISTENERS */
  char *own_folder;     /* of a socket that we chose ourselves: made if it is missing; NULL */
  gboolean http;        /* the page is served */
  Address http_address; /* there */
  char **http_names;
  char *token_file; /* NULL: the default place */
  char *name;       /* the VM's, for people */
  const EncoderInterface *encoder;
  guint64 bitrate; /* bit/s */
  gdouble fps;
  gboolean verbose;
} Options;

typedef enum {
  OPTIONS_RUN,
  OPTIONS_EXIT,  /* --help or --version: it has been printed */
  OPTIONS_USAGE, /* *error says what is wrong */
} OptionsResult;

OptionsResult options_parse(Options *options, int argc, char **argv, GError **error);
void options_finish(Options *options);
