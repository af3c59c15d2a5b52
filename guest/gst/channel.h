/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"
#include "common/wire/framing.h"

/*
 * One connection to a host, seen from its owner's thread: messages that wait
 * to be sent, and messages that came. Nothing here blocks but
 * channel_open() and channel_turn(), both with a time limit. One thread.
 */

/* Bytes read in one turn: enough for a large access unit in a few turns, little enough to keep sending meanwhile. */
#define CHANNEL_TURN_BYTES (1u << 20)

typedef struct {
  int fd; /* -1: closed */
  Framing framing;
  GQueue outgoing;     /* GBytes; part of the first may be sent */
  gsize first_sent;    /* bytes of the first that are */
  guint64 queued;      /* bytes ever queued */
  guint64 sent;        /* bytes ever sent */
  gint64 received_us;  /* monotonic: when bytes came last */
  gint64 progress_us;  /* monotonic: when bytes went out last, or began to wait */
  gboolean send_ended; /* the peer takes no more; what it said before is still to be read */
} Channel;

/* Zeroes count as closed. Blocks for timeout_ms at most. The error says what a person can do. */
gboolean channel_open(Channel *channel, const Address *address, guint timeout_ms, GError **error);
/* A closed channel is legal. */
void channel_close(Channel *channel);

/* Takes the message over. */
void channel_queue(Channel *channel, GBytes *message);

/*
 * Waits until the socket has something, wake_fd is readable or deadline_us
 * (monotonic) has passed, then sends and reads what goes at once. FALSE and
 * error when the connection is over (G_IO_ERROR_CLOSED) or broken; what came
 * before that was handed out by earlier turns.
 */
gboolean channel_turn(Channel *channel, int wake_fd, gint64 deadline_us, GError **error);

/* The next whole message; *payload is borrowed until the next turn. */
FramingResult channel_next(Channel *channel, HxfrHeader *header, const guint8 **payload);

/* A message has begun to come and is not complete. */
gboolean channel_in_message(const Channel *channel);
