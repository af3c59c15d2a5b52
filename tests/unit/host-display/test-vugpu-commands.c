/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/gpu-commands.h"

#include "common/base/log.h"
#include "tests/unit/host-display/vugpu-guest.h"

#include <string.h>

static void test_display_info(VugpuGuest *f, gconstpointer data) {
  const guint32 command[6] = {GPU_GET_DISPLAY_INFO, GPU_FLAG_FENCE, 0x55667788, 0x11223344, 99};
  guint32 size, words[102];
  g_assert_cmphex(vugpu_guest_run(f, command, sizeof command), ==, GPU_OK_DISPLAY_INFO);
  const guint8 *answer = fake_vhost_answer(&f->fake, 0, 0, &size);
  g_assert_cmpuint(size, ==, 24 + 16 * 24); /* F12 */
  memcpy(words, answer, sizeof words);
  g_assert_cmpmem(words + 1, 16, command + 1, 16); /* the fence comes back */
  const guint32 outputs[] = {0, 0, 800, 600, 1, 0, 800, 0, 800, 600, 1, 0, 0, 0, 0, 0, 0, 0};
  g_assert_cmpmem(words + 6, sizeof outputs, outputs, sizeof outputs);
}

static void test_edid(VugpuGuest *f, gconstpointer data) {
  guint32 size, edid_size;
  g_assert_cmphex(FAKE_VHOST_WORDS(&f->fake, GPU_GET_EDID, 1, 0), ==, GPU_OK_EDID);
  const guint8 *answer = fake_vhost_answer(&f->fake, 0, 0, &size);
  g_assert_cmpuint(size, ==, 24 + 8 + 1024);
  memcpy(&edid_size, answer + 24, 4);
  g_assert_cmpuint(edid_size, ==, 128);
  g_assert_cmpmem(answer + 32, 8, "\0\xff\xff\xff\xff\xff\xff\0", 8);
  g_assert_cmphex(FAKE_VHOST_WORDS(&f->fake, GPU_GET_EDID, 16, 0), ==, GPU_ERR_INVALID_SCANOUT_ID);
}

static void test_flips(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_picture(f, 2, VUGPU_GUEST_PICTURE_B);
  for (guint i = 1; i <= 100; i++) {
    guint id = i % 2 + 1;
    vugpu_guest_paint(f, id == 1 ? VUGPU_GUEST_PICTURE_A : VUGPU_GUEST_PICTURE_B, i << 16);
    vugpu_guest_flip(f, id);
    /* the vugpu_guest_flush is acknowledged when the sink has it: no waiting (F09) */
    g_assert_cmpuint(f->seen[0].pixels[0], ==, i << 16);
    g_assert_cmpuint(f->seen[0].pixels[VUGPU_GUEST_WIDTH * VUGPU_GUEST_HEIGHT - 1], ==,
                     (i << 16) + VUGPU_GUEST_WIDTH * VUGPU_GUEST_HEIGHT - 1);
  }
  g_assert_cmpuint(f->seen[0].updates, ==, 100); /* and not once more for FLUSH, which came on its own */
  g_assert_true(f->seen[0].info.lit && f->seen[0].info.connected);
  g_assert_cmpuint(f->seen[0].frame.format, ==, PIXEL_FORMAT_XRGB8888);
}

/* One buffer and small rectangles, as the text console draws. */
static void test_rectangles(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_flip(f, 1);
  vugpu_guest_transfer(f, 1, 8, 8, 8, 8);
  vugpu_guest_transfer(f, 1, 40, 8, 8, 8);
  g_assert_cmpuint(f->seen[0].updates, ==, 1);
  vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, 32);
  g_assert_cmpuint(f->seen[0].updates, ==, 2);
  g_assert_cmpuint(f->seen[0].n_rects, ==, 2);
  g_assert_cmpuint(f->seen[0].rects[0].x, ==, 8);
  g_assert_cmpuint(f->seen[0].rects[1].x, ==, 40);
  vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT); /* nothing was transferred since */
  g_assert_cmpuint(f->seen[0].updates, ==, 2);
  vugpu_guest_transfer(f, 1, 0, 20, 10, 30);
  vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, 32); /* a part of it */
  g_assert_cmpuint(f->seen[0].rects[0].height, ==, 12);
  vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  g_assert_cmpuint(f->seen[0].rects[0].height, ==, 30);
}

/* A screen of a desktop that spans several. */
static void test_part_of_resource(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_A, 0);
  vugpu_guest_transfer(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  vugpu_guest_show(f, 0, 1, 0, 0, 32, VUGPU_GUEST_HEIGHT);
  vugpu_guest_show(f, 1, 1, 32, 16, 32, 40);
  g_assert_cmpuint(f->seen[1].info.height, ==, 40);
  g_assert_cmpuint(f->seen[1].pixels[0], ==, 16 * VUGPU_GUEST_WIDTH + 32);
  guint before = f->seen[0].updates;
  vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  vugpu_guest_transfer(f, 1, 40, 20, 4, 4);
  vugpu_guest_flush(f, 1, 40, 20, 4, 4);
  g_assert_cmpuint(f->seen[1].n_rects, ==, 1);
  g_assert_cmpuint(f->seen[1].rects[0].x, ==, 8);
  g_assert_cmpuint(f->seen[1].rects[0].y, ==, 4);
  g_assert_cmpuint(f->seen[0].updates, <=, before + 1);
}

static void test_high_region(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_paint(f, FAKE_VHOST_HIGH + 0x3000, 0xabc0000);
  vugpu_guest_picture(f, 1, FAKE_VHOST_HIGH + 0x3000);
  vugpu_guest_flip(f, 1);
  g_assert_cmphex(f->seen[0].pixels[1], ==, 0xabc0001);
}

static void test_dark(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_flip(f, 1);
  g_assert_cmphex(vugpu_guest_show(f, 0, 0, 0, 0, 0, 0), ==, GPU_OK_NODATA);
  g_assert_false(f->seen[0].info.lit);
  vugpu_guest_flip(f, 1);
  g_assert_true(f->seen[0].info.lit);
  g_assert_cmphex(vugpu_guest_by_id(f, GPU_RESOURCE_UNREF, 1), ==, GPU_OK_NODATA); /* shown, and with its backing */
  g_assert_false(f->seen[0].info.lit);
  g_assert_cmphex(vugpu_guest_by_id(f, GPU_RESOURCE_UNREF, 1), ==, GPU_ERR_INVALID_RESOURCE_ID);
}

static void test_detach_of_shown(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_flip(f, 1);
  guint before = f->seen[0].updates;
  g_assert_cmphex(vugpu_guest_by_id(f, GPU_RESOURCE_DETACH_BACKING, 1), ==, GPU_OK_NODATA);
  g_assert_true(f->seen[0].info.lit); /* its last picture stays */
  g_assert_cmphex(vugpu_guest_transfer(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_ERR_UNSPEC);
  g_assert_cmphex(vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_OK_NODATA);
  g_assert_cmpuint(f->seen[0].updates, ==, before);
  vugpu_guest_attach(f, 1, VUGPU_GUEST_PICTURE_B, VUGPU_GUEST_BYTES);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_B, 5);
  vugpu_guest_transfer(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  g_assert_cmpuint(f->seen[0].pixels[0], ==, 5);
}

/* Three flips wait at once: the newest is shown, and none of the buffers is looked at twice. */
static void test_newest_wins(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_picture(f, 2, VUGPU_GUEST_PICTURE_B);
  vugpu_guest_flip(f, 1);
  mutex_lock(&f->mutex);
  guint before = f->seen[0].updates;
  mutex_unlock(&f->mutex);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_A, 0x100000);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_B, 0x200000);
  for (guint i = 0; i < 3; i++) {
    guint32 id = i % 2 + 1;
    const guint32 move[] = {GPU_TRANSFER_TO_HOST_2D, 0, 0, 0,  0, 0, 0, 0, VUGPU_GUEST_WIDTH,
                            VUGPU_GUEST_HEIGHT,      0, 0, id, 0};
    const guint32 shown[] = {GPU_SET_SCANOUT, 0, 0, 0, 0, 0, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT, 0, id};
    const guint32 flushed[] = {GPU_RESOURCE_FLUSH, 0, 0, 0, 0, 0, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT, id, 0};
    fake_vhost_offer(&f->fake, 0, move, sizeof move);
    fake_vhost_offer(&f->fake, 0, shown, sizeof shown);
    fake_vhost_offer(&f->fake, 0, flushed, sizeof flushed);
  }
  fake_vhost_kick(&f->fake, 0);
  fake_vhost_wait(&f->fake, 0);
  VUGPU_GUEST_WAIT(f, f->seen[0].updates > before && f->seen[0].pixels[0] == 0x100000);
}

static void test_cursor(VugpuGuest *f, gconstpointer data) {
  guint32 size;
  const guint32 words[] = {GPU_UPDATE_CURSOR, 0, 0, 0, 0, 0, 1, 30, 40, 0, 1, 3, 4, 0};
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  fake_vhost_offer(&f->fake, 1, words, sizeof words);
  fake_vhost_kick(&f->fake, 1);
  fake_vhost_wait(&f->fake, 1);
  const guint8 *answer = fake_vhost_answer(&f->fake, 1, 0, &size);
  g_assert_cmpmem(answer, 4, "\0\21\0\0", 4);
  g_assert_cmphex(FAKE_VHOST_WORDS(&f->fake, GPU_UPDATE_CURSOR, 16, 0, 0, 0, 1, 0, 0, 0), ==,
                  GPU_ERR_INVALID_SCANOUT_ID);
  g_assert_cmphex(FAKE_VHOST_WORDS(&f->fake, GPU_UPDATE_CURSOR, 0, 0, 0, 0, 9, 0, 0, 0), ==,
                  GPU_ERR_INVALID_RESOURCE_ID);
  g_assert_cmphex(FAKE_VHOST_WORDS(&f->fake, GPU_MOVE_CURSOR, 0, 0xffffffff, 0xffffffff, 0, 9, 0, 0, 0), ==,
                  GPU_OK_NODATA);
}

/* ---- lies ---- */

static void test_lying_rectangles(VugpuGuest *f, gconstpointer data) {
  static const guint32 RECTS[][4] = {
      {1, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT},
      {0, 1, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT},
      {0xffffffff, 0, 1, 1},
      {0xffffffff, 0, 0xffffffff, 1},
      {0, 0, 0xffffffff, 0xffffffff},
      {VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT, 1, 1},
      {1, 1, 0xffffffff, 0xffffffff},
  };
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  for (guint i = 0; i < G_N_ELEMENTS(RECTS); i++) {
    const guint32 *r = RECTS[i];
    g_assert_cmphex(vugpu_guest_transfer(f, 1, r[0], r[1], r[2], r[3]), ==, GPU_ERR_INVALID_PARAMETER);
    g_assert_cmphex(vugpu_guest_flush(f, 1, r[0], r[1], r[2], r[3]), ==, GPU_ERR_INVALID_PARAMETER);
    g_assert_cmphex(vugpu_guest_show(f, 0, 1, r[0], r[1], r[2], r[3]), ==, GPU_ERR_INVALID_PARAMETER);
  }
  g_assert_cmphex(vugpu_guest_show(f, 0, 1, 0, 0, 0, 0), ==, GPU_ERR_INVALID_PARAMETER);
  g_assert_cmphex(vugpu_guest_show(f, 0, 9, 0, 0, 1, 1), ==, GPU_ERR_INVALID_RESOURCE_ID);
  g_assert_cmphex(vugpu_guest_show(f, 16, 1, 0, 0, 1, 1), ==, GPU_ERR_INVALID_SCANOUT_ID);
  g_assert_cmphex(vugpu_guest_show(f, 0xffffffff, 0, 0, 0, 1, 1), ==, GPU_ERR_INVALID_SCANOUT_ID);
  g_assert_false(f->seen[0].info.lit);
}

static void test_lying_backings(VugpuGuest *f, gconstpointer data) {
  static const guint32 COUNTS[] = {2, 1000, BACKING_MAX_SEGMENTS, BACKING_MAX_SEGMENTS + 1, 0xffffffff, 0x10000000};
  vugpu_guest_create(f, 1, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  g_assert_cmphex(vugpu_guest_attach(f, 1, FAKE_VHOST_REGION, 1), ==, GPU_ERR_INVALID_PARAMETER);
  g_assert_cmphex(vugpu_guest_attach(f, 1, FAKE_VHOST_REGION - 1, 2), ==, GPU_ERR_INVALID_PARAMETER);
  g_assert_cmphex(vugpu_guest_attach(f, 1, G_MAXUINT64, 0xffffffff), ==, GPU_ERR_INVALID_PARAMETER);
  for (guint i = 0; i < G_N_ELEMENTS(COUNTS); i++) { /* more than there are */
    g_assert_cmphex(FAKE_VHOST_WORDS(&f->fake, GPU_RESOURCE_ATTACH_BACKING, 1, COUNTS[i], VUGPU_GUEST_PICTURE_A, 0,
                                     VUGPU_GUEST_BYTES, 0),
                    ==, GPU_ERR_INVALID_PARAMETER);
  }
  g_assert_cmphex(vugpu_guest_attach(f, 2, VUGPU_GUEST_PICTURE_A, VUGPU_GUEST_BYTES), ==, GPU_ERR_INVALID_RESOURCE_ID);
  g_assert_cmphex(vugpu_guest_attach(f, 1, VUGPU_GUEST_PICTURE_A, VUGPU_GUEST_PAGE), ==,
                  GPU_OK_NODATA); /* too short: the rest is black */
  g_assert_cmphex(vugpu_guest_attach(f, 1, VUGPU_GUEST_PICTURE_A, VUGPU_GUEST_BYTES), ==, GPU_ERR_UNSPEC);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_A, 7);
  vugpu_guest_flip(f, 1);
  g_assert_cmpuint(f->seen[0].pixels[0], ==, 7);
  g_assert_cmpuint(f->seen[0].pixels[VUGPU_GUEST_PAGE / 4], ==, 0);
}

/* A thousand pieces, as a fragmented guest has them, in the wrong order. */
static void test_many_segments(VugpuGuest *f, gconstpointer data) {
  enum { PIECES = 1024 };
  guint32 words[8 + PIECES * 4] = {GPU_RESOURCE_ATTACH_BACKING, 0, 0, 0, 0, 0, 1, PIECES};
  for (guint i = 0; i < PIECES; i++) {
    words[8 + i * 4] = FAKE_VHOST_FREE + (PIECES - 1 - i) * VUGPU_GUEST_PAGE;
    words[8 + i * 4 + 2] = VUGPU_GUEST_PAGE;
    memset(fake_vhost_at(&f->fake, FAKE_VHOST_FREE + (PIECES - 1 - i) * VUGPU_GUEST_PAGE), (int)i, VUGPU_GUEST_PAGE);
  }
  vugpu_guest_create(f, 1, 1024, PIECES);
  g_assert_cmphex(vugpu_guest_run(f, words, sizeof words), ==, GPU_OK_NODATA);
  g_assert_cmphex(vugpu_guest_show(f, 0, 1, 0, 200, 1024, 64), ==, GPU_OK_NODATA);
  for (guint row = 0; row < 64; row++) {
    g_assert_cmphex(f->seen[0].pixels[row * VUGPU_GUEST_WIDTH], ==, ((200 + row) & 0xff) * 0x01010101u);
  }
}

static void test_limits(VugpuGuest *f, gconstpointer data) {
  g_assert_cmphex(vugpu_guest_create(f, 0, 1, 1), ==, GPU_ERR_INVALID_RESOURCE_ID);
  g_assert_cmphex(vugpu_guest_create(f, 1, 0, 1), ==, GPU_ERR_INVALID_PARAMETER);
  g_assert_cmphex(vugpu_guest_create(f, 1, 0xffffffff, 0xffffffff), ==, GPU_ERR_INVALID_PARAMETER);
  for (guint i = 1; i <= RESOURCE_MAX_COUNT; i++) g_assert_cmphex(vugpu_guest_create(f, i, 1, 1), ==, GPU_OK_NODATA);
  g_assert_cmphex(vugpu_guest_create(f, 99999, 1, 1), ==, GPU_ERR_OUT_OF_MEMORY);
  g_assert_cmphex(vugpu_guest_create(f, 1, 1, 1), ==, GPU_ERR_INVALID_RESOURCE_ID);
  vugpu_guest_by_id(f, GPU_RESOURCE_UNREF, 1);
  g_assert_cmphex(vugpu_guest_create(f, 99999, 16384, 16384), ==, GPU_ERR_OUT_OF_MEMORY);
  g_assert_cmphex(vugpu_guest_create(f, 99999, 8192, 8192), ==, GPU_OK_NODATA);
}

static void test_short_commands(VugpuGuest *f, gconstpointer data) {
  static const guint32 TYPES[] = {0,     0x104, 0x100, 0x101, 0x102, 0x103, 0x105, 0x106,
                                  0x107, 0x108, 0x109, 0x10a, 0x200, 0x300, 0x301, 0xffffffff};
  guint32 words[20] = {0};
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  for (guint i = 0; i < G_N_ELEMENTS(TYPES); i++) {
    for (guint size = 0; size < 56; size++) {
      words[0] = TYPES[i];
      guint32 type = vugpu_guest_run(f, words, size);
      g_assert_true((type >= GPU_ERR_UNSPEC && type <= GPU_ERR_INVALID_PARAMETER) ||
                    (type >= GPU_OK_NODATA && type <= GPU_OK_EDID));
      if (size < 24) g_assert_cmphex(type, ==, GPU_ERR_INVALID_PARAMETER);
    }
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, function)                                                                                            \
  g_test_add("/vugpu-commands/" name, VugpuGuest, NULL, vugpu_guest_set_up_started, function, vugpu_guest_tear_down)
  ADD("display-info-F12", test_display_info);
  ADD("edid", test_edid);
  ADD("flips-F09", test_flips);
  ADD("rectangles", test_rectangles);
  ADD("part-of-resource", test_part_of_resource);
  ADD("high-region", test_high_region);
  ADD("dark", test_dark);
  ADD("detach-of-shown", test_detach_of_shown);
  ADD("newest-wins", test_newest_wins);
  ADD("cursor", test_cursor);
  ADD("lying-rectangles", test_lying_rectangles);
  ADD("lying-backings", test_lying_backings);
  ADD("many-segments", test_many_segments);
  ADD("limits-F24", test_limits);
  ADD("short-commands", test_short_commands);
  return g_test_run();
}
