/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/framing.h"
#include "stream/hub.h"
#include "stream/requests.h"

/*
 * One peer's conversation: HXFR messages in, answers and subscriptions out,
 * whatever carries the bytes. A unix or TCP connection and a WebSocket differ
 * in their PeerTransport and in nothing else: one protocol, one parser.
 *
 * Lives on the hub's thread.
 */

typedef struct Peer Peer;

/* How a peer proves that it may see the screen. */
typedef enum {
  PEER_TRUSTED,     /* the transport has proved it: a 0600 socket, a cookie */
  PEER_NEEDS_TOKEN, /* HELLO must carry the token before anything but PING is answered */
  PEER_VERSION_1,   /* a loopback listener opened for version 1 peers, which cannot carry one */
} PeerTrust;

/* Called on the hub's thread; must not call back into the peer. */
typedef struct {
  void (*wake)(gpointer data); /* something is in the outbox */
  gboolean has_pixels;         /* messages as large as pixels can come this way */
} PeerTransport;

/* What all peers of a daemon share. Outlives them. */
typedef struct {
  Hub *hub;
  const char *vm_name;
  const char *token;             /* compared in constant time */
  const char *server_name;       /* "frameliftd 0.1.0" */
  guint64 max_bitrate;           /* bit/s: the ceiling that no wish goes above */
  const RequestSource *requests; /* NULL: FRAME_REQUEST is not served */
  gpointer requests_data;
  GPtrArray *peers; /* of Peer; peer_service_init() */
} PeerService;

/* 32 connections of a VM: every viewer, recorder and element at once, and a bound on what a token's holder can take. */
#define PEER_MAX_PEERS 32u
/* Of those, so many may still owe their token, and for so long: whoever only opens sockets keeps nobody out. */
#define PEER_MAX_STRANGERS 8u
#define PEER_STRANGER_US (5 * G_USEC_PER_SEC)
/* A version 2 peer sends a PING each second; one that is silent this long is gone, whatever its socket says (F03). */
#define PEER_SILENCE_US (15 * G_USEC_PER_SEC)
/* A peer that takes nothing for this long is cut off. */
#define PEER_STALL_US (30 * G_USEC_PER_SEC)

void peer_service_init(PeerService *service);
void peer_service_finish(PeerService *service);

/* `kind` names the transport in stats and logs ("unix", "tcp", "websocket"); a literal. NULL when there are too many
 * already: send peer_refusal() and close. */
Peer *peer_create(PeerService *service, PeerTrust trust, const char *kind, const PeerTransport *transport,
                  gpointer data);
void peer_destroy(Peer *peer); /* ends its subscriptions; NULL is legal */
/* An ERROR message for one peer too many; the caller's. */
GBytes *peer_refusal(void);

/* The outbox that the transport sends from; the caller takes a reference for another thread. */
Outbox *peer_outbox(Peer *peer);

/* The most that a message of this type may have now: less before a token than after. */
guint32 peer_max_payload(const Peer *peer, guint8 type);
/* Answers pile up: read nothing more until the outbox has been drained, and this is FALSE. */
gboolean peer_is_congested(const Peer *peer);

/* The part of that which only requests make: for transports that cannot leave messages unread. */
gboolean peer_owes_too_much(const Peer *peer);

/* A whole message. FALSE: send what is in the outbox, then close. */
gboolean peer_receive(Peer *peer, const HxfrHeader *header, const guint8 *payload);
/* The stream is broken: queues the ERROR that says why. Then as after FALSE. */
void peer_broken(Peer *peer, FramingResult result, const HxfrHeader *header);
/* outbox_pop() told that these scanouts' lanes need an IDR. */
void peer_idr_wanted(Peer *peer, guint32 scanouts);

/* NULL, or why the peer is to be cut off now: asked about once a second. */
const char *peer_overdue(Peer *peer, gint64 now_us);
