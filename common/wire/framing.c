/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/framing.h"

#include <string.h>

/* What a read asks for, and what an idle connection keeps: requests are small, and a host has many peers. */
#define FRAMING_CHUNK (16u << 10)

void framing_init(Framing *framing, gsize max_payload) {
  *framing = (Framing){.max_payload = max_payload};
}

void framing_finish(Framing *framing) {
  g_clear_pointer(&framing->buffer, g_free);
  *framing = (Framing){0};
}

static gboolean reserve(Framing *framing, gsize size) {
  if (framing->capacity - framing->end >= size) return TRUE;
  if (framing->start > 0) {
    memmove(framing->buffer, framing->buffer + framing->start, framing->end - framing->start);
    framing->end -= framing->start;
    framing->start = 0;
    if (framing->capacity - framing->end >= size) return TRUE;
  }
  /* Doubling keeps a large message from being copied once a chunk; the total is bounded by the limit of its type,
   * because framing_next() refuses a header over it before its payload is asked for. */
  gsize capacity = MAX(framing->end + size, framing->capacity * 2);
  guint8 *buffer = g_try_realloc(framing->buffer, capacity);
  if (!buffer) {
    framing->failure = FRAMING_NO_MEMORY;
    return FALSE;
  }
  framing->buffer = buffer;
  framing->capacity = capacity;
  return TRUE;
}

guint8 *framing_space(Framing *framing, gsize *size) {
  if (framing->start == framing->end) {
    framing->start = framing->end = 0;
    if (framing->capacity > 4 * FRAMING_CHUNK) {
      g_clear_pointer(&framing->buffer, g_free);
      framing->capacity = 0;
    }
  }
  if (framing->capacity - framing->end < FRAMING_CHUNK / 4 && !reserve(framing, FRAMING_CHUNK)) return NULL;
  *size = framing->capacity - framing->end;
  return framing->buffer + framing->end;
}

void framing_commit(Framing *framing, gsize size) {
  g_assert(size <= framing->capacity - framing->end);
  framing->end += size;
}

gboolean framing_feed(Framing *framing, const void *bytes, gsize size) {
  if (size == 0) return framing->failure == 0;
  if (framing->failure || !reserve(framing, size)) return FALSE;
  memcpy(framing->buffer + framing->end, bytes, size);
  framing->end += size;
  return TRUE;
}

FramingResult framing_next(Framing *framing, HxfrHeader *header, const guint8 **payload) {
  if (framing->failure) return (FramingResult)framing->failure;
  gsize available = framing->end - framing->start;
  if (available < HXFR_HEADER_SIZE) return FRAMING_NEED_MORE;
  if (!hxfr_header_parse(framing->buffer + framing->start, header)) {
    framing->failure = FRAMING_BAD_MAGIC;
    return FRAMING_BAD_MAGIC;
  }
  gsize limit = hxfr_max_payload(header->type);
  if (framing->max_payload > 0) limit = MIN(limit, framing->max_payload);
  if (header->payload_size > limit) {
    framing->failure = FRAMING_TOO_LARGE;
    return FRAMING_TOO_LARGE;
  }
  if (available - HXFR_HEADER_SIZE < header->payload_size) return FRAMING_NEED_MORE;
  *payload = framing->buffer + framing->start + HXFR_HEADER_SIZE;
  framing->start += HXFR_HEADER_SIZE + header->payload_size;
  return FRAMING_MESSAGE;
}

gboolean framing_peek_type(const Framing *framing, guint8 *type) {
  if (framing->end - framing->start < HXFR_HEADER_SIZE) return FALSE;
  *type = framing->buffer[framing->start + 4]; /* behind the magic */
  return TRUE;
}

const char *framing_result_text(FramingResult result) {
  switch (result) {
  case FRAMING_NEED_MORE:
    return "the message is not complete";
  case FRAMING_MESSAGE:
    return "a message";
  case FRAMING_BAD_MAGIC:
    return "a message does not begin with the bytes HXFR";
  case FRAMING_TOO_LARGE:
    return "a message is larger than its type allows";
  case FRAMING_NO_MEMORY:
    return "no memory for a message";
  }
  return "?";
}
