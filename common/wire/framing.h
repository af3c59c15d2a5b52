/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/wire/hxfr.h"

/*
 * Messages out of a byte stream that comes in pieces of any size. Knows
 * headers and limits, and no meanings. One thread at a time.
 *
 *   while ((result = framing_next(&framing, &header, &payload)) == FRAMING_MESSAGE) …
 *
 * Two ways in: framing_feed() copies; framing_space() and framing_commit()
 * let a socket read straight into the buffer. The buffer grows to the message
 * at hand and never beyond the limit of its type, and shrinks back once idle.
 *
 * Unknown types are handed out like others (within hxfr_max_payload): the
 * receiver answers them. A message that is too large, or does not begin with
 * the magic, ends the stream: nothing after it can be trusted.
 */

typedef struct {
  guint8 *buffer;
  gsize capacity;
  gsize start; /* of what was not handed out yet */
  gsize end;
  gsize max_payload; /* cap over the type's own limit; 0: none; may be changed between messages */
  int failure;       /* a FramingResult, sticky */
} Framing;

typedef enum {
  FRAMING_NEED_MORE,
  FRAMING_MESSAGE,
  FRAMING_BAD_MAGIC,
  FRAMING_TOO_LARGE, /* header is filled in */
  FRAMING_NO_MEMORY,
} FramingResult;

void framing_init(Framing *framing, gsize max_payload);
void framing_finish(Framing *framing);

/* FALSE where no memory could be had; the stream is then at its end. */
gboolean framing_feed(Framing *framing, const void *bytes, gsize size);

/* Room for at least one byte: its place, and in *size how much; NULL where no memory could be had. */
guint8 *framing_space(Framing *framing, gsize *size);
void framing_commit(Framing *framing, gsize size);

/* *payload is borrowed until the next call on this framing; header->payload_size bytes. */
FramingResult framing_next(Framing *framing, HxfrHeader *header, const guint8 **payload);

/* The type of the message that framing_next() will look at, once so much of its header is there. */
gboolean framing_peek_type(const Framing *framing, guint8 *type);

/* For ERROR messages and logs. Static storage. */
const char *framing_result_text(FramingResult result);
