/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/unit-maker.h"

#include "tests/unit/guest-gst/fake-unit.h"
#include "tests/unit/support/support.h"

static AccessUnit *make(UnitMaker *maker, const GByteArray *like, gint64 flush_us, gint64 now_us) {
  return unit_maker_make(maker, like->data, like->len, flush_us, now_us);
}

static void test_begins_with_an_idr(void) {
  UnitMaker maker = {0};
  g_autoptr(GByteArray) key = fake_unit_make(TRUE, 802, 600, 1);
  g_autoptr(GByteArray) plain = fake_unit_make(FALSE, 802, 600, 2);
  g_assert_null(make(&maker, plain, 1000, 2000));
  g_autoptr(AccessUnit) first = make(&maker, key, 3000, 4000);
  g_assert_nonnull(first);
  g_assert_true(first->info.is_key);
  g_assert_cmpuint(first->info.width, ==, 802);
  g_assert_cmpuint(first->info.height, ==, 600);
  g_assert_cmpmem(first->data, first->size, key->data, key->len);
  g_assert_cmpint(first->info.flush_us, ==, 3000);
  g_assert_cmpint(first->info.encoded_us, ==, 4000);
  g_autoptr(AccessUnit) second = make(&maker, plain, 5000, 6000);
  g_assert_nonnull(second);
  g_assert_false(second->info.is_key);
  g_assert_cmpuint(second->info.width, ==, first->info.width);
}

/* Timestamps of a pipeline may stand still, go back, or be in the future. */
static void test_time_goes_on(void) {
  UnitMaker maker = {0};
  g_autoptr(GByteArray) key = fake_unit_make(TRUE, 802, 600, 1);
  static const gint64 FLUSH[] = {1000, 1000, 500, 99999, -5};
  gint64 last = 0;
  for (guint i = 0; i < G_N_ELEMENTS(FLUSH); i++) {
    g_autoptr(AccessUnit) unit = make(&maker, key, FLUSH[i], 2000 + i);
    g_assert_cmpint(unit->info.flush_us, >, last);
    g_assert_cmpint(unit->info.flush_us, <=, 2000 + (gint64)i + 1);
    last = unit->info.flush_us;
  }
}

static AccessUnit *make_hex(UnitMaker *maker, const char *hex) {
  g_autoptr(GBytes) bytes = support_hex(hex);
  gsize size;
  const guint8 *data = g_bytes_get_data(bytes, &size);
  return unit_maker_make(maker, data, size, 1, 2);
}

/* An IDR alone, one without PPS, one whose SPS is cut short, parameter sets alone, and no H.264 at all. */
static void test_what_is_no_beginning(void) {
  static const char *CASES[] = {
      "00000001 65 88 84 00 10",
      "00000001 67 42 c0 1e 00000001 68 ce 3c 80 00000001 65 88 84 00 10",
      "00000001 68 ce 3c 80 00000001 65 88 84 00 10",
      "00000001 68 ce 3c 80",
      "47 45 54 20 2f 20 48 54 54 50",
      "",
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    UnitMaker maker = {0};
    g_assert_null(make_hex(&maker, CASES[i]));
    g_assert_false(maker.begun);
  }
}

/* Every beginning of a good one, and every one with a byte that is wrong: nothing crashes, nothing empty comes out. */
static void test_cut_and_broken(void) {
  g_autoptr(GByteArray) key = fake_unit_make(TRUE, 640, 480, 1);
  for (gsize i = 0; i < key->len; i++) {
    UnitMaker maker = {0};
    g_autoptr(AccessUnit) cut = unit_maker_make(&maker, key->data, i, 1, 2);
    g_autofree guint8 *broken = g_memdup2(key->data, key->len);
    broken[i] ^= 0xff;
    maker = (UnitMaker){0};
    g_autoptr(AccessUnit) unit = unit_maker_make(&maker, broken, key->len, 1, 2);
    if (unit) g_assert_true(unit->info.width > 0 && unit->info.height > 0);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/unit-maker/begins-with-an-idr-F08", test_begins_with_an_idr);
  g_test_add_func("/unit-maker/time-goes-on", test_time_goes_on);
  g_test_add_func("/unit-maker/what-is-no-beginning-F15", test_what_is_no_beginning);
  g_test_add_func("/unit-maker/cut-and-broken", test_cut_and_broken);
  return g_test_run();
}
