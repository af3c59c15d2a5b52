/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/gst/channel.h"
#include "guest/gst/link-events.h"
#include "guest/gst/request-sender.h"

/*
 * What is said to a host, and understood of it: negotiation, requests or a
 * subscription, PING, and the time limit of every answer (F01, F03). It lives
 * longer than its connections: requests that were not answered are asked
 * again on the next one, the first of them with force_keyframe. One thread.
 *
 *   dialog_open(); while (dialog_turn()) …; dialog_close();
 */

/* How often a host is asked whether it is alive; twice a time limit where that is shorter. Version 2 hosts close a
 * connection that says nothing for 15 s. */
#define DIALOG_PING_MS 1000u

typedef enum {
  DIALOG_CLOSED,
  DIALOG_GREETING,
  DIALOG_SUBSCRIBING,
  DIALOG_STARTING, /* the host is there, its display not yet: what is asked now is answered by ERROR */
  DIALOG_UP,
} DialogPhase;

typedef struct {
  const LinkSettings *settings;
  const LinkEvents *events;
  gpointer data;
  char *where; /* the address, for people */
  Channel channel;
  DialogPhase phase;
  gint64 phase_us;       /* monotonic: since when */
  gint64 ping_us;        /* the last PING: when it was sent, or now while it waits behind pixels */
  guint64 ping_end;      /* where it ends in the stream */
  gint64 pong_us;        /* the last PONG */
  gint64 answer_us;      /* the last answer to a request */
  gboolean config_asked; /* a version 2 host has yet to answer CONFIG_REQ */
  LinkHost host;
  char said[HXFR_ERROR_TEXT_SIZE]; /* the last ERROR while nothing was asked */
  gboolean starting;               /* a version 2 host's STATE says so */
  gboolean dark;                   /* its SCANOUTS say so of ours */
  char state[512];                 /* a version 2 host's STATE */
  LinkCounters counters;
  RequestSender sender;
} Dialog;

/* Settings and events are borrowed for the dialog's life. */
void dialog_init(Dialog *dialog, const LinkSettings *settings, const LinkEvents *events, gpointer data);
void dialog_finish(Dialog *dialog);

/* Connects and greets; blocks for the time limit at most. */
gboolean dialog_open(Dialog *dialog, GError **error);
void dialog_close(Dialog *dialog);

/* Sends, waits for the socket, wake_fd or the next time limit, and handles what came. FALSE and error (LINK_ERROR) when
 * the connection is of no more use; it is then to be closed. */
gboolean dialog_turn(Dialog *dialog, int wake_fd, GError **error);

/* Sent now or as soon as it may be (the dialog is up, and those before it are not in its way). Takes the pixels over;
 * the window must have room. */
void dialog_request(Dialog *dialog, const Request *request);
/* These two need a dialog that is up. */
void dialog_configure(Dialog *dialog, const HxfrConfig *config);
void dialog_want_key(Dialog *dialog);
