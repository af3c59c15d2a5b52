/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/hxfr-v2.h"

/*
 * A host for the guest's tests: listens on a unix socket, in a thread of its
 * own, serves one connection at a time, and misbehaves as it is told. Version
 * 1 is as hosts in the field are: HELLO is skipped without a word, PING's
 * payload is not read, PONG has none, KEYFRAME_REQ is ignored, and a request
 * may stay without an answer.
 *
 * All functions: the test's thread. What is set counts from the next message.
 */

typedef struct FakeHost FakeHost;

typedef enum {
  FAKE_HOST_NO_PONG = 1 << 0,
  FAKE_HOST_NO_ANSWERS = 1 << 1,    /* to FRAME_REQUEST; they are forgotten */
  FAKE_HOST_NO_SUBSCRIBE = 1 << 2,  /* SUBSCRIBE has no answer */
  FAKE_HOST_ABSENT = 1 << 3,        /* SUBSCRIBE says that there is no such scanout */
  FAKE_HOST_DENY = 1 << 4,          /* HELLO is answered by ERROR -7, and the end */
  FAKE_HOST_GARBAGE = 1 << 5,       /* says something that is not HXFR at once */
  FAKE_HOST_REFUSE_CONFIG = 1 << 6, /* CONFIG_REQ is answered by ERROR -6 */
  FAKE_HOST_STARTING = 1 << 7,      /* STATE is starting, and running 100 ms later */
} FakeHostFlag;

typedef struct {
  guint8 type;    /* HXFR_FRAME_REQUEST, HXFR_REQUEST_FINGERPRINT or HXFR_REQUEST_TILES */
  guint32 wanted; /* the HxfrWantedReason that was the answer; 0: another one */
  guint places;   /* of a fingerprint */
  guint scanout;
  guint32 picture; /* of tiles */
  guint32 base;
  guint rects;
  HxfrFrameRequest request;
  guint16 session_id;
  gboolean has_pixels; /* FRAME_REQUEST's flag */
  gsize pixels_size;
  guint8 first_pixel[4];
  guint connection; /* from 1 on */
} FakeHostRequest;

typedef struct {
  guint connections;
  guint hellos;
  guint pings;
  gsize ping_bytes; /* of payload, altogether */
  guint configs;
  HxfrConfig config; /* the last one */
  guint key_requests;
  guint subscribes;
  guint most_waiting; /* requests, ever at once */
  guint scanouts;     /* REQUEST_SCANOUT */
  guint scanout;      /* the last one's */
  guint answers;
  char token[HXFR_MAX_TOKEN + 1];
} FakeHostRecord;

/* version 1 or 2; version 2 has features. */
FakeHost *fake_host_start(const char *path, guint version, guint32 features);
/* Ends the connection and takes the socket's file away: as a host that dies. */
void fake_host_stop(FakeHost *host);

void fake_host_set_flags(FakeHost *host, guint flags);
void fake_host_set_delay(FakeHost *host, guint ms);                 /* of each answer */
void fake_host_set_size(FakeHost *host, guint width, guint height); /* of the pictures */
void fake_host_skip(FakeHost *host, guint requests);                /* so many are never answered */
void fake_host_fail(FakeHost *host, guint requests, gint32 code);   /* so many are answered by ERROR */
/* Fingerprints are answered by PIXELS_WANTED for that reason from here on, as docs/protocol.md has it; 0: they agree,
 * as at first. */
void fake_host_want_pixels(FakeHost *host, HxfrWantedReason reason);
/* What tiles build on is gone. */
void fake_host_lose_base(FakeHost *host);
/* Nothing that is sent is good enough: even whole pictures are answered by PIXELS_WANTED. */
void fake_host_never_content(FakeHost *host);
/* What tiles have made; the caller's. NULL: nothing yet. */
GBytes *fake_host_canvas(FakeHost *host);
/* So many FRAME_RESPONSEs are cut short (of a valid message). */
void fake_host_mangle(FakeHost *host, guint requests);
/* Subscriptions get an access unit each so many ms; 0: none. */
void fake_host_set_push(FakeHost *host, guint ms);
/* A lag: so many sequence numbers are left out, and an IDR follows. */
void fake_host_gap(FakeHost *host, guint units);
/* Pictures come out of an H.264 file in Annex B form from here on. */
void fake_host_use_stream(FakeHost *host, const char *path);
/* Closes the connection there is. */
void fake_host_hang_up(FakeHost *host);
/* Says something that is not HXFR on the connection there is. */
void fake_host_talk_nonsense(FakeHost *host);

FakeHostRecord fake_host_record(FakeHost *host);
guint fake_host_n_requests(FakeHost *host);
FakeHostRequest fake_host_request(FakeHost *host, guint index);
