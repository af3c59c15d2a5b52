/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "common/media/fingerprint.h"
#include "host/capture/shadow.h"
#include "host/encode/encoder.h"

/*
 * The encode thread of one request session: takes requests in order, gets each
 * one's picture, encodes what is new of it, answers. Its calls come from one
 * thread (the hub's); none waits for it.
 */

typedef struct RequestWorker RequestWorker;

typedef enum {
  REQUEST_PICTURE_OK,
  REQUEST_PICTURE_NOT_FOUND,  /* no such resource, nothing on the scanout */
  REQUEST_PICTURE_NO_BACKING, /* a resource without memory */
  REQUEST_PICTURE_BAD_SIZE,   /* the resource does not cover what was asked for */
  REQUEST_PICTURE_FAILED,     /* the encoder, or memory */
  /* the request has to come again with pixels: */
  REQUEST_PICTURE_DARK,       /* of a fingerprint: nothing on the scanout */
  REQUEST_PICTURE_OTHER_SIZE, /* likewise, and the others up to IN_ORDER */
  REQUEST_PICTURE_DIFFERENT,
  REQUEST_PICTURE_IN_ORDER, /* an earlier one has to, and has not */
  REQUEST_PICTURE_NO_BASE,  /* of tiles: what they build on is not there */
} RequestPicture;

typedef struct {
  guint32 resource_id; /* not 0: that resource; 0: `pixels`, or the scanout's picture */
  guint width;         /* of a resource's part that is wanted, or of the pixels */
  guint height;
  GBytes *pixels; /* NULL, or of `format` and `stride`, checked to be as large as those say */
  guint32 format;
  gsize stride;
  gboolean idr;
  guint scanout;                  /* the one whose picture is meant */
  const Fingerprint *fingerprint; /* NULL, or it is meant only where it shows this, in width × height */
  guint32 picture;                /* not 0: `pixels` are of the rectangles alone, as RequestCanvasTiles has them */
  guint32 base;
  const Rect *rects;
  guint n_rects;
} WorkRequest;

/* The end of a read. shadow: the resource's picture, of the size that was asked for, a reference is taken; NULL unless
 * REQUEST_PICTURE_OK. The same one as long as its writer has it, so that what did not change is known. */
typedef void (*RequestReadDone)(RequestPicture result, Shadow *shadow, gpointer data);

typedef struct {
  /* The scanout's shadow of the moment, with a reference; NULL while dark. Any thread. */
  Shadow *(*get_shadow)(guint scanout, gpointer data);
  /* Calls `done` once, on whatever thread, soon, not within this call. The size was checked. One at a time for each
   * worker. NULL without a resource table. */
  void (*read_resource)(const WorkRequest *request, RequestReadDone done, gpointer done_data, gpointer data);
  /* The answer, in order; on the worker's thread; takes the unit over. Never after request_worker_stop() returned. */
  void (*answer)(AccessUnit *unit, RequestPicture result, gpointer data);
} RequestWorkerHost;

/* `host` and `data` outlive the worker up to request_worker_stop(); while read_resource() is under way, up to its
 * `done`. */
RequestWorker *request_worker_start(const EncoderInterface *encoder, gdouble fps, guint64 bitrate,
                                    const RequestWorkerHost *host, gpointer data, GError **error);
void request_worker_stop(RequestWorker *worker); /* NULL is legal */

/* A reference on the pixels is taken; the rest is copied. */
void request_worker_submit(RequestWorker *worker, const WorkRequest *request);
void request_worker_set_bitrate(RequestWorker *worker, guint64 bitrate);
void request_worker_force_idr(RequestWorker *worker);
gsize request_worker_pixel_bytes(RequestWorker *worker); /* that wait */
