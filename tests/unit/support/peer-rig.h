/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream/peer.h"
#include "tests/unit/support/fake-source.h"

/*
 * A peer without a transport, on a hub whose source encodes nothing, with
 * scanouts 0 and 3: what it is told goes in as whole messages, what it answers
 * comes out of its outbox. A g_test fixture; its data is a PeerTrust.
 */

#define PEER_RIG_TOKEN "0123456789abcdef0123456789abcdef"

typedef struct {
  FakeSource source;
  PeerService service;
  Peer *peer;
  guint wakes;
  OutboxItem item; /* the last taken */
} PeerRig;

extern const PeerTransport PEER_RIG_TRANSPORT; /* its data is a PeerRig */

void peer_rig_set_up(PeerRig *rig, gconstpointer data);
void peer_rig_tear_down(PeerRig *rig, gconstpointer data);
void peer_rig_begin(PeerRig *rig, PeerTrust trust); /* another peer, in place of one that was destroyed */

/* A message to the peer; what peer_receive() says. */
gboolean peer_rig_say(PeerRig *rig, guint8 type, guint16 session, const void *payload, gsize size);
gboolean peer_rig_say_number(PeerRig *rig, guint8 type, guint16 session, guint32 number);
gboolean peer_rig_say_hello(PeerRig *rig, guint16 version, const char *token);

/* Its next message, the reader at the payload, borrowed until the next; FALSE if there is none. */
gboolean peer_rig_hear(PeerRig *rig, HxfrHeader *header, ByteReader *reader);
void peer_rig_hear_nothing(PeerRig *rig);
ByteReader peer_rig_hear_type(PeerRig *rig, guint8 type, guint16 session);
void peer_rig_hear_error(PeerRig *rig, gint32 code, guint16 session);
void peer_rig_hear_welcome(PeerRig *rig); /* and what follows it: SCANOUTS, STATE */

/* SUBSCRIBE and its answer; HELLO and its answer. */
void peer_rig_subscribe(PeerRig *rig, guint32 scanout, gboolean expected);
void peer_rig_negotiate(PeerRig *rig, const char *token);
