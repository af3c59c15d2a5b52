/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/gst/channel.h"
#include "guest/gst/link-events.h"
#include "guest/gst/request-window.h"
#include "guest/gst/tile-base.h"
#include "guest/gst/upload-way.h"

/*
 * Requests on their way to one host after the other: which way each goes
 * (docs/gstreamer.md), in which order, and again where the host wants the
 * pixels. Answers come in the frames' order if nothing but fingerprints is
 * sent behind what may yet be refused (docs/protocol.md, PIXELS_WANTED); so a
 * request may have to wait for those before it. One thread.
 */

typedef struct {
  const LinkSettings *settings; /* borrowed, as all that follows up to the window */
  const LinkEvents *events;     /* for their log() alone */
  gpointer data;
  Channel *channel;
  LinkCounters *counters;
  RequestWindow window;
  LinkHost host;
  gboolean fresh; /* nothing was sent on this connection: the first asks for an IDR */
  UploadWay upload;
  TileBase base;
  guint64 random;
} RequestSender;

void request_sender_init(RequestSender *sender, const LinkSettings *settings, const LinkEvents *events, gpointer data,
                         Channel *channel, LinkCounters *counters);
void request_sender_finish(RequestSender *sender);

/* Another connection is up: everything that waits is sent anew, the first with force_keyframe. */
void request_sender_begin(RequestSender *sender, const LinkHost *host);

/* Sends what may go now, in order. FALSE and error: the oldest can never go; it is to be ended, and this called
 * again. */
gboolean request_sender_send(RequestSender *sender, GError **error);

/* The host answered the oldest with an access unit, or (answered FALSE) it ends without one. Takes it out of the
 * window: *request has its pixels freed. */
void request_sender_end(RequestSender *sender, gboolean answered, Request *request);

/* PIXELS_WANTED: its request waits again. FALSE and error where the host may not say that. */
gboolean request_sender_refused(RequestSender *sender, const HxfrPixelsWanted *wanted, GError **error);
