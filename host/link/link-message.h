/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/capture/shadow.h"
#include "host/display/display.h"

/*
 * What the process that has the display and the one that encodes say to each
 * other: one struct in one packet (host/process/packet.h), of the same build
 * on both sides. The pictures themselves are in shadows, whose descriptors
 * go along; a message tells that there is something to look at.
 *
 * Neither side trusts the other: link_message_parse() lets nothing through
 * that could index, multiply or print wrongly.
 */

/* Sessions that read resources: each has a shadow of its own in the display's process. */
#define LINK_MAX_READERS 8u
#define LINK_TEXT_SIZE 512u

typedef enum {
  /* display → stream */
  LINK_SCANOUT = 1, /* a scanout appeared or changed; descriptor: its shadow, if `shadow` is NEW */
  LINK_CHANGED,     /* these scanouts' shadows may hold a new picture */
  LINK_STATE,       /* of the display */
  LINK_OUTPUTS,     /* the device has so many */
  LINK_READ,        /* the answer to READ_RESOURCE; descriptor: the reader's shadow, if it is another one than before */
  LINK_VSOCK,       /* a program in the guest has connected; descriptor: its stream socket */
  /* stream → display */
  LINK_WATCH,         /* say CHANGED for these scanouts only */
  LINK_READ_RESOURCE, /* copy a resource's picture into that reader's shadow; at most one at a time for each reader */
  LINK_READ_END,      /* nobody reads that reader's shadow any more */
  LINK_SET_OUTPUT,
} LinkMessageType;

typedef enum {
  LINK_SHADOW_SAME,
  LINK_SHADOW_NEW,  /* a descriptor comes along; of width × height */
  LINK_SHADOW_NONE, /* dark */
} LinkShadow;

typedef struct {
  guint32 type;
  guint32 id; /* of a scanout or a reader */
  union {
    struct {
      guint32 shadow;
      guint32 shadow_width;
      guint32 shadow_height;
      ScanoutInfo info;
    } scanout;
    guint32 mask;  /* CHANGED, WATCH: a bit for each scanout */
    guint32 count; /* OUTPUTS; 0: not known */
    struct {
      guint32 state;
      char text[LINK_TEXT_SIZE];
    } state;
    struct {
      guint32 serial; /* READ has its READ_RESOURCE's */
      guint32 resource_id;
      guint32 width; /* the part that is wanted, from the upper left corner */
      guint32 height;
      guint32 result; /* READ: LinkRead */
      guint32 shadow; /* READ: LinkShadow, SAME or NEW */
    } read;
    guint32 port; /* VSOCK: of the host */
    struct {
      guint32 connected;
      guint32 width;
      guint32 height;
      guint32 refresh_mhz;
    } output;
  };
} LinkMessage;

typedef enum {
  LINK_READ_OK,
  LINK_READ_NOT_FOUND,
  LINK_READ_NO_BACKING,
  LINK_READ_BAD_SIZE, /* the resource does not cover what is wanted */
  LINK_READ_FAILED,   /* no memory */
} LinkRead;

typedef enum { LINK_FROM_DISPLAY, LINK_FROM_STREAM } LinkDirection;

/* Copies the message out of a packet's bytes, with its texts ended; FALSE if it is none of that direction. `fds`: how
 * many descriptors came, which has to be what the message says. */
gboolean link_message_parse(const guint8 *bytes, gsize size, guint fds, LinkDirection direction, LinkMessage *message);
