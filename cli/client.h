/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"
#include "common/wire/framing.h"
#include "common/wire/hxfr-v2.h"

/*
 * A blocking HXFR client for tools: every call has a time limit, and every
 * error names what was waited for. One thread.
 */

#define CLIENT_TIMEOUT_MS 5000u

typedef struct {
  Address address;
  int fd;
  guint version; /* 1 until client_negotiate() found better */
  gboolean negotiating;
  HxfrWelcome welcome;
  HxfrScanouts scanouts;
  guint32 state;
  char state_text[512];
  Framing framing;
} Client;

/* A message, its payload borrowed until the next receive. */
typedef struct {
  HxfrHeader header;
  const guint8 *payload;
} Message;

gboolean client_connect(Client *client, const Address *address, GError **error);
void client_close(Client *client); /* a closed or zeroed one is legal */

/* Of a peer that has hung up, client_receive() tells, behind what it said last. */
gboolean client_send(Client *client, guint8 type, guint16 session_id, const void *payload, gsize size, GError **error);
/* The next message; G_IO_ERROR_TIMED_OUT after timeout_ms, G_IO_ERROR_CLOSED when the peer closed. */
gboolean client_receive(Client *client, Message *message, guint timeout_ms, GError **error);

/* An empty PING and its PONG; what comes between is passed over. */
gboolean client_ping(Client *client, GError **error);
/* HELLO and a PING behind it: WELCOME first means version 2, PONG first version 1. token may be NULL. Waits for the
 * first scanout list of a version 2 peer as well. */
gboolean client_negotiate(Client *client, const char *token, GError **error);
/* SUBSCRIBE and its answer. FALSE with G_IO_ERROR_NOT_FOUND where the scanout is absent. */
gboolean client_subscribe(Client *client, guint scanout, GError **error);

/* An access unit out of a UNIT or FRAME_RESPONSE, as one Annex B piece. */
typedef struct {
  GByteArray *data; /* reused; free with g_byte_array_unref() */
  HxfrUnit unit;    /* version 1: pts_ns and the key flag only */
  gboolean is_key;
} ClientUnit;

/* FALSE and error if the message is malformed; ERROR messages become errors. *is_unit: whether it was one at all. */
gboolean client_read_unit(Client *client, const Message *message, ClientUnit *unit, gboolean *is_unit, GError **error);

/* The first line of a token file; NULL and error. A NULL path gives NULL without one. */
char *client_read_token(const char *path, GError **error);
