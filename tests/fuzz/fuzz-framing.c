/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/framing.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/*
 * A byte stream to the framing: whole, and again in pieces whose sizes the
 * input chooses, by both ways in. Both must see the same messages and the same
 * end.
 *
 * Input: u8 cap (0: none, else × 64 bytes), u8 seed of the pieces, the stream.
 */

typedef struct {
  guint messages;
  guint32 hash;
  FramingResult end;
} Seen;

static void mix(Seen *seen, const void *bytes, gsize size) {
  for (gsize i = 0; i < size; i++) seen->hash = (seen->hash ^ ((const guint8 *)bytes)[i]) * 16777619u;
}

static void drain(Framing *framing, gsize cap, Seen *seen) {
  HxfrHeader header;
  const guint8 *payload;
  while ((seen->end = framing_next(framing, &header, &payload)) == FRAMING_MESSAGE) {
    g_assert(header.payload_size <= hxfr_max_payload(header.type));
    g_assert(cap == 0 || header.payload_size <= cap);
    mix(seen, &header.type, 1);
    mix(seen, &header.session_id, sizeof header.session_id);
    mix(seen, payload, header.payload_size);
    seen->messages++;
  }
}

static Seen run_whole(const guint8 *data, gsize size, gsize cap) {
  Seen seen = {.hash = 2166136261u};
  Framing framing;
  framing_init(&framing, cap);
  framing_feed(&framing, data, size);
  drain(&framing, cap, &seen);
  framing_finish(&framing);
  return seen;
}

static void put(Framing *framing, const guint8 *data, gsize size, gboolean by_space) {
  if (!by_space) {
    framing_feed(framing, data, size);
    return;
  }
  while (size > 0) {
    gsize room;
    guint8 *space = framing_space(framing, &room);
    g_assert(space && room > 0);
    gsize part = MIN(room, size);
    memcpy(space, data, part);
    framing_commit(framing, part);
    data += part;
    size -= part;
  }
}

static Seen run_pieces(const guint8 *data, gsize size, gsize cap, guint32 seed) {
  Seen seen = {.hash = 2166136261u};
  Framing framing;
  framing_init(&framing, cap);
  while (size > 0 && seen.end <= FRAMING_MESSAGE) {
    seed = seed * 1103515245u + 12345u;
    gsize part = 1 + (seed >> 16) % 40;
    part = MIN(part, size);
    put(&framing, data, part, seed >> 31);
    if (seed >> 30 & 1) drain(&framing, cap, &seen);
    data += part;
    size -= part;
  }
  drain(&framing, cap, &seen);
  framing_finish(&framing);
  return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  gsize cap = (gsize)data[0] * 64;
  Seen whole = run_whole(data + 2, size - 2, cap);
  Seen pieces = run_pieces(data + 2, size - 2, cap, data[1]);
  g_assert(whole.messages == pieces.messages && whole.hash == pieces.hash && whole.end == pieces.end);
  return 0;
}
