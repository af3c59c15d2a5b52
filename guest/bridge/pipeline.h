/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"

#include <glib.h>

/*
 * One GstPipeline from its text to its end. It is started and torn down on a
 * thread of its own, because an element may take its time over both; all that
 * it says comes on the default main context, on which it was created.
 */

typedef struct Pipeline Pipeline;

typedef struct {
  /* It plays: from here on something should come. */
  void (*playing)(gpointer data);
  /* A buffer came; `unit` is what is in it for subscribers (taken over), or NULL. */
  void (*buffer)(AccessUnit *unit, gpointer data);
  /* An error, or its end: one line, with the element's name. `encoder`: it was the encoder's. Once; stop it now. */
  void (*failed)(const char *why, gboolean encoder, gpointer data);
  /* After pipeline_stop(): nothing of it is left but the struct. Destroy it now. */
  void (*ended)(gpointer data);
} PipelineEvents;

/* text: as for gst-launch-1.0, ending in H.264; parser and sink are appended. NULL and error if it makes no pipeline.
 */
Pipeline *pipeline_create(const char *text, const PipelineEvents *events, gpointer data, GError **error);
/* Once. FALSE and error: no thread; nothing will come, destroy it. */
gboolean pipeline_start(Pipeline *pipeline, GError **error);
/* Nothing but `ended` is called after. Twice is legal. */
void pipeline_stop(Pipeline *pipeline);
/* Before pipeline_start(), or after `ended`. NULL is legal. */
void pipeline_destroy(Pipeline *pipeline);

void pipeline_want_idr(Pipeline *pipeline);
/* bit/s; 0: what its text says. Nothing where no encoder in it has a bit rate. */
void pipeline_set_bitrate(Pipeline *pipeline, guint64 bitrate);
