/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * The requests that a host has not answered yet, oldest first, and which of
 * them an answer is for. Hosts answer in order, and their answers have the
 * request's pts; hosts in the field may leave one out (docs/protocol.md, rule
 * 1), so an answer with a later pts says that the older ones are lost.
 *
 * An answer must fit one request alone, also after a seek that brings the
 * same pts again: the pts on the wire is the request's where that goes up,
 * and is moved on where it does not. Owns the pixels of its requests. No
 * clock, no sockets; one thread.
 */

/* A host takes 64 requests of one connection at a time (docs/protocol.md). */
#define REQUEST_WINDOW_MAX 64u

/* pts_ns of a frame that has none. */
#define REQUEST_NO_PTS (-1)

typedef struct {
  guint64 id; /* the asker's, opaque here */
  guint32 resource_id;
  guint32 width; /* pixels */
  guint32 height;
  guint32 format;     /* DRM fourcc */
  guint32 stride;     /* bytes */
  gint64 pts_ns;      /* REQUEST_NO_PTS, or from 0 on */
  gint64 duration_ns; /* 0: unknown */
  gboolean force_keyframe;
  GBytes *pixels;     /* nullable */
  gboolean ask_first; /* pixels go only where the host takes them and does not show the same already */
} Request;

/* How a request went to the host. */
typedef enum {
  REQUEST_WAITS,          /* it did not, or has to again */
  REQUEST_AS_IT_IS,       /* FRAME_REQUEST: by resource id, 0 included */
  REQUEST_BY_FINGERPRINT, /* REQUEST_FINGERPRINT */
  REQUEST_BY_TILES,       /* REQUEST_TILES */
  REQUEST_WITH_PIXELS,    /* FRAME_REQUEST with all of them */
} RequestWay;

typedef struct {
  Request request;
  gint64 wire_pts_ns; /* what it has on the wire */
  gint64 sent_us;     /* monotonic, the owner's; 0: not yet */
  guint64 end;        /* the owner's: where its last byte is in the stream */
  RequestWay way;     /* the owner's, as all that follows */
  gboolean refused;   /* the host wants its pixels */
  gboolean whole;     /* by tiles: on no other picture */
  guint epoch;        /* by tiles: of its TileBase */
} RequestSlot;

typedef struct {
  RequestSlot slots[REQUEST_WINDOW_MAX];
  guint count;
  gint64 last_pts_ns; /* on the wire */
  gint64 offset_ns;   /* wire − request */
} RequestWindow;

void request_window_init(RequestWindow *window);
void request_window_finish(RequestWindow *window);

/* Takes request->pixels over. There must be room. The slot is valid until the next call. */
RequestSlot *request_window_add(RequestWindow *window, const Request *request);

/* The index of the request that this pts answers, -1 if it is none's: all before that index are lost. */
gint request_window_find(const RequestWindow *window, gint64 wire_pts_ns);

/* Takes the oldest out; *request has its pixels freed. The window must not be empty. */
void request_window_pop(RequestWindow *window, Request *request);
