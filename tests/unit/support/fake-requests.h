/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream/requests.h"

/* A RequestSource that keeps what it is asked until the test has it answered. */

#define FAKE_REQUESTS_MAX_SESSIONS 4u

typedef struct {
  guint opened;
  guint closed;
  guint submitted;
  guint key_frames;
  guint bitrate;         /* the last wish */
  HxfrFrameRequest last; /* the last request */
  gsize pixels;          /* its pixels' bytes */
  guint fingerprints;    /* submitted */
  guint tiles;
  HxfrRequestFingerprint last_fingerprint;
  HxfrRequestTiles last_tiles;
  Rect last_rect;                             /* of those tiles: the last one */
  guint scanouts[FAKE_REQUESTS_MAX_SESSIONS]; /* what set_scanout() said, by open session */
  gsize waiting_bytes;                        /* what pixel_bytes() says */
  guint connected;                            /* outputs, a bit each */
  gboolean answer_at_once;                    /* with an access unit, from within submit() */
  GPtrArray *sessions;                        /* of RequestSession, in the order of open(); NULL at first */
} FakeRequests;

extern const RequestSource FAKE_REQUESTS; /* with resources and outputs; its data is a FakeRequests */

void fake_requests_finish(FakeRequests *requests); /* no session is open any more */

/* Answers the oldest request of that open session (0: the first). */
void fake_requests_answer(FakeRequests *requests, guint session, AccessUnit *unit);
/* code above 0: an HxfrWantedReason. */
void fake_requests_refuse(FakeRequests *requests, guint session, gint32 code);
