/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/requests.h"

#include "common/base/log.h"
#include "common/media/pixel-format.h"
#include "tests/unit/support/fake-requests.h"
#include "tests/unit/support/support.h"

#include <string.h>

typedef struct {
  FakeRequests requests;
  RequestBook *book;
  GQueue sent; /* of GBytes */
} Fixture;

static void on_send(GBytes *message, gpointer data) {
  g_queue_push_tail(&((Fixture *)data)->sent, message);
}

static void set_up(Fixture *fixture, gconstpointer data) {
  g_queue_init(&fixture->sent);
  fixture->book = request_book_create(&FAKE_REQUESTS, &fixture->requests, on_send, fixture);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  if (fixture->book) request_book_destroy(fixture->book);
  fake_requests_finish(&fixture->requests);
  g_queue_clear_full(&fixture->sent, (GDestroyNotify)g_bytes_unref);
}

static const HxfrFrameRequest PLAIN = {
    .resource_id = 1, .width = 4, .height = 2, .format = PIXEL_FORMAT_ARGB8888, .stride = 16};

/* A request whose payload is followed by `pixels` bytes. */
static void ask(Fixture *fixture, guint16 session, HxfrFrameRequest request, guint8 flags, gsize pixels) {
  gsize size = HXFR_FRAME_REQUEST_SIZE + pixels;
  g_autofree guint8 *payload = g_malloc0(size);
  ByteWriter writer;
  ByteReader reader;
  byte_writer_init(&writer, payload, size);
  hxfr_frame_request_write(&writer, &request);
  byte_reader_init(&reader, payload, size);
  HxfrHeader header = {HXFR_FRAME_REQUEST, flags, session, (guint32)size};
  request_book_take(fixture->book, &header, &reader);
}

static void ask_pts(Fixture *fixture, guint16 session, gint64 pts) {
  HxfrFrameRequest request = PLAIN;
  request.pts_ns = pts;
  ask(fixture, session, request, 0, 0);
}

static GBytes *next(Fixture *fixture, guint8 type, guint16 session, ByteReader *reader) {
  GBytes *message = g_queue_pop_head(&fixture->sent);
  g_assert_nonnull(message);
  HxfrHeader header;
  const guint8 *bytes = g_bytes_get_data(message, NULL);
  g_assert_true(hxfr_header_parse(bytes, &header));
  g_assert_cmpstr(hxfr_type_name(header.type), ==, hxfr_type_name(type));
  g_assert_cmpuint(header.session_id, ==, session);
  byte_reader_init(reader, bytes + HXFR_HEADER_SIZE, header.payload_size);
  return message;
}

static void expect_response(Fixture *fixture, guint16 session, gint64 pts) {
  ByteReader reader;
  g_autoptr(GBytes) message = next(fixture, HXFR_FRAME_RESPONSE, session, &reader);
  HxfrFrameResponse response;
  g_assert_true(hxfr_frame_response_parse(&reader, &response));
  g_assert_cmpint(response.pts_ns, ==, pts);
}

static void expect_error(Fixture *fixture, guint16 session, gint32 code) {
  ByteReader reader;
  g_autoptr(GBytes) message = next(fixture, HXFR_ERROR, session, &reader);
  HxfrError error;
  g_assert_true(hxfr_error_parse(&reader, &error));
  g_assert_cmpint(error.code, ==, code);
}

/* Rule 1: one answer each, in the order of the requests of a session, the pts untouched whatever it is. */
static void test_order(Fixture *fixture, gconstpointer data) {
  static const gint64 PTS[] = {5, -7, 5, G_MAXINT64, G_MININT64, 0};
  for (gsize i = 0; i < G_N_ELEMENTS(PTS); i++) {
    ask_pts(fixture, 1, PTS[i]);
    ask_pts(fixture, 2, PTS[i] ^ 1);
  }
  g_assert_true(g_queue_is_empty(&fixture->sent));
  for (gsize i = 0; i < G_N_ELEMENTS(PTS); i++) {
    if (i == 2)
      fake_requests_refuse(&fixture->requests, 0, HXFR_ERR_ENCODE_FAILED);
    else
      fake_requests_answer(&fixture->requests, 0, support_unit(TRUE, 1, 64));
  }
  for (gsize i = 0; i < G_N_ELEMENTS(PTS); i++) fake_requests_answer(&fixture->requests, 1, support_unit(FALSE, 1, 64));
  for (gsize i = 0; i < G_N_ELEMENTS(PTS); i++) {
    if (i == 2)
      expect_error(fixture, 1, HXFR_ERR_ENCODE_FAILED);
    else
      expect_response(fixture, 1, PTS[i]);
  }
  for (gsize i = 0; i < G_N_ELEMENTS(PTS); i++) expect_response(fixture, 2, PTS[i] ^ 1);
  g_assert_true(g_queue_is_empty(&fixture->sent));
}

/* An encoder that answers from within. */
static void test_answered_at_once(Fixture *fixture, gconstpointer data) {
  fixture->requests.answer_at_once = TRUE;
  for (guint i = 0; i < 1000; i++) {
    ask_pts(fixture, 1, i);
    expect_response(fixture, 1, i);
  }
  g_assert_false(request_book_is_congested(fixture->book));
}

/* Rule 4, F24: the pixels that follow are exactly as many as the size says, at any size. */
static void test_pixels(Fixture *fixture, gconstpointer data) {
  const HxfrFrameRequest small = {.width = 4, .height = 2, .format = PIXEL_FORMAT_ARGB8888, .stride = 20};
  ask(fixture, 1, small, HXFR_FLAG_PIXELS, 40);
  g_assert_cmpuint(fixture->requests.pixels, ==, 40);
  HxfrFrameRequest nv12 = {.width = 4, .height = 2, .format = PIXEL_FORMAT_NV12, .stride = 8};
  ask(fixture, 1, nv12, HXFR_FLAG_PIXELS, 24);
  g_assert_cmpuint(fixture->requests.pixels, ==, 24);
  ask(fixture, 1, small, 0, 0); /* without the flag: the scanout */
  g_assert_cmpuint(fixture->requests.pixels, ==, 0);
  g_assert_cmpuint(fixture->requests.submitted, ==, 3);

  const struct {
    HxfrFrameRequest request;
    gsize bytes;
  } bad[] = {
      {small, 39},
      {small, 41},
      {small, 0},
      {{.width = 0, .height = 2, .format = PIXEL_FORMAT_ARGB8888, .stride = 20}, 40},
      {{.width = 4, .height = 0, .format = PIXEL_FORMAT_ARGB8888, .stride = 20}, 0},
      {{.width = 4, .height = 2, .format = PIXEL_FORMAT_ARGB8888, .stride = 15}, 30},
      {{.width = 4, .height = 2, .format = PIXEL_FORMAT_ARGB8888, .stride = 0}, 0},
      {{.width = 4, .height = 2, .format = 0x12345678, .stride = 20}, 40},
      {{.width = 8193, .height = 1, .format = PIXEL_FORMAT_ARGB8888, .stride = 40000}, 40000},
      {{.width = 1, .height = 4321, .format = PIXEL_FORMAT_ARGB8888, .stride = 4}, 17284},
      {{.width = G_MAXUINT32, .height = G_MAXUINT32, .format = PIXEL_FORMAT_ARGB8888, .stride = G_MAXUINT32}, 40},
      {{.width = 0x40000001, .height = 2, .format = PIXEL_FORMAT_ARGB8888, .stride = 4}, 8},
      {{.width = 3, .height = 2, .format = PIXEL_FORMAT_NV12, .stride = 4}, 12},
      {{.width = 4, .height = 3, .format = PIXEL_FORMAT_NV12, .stride = 4}, 20},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    ask(fixture, 1, bad[i].request, HXFR_FLAG_PIXELS, bad[i].bytes);
    expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  }
  g_assert_cmpuint(fixture->requests.submitted, ==, 3);
}

static void test_sessions_bounded(Fixture *fixture, gconstpointer data) {
  for (guint16 i = 0; i < FAKE_REQUESTS_MAX_SESSIONS; i++) ask_pts(fixture, i, i);
  ask_pts(fixture, 99, 0);
  expect_error(fixture, 99, HXFR_ERR_NOT_CONFIGURED);
  g_assert_false(request_book_has_session(fixture->book, 99));
  g_assert_true(request_book_has_session(fixture->book, 0));
  g_assert_true(request_book_set_bitrate(fixture->book, 99, 1)); /* a wish for later opens nothing */
  g_assert_false(request_book_has_session(fixture->book, 99));
  g_assert_false(request_book_force_keyframe(fixture->book, 99));
  g_assert_true(request_book_set_bitrate(fixture->book, 0, 7));
  g_assert_cmpuint(fixture->requests.bitrate, ==, 7);
  g_assert_true(request_book_force_keyframe(fixture->book, 0));
  g_assert_cmpuint(fixture->requests.key_frames, ==, 1);
}

static void test_wish_before_request(Fixture *fixture, gconstpointer data) {
  g_assert_true(request_book_set_bitrate(fixture->book, 3, 5000));
  g_assert_cmpuint(fixture->requests.bitrate, ==, 0);
  ask_pts(fixture, 3, 1);
  g_assert_cmpuint(fixture->requests.bitrate, ==, 5000);
  guint kept = 0;
  for (guint16 id = 100; id < 300; id++) kept += request_book_set_bitrate(fixture->book, id, 1) ? 1 : 0;
  g_assert_cmpuint(kept, <=, 64);
}

/* Rule 8: 64 requests in flight, 256 MiB of pixels; then nothing more is read until answers have gone out. */
static void test_congested(Fixture *fixture, gconstpointer data) {
  for (guint i = 0; i < REQUESTS_MAX_IN_FLIGHT; i++) {
    g_assert_false(request_book_is_congested(fixture->book));
    ask_pts(fixture, (guint16)(i % 2), i);
  }
  g_assert_true(request_book_is_congested(fixture->book));
  fake_requests_answer(&fixture->requests, 1, support_unit(TRUE, 1, 64));
  g_assert_false(request_book_is_congested(fixture->book));
  fixture->requests.waiting_bytes = REQUESTS_MAX_PIXEL_BYTES;
  g_assert_true(request_book_is_congested(fixture->book));
  for (guint i = 0; i < REQUESTS_MAX_IN_FLIGHT - 1; i++) {
    fake_requests_answer(&fixture->requests, i % 2, support_unit(TRUE, 1, 64));
  }
  g_assert_false(request_book_is_congested(fixture->book)); /* nothing of its own will wake it: it must not wait */
}

/* F05: it goes with requests under way. F16: what it connected is disconnected. */
static void test_gone(Fixture *fixture, gconstpointer data) {
  ask_pts(fixture, 1, 1);
  ask_pts(fixture, 1, 2);
  ask_pts(fixture, 2, 3);
  g_assert_true(request_book_enable(fixture->book, &(HxfrEnableScanout){3, 800, 600, 60}));
  g_assert_cmphex(fixture->requests.connected, ==, 1u << 3);
  g_clear_pointer(&fixture->book, request_book_destroy);
  g_assert_cmpuint(fixture->requests.closed, ==, 2);
  g_assert_cmphex(fixture->requests.connected, ==, 0);
  g_assert_true(g_queue_is_empty(&fixture->sent));
}

static void test_outputs(Fixture *fixture, gconstpointer data) {
  static const HxfrEnableScanout BAD[] = {
      {0, 800, 600, 60},  {16, 800, 600, 60}, {G_MAXUINT32, 800, 600, 60}, {1, 0, 600, 60},           {1, 800, 0, 60},
      {1, 8193, 600, 60}, {1, 800, 4321, 60}, {1, 800, 600, G_MAXUINT32},  {1, G_MAXUINT32, 600, 60},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(BAD); i++) g_assert_false(request_book_enable(fixture->book, &BAD[i]));
  g_assert_cmphex(fixture->requests.connected, ==, 0);
  fixture->requests.connected = 1u << 5; /* another peer's */
  request_book_disable(fixture->book, 5);
  request_book_disable(fixture->book, 16);
  request_book_disable(fixture->book, G_MAXUINT32);
  g_assert_cmphex(fixture->requests.connected, ==, 1u << 5);
  g_assert_true(request_book_enable(fixture->book, &(HxfrEnableScanout){2, 800, 600, 60}));
  request_book_disable(fixture->book, 2);
  g_assert_cmphex(fixture->requests.connected, ==, 1u << 5);
}

static void test_no_source(Fixture *fixture, gconstpointer data) {
  request_book_destroy(fixture->book);
  fixture->book = request_book_create(NULL, NULL, on_send, fixture);
  ask_pts(fixture, 1, 1);
  expect_error(fixture, 1, HXFR_ERR_RESOURCE_NOT_FOUND);
  HxfrFrameRequest scanout = PLAIN;
  scanout.resource_id = 0;
  ask(fixture, 1, scanout, 0, 0);
  expect_error(fixture, 1, HXFR_ERR_NOT_CONFIGURED);
  g_assert_false(request_book_set_bitrate(fixture->book, 1, 1));
  g_assert_false(request_book_enable(fixture->book, &(HxfrEnableScanout){2, 800, 600, 60}));
  g_assert_false(request_book_is_congested(fixture->book));
}

typedef void (*Take)(RequestBook *book, const HxfrHeader *header, ByteReader *reader);

/* A payload as it is; in an allocation of exactly its size. */
static void take_payload(Fixture *fixture, Take take, guint16 session, const guint8 *payload, gsize size) {
  g_autofree guint8 *exact = g_memdup2(payload, MAX(size, 1));
  ByteReader reader;
  byte_reader_init(&reader, exact, size);
  HxfrHeader header = {HXFR_REQUEST_TILES, 0, session, (guint32)size};
  take(fixture->book, &header, &reader);
}

static HxfrRequestFingerprint make_fingerprint(gint64 pts) {
  HxfrRequestFingerprint request = {.request = {.width = 40, .height = 20, .pts_ns = pts}, .scanout = 2};
  request.fingerprint.count = 2;
  request.fingerprint.places[1] = (FingerprintPlace){39, 19, 0x123456};
  return request;
}

static void ask_fingerprint(Fixture *fixture, guint16 session, const HxfrRequestFingerprint *request) {
  guint8 payload[HXFR_MAX_REQUEST];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_request_fingerprint_write(&writer, request);
  take_payload(fixture, request_book_take_fingerprint, session, payload, writer.position);
}

static void expect_wanted(Fixture *fixture, guint16 session, gint64 pts, guint32 reason) {
  ByteReader reader;
  g_autoptr(GBytes) message = next(fixture, HXFR_PIXELS_WANTED, session, &reader);
  HxfrPixelsWanted wanted;
  g_assert_true(hxfr_pixels_wanted_parse(&reader, &wanted));
  g_assert_cmpint(wanted.pts_ns, ==, pts);
  g_assert_cmpuint(wanted.reason, ==, reason);
}

/* One answer each, in order, of three kinds. */
static void test_fingerprint(Fixture *fixture, gconstpointer data) {
  for (gint64 pts = 0; pts < 4; pts++) {
    HxfrRequestFingerprint request = make_fingerprint(pts);
    ask_fingerprint(fixture, 7, &request);
  }
  g_assert_cmpuint(fixture->requests.last_fingerprint.scanout, ==, 2);
  g_assert_cmphex(fixture->requests.last_fingerprint.fingerprint.places[1].pixel, ==, 0x123456);
  g_assert_true(g_queue_is_empty(&fixture->sent));
  fake_requests_answer(&fixture->requests, 0, support_unit(TRUE, 1, 64));
  fake_requests_refuse(&fixture->requests, 0, HXFR_WANTED_DIFFERENT);
  fake_requests_refuse(&fixture->requests, 0, HXFR_WANTED_IN_ORDER);
  fake_requests_refuse(&fixture->requests, 0, HXFR_ERR_ENCODE_FAILED);
  expect_response(fixture, 7, 0);
  expect_wanted(fixture, 7, 1, HXFR_WANTED_DIFFERENT);
  expect_wanted(fixture, 7, 2, HXFR_WANTED_IN_ORDER);
  expect_error(fixture, 7, HXFR_ERR_ENCODE_FAILED);
  g_assert_false(request_book_is_congested(fixture->book));
}

static void test_fingerprint_lies(Fixture *fixture, gconstpointer data) {
  static const FingerprintPlace PLACES[] = {{40, 0, 0}, {0, 20, 0}, {0xffff, 0xffff, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(PLACES); i++) {
    HxfrRequestFingerprint request = make_fingerprint(0);
    request.fingerprint.places[0] = PLACES[i];
    ask_fingerprint(fixture, 1, &request);
    expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  }
  HxfrRequestFingerprint request = make_fingerprint(0);
  request.scanout = HXFR_MAX_SCANOUTS;
  ask_fingerprint(fixture, 1, &request);
  expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  request = make_fingerprint(0);
  request.request.width = request.request.height = 0;
  ask_fingerprint(fixture, 1, &request);
  expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  g_assert_cmpuint(fixture->requests.submitted, ==, 0);
  g_assert_cmpuint(fixture->requests.opened, ==, 0);
}

/* REQUEST_TILES of up to two rectangles and `pixels` bytes. */
static void ask_tiles(Fixture *fixture, HxfrRequestTiles tiles, const Rect *rects, gsize pixels) {
  gsize size = HXFR_TILES_FIXED_SIZE + 2 * HXFR_RECT_SIZE + pixels;
  g_autofree guint8 *payload = g_malloc0(size);
  ByteWriter writer;
  byte_writer_init(&writer, payload, size);
  hxfr_request_tiles_write(&writer, &tiles);
  for (guint i = 0; i < MIN(tiles.rect_count, 2); i++) hxfr_rect_write(&writer, &rects[i]);
  byte_writer_zeros(&writer, pixels);
  take_payload(fixture, request_book_take_tiles, 1, payload, writer.position);
}

static HxfrRequestTiles make_tiles(guint32 format, guint width, guint height, guint rects) {
  return (HxfrRequestTiles){
      .request = {.width = width, .height = height, .format = format, .pts_ns = 77},
      .picture = 2,
      .base = 1,
      .rect_count = (guint16)rects,
  };
}

static void test_tiles(Fixture *fixture, gconstpointer data) {
  const Rect rects[] = {{0, 0, 64, 48}, {62, 40, 2, 8}};
  HxfrRequestTiles packed = make_tiles(PIXEL_FORMAT_XBGR8888, 64, 48, 2);
  HxfrRequestTiles planar = make_tiles(PIXEL_FORMAT_NV12, 64, 48, 2);
  ask_tiles(fixture, packed, rects, (64 * 48 + 16) * 4);
  g_assert_cmpuint(fixture->requests.last_tiles.picture, ==, 2);
  g_assert_cmpuint(fixture->requests.last_tiles.base, ==, 1);
  g_assert_cmpuint(fixture->requests.last_rect.x, ==, 62);
  ask_tiles(fixture, planar, rects, (64 * 48 + 16) * 3 / 2);
  packed.rect_count = 0; /* nothing changed */
  ask_tiles(fixture, packed, NULL, 0);
  g_assert_cmpuint(fixture->requests.tiles, ==, 3);
  fake_requests_answer(&fixture->requests, 0, support_unit(TRUE, 1, 64));
  fake_requests_refuse(&fixture->requests, 0, HXFR_WANTED_NO_BASE);
  expect_response(fixture, 1, 77);
  expect_wanted(fixture, 1, 77, HXFR_WANTED_NO_BASE);
}

/* F24: rectangles and sizes that lie, each refused before anything of their size is allocated. */
static void test_tiles_lie(Fixture *fixture, gconstpointer data) {
  const guint32 packed = PIXEL_FORMAT_XRGB8888, nv12 = PIXEL_FORMAT_NV12;
  const struct {
    HxfrRequestTiles tiles;
    Rect rect;
    gsize bytes;
  } bad[] = {
      {make_tiles(packed, 64, 48, 1), {0, 0, 4, 4}, 63},
      {make_tiles(packed, 64, 48, 1), {0, 0, 4, 4}, 65},
      {make_tiles(packed, 64, 48, 1), {0, 0, 0, 4}, 0},
      {make_tiles(packed, 64, 48, 1), {0, 0, 4, 0}, 0},
      {make_tiles(packed, 64, 48, 1), {61, 0, 4, 4}, 64},
      {make_tiles(packed, 64, 48, 1), {0, 45, 4, 4}, 64},
      {make_tiles(packed, 64, 48, 1), {0xffff, 0xffff, 0xffff, 0xffff}, 64},
      {make_tiles(packed, 64, 48, 0), {0, 0, 0, 0}, 1},
      {make_tiles(packed, 64, 48, 3), {0, 0, 4, 4}, 0},
      {make_tiles(packed, 0, 48, 0), {0, 0, 0, 0}, 0},
      {make_tiles(packed, 64, 0, 0), {0, 0, 0, 0}, 0},
      {make_tiles(packed, 8193, 48, 0), {0, 0, 0, 0}, 0},
      {make_tiles(packed, 64, 4321, 0), {0, 0, 0, 0}, 0},
      {make_tiles(packed, G_MAXUINT32, G_MAXUINT32, 0), {0, 0, 0, 0}, 0},
      {make_tiles(packed, 8192, 4320, 0), {0, 0, 0, 0}, 0}, /* 141 MB */
      {make_tiles(0x12345678, 64, 48, 0), {0, 0, 0, 0}, 0},
      {make_tiles(nv12, 63, 48, 0), {0, 0, 0, 0}, 0},
      {make_tiles(nv12, 64, 47, 0), {0, 0, 0, 0}, 0},
      {make_tiles(nv12, 64, 48, 1), {1, 0, 4, 4}, 24},
      {make_tiles(nv12, 64, 48, 1), {0, 1, 4, 4}, 24},
      {make_tiles(nv12, 64, 48, 1), {0, 0, 3, 4}, 18},
      {make_tiles(nv12, 64, 48, 1), {0, 0, 4, 3}, 18},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
    const Rect rects[] = {bad[i].rect, bad[i].rect};
    ask_tiles(fixture, bad[i].tiles, rects, bad[i].bytes);
    expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  }
  HxfrRequestTiles good = make_tiles(packed, 64, 48, 1);
  good.picture = 0;
  ask_tiles(fixture, good, &(Rect){0, 0, 4, 4}, 64);
  expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  g_assert_cmpuint(fixture->requests.submitted, ==, 0);
}

/* Every truncation of a good one is refused. */
static void test_tiles_cut(Fixture *fixture, gconstpointer data) {
  guint8 payload[HXFR_TILES_FIXED_SIZE + HXFR_RECT_SIZE + 16] = {0};
  ByteWriter writer;
  HxfrRequestTiles tiles = make_tiles(PIXEL_FORMAT_XRGB8888, 64, 48, 1);
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_request_tiles_write(&writer, &tiles);
  hxfr_rect_write(&writer, &(Rect){3, 3, 2, 2});
  for (gsize size = 0; size < sizeof payload; size++) {
    take_payload(fixture, request_book_take_tiles, 1, payload, size);
    expect_error(fixture, 1, HXFR_ERR_INVALID_MESSAGE);
  }
  take_payload(fixture, request_book_take_tiles, 1, payload, sizeof payload);
  g_assert_cmpuint(fixture->requests.tiles, ==, 1);
}

static void test_scanouts(Fixture *fixture, gconstpointer data) {
  g_assert_true(request_book_bind_scanout(fixture->book, 5, 3)); /* before the session is there */
  g_assert_cmpuint(fixture->requests.opened, ==, 0);
  ask_pts(fixture, 4, 0);
  ask_pts(fixture, 5, 0);
  g_assert_cmpuint(fixture->requests.scanouts[0], ==, 0);
  g_assert_cmpuint(fixture->requests.scanouts[1], ==, 3);
  g_assert_true(request_book_bind_scanout(fixture->book, 5, 0));
  g_assert_true(request_book_bind_scanout(fixture->book, 4, 15));
  g_assert_cmpuint(fixture->requests.scanouts[0], ==, 15);
  g_assert_cmpuint(fixture->requests.scanouts[1], ==, 0);
  guint kept = 0;
  for (guint16 id = 100; id < 300; id++) kept += request_book_bind_scanout(fixture->book, id, 1) ? 1 : 0;
  g_assert_cmpuint(kept, <=, 64);
  g_assert_true(request_book_bind_scanout(fixture->book, 100, 0)); /* makes room */
  g_assert_true(request_book_bind_scanout(fixture->book, 299, 1));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, run) g_test_add("/requests/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("order", test_order);
  ADD("answered-at-once", test_answered_at_once);
  ADD("F24-pixels", test_pixels);
  ADD("sessions-bounded", test_sessions_bounded);
  ADD("wish-before-request", test_wish_before_request);
  ADD("congested", test_congested);
  ADD("F05-F16-gone", test_gone);
  ADD("outputs", test_outputs);
  ADD("no-source", test_no_source);
  ADD("F27-fingerprint", test_fingerprint);
  ADD("F24-fingerprint-lies", test_fingerprint_lies);
  ADD("tiles", test_tiles);
  ADD("F24-tiles-lie", test_tiles_lie);
  ADD("F24-tiles-cut", test_tiles_cut);
  ADD("scanouts", test_scanouts);
  return g_test_run();
}
