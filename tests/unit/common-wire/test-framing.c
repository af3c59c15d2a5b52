/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/wire/framing.h"

#include <string.h>

typedef struct {
  guint8 type;
  guint8 flags;
  guint16 session;
  guint32 size;
} Shape;

/* Known and unknown types, empty ones, and sizes at their limits. */
static const Shape SHAPES[] = {
    {HXFR_PING, 0, 0, 0},
    {HXFR_SUBSCRIBE, 0, 3, 4},
    {HXFR_KEYFRAME_REQ, 0, 0xffff, 0},
    {HXFR_PING, 0, 1, HXFR_MAX_PING},
    {0x7e, 0xff, 0x1234, 17},
    {HXFR_FRAME_REQUEST, HXFR_FLAG_PIXELS, 2, HXFR_FRAME_REQUEST_SIZE + 5000},
    {0x00, 0, 0, HXFR_MAX_REQUEST},
    {HXFR_HELLO, 0, 0, HXFR_MAX_REQUEST},
    {HXFR_ERROR, 0, 0, HXFR_ERROR_SIZE},
};

static guint8 byte_of(guint message, guint32 place) {
  return (guint8)(message * 37 + place * 7 + (place >> 8));
}

static GByteArray *make_stream(void) {
  GByteArray *stream = g_byte_array_new();
  for (guint i = 0; i < G_N_ELEMENTS(SHAPES); i++) {
    guint8 head[HXFR_HEADER_SIZE];
    ByteWriter writer;
    byte_writer_init(&writer, head, sizeof head);
    hxfr_header_write(&writer, &(HxfrHeader){SHAPES[i].type, SHAPES[i].flags, SHAPES[i].session, SHAPES[i].size});
    g_byte_array_append(stream, head, sizeof head);
    for (guint32 k = 0; k < SHAPES[i].size; k++) {
      guint8 byte = byte_of(i, k);
      g_byte_array_append(stream, &byte, 1);
    }
  }
  return stream;
}

/* Takes what is complete; checks it; returns how many messages there have been. */
static guint drain(Framing *framing, guint seen) {
  HxfrHeader header;
  const guint8 *payload;
  FramingResult result;
  while ((result = framing_next(framing, &header, &payload)) == FRAMING_MESSAGE) {
    g_assert_cmpuint(seen, <, G_N_ELEMENTS(SHAPES));
    g_assert_cmphex(header.type, ==, SHAPES[seen].type);
    g_assert_cmphex(header.flags, ==, SHAPES[seen].flags);
    g_assert_cmphex(header.session_id, ==, SHAPES[seen].session);
    g_assert_cmpuint(header.payload_size, ==, SHAPES[seen].size);
    for (guint32 k = 0; k < header.payload_size; k++) {
      if (payload[k] != byte_of(seen, k)) g_error("message %u differs at byte %u", seen, k);
    }
    seen++;
  }
  g_assert_cmpint(result, ==, FRAMING_NEED_MORE);
  return seen;
}

/* As a socket does: into the framing's own space, at most `size` a time. */
static void feed_by_space(Framing *framing, const guint8 *bytes, gsize size) {
  while (size > 0) {
    gsize room = 0;
    guint8 *space = framing_space(framing, &room);
    g_assert_nonnull(space);
    g_assert_cmpuint(room, >, 0);
    gsize part = MIN(room, size);
    memcpy(space, bytes, part);
    framing_commit(framing, part);
    bytes += part;
    size -= part;
  }
}

static void feed(Framing *framing, const guint8 *bytes, gsize size, gboolean by_space) {
  if (by_space)
    feed_by_space(framing, bytes, size);
  else
    g_assert_true(framing_feed(framing, bytes, size));
}

static void check_pieces(const GByteArray *stream, gsize first, gsize piece, gboolean by_space) {
  Framing framing;
  framing_init(&framing, 0);
  guint seen = 0;
  for (gsize at = 0; at < stream->len;) {
    gsize part = MIN(at == 0 && first > 0 ? first : piece, stream->len - at);
    feed(&framing, stream->data + at, part, by_space);
    seen = drain(&framing, seen);
    at += part;
  }
  g_assert_cmpuint(seen, ==, G_N_ELEMENTS(SHAPES));
  framing_finish(&framing);
}

static void test_whole(void) {
  g_autoptr(GByteArray) stream = make_stream();
  check_pieces(stream, 0, stream->len, FALSE);
  check_pieces(stream, 0, stream->len, TRUE);
}

static void test_byte_at_a_time(void) {
  g_autoptr(GByteArray) stream = make_stream();
  check_pieces(stream, 0, 1, FALSE);
  check_pieces(stream, 0, 1, TRUE);
}

static void test_split_everywhere(void) {
  g_autoptr(GByteArray) stream = make_stream();
  for (gsize at = 1; at < stream->len; at++) check_pieces(stream, at, stream->len, at % 2);
}

static void test_all_piece_sizes(void) {
  g_autoptr(GByteArray) stream = make_stream();
  for (gsize piece = 2; piece < 300; piece++) check_pieces(stream, 0, piece, piece % 2);
}

/* Bytes come while messages are handed out, in pieces of any size: the buffer's start moves in every way. */
static void test_random_pieces(void) {
  g_autoptr(GByteArray) stream = make_stream();
  for (guint round = 0; round < 300; round++) {
    Framing framing;
    framing_init(&framing, 0);
    guint seen = 0;
    for (gsize at = 0; at < stream->len;) {
      gsize part = (gsize)g_test_rand_int_range(1, 1 << g_test_rand_int_range(1, 14));
      part = MIN(part, stream->len - at);
      feed(&framing, stream->data + at, part, g_test_rand_bit());
      if (g_test_rand_bit()) seen = drain(&framing, seen);
      at += part;
    }
    g_assert_cmpuint(drain(&framing, seen), ==, G_N_ELEMENTS(SHAPES));
    framing_finish(&framing);
  }
}

static FramingResult next_of_header(guint8 type, guint32 size, gsize cap, Framing *framing) {
  guint8 head[HXFR_HEADER_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, head, sizeof head);
  hxfr_header_write(&writer, &(HxfrHeader){.type = type, .payload_size = size});
  framing_init(framing, cap);
  g_assert_true(framing_feed(framing, head, sizeof head));
  HxfrHeader header;
  const guint8 *payload;
  FramingResult result = framing_next(framing, &header, &payload);
  if (result == FRAMING_TOO_LARGE) g_assert_cmpuint(header.payload_size, ==, size);
  return result;
}

/* F24: each type at its limit, over it, and at the largest number there is; nothing is allocated for what is refused.
 */
static void test_limits(void) {
  for (guint type = 0; type < 256; type++) {
    guint32 limit = hxfr_max_payload((guint8)type);
    Framing framing;
    g_assert_cmpint(next_of_header((guint8)type, limit, 0, &framing), ==, FRAMING_NEED_MORE);
    framing_finish(&framing);
    const guint32 sizes[] = {limit + 1, G_MAXINT32, (guint32)G_MAXINT32 + 1, G_MAXUINT32 - HXFR_HEADER_SIZE + 1,
                             G_MAXUINT32};
    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
      g_assert_cmpint(next_of_header((guint8)type, sizes[i], 0, &framing), ==, FRAMING_TOO_LARGE);
      g_assert_cmpuint(framing.capacity, <=, 1 << 20);
      framing_finish(&framing);
    }
  }
}

static void test_cap(void) {
  Framing framing;
  g_assert_cmpint(next_of_header(HXFR_FRAME_REQUEST, 100, 100, &framing), ==, FRAMING_NEED_MORE);
  framing_finish(&framing);
  g_assert_cmpint(next_of_header(HXFR_FRAME_REQUEST, 101, 100, &framing), ==, FRAMING_TOO_LARGE);
  framing_finish(&framing);
  /* the type's own limit stays where it is the lower one */
  g_assert_cmpint(next_of_header(HXFR_PING, HXFR_MAX_PING + 1, 4096, &framing), ==, FRAMING_TOO_LARGE);
  framing_finish(&framing);
}

static void test_bad_magic(void) {
  for (guint bit = 0; bit < 32; bit++) {
    guint8 head[HXFR_HEADER_SIZE] = {'H', 'X', 'F', 'R', HXFR_PING};
    head[bit / 8] ^= (guint8)(1u << (bit % 8));
    Framing framing;
    framing_init(&framing, 0);
    g_assert_true(framing_feed(&framing, head, sizeof head));
    HxfrHeader header;
    const guint8 *payload;
    g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_BAD_MAGIC);
    /* nothing after it is trusted, not even what would be a message */
    const guint8 good[HXFR_HEADER_SIZE] = {'H', 'X', 'F', 'R', HXFR_PING};
    g_assert_false(framing_feed(&framing, good, sizeof good));
    g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_BAD_MAGIC);
    framing_finish(&framing);
  }
}

/* A good message, then garbage: the good one is handed out first. */
static void test_garbage_after_message(void) {
  guint8 bytes[2 * HXFR_HEADER_SIZE] = {'H', 'X', 'F', 'R', HXFR_PING};
  memcpy(bytes + HXFR_HEADER_SIZE, "GET / HTTP/1", 12);
  Framing framing;
  framing_init(&framing, 0);
  g_assert_true(framing_feed(&framing, bytes, sizeof bytes));
  HxfrHeader header;
  const guint8 *payload;
  g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_MESSAGE);
  g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_BAD_MAGIC);
  g_assert_cmpstr(framing_result_text(FRAMING_BAD_MAGIC), ==, "a message does not begin with the bytes HXFR");
  framing_finish(&framing);
}

/* The buffer grows to the message at hand, by the factor two at the most, and goes when that is done. */
static void test_memory(void) {
  const guint32 large = 8 << 20;
  Framing framing;
  g_assert_cmpint(next_of_header(HXFR_FRAME_RESPONSE, large, 0, &framing), ==, FRAMING_NEED_MORE);
  g_autofree guint8 *zeros = g_malloc0(1 << 16);
  HxfrHeader header;
  const guint8 *payload;
  for (guint32 sent = 0; sent < large; sent += 1 << 16) {
    g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_NEED_MORE);
    feed_by_space(&framing, zeros, 1 << 16);
    g_assert_cmpuint(framing.capacity, <=, 2 * (gsize)large + (1 << 17));
  }
  g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_MESSAGE);
  g_assert_cmpint(framing_next(&framing, &header, &payload), ==, FRAMING_NEED_MORE);
  gsize room;
  g_assert_nonnull(framing_space(&framing, &room));
  g_assert_cmpuint(framing.capacity, <=, 1 << 16);
  framing_finish(&framing);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/framing/whole", test_whole);
  g_test_add_func("/framing/byte-at-a-time", test_byte_at_a_time);
  g_test_add_func("/framing/split-everywhere", test_split_everywhere);
  g_test_add_func("/framing/all-piece-sizes", test_all_piece_sizes);
  g_test_add_func("/framing/random-pieces", test_random_pieces);
  g_test_add_func("/framing/F24-limits", test_limits);
  g_test_add_func("/framing/cap", test_cap);
  g_test_add_func("/framing/bad-magic", test_bad_magic);
  g_test_add_func("/framing/garbage-after-message", test_garbage_after_message);
  g_test_add_func("/framing/memory", test_memory);
  return g_test_run();
}
