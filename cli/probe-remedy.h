/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "cli/client.h"

/*
 * What to do about a hop of `framelift probe` that failed. No I/O: what was
 * found on the way, and the error, decide.
 */

typedef enum {
  PROBE_CONNECT,
  PROBE_PING,
  PROBE_VERSION,
  PROBE_SUBSCRIBE,
  PROBE_REQUEST, /* FRAME_REQUEST in SUBSCRIBE's place */
  PROBE_FIRST_ANSWER,
  PROBE_STREAM,
  PROBE_DECODE,
} ProbeHop;

typedef struct {
  const Client *client; /* as far as it came */
  gboolean has_token;
  gboolean request;
  guint32 resource_id;
} ProbeFacts;

/* One sentence for a person; never NULL; free with g_free(). */
char *probe_remedy(ProbeHop hop, const ProbeFacts *facts, const GError *error);
