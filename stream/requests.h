/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "stream/request-tiles.h"

/*
 * FRAME_REQUEST and version 2's REQUEST_…: a peer asks for one picture at a
 * time, by resource id, by "what the scanout shows", by a fingerprint of that,
 * or with the pixels themselves. One answer each, in order within its session.
 *
 * RequestSource is what answers: the host has one, a bridge may have none.
 * RequestBook is a peer's list of sessions and of what they owe. All on the
 * hub's thread.
 */

/* Requests of one connection that may wait for their answers; what is beyond that is not read (wire rule 8). */
#define REQUESTS_MAX_IN_FLIGHT 64u
/* Encoders of one VM: a session has one of its own, with its memory. */
#define REQUESTS_MAX_SESSIONS 8u
/* Pixels of one VM that may wait; beyond that peers are not read. */
#define REQUESTS_MAX_PIXEL_BYTES (256u << 20)

typedef struct RequestSession RequestSession;

/* The answer to the oldest request that waits: a unit (taken over), or NULL and why not (an HxfrErrorCode and a text;
 * above 0 an HxfrWantedReason: PIXELS_WANTED). */
typedef void (*RequestAnswer)(gpointer data, AccessUnit *unit, gint32 code, const char *text);

typedef struct {
  gboolean has_resources; /* ids other than 0 mean something */
  /* NULL where there are too many. `answer` is called on the hub's thread, once a request, until close(). */
  RequestSession *(*open)(gpointer data, RequestAnswer answer, gpointer answer_data);
  void (*close)(RequestSession *session);
  /* Never refuses: what is wrong is an answer. pixels: NULL, or what came with the request; a reference is taken. */
  void (*submit)(RequestSession *session, const HxfrFrameRequest *request, GBytes *pixels);
  /* Likewise, version 2's: both, or NULL both. What is needed of the arguments is copied or referenced. */
  void (*submit_fingerprint)(RequestSession *session, const HxfrRequestFingerprint *request);
  void (*submit_tiles)(RequestSession *session, const RequestTiles *request);
  /* What resource 0 means in requests that come after; below HXFR_MAX_SCANOUTS. 0 at first. NULL: it stays 0. */
  void (*set_scanout)(RequestSession *session, guint scanout);
  void (*set_bitrate)(RequestSession *session, guint bitrate); /* bit/s; 0: the ceiling */
  void (*force_keyframe)(RequestSession *session);
  gsize (*pixel_bytes)(gpointer data); /* that wait, of all sessions */
  /* Connects an output or disconnects it; NULL where that cannot be. An output is that owner's who connected it, until it
   * disconnects it or the display does: FALSE for everybody else (F16). */
  gboolean (*set_output)(gpointer data, gconstpointer owner, guint scanout, gboolean connected, guint width,
                         guint height, guint refresh_mhz);
} RequestSource;

typedef struct RequestBook RequestBook;

/* Sends a whole message to the peer; takes it over. */
typedef void (*RequestSend)(GBytes *message, gpointer data);

/* source NULL: every request is answered with ERROR -6. */
RequestBook *request_book_create(const RequestSource *source, gpointer source_data, RequestSend send, gpointer data);
/* Closes all sessions: answers that come later find nobody (F05); outputs that were connected here are disconnected
 * (F16). */
void request_book_destroy(RequestBook *book);

/* A FRAME_REQUEST of the session; the reader is at its payload. */
void request_book_take(RequestBook *book, const HxfrHeader *header, ByteReader *reader);
/* Likewise REQUEST_FINGERPRINT and REQUEST_TILES; where the source has them. */
void request_book_take_fingerprint(RequestBook *book, const HxfrHeader *header, ByteReader *reader);
void request_book_take_tiles(RequestBook *book, const HxfrHeader *header, ByteReader *reader);
/* From here on, resource 0 of that session, open or not, is that scanout. FALSE: it cannot be kept. */
gboolean request_book_bind_scanout(RequestBook *book, guint16 session_id, guint scanout);
gboolean request_book_has_session(const RequestBook *book, guint16 session_id);
/* Of a session that is open, or will be. FALSE: no requests are served, or too many wishes wait. */
gboolean request_book_set_bitrate(RequestBook *book, guint16 session_id, guint bitrate);
/* FALSE if there is no such session. */
gboolean request_book_force_keyframe(RequestBook *book, guint16 session_id);
/* ENABLE_SCANOUT and DISABLE_SCANOUT. */
gboolean request_book_enable(RequestBook *book, const HxfrEnableScanout *enable);
void request_book_disable(RequestBook *book, guint32 scanout);

/* So much is owed that nothing more is to be read from the peer. */
gboolean request_book_is_congested(const RequestBook *book);
