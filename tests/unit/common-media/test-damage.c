/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/damage.h"

#include <string.h>

/* Sizes around the tile grid and the largest there is. */
static const guint SIZES[][2] = {{1, 1},     {63, 63},     {64, 64},     {65, 65},    {128, 64},
                                 {641, 481}, {1920, 1080}, {4095, 2161}, {8192, 4320}};

static void test_grid(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    guint width = SIZES[i][0], height = SIZES[i][1];
    Damage damage;
    damage_init(&damage, width, height);
    g_assert_cmpuint(damage.columns, ==, (width + 63) / 64);
    g_assert_cmpuint(damage.rows, ==, (height + 63) / 64);
    g_assert_true(damage_is_empty(&damage));
    g_assert_cmpuint(damage_count(&damage), ==, 0);
    damage_set_all(&damage);
    g_assert_cmpuint(damage_count(&damage), ==, damage.columns * damage.rows);
    gsize area = 0;
    for (guint row = 0; row < damage.rows; row++) {
      for (guint column = 0; column < damage.columns; column++) {
        g_assert_true(damage_get(&damage, column, row));
        Rect tile = damage_tile_rect(&damage, column, row);
        g_assert_cmpuint(tile.x + tile.width, <=, width);
        g_assert_cmpuint(tile.y + tile.height, <=, height);
        area += (gsize)tile.width * tile.height;
      }
    }
    g_assert_cmpuint(area, ==, (gsize)width * height);
    damage_clear(&damage);
    g_assert_true(damage_is_empty(&damage));
  }
}

/* A rectangle marks the tiles that have a pixel of it, and no others: against each tile's own test, pixel arithmetic
 * done the long way. */
static void test_rect_against_definition(void) {
  for (guint round = 0; round < 2000; round++) {
    guint width = (guint)g_test_rand_int_range(1, 700), height = (guint)g_test_rand_int_range(1, 500);
    Rect rect = {(guint)g_test_rand_int_range(0, 800), (guint)g_test_rand_int_range(0, 600),
                 (guint)g_test_rand_int_range(0, 300), (guint)g_test_rand_int_range(0, 300)};
    Damage damage;
    damage_init(&damage, width, height);
    damage_set_rect(&damage, &rect);
    guint right = MIN(rect.x + rect.width, width), bottom = MIN(rect.y + rect.height, height);
    for (guint row = 0; row < damage.rows; row++) {
      for (guint column = 0; column < damage.columns; column++) {
        gboolean touched = rect.width > 0 && rect.height > 0 &&
                           MAX(rect.x, column * 64) < MIN(right, column * 64 + 64) &&
                           MAX(rect.y, row * 64) < MIN(bottom, row * 64 + 64);
        g_assert_cmpint(damage_get(&damage, column, row), ==, touched);
      }
    }
  }
}

/* Numbers that wrap round must not mark what they do not touch, nor write outside. */
static void test_rect_hostile(void) {
  static const Rect RECTS[] = {
      {G_MAXUINT, 0, 1, 1},
      {0, G_MAXUINT, 1, 1},
      {0, 0, 0, 10},
      {10, 10, 0, 0},
      {640, 0, 1, 1},
      {0, 480, 1, 1},
      {G_MAXUINT - 5, 0, 10, 10},
      {0, 0, G_MAXUINT, 0},
      {0x80000000u, 0, 0x80000001u, 1},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(RECTS); i++) {
    Damage damage;
    damage_init(&damage, 640, 480);
    damage_set_rect(&damage, &RECTS[i]);
    g_assert_true(damage_is_empty(&damage));
  }
}

static void test_union(void) {
  Damage a, b;
  damage_init(&a, 8192, 4320);
  damage_init(&b, 8192, 4320);
  damage_set(&a, 0, 0);
  damage_set(&a, 63, 5);
  damage_set(&b, 64, 5);
  damage_set(&b, 127, 67);
  damage_union(&a, &b);
  g_assert_cmpuint(damage_count(&a), ==, 4);
  g_assert_true(damage_get(&a, 64, 5));
  g_assert_true(damage_get(&a, 127, 67));
  g_assert_true(damage_get(&a, 0, 0));
  g_assert_cmpuint(damage_count(&b), ==, 2);
}

/* The rectangles cover the damaged tiles exactly, without overlap. */
static void check_cover(const Damage *damage, const Rect *rects, guint count) {
  Damage again;
  damage_init(&again, damage->width, damage->height);
  gsize area = 0, expected = 0;
  for (guint i = 0; i < count; i++) {
    g_assert_cmpuint(rects[i].x + rects[i].width, <=, damage->width);
    g_assert_cmpuint(rects[i].y + rects[i].height, <=, damage->height);
    damage_set_rect(&again, &rects[i]);
    area += (gsize)rects[i].width * rects[i].height;
  }
  for (guint row = 0; row < damage->rows; row++) {
    for (guint column = 0; column < damage->columns; column++) {
      g_assert_cmpint(damage_get(damage, column, row), ==, damage_get(&again, column, row));
      Rect tile = damage_tile_rect(damage, column, row);
      if (damage_get(damage, column, row)) expected += (gsize)tile.width * tile.height;
    }
  }
  g_assert_cmpuint(area, ==, expected);
}

static void test_rects_cover(void) {
  for (guint round = 0; round < 500; round++) {
    Damage damage;
    damage_init(&damage, (guint)g_test_rand_int_range(1, 900), (guint)g_test_rand_int_range(1, 900));
    guint marks = (guint)g_test_rand_int_range(0, 40);
    for (guint i = 0; i < marks; i++) {
      damage_set(&damage, (guint)g_test_rand_int_range(0, (gint)damage.columns),
                 (guint)g_test_rand_int_range(0, (gint)damage.rows));
    }
    Rect rects[256];
    guint count = damage_to_rects(&damage, rects, G_N_ELEMENTS(rects));
    check_cover(&damage, rects, count);
    g_assert_cmpint(count == 0, ==, damage_is_empty(&damage));
  }
}

static void test_rects_join(void) {
  Damage damage;
  Rect rects[4];
  damage_init(&damage, 1000, 1000);
  damage_set_rect(&damage, &(Rect){64, 64, 256, 192});
  g_assert_cmpuint(damage_to_rects(&damage, rects, 4), ==, 1);
  g_assert_cmpmem(&rects[0], sizeof(Rect), &((Rect){64, 64, 256, 192}), sizeof(Rect));
  damage_set_all(&damage);
  g_assert_cmpuint(damage_to_rects(&damage, rects, 4), ==, 1);
  g_assert_cmpmem(&rects[0], sizeof(Rect), &((Rect){0, 0, 1000, 1000}), sizeof(Rect));
}

/* More than fit become the one around all of them, those before and those after the overflow; nothing is written past.
 */
static void test_rects_overflow(void) {
  Damage damage;
  Rect rects[4];
  const Rect canary = {1, 2, 3, 4};
  damage_init(&damage, 1000, 1000);
  for (guint i = 0; i < 5; i++) damage_set(&damage, 2 + 2 * i, 3 + i);
  for (guint max = 1; max < 5; max++) {
    for (guint i = 0; i < 4; i++) rects[i] = canary;
    g_assert_cmpuint(damage_to_rects(&damage, rects, max - (max == 4)), ==, 1);
    g_assert_cmpmem(&rects[0], sizeof(Rect), &((Rect){128, 192, 576, 320}), sizeof(Rect));
    g_assert_cmpmem(&rects[3], sizeof(Rect), &canary, sizeof(Rect));
  }
}

static void test_rect_clip(void) {
  Rect out;
  g_assert_true(rect_clip(-10, -10, 20, 30, 640, 480, &out));
  g_assert_cmpmem(&out, sizeof out, &((Rect){0, 0, 10, 20}), sizeof out);
  g_assert_true(rect_clip(630, 470, 100, 100, 640, 480, &out));
  g_assert_cmpmem(&out, sizeof out, &((Rect){630, 470, 10, 10}), sizeof out);
  g_assert_true(rect_clip(0, 0, G_MAXINT32, G_MAXINT32, 640, 480, &out));
  g_assert_cmpmem(&out, sizeof out, &((Rect){0, 0, 640, 480}), sizeof out);
  static const gint64 NOTHING[][4] = {
      {-10, 0, 10, 10},
      {0, -10, 10, 10},
      {640, 0, 1, 1},
      {0, 480, 1, 1},
      {0, 0, 0, 1},
      {0, 0, 1, 0},
      {0, 0, -1, 1},
      {G_MININT64, 0, 10, 10},
      {0, G_MININT64, G_MAXINT64, 1},
      {G_MAXINT64, G_MAXINT64, G_MAXINT64, G_MAXINT64},
      {G_MININT64, G_MININT64, G_MAXINT64, G_MAXINT64},
      {0, 0, G_MAXINT64, 1},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(NOTHING); i++) {
    const gint64 *n = NOTHING[i];
    g_assert_false(rect_clip(n[0], n[1], n[2], n[3], 640, 480, &out));
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/damage/grid", test_grid);
  g_test_add_func("/damage/rect-against-definition", test_rect_against_definition);
  g_test_add_func("/damage/rect-hostile", test_rect_hostile);
  g_test_add_func("/damage/union", test_union);
  g_test_add_func("/damage/rects-cover", test_rects_cover);
  g_test_add_func("/damage/rects-join", test_rects_join);
  g_test_add_func("/damage/rects-overflow", test_rects_overflow);
  g_test_add_func("/frame/rect-clip", test_rect_clip);
  return g_test_run();
}
