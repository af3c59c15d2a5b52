/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/access-unit.h"

#include "common/wire/hxfr-v2.h"

#include <pthread.h>
#include <string.h>

static void test_layout(void) {
  const Rect rects[] = {{1, 2, 3, 4}, {8191, 4319, 1, 1}};
  AccessUnitInfo info = {.is_key = TRUE, .width = 8192, .height = 4320, .qp = 30};
  g_autoptr(AccessUnit) unit = access_unit_create(&info, rects, 2, "\0\0\1\x65zz", 6);
  g_assert_nonnull(unit);
  g_assert_cmpuint(unit->rect_count, ==, 2);
  g_assert_cmpuint(unit->body_size, ==, 2 * 8 + 6);
  g_assert_true(unit->body == unit->memory + ACCESS_UNIT_ROOM);
  g_assert_true(unit->data == unit->body + 16);
  g_assert_cmpmem(unit->data, unit->size, "\0\0\1\x65zz", 6);
  g_assert_cmpuint(unit->info.qp, ==, 30);

  /* the rectangles as UNIT has them */
  ByteReader reader;
  byte_reader_init(&reader, unit->body, 16);
  for (guint i = 0; i < 2; i++) {
    Rect rect;
    g_assert_true(hxfr_rect_parse(&reader, &rect));
    g_assert_cmpmem(&rect, sizeof rect, &rects[i], sizeof rect);
  }
  memset(unit->memory, 0xaa, ACCESS_UNIT_ROOM); /* the room is there */
}

static void test_most_rects(void) {
  Rect rects[ACCESS_UNIT_MAX_RECTS] = {{0}};
  AccessUnitInfo info = {0};
  g_autoptr(AccessUnit) unit = access_unit_create(&info, rects, ACCESS_UNIT_MAX_RECTS, "x", 1);
  g_assert_cmpuint(unit->rect_count, ==, ACCESS_UNIT_MAX_RECTS);
  g_assert_cmpuint(unit->body_size, ==, ACCESS_UNIT_MAX_RECTS * 8 + 1);
}

/* A sanitizer's malloc would else end the program where there is no memory, instead of saying so. */
const char *__asan_default_options(void);
const char *__tsan_default_options(void);

__attribute__((visibility("default"))) const char *__asan_default_options(void) {
  return "allocator_may_return_null=1";
}

__attribute__((visibility("default"))) const char *__tsan_default_options(void) {
  return "allocator_may_return_null=1";
}

/* A size that nobody has is no abort. */
static void test_no_memory(void) {
  AccessUnitInfo info = {0};
  g_assert_null(access_unit_create(&info, NULL, 0, "x", G_MAXSIZE));
  g_assert_null(access_unit_create(&info, NULL, 0, "x", G_MAXSIZE - ACCESS_UNIT_ROOM));
}

static void *ref_and_unref(void *data) {
  for (guint i = 0; i < 20000; i++) access_unit_unref(access_unit_ref(data));
  access_unit_unref(data);
  return NULL;
}

/* Freed once, after the last of several threads: AddressSanitizer and LeakSanitizer are the judges. */
static void test_references(void) {
  AccessUnitInfo info = {0};
  AccessUnit *unit = access_unit_create(&info, NULL, 0, "x", 1);
  pthread_t threads[4];
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
    pthread_create(&threads[i], NULL, ref_and_unref, access_unit_ref(unit));
  }
  for (guint i = 0; i < G_N_ELEMENTS(threads); i++) pthread_join(threads[i], NULL);
  g_assert_cmpint(unit->refs, ==, 1);
  access_unit_unref(unit);
  access_unit_unref(NULL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/access-unit/layout", test_layout);
  g_test_add_func("/access-unit/most-rects", test_most_rects);
  g_test_add_func("/access-unit/no-memory", test_no_memory);
  g_test_add_func("/access-unit/references", test_references);
  return g_test_run();
}
