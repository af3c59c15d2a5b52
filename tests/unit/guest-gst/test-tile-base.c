/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/tile-base.h"

#include "tests/unit/guest-gst/fake-canvas.h"

#include <string.h>

/* A client's end and a host's: whatever changes, both have the same picture. */
typedef struct {
  TileBase base;
  FakeCanvas canvas;
  guint8 *pixels;
  gsize size;
  Frame frame;
  TileBaseSent sent;
} Rig;

static void set_size(Rig *rig, guint32 format, guint width, guint height, gsize gap) {
  gboolean planar = format == PIXEL_FORMAT_NV12;
  gsize stride = (planar ? width : width * 4) + gap;
  g_free(rig->pixels);
  rig->size = planar ? stride * height * 3 / 2 : stride * height;
  rig->pixels = g_malloc(rig->size); /* exactly, for AddressSanitizer */
  for (gsize i = 0; i < rig->size; i++) rig->pixels[i] = (guint8)g_test_rand_int();
  rig->frame = (Frame){format, width, height, stride, rig->pixels};
}

static void rig_init(Rig *rig, guint32 format, guint width, guint height, gsize gap) {
  *rig = (Rig){0};
  tile_base_init(&rig->base);
  set_size(rig, format, width, height, gap);
}

static void rig_finish(Rig *rig) {
  tile_base_finish(&rig->base);
  fake_canvas_finish(&rig->canvas);
  g_free(rig->pixels);
}

/* Row by row, because the canvas has no gaps. */
static void assert_same(const Rig *rig) {
  const Frame *frame = &rig->frame;
  gsize row = frame->format == PIXEL_FORMAT_NV12 ? frame->width : (gsize)frame->width * 4;
  guint rows = frame->format == PIXEL_FORMAT_NV12 ? frame->height * 3 / 2 : frame->height;
  for (guint y = 0; y < rows; y++) {
    g_assert_cmpmem(rig->canvas.pixels + y * row, row, frame->data + y * frame->stride, row);
  }
}

/* To the host and into its picture. FALSE: it has not got the base. */
static gboolean go(Rig *rig) {
  g_autoptr(GError) error = NULL;
  HxfrFrameRequest request = {.width = rig->frame.width, .height = rig->frame.height, .format = rig->frame.format};
  g_autoptr(GBytes) message = tile_base_message(&rig->base, 7, &request, &rig->frame, &rig->sent, &error);
  g_assert_no_error(error);
  gsize size;
  const guint8 *bytes = g_bytes_get_data(message, &size);
  HxfrHeader header;
  HxfrRequestTiles tiles;
  ByteReader reader;
  g_assert_true(hxfr_header_parse(bytes, &header));
  g_assert_cmpuint(header.type, ==, HXFR_REQUEST_TILES);
  g_assert_cmpuint(header.session_id, ==, 7);
  g_assert_cmpuint(header.payload_size, ==, size - HXFR_HEADER_SIZE);
  g_assert_cmpuint(size - HXFR_HEADER_SIZE, ==,
                   HXFR_TILES_FIXED_SIZE + rig->sent.rects * HXFR_RECT_SIZE + rig->sent.pixel_bytes);
  byte_reader_init(&reader, bytes + HXFR_HEADER_SIZE, header.payload_size);
  g_assert_true(hxfr_request_tiles_parse(&reader, &tiles));
  g_assert_cmpuint(tiles.picture, ==, rig->sent.number);
  g_assert_cmpuint(tiles.base, ==, rig->sent.base);
  if (!fake_canvas_apply(&rig->canvas, &tiles, &reader)) return FALSE;
  assert_same(rig);
  return TRUE;
}

static void touch(Rig *rig, guint x, guint y) {
  gsize pixel = rig->frame.format == PIXEL_FORMAT_NV12 ? 1 : 4;
  rig->pixels[y * rig->frame.stride + x * pixel] ^= 0x5a;
}

static void test_changes(void) {
  static const guint32 FORMATS[] = {PIXEL_FORMAT_XRGB8888, PIXEL_FORMAT_ABGR8888, PIXEL_FORMAT_NV12};
  for (guint i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    gsize bytes = FORMATS[i] == PIXEL_FORMAT_NV12 ? 3 : 8; /* for two pixels */
    Rig rig;
    rig_init(&rig, FORMATS[i], 200, 130, i * 24);
    g_assert_true(go(&rig));
    g_assert_cmpuint(rig.sent.base, ==, 0);
    g_assert_cmpuint(rig.sent.tiles, ==, 4 * 3);
    g_assert_cmpuint(rig.sent.pixel_bytes, ==, 200 * 130 * bytes / 2);
    g_assert_true(go(&rig)); /* nothing changed */
    g_assert_cmpuint(rig.sent.rects + rig.sent.tiles + rig.sent.pixel_bytes, ==, 0);
    touch(&rig, 199, 129); /* the corner's tile is 8 × 2 */
    g_assert_true(go(&rig));
    g_assert_cmpuint(rig.sent.rects, ==, 1);
    g_assert_cmpuint(rig.sent.pixel_bytes, ==, 8 * 2 * bytes / 2);
    touch(&rig, 63, 0);
    touch(&rig, 64, 63);
    touch(&rig, 192, 5); /* the first two side by side, this one apart */
    g_assert_true(go(&rig));
    g_assert_cmpuint(rig.sent.rects, ==, 2);
    g_assert_cmpuint(rig.sent.tiles, ==, 3);
    g_assert_cmpuint(rig.sent.pixel_bytes, ==, (128 + 8) * 64 * bytes / 2);
    rig_finish(&rig);
  }
}

/* Only colours change in NV12. */
static void test_chroma(void) {
  Rig rig;
  rig_init(&rig, PIXEL_FORMAT_NV12, 200, 130, 8);
  go(&rig);
  rig.pixels[rig.frame.stride * 130 + rig.frame.stride * 40 + 100] ^= 1; /* luma row 80 */
  g_assert_true(go(&rig));
  g_assert_cmpuint(rig.sent.tiles, ==, 1);
  rig_finish(&rig);
}

static void test_random(void) {
  static const guint32 FORMATS[] = {PIXEL_FORMAT_XRGB8888, PIXEL_FORMAT_NV12};
  for (guint i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    Rig rig;
    rig_init(&rig, FORMATS[i], 330, 194, 16);
    for (guint round = 0; round < 300; round++) {
      for (gint n = g_test_rand_int_range(0, 9); n > 0; n--) {
        touch(&rig, (guint)g_test_rand_int_range(0, 330), (guint)g_test_rand_int_range(0, 194));
      }
      if (g_test_rand_int_range(0, 50) == 0) tile_base_forget(&rig.base);
      g_assert_true(go(&rig));
    }
    rig_finish(&rig);
  }
}

/* Another size or format, and a host that has lost it: whole again. */
static void test_anew(void) {
  Rig rig;
  rig_init(&rig, PIXEL_FORMAT_XRGB8888, 128, 64, 0);
  g_assert_false(tile_base_fits(&rig.base, &rig.frame));
  go(&rig);
  g_assert_true(tile_base_fits(&rig.base, &rig.frame));
  set_size(&rig, PIXEL_FORMAT_XBGR8888, 128, 64, 0);
  g_assert_true(go(&rig));
  g_assert_cmpuint(rig.sent.base, ==, 0);
  set_size(&rig, PIXEL_FORMAT_XBGR8888, 64, 128, 0);
  g_assert_true(go(&rig));
  g_assert_cmpuint(rig.sent.base, ==, 0);
  rig.canvas.number = 0;
  g_assert_false(go(&rig));
  guint epoch = rig.base.epoch;
  tile_base_forget(&rig.base);
  g_assert_cmpuint(rig.base.epoch, !=, epoch);
  g_assert_true(go(&rig));
  g_assert_cmpuint(rig.sent.base, ==, 0);
  rig_finish(&rig);
}

/* After four thousand million pictures there is no number 0. */
static void test_numbers_wrap(void) {
  Rig rig;
  rig_init(&rig, PIXEL_FORMAT_XRGB8888, 64, 64, 0);
  go(&rig);
  rig.base.last = rig.base.number = rig.canvas.number = G_MAXUINT32;
  g_assert_true(go(&rig));
  g_assert_cmpuint(rig.sent.number, ==, 1);
  rig_finish(&rig);
}

/* F24: more than a host takes is not even allocated. */
static void test_too_large(void) {
  TileBase base;
  TileBaseSent sent;
  g_autoptr(GError) error = NULL;
  guint8 nothing = 0;
  Frame frame = {PIXEL_FORMAT_XRGB8888, 8192, 4320, 8192 * 4, &nothing};
  tile_base_init(&base);
  g_assert_null(tile_base_message(&base, 0, &(HxfrFrameRequest){0}, &frame, &sent, &error));
  g_assert_nonnull(error);
  g_assert_false(tile_base_fits(&base, &frame));
  tile_base_finish(&base);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/tile-base/changes-F18", test_changes);
  g_test_add_func("/tile-base/chroma", test_chroma);
  g_test_add_func("/tile-base/random", test_random);
  g_test_add_func("/tile-base/anew", test_anew);
  g_test_add_func("/tile-base/numbers-wrap", test_numbers_wrap);
  g_test_add_func("/tile-base/too-large-F24", test_too_large);
  return g_test_run();
}
