/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/damage.h"
#include "common/media/fingerprint.h"
#include "common/wire/hxfr.h"

/*
 * HXFR version 2: what a client and a host that both know it say on top of
 * version 1. Negotiated by HELLO and WELCOME; docs/protocol.md has the order
 * of messages and their bit diagrams. Parsers and writers as in hxfr.h.
 *
 * Version 2 messages, but for UNIT, SCANOUTS and REQUEST_TILES, may grow at their end in later
 * revisions: a parser reads what it knows and ignores what follows.
 */

#define HXFR_VERSION 2u

#define HXFR_HELLO_FIXED_SIZE 12u
#define HXFR_WELCOME_FIXED_SIZE 16u
#define HXFR_SCANOUT_ENTRY_SIZE 56u
#define HXFR_STATE_FIXED_SIZE 8u
#define HXFR_UNIT_FIXED_SIZE 56u
#define HXFR_HEARTBEAT_SIZE 16u
#define HXFR_FINGERPRINT_FIXED_SIZE (HXFR_FRAME_REQUEST_SIZE + 4u)
#define HXFR_PLACE_SIZE 8u
#define HXFR_TILES_FIXED_SIZE (HXFR_FRAME_REQUEST_SIZE + 12u)
#define HXFR_RECT_SIZE 8u
#define HXFR_PIXELS_WANTED_SIZE 12u
#define HXFR_REQUEST_SCANOUT_SIZE 4u

#define HXFR_MAX_TOKEN 256u                  /* 128 bits in hexadecimal are 32; a token file's line may be longer */
#define HXFR_MAX_NAME 128u                   /* names are for people */
#define HXFR_MAX_UNIT_RECTS 64u              /* more damage than that is told as its bounding box */
#define HXFR_MAX_TILE_RECTS DAMAGE_MAX_TILES /* every tile of 8192 × 4320 by itself */
#define HXFR_MAX_TILES (HXFR_TILES_FIXED_SIZE + HXFR_MAX_TILE_RECTS * HXFR_RECT_SIZE + HXFR_MAX_PIXELS)

/* WELCOME's features: what this host answers. */
typedef enum {
  HXFR_FEATURE_RESOURCES = 1 << 0, /* FRAME_REQUEST by resource id other than 0 */
  HXFR_FEATURE_REQUESTS = 1 << 1,  /* FRAME_REQUEST at all */
  HXFR_FEATURE_STATS = 1 << 2,     /* STATS_REQ */
  HXFR_FEATURE_PIXELS = 1 << 3,    /* FRAME_REQUEST with pixels */
  HXFR_FEATURE_TILES = 1 << 4,     /* REQUEST_FINGERPRINT, REQUEST_TILES, REQUEST_SCANOUT; says PIXELS_WANTED */
} HxfrFeature;

/* WELCOME's rights of this connection. */
typedef enum {
  HXFR_RIGHT_VIEW = 1 << 0,
  HXFR_RIGHT_CONTROL = 1 << 1,
} HxfrRight;

typedef struct {
  guint16 version;  /* the highest the client speaks */
  guint32 features; /* none defined for clients yet: 0 */
  char token[HXFR_MAX_TOKEN + 1];
  char name[HXFR_MAX_NAME + 1]; /* of the client's program, for people: "framelift record 0.1.0" */
} HxfrHello;

typedef struct {
  guint16 version; /* what both speak from here on: 2 */
  guint16 rights;
  guint32 features;
  guint32 heartbeat_ms;         /* a subscription hears a HEARTBEAT or a UNIT at least this often */
  char name[HXFR_MAX_NAME + 1]; /* the VM's */
} HxfrWelcome;

typedef enum {
  HXFR_SCANOUT_CONNECTED = 1 << 0,
  HXFR_SCANOUT_LIT = 1 << 1,
} HxfrScanoutFlag;

typedef struct {
  guint32 id;
  guint32 width; /* true size, not padded to even */
  guint32 height;
  guint32 refresh_mhz;
  guint32 flags;
  char name[32];
} HxfrScanout;

typedef struct {
  guint count;
  HxfrScanout entries[HXFR_MAX_SCANOUTS];
} HxfrScanouts;

typedef enum {
  HXFR_STATE_STARTING = 0,
  HXFR_STATE_RUNNING = 1,
  HXFR_STATE_LOST = 2,
} HxfrDisplayState;

/* UNIT's flags. */
typedef enum {
  HXFR_UNIT_KEY = 1 << 0,        /* an IDR, with SPS and PPS before it */
  HXFR_UNIT_REFINEMENT = 1 << 1, /* nothing changed on the screen: the picture got sharper */
  HXFR_UNIT_KEEP_ALIVE = 1 << 2, /* nothing changed at all */
  HXFR_UNIT_SETTLED = 1 << 3,    /* the picture is at its final quality; silence follows, after one repeat */
} HxfrUnitFlag;

/* The fixed part of UNIT: a pushed access unit. rect_count damage rectangles of 8 bytes follow, then the access unit.
 */
typedef struct {
  guint64 sequence; /* counts this stream's access units; a gap is what this subscriber was not sent */
  gint64 pts_ns;    /* the flush, since SUBSCRIBE was accepted */
  guint32 flags;
  guint16 width; /* true size of the picture; the SPS has it padded to even and cropped to that */
  guint16 height;
  guint32 capture_us; /* flush → in the shadow */
  guint32 queue_us;   /* in the shadow → the encoder took it */
  guint32 convert_us;
  guint32 encode_us;
  guint32 send_us;       /* encoded → handed to this peer's socket */
  guint32 frames_merged; /* flushes this access unit stands for beyond its own: the encoder was busy */
  guint16 rect_count;
  guint16 qp; /* mean, 0 to 51 */
} HxfrUnit;

typedef struct {
  guint64 sequence; /* of the next access unit of the stream: one beyond what was sent, if nothing was lost */
  gint64 now_ns;    /* the host's clock, as UNIT's pts_ns */
} HxfrHeartbeat;

/* A frame by what it looks like: FRAME_REQUEST's part (resource_id and stride 0), and the colours at some places. */
typedef struct {
  HxfrFrameRequest request;
  guint16 scanout; /* that may show it */
  Fingerprint fingerprint;
} HxfrRequestFingerprint;

/* The fixed part of REQUEST_TILES; rect_count rectangles of 8 bytes follow, then the pixels of each, without gaps. */
typedef struct {
  HxfrFrameRequest request;
  guint32 picture; /* this picture's number in its session, not 0 */
  guint32 base;    /* the picture that it builds on; 0: black */
  guint16 rect_count;
} HxfrRequestTiles;

/* Why a request has to come again with pixels. */
typedef enum {
  HXFR_WANTED_DARK = 1,       /* nothing is shown on the scanout */
  HXFR_WANTED_OTHER_SIZE = 2, /* the scanout has another size */
  HXFR_WANTED_DIFFERENT = 3,  /* another picture is shown */
  HXFR_WANTED_IN_ORDER = 4,   /* an earlier one of the session is still wanted */
  HXFR_WANTED_NO_BASE = 5,    /* of REQUEST_TILES: the base is not what the host has */
} HxfrWantedReason;

typedef struct {
  gint64 pts_ns;  /* the request's */
  guint32 reason; /* HxfrWantedReason, or one that a later revision has */
} HxfrPixelsWanted;

gboolean hxfr_hello_parse(ByteReader *reader, HxfrHello *hello);
gboolean hxfr_welcome_parse(ByteReader *reader, HxfrWelcome *welcome);
gboolean hxfr_scanouts_parse(ByteReader *reader, HxfrScanouts *scanouts);
/* text: `size` bytes at least 1, cut to fit. */
gboolean hxfr_state_parse(ByteReader *reader, guint32 *state, char *text, gsize size);
/* Leaves the reader at the first rectangle. */
gboolean hxfr_unit_parse(ByteReader *reader, HxfrUnit *unit);
/* UNIT's rectangles and REQUEST_TILES'. */
gboolean hxfr_rect_parse(ByteReader *reader, Rect *rect);
gboolean hxfr_heartbeat_parse(ByteReader *reader, HxfrHeartbeat *heartbeat);
gboolean hxfr_request_fingerprint_parse(ByteReader *reader, HxfrRequestFingerprint *request);
/* Leaves the reader at the first rectangle. */
gboolean hxfr_request_tiles_parse(ByteReader *reader, HxfrRequestTiles *tiles);
gboolean hxfr_pixels_wanted_parse(ByteReader *reader, HxfrPixelsWanted *wanted);
gboolean hxfr_request_scanout_parse(ByteReader *reader, guint32 *scanout);
/* For people and logs. Static storage. */
const char *hxfr_wanted_reason_text(guint32 reason);

void hxfr_hello_write(ByteWriter *writer, const HxfrHello *hello);
void hxfr_welcome_write(ByteWriter *writer, const HxfrWelcome *welcome);
void hxfr_scanouts_write(ByteWriter *writer, const HxfrScanouts *scanouts);
void hxfr_state_write(ByteWriter *writer, guint32 state, const char *text);
void hxfr_unit_write(ByteWriter *writer, const HxfrUnit *unit);
void hxfr_heartbeat_write(ByteWriter *writer, const HxfrHeartbeat *heartbeat);
void hxfr_request_fingerprint_write(ByteWriter *writer, const HxfrRequestFingerprint *request);
void hxfr_request_tiles_write(ByteWriter *writer, const HxfrRequestTiles *tiles);
void hxfr_rect_write(ByteWriter *writer, const Rect *rect);
void hxfr_pixels_wanted_write(ByteWriter *writer, const HxfrPixelsWanted *wanted);
