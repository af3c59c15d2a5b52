/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/annexb.h"

#include "tests/unit/support/support.h"

#include <string.h>

typedef struct {
  const char *stream;
  const char *nals;    /* the NALs, a blank between */
  const char *entries; /* and with their start codes */
} Case;

static const Case CASES[] = {
    {"", "", ""},
    {"00", "", ""},
    {"000001", "", ""},
    {"00000001", "", ""},
    {"6742", "", ""},               /* no start code at all */
    {"00000167", "67", "00000167"}, /* the shortest */
    {"0000000167", "67", "0000000167"},
    {"000001674200000165aabb", "6742 65aabb", "0000016742 00000165aabb"},
    {"00000001674200000165aabb", "6742 65aabb", "000000016742 00000165aabb"},
    {"000000016742000000000165aabb", "6742 65aabb",
     "000000016742 0000000165aabb"}, /* a trailing zero between is nobody's */
    {"00000001674200000001000165", "6742 000165", "000000016742 00000001000165"}, /* begins with a zero byte */
    {"ffee00000165", "65", "00000165"},                                           /* garbage before */
    {"0000016500000000", "65", "00000165"},                                       /* trailing zeros */
    {"00000100000100000165", "65", "00000165"},                                   /* empty NALs */
    {"00000165000003000001", "65000003", "00000165000003"}, /* an emulation prevention byte is data; then nothing */
    {"000001650001000001410001", "650001 410001", "000001650001 000001410001"},
    {"0000016500000141", "65 41", "00000165 00000141"},
    {"00000000000000000165", "65", "0000000165"},
    {"0000010101010000010102", "010101 0102", "000001010101 0000010102"},
};

static GString *walk(const guint8 *data, gsize size, gboolean entries) {
  AnnexbIterator iterator;
  Nal nal;
  GString *out = g_string_new(NULL);
  annexb_init(&iterator, data, size);
  while (annexb_next(&iterator, &nal)) {
    if (out->len > 0) g_string_append_c(out, ' ');
    const guint8 *bytes = entries ? nal.entry : nal.data;
    for (gsize i = 0; i < (entries ? nal.entry_size : nal.size); i++) g_string_append_printf(out, "%02x", bytes[i]);
  }
  return out;
}

static void test_cases(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(CASES); i++) {
    g_autoptr(GBytes) stream = support_hex(CASES[i].stream);
    gsize size;
    const guint8 *data = g_bytes_get_data(stream, &size);
    g_autofree guint8 *exact = g_memdup2(size ? data : (const guint8 *)"", MAX(size, 1));
    g_autoptr(GString) nals = walk(exact, size, FALSE);
    g_autoptr(GString) entries = walk(exact, size, TRUE);
    g_assert_cmpstr(nals->str, ==, CASES[i].nals);
    g_assert_cmpstr(entries->str, ==, CASES[i].entries);
  }
}

/* The same by the definition, slowly: 00 00 01 begins a NAL, the next 00 00 01 or the end ends it, zeros at its end are
 * not its own. */
static GString *walk_slowly(const guint8 *data, gsize size) {
  GString *out = g_string_new(NULL);
  for (gsize i = 0; i + 3 <= size; i++) {
    if (data[i] || data[i + 1] || data[i + 2] != 1) continue;
    gsize begin = i + 3, end = begin;
    while (end < size && !(end + 3 <= size && !data[end] && !data[end + 1] && data[end + 2] == 1)) end++;
    while (end > begin && data[end - 1] == 0) end--;
    if (end == begin) continue;
    if (out->len > 0) g_string_append_c(out, ' ');
    for (gsize k = begin; k < end; k++) g_string_append_printf(out, "%02x", data[k]);
  }
  return out;
}

/* Every string of up to nine bytes out of {0, 1, 2}: every arrangement of start codes there is. */
static void test_every_arrangement(void) {
  for (gsize size = 0; size <= 9; size++) {
    guint count = 1;
    for (gsize i = 0; i < size; i++) count *= 3;
    for (guint number = 0; number < count; number++) {
      guint8 data[9];
      guint rest = number;
      for (gsize i = 0; i < size; i++, rest /= 3) data[i] = (guint8)(rest % 3);
      g_autoptr(GString) fast = walk(data, size, FALSE);
      g_autoptr(GString) slow = walk_slowly(data, size);
      if (!g_str_equal(fast->str, slow->str))
        g_error("number %u of %zu bytes: %s, not %s", number, size, fast->str, slow->str);
    }
  }
}

/* Concatenated entries give the same NALs again: what FRAME_RESPONSE relies on (rule 5). */
static void test_entries_concatenate(void) {
  for (guint round = 0; round < 3000; round++) {
    guint8 data[64], again[64];
    gsize size = (gsize)g_test_rand_int_range(0, sizeof data + 1), again_size = 0;
    for (gsize i = 0; i < size; i++) {
      gint value = g_test_rand_int_range(-3, 3);
      data[i] = (guint8)MAX(value, 0);
    }
    AnnexbIterator iterator;
    Nal nal;
    annexb_init(&iterator, data, size);
    while (annexb_next(&iterator, &nal)) {
      g_assert_cmpuint(nal.size, >=, 1);
      g_assert_true(nal.entry >= data && nal.entry + nal.entry_size <= data + size);
      memcpy(again + again_size, nal.entry, nal.entry_size);
      again_size += nal.entry_size;
    }
    g_autoptr(GString) one = walk(data, size, FALSE);
    g_autoptr(GString) two = walk(again, again_size, FALSE);
    g_assert_cmpstr(one->str, ==, two->str);
  }
}

/* Time grows with the size and not with its square: 16 MB of what is worst for a search. */
static void test_linear(void) {
  static const char *const PATTERNS[] = {"00", "01", "0001", "000001", "00000100", "0000010000"};
  const gsize size = 16 << 20;
  g_autofree guint8 *data = g_malloc(size);
  for (gsize i = 0; i < G_N_ELEMENTS(PATTERNS); i++) {
    g_autoptr(GBytes) pattern = support_hex(PATTERNS[i]);
    gsize length;
    const guint8 *bytes = g_bytes_get_data(pattern, &length);
    for (gsize k = 0; k < size; k++) data[k] = bytes[k % length];
    gint64 begun = g_get_monotonic_time();
    AnnexbIterator iterator;
    Nal nal;
    annexb_init(&iterator, data, size);
    while (annexb_next(&iterator, &nal)) {
    }
    g_assert_cmpint(g_get_monotonic_time() - begun, <, 10 * G_USEC_PER_SEC);
  }
}

typedef struct {
  const char *nal;
  const char *rbsp;
} RbspCase;

static void test_rbsp(void) {
  static const RbspCase CASES_RBSP[] = {
      {"67", ""},
      {"6700000301", "000001"},
      {"6700000300000303", "0000000003"},
      {"67000003", "0000"},
      {"6700030003", "00030003"},
      {"670000000301", "00000001"},
      {"6703030303", "03030303"},
      {"67000003000003", "00000000"},
  };
  for (gsize i = 0; i < G_N_ELEMENTS(CASES_RBSP); i++) {
    g_autoptr(GBytes) bytes = support_hex(CASES_RBSP[i].nal);
    g_autoptr(GBytes) expected = support_hex(CASES_RBSP[i].rbsp);
    Nal nal = {0};
    nal.data = g_bytes_get_data(bytes, &nal.size);
    g_autofree guint8 *out = g_malloc(nal.size);
    gsize size = nal_to_rbsp(&nal, out);
    gsize expected_size;
    const void *expected_data = g_bytes_get_data(expected, &expected_size);
    g_assert_cmpmem(out, size, expected_data, expected_size);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/annexb/cases", test_cases);
  g_test_add_func("/annexb/every-arrangement", test_every_arrangement);
  g_test_add_func("/annexb/entries-concatenate", test_entries_concatenate);
  g_test_add_func("/annexb/linear", test_linear);
  g_test_add_func("/annexb/rbsp", test_rbsp);
  return g_test_run();
}
