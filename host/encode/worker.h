/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "host/capture/shadow.h"
#include "host/encode/encoder.h"

/*
 * The encode thread of one active stream: takes the newest picture of a
 * scanout from its shadow, converts what changed, encodes, publishes. While it
 * is busy, pictures come and go; damage adds up; the newest wins.
 *
 * The calls come from one thread (the hub's) but for worker_changed(), which
 * any may make. None waits for the encoder.
 */

typedef struct Worker Worker;

typedef struct {
  /* The scanout's shadow of the moment, with a reference; NULL while dark. Any thread. */
  Shadow *(*get_shadow)(guint scanout, gpointer data);
  /* Takes the access unit over; on the encode thread; must not wait. Never after worker_stop() returned. */
  void (*publish)(guint scanout, AccessUnit *unit, gpointer data);
} WorkerHost;

typedef struct {
  const EncoderInterface *encoder;
  gdouble max_fps;
  guint64 bitrate; /* bit/s, the ceiling */
} WorkerSettings;

typedef struct {
  guint64 bitrate;     /* bit/s; 0: the settings' ceiling; never above that */
  guint keep_alive_hz; /* on a still screen; 0: none */
  gboolean hold;       /* encode nothing */
} WorkerDemand;

/* Starts the thread; it begins with an IDR. NULL and error if there can be no thread. `host` and `data` outlive the
 * worker up to worker_stop(). */
Worker *worker_start(guint scanout, const WorkerSettings *settings, const WorkerDemand *demand, const WorkerHost *host,
                     gpointer data, GError **error);
/* The thread ends by itself, soon; nothing is published any more. NULL is legal. */
void worker_stop(Worker *worker);

void worker_changed(Worker *worker); /* there may be a new picture, or a new shadow */
void worker_request_idr(Worker *worker);
void worker_set_demand(Worker *worker, const WorkerDemand *demand);
