/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base/log.h"
#include "common/net/address.h"
#include "common/wire/hxfr-v2.h"
#include "guest/gst/link-unit.h"

/*
 * What a link is told and what it tells: shared by link.h (the thread) and
 * dialog.h (what is said on one connection).
 */

typedef enum {
  LINK_REQUESTS,     /* FRAME_REQUEST and its answers */
  LINK_SUBSCRIPTION, /* SUBSCRIBE, and what the host pushes */
} LinkMode;

typedef struct {
  Address address;
  LinkMode mode;
  guint scanout;          /* 0 to 15; the session has its number */
  guint timeout_ms;       /* of every single wait, at least 1 */
  const char *token_file; /* nullable; read at each connect, because a host may make a new one */
  const char *program;    /* HELLO's name, for people */
  guint64 seed;           /* of the places of fingerprints; 0: a random one */
} LinkSettings;

/* The host, once it is known. */
typedef struct {
  guint version;    /* 1 or 2 */
  guint32 features; /* HxfrFeature; 0 with version 1 */
  char name[HXFR_MAX_NAME + 1];
} LinkHost;

/* Everything that is counted; each since the link was made. */
typedef struct {
  guint64 connects;      /* negotiated connections */
  guint64 bytes;         /* received */
  guint64 requests;      /* sent; one that is sent again counts again */
  guint64 answers;       /* access units that answered one */
  guint64 errors;        /* requests answered by ERROR */
  guint64 lost;          /* requests that the host left out */
  guint64 strays;        /* access units that no request was waiting for */
  guint64 malformed;     /* access units that could not be read */
  guint64 units;         /* pushed access units */
  guint64 key_requests;  /* KEYFRAME_REQ sent */
  guint64 pings;         /* sent */
  guint64 pongs;         /* received */
  guint64 unknown;       /* messages of unknown type, skipped */
  guint64 fingerprints;  /* requests sent by fingerprint */
  guint64 pixels_wanted; /* requests that the host wanted again with pixels */
  guint64 tiles_sent;    /* tiles of 64 × 64 in requests by tiles */
  guint64 pixel_bytes;   /* pixels in requests of any kind */
} LinkCounters;

/* Codes of a GError: the hop at which it went wrong. Its text begins with the hop's name, as `framelift probe` has it.
 */
typedef enum {
  LINK_ERROR_SETTINGS,   /* the token file */
  LINK_ERROR_CONNECT,    /* no connection */
  LINK_ERROR_PING,       /* connected, and nobody is there */
  LINK_ERROR_STREAM,     /* what came is not HXFR */
  LINK_ERROR_DENIED,     /* no token, or a wrong one */
  LINK_ERROR_SUBSCRIBE,  /* no such scanout */
  LINK_ERROR_REQUEST,    /* the host does not serve requests; or: answered this one by ERROR, or never */
  LINK_ERROR_UNANSWERED, /* nothing came within the time limit */
  LINK_ERROR_CLOSED,     /* the connection ended */
  LINK_ERROR_GONE,       /* it was away for too long */
} LinkErrorCode;

#define LINK_ERROR link_error_quark()
GQuark link_error_quark(void);

/* All are called by the link's thread, which holds no lock. Every one must be there. */
typedef struct {
  /* Negotiated, and subscribed in that mode; again after each reconnect. */
  void (*up)(const LinkHost *host, gpointer data);
  /* The connection was lost; another is tried. */
  void (*down)(const GError *why, gpointer data);
  /* The link has ended, and nothing else is called after it. */
  void (*failed)(const GError *why, gpointer data);
  /* A pushed access unit, whose owner the callee becomes. */
  void (*unit)(LinkUnit *unit, gpointer data);
  /* A request's end, once for each: its access unit (given away), or NULL and why not. */
  void (*answered)(guint64 id, LinkUnit *unit, const GError *why, gpointer data);
  /* An access unit came and had to be dropped: what follows it cannot be decoded until the next IDR (F08). */
  void (*dropped)(gpointer data);
  void (*log)(LogLevel level, const char *text, gpointer data);
} LinkEvents;
