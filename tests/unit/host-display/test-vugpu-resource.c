/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/resource.h"

#include "common/base/stats.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES 64u
#define BASE 0x100000u
#define BGRX 2u
#define XRGB 4u
#define FORMAT_OF_NOBODY 5u

typedef struct {
  GuestMemory memory;
  ResourceTable table;
  guint8 *bytes;
} Fixture;

/* Pages of memory, each full of its number; two regions of one file, so that a backing can cross. */
static void set_up(Fixture *f, gconstpointer data) {
  int fd = memfd_create("guest", MFD_CLOEXEC);
  g_assert_no_errno(ftruncate(fd, PAGES * PAGE));
  gsize half = PAGES / 2 * PAGE;
  const GuestMemoryRegion regions[] = {
      {.guest = BASE, .size = half, .user = 0, .fd = fd},
      {.guest = BASE + half, .size = half, .user = half, .offset = half, .fd = dup(fd)},
  };
  g_assert_true(guest_memory_set(&f->memory, regions, 2, NULL));
  f->bytes = f->memory.regions[1].map;
  for (guint i = 0; i < PAGES; i++) memset(f->bytes + i * PAGE, (int)i, PAGE);
  resource_table_init(&f->table);
}

static void tear_down(Fixture *f, gconstpointer data) {
  resource_table_finish(&f->table);
  g_assert_cmpuint(f->table.maps_left, ==, BACKING_MAX_MAPS);
  guest_memory_clear(&f->memory);
}

static Resource *make(Fixture *f, guint32 id, guint32 format, guint width, guint height) {
  g_assert_cmpint(resource_table_create(&f->table, id, format, width, height), ==, RESOURCE_OK);
  return resource_table_find(&f->table, id);
}

typedef struct {
  guint64 guest;
  guint32 size;
} Part;

static void attach(Fixture *f, Resource *resource, const Part *parts, guint count) {
  Backing *backing = backing_create(count);
  for (guint i = 0; i < count; i++) g_assert_true(backing_add(backing, &f->memory, parts[i].guest, parts[i].size));
  g_assert_cmpint(resource_attach(&f->table, resource, backing), ==, RESOURCE_OK);
}

static Frame frame_of(Fixture *f, Resource *resource) {
  Frame frame;
  Rect all = {0, 0, resource->width, resource->height};
  g_assert_true(resource_frame(&f->table, resource, &f->memory, &all, &frame));
  return frame;
}

/* Rows of exactly a page. */
static void test_view(Fixture *f, gconstpointer data) {
  const Part parts[] = {{BASE + 9 * PAGE, 2 * PAGE}, {BASE + 3 * PAGE, PAGE}, {BASE + 31 * PAGE, 2 * PAGE}};
  const guint8 expected[] = {9, 10, 3, 31, 32, 0}; /* the last has no backing */
  Resource *resource = make(f, 1, BGRX, 1024, 6);
  attach(f, resource, parts, G_N_ELEMENTS(parts));
  Frame frame = frame_of(f, resource);
  g_assert_null(resource->own);
  g_assert_cmpuint(frame.format, ==, PIXEL_FORMAT_XRGB8888);
  g_assert_cmpuint(frame.stride, ==, PAGE);
  for (guint row = 0; row < 6; row++) {
    g_assert_cmpuint(frame.data[row * PAGE], ==, expected[row]);
    g_assert_cmpuint(frame.data[row * PAGE + PAGE - 1], ==, expected[row]);
  }
  f->bytes[3 * PAGE + 7] = 77; /* it is the guest's memory, not a copy */
  g_assert_cmpuint(frame.data[2 * PAGE + 7], ==, 77);
  Rect part = {5, 2, 10, 3};
  g_assert_true(resource_frame(&f->table, resource, &f->memory, &part, &frame));
  g_assert_cmpuint(frame.width, ==, 10);
  g_assert_cmpuint(frame.data[0], ==, 3);
}

static void test_unaligned_is_copied(Fixture *f, gconstpointer data) {
  const Part parts[] = {{BASE + 9 * PAGE + 16, PAGE}, {BASE + 20 * PAGE, 3 * PAGE}};
  Resource *resource = make(f, 1, BGRX, 1024, 4);
  gint64 before = stats_get(stats_counter("vugpu.copied-backings"));
  attach(f, resource, parts, 2);
  Frame frame = frame_of(f, resource);
  g_assert_true(frame.data == resource->own);
  g_assert_cmpint(stats_get(stats_counter("vugpu.copied-backings")), ==, before + 1);
  g_assert_cmpuint(frame.data[PAGE - 17], ==, 9);
  g_assert_cmpuint(frame.data[PAGE - 16], ==, 10);
  g_assert_cmpuint(frame.data[PAGE], ==, 20);
  f->bytes[20 * PAGE] = 99;
  g_assert_cmpuint(frame.data[PAGE], ==, 20); /* until the guest transfers it */
  Rect row = {0, 1, 1024, 1};
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &row, PAGE), ==, RESOURCE_OK);
  g_assert_cmpuint(frame.data[PAGE], ==, 99);
}

static void test_short_segments_are_copied(Fixture *f, gconstpointer data) {
  Part parts[64];
  for (guint i = 0; i < 64; i++) parts[i] = (Part){BASE + i * PAGE, 64};
  Resource *resource = make(f, 1, BGRX, 16, 64);
  attach(f, resource, parts, 64);
  Frame frame = frame_of(f, resource);
  for (guint i = 0; i < 64; i++) g_assert_cmpuint(frame.data[i * 64 + 63], ==, i);
}

static void test_no_maps_left(Fixture *f, gconstpointer data) {
  const Part parts[] = {{BASE + 9 * PAGE, PAGE}, {BASE, PAGE}};
  Resource *resource = make(f, 1, BGRX, 1024, 2);
  attach(f, resource, parts, 2);
  f->table.maps_left = 1;
  Frame frame = frame_of(f, resource);
  g_assert_true(frame.data == resource->own);
  g_assert_cmpuint(frame.data[0], ==, 9);
  g_assert_cmpuint(f->table.maps_left, ==, 1);
  f->table.maps_left = BACKING_MAX_MAPS;
}

/* A guest may have one staging buffer for many places. */
static void test_transfer_from_elsewhere(Fixture *f, gconstpointer data) {
  Resource *resource = make(f, 1, BGRX, 1024, 4);
  attach(f, resource, &(Part){BASE, 4 * PAGE}, 1);
  Rect last = {0, 3, 1024, 1};
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &last, 3 * PAGE), ==, RESOURCE_OK);
  g_assert_null(resource->own);
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &last, PAGE), ==, RESOURCE_OK);
  g_assert_cmpuint(frame_of(f, resource).data[3 * PAGE], ==, 1);
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &last, G_MAXUINT64), ==, RESOURCE_OK);
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &last, 4 * PAGE - 1), ==, RESOURCE_OK);
  g_assert_cmpuint(frame_of(f, resource).data[3 * PAGE], ==, 3);
  g_assert_cmpuint(frame_of(f, resource).data[3 * PAGE + 1], ==, 1); /* the backing ended */
}

typedef struct {
  guint32 format;
  PixelFormat pixel_format;
  const char *pixel; /* of the guest's bytes 1 2 3 4 */
} Format;

static void test_formats(Fixture *f, gconstpointer data) {
  static const Format FORMATS[] = {
      {1, PIXEL_FORMAT_ARGB8888, "\1\2\3\4"},   {2, PIXEL_FORMAT_XRGB8888, "\1\2\3\4"},
      {3, PIXEL_FORMAT_ARGB8888, "\4\3\2\1"},   {4, PIXEL_FORMAT_XRGB8888, "\4\3\2\1"},
      {67, PIXEL_FORMAT_ABGR8888, "\1\2\3\4"},  {68, PIXEL_FORMAT_XBGR8888, "\4\3\2\1"},
      {121, PIXEL_FORMAT_ABGR8888, "\4\3\2\1"}, {134, PIXEL_FORMAT_XBGR8888, "\1\2\3\4"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(FORMATS); i++) {
    Resource *resource = make(f, i + 1, FORMATS[i].format, 1024, 2);
    attach(f, resource, &(Part){BASE, 2 * PAGE}, 1);
    memcpy(f->bytes + PAGE + 40, "\1\2\3\4", 4);
    Rect all = {0, 0, 1024, 2};
    g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &all, 0), ==, RESOURCE_OK);
    Frame frame = frame_of(f, resource);
    g_assert_cmpuint(frame.format, ==, FORMATS[i].pixel_format);
    g_assert_cmpmem(frame.data + PAGE + 40, 4, FORMATS[i].pixel, 4);
  }
}

static void test_refusals(Fixture *f, gconstpointer data) {
  make(f, 7, BGRX, 1, 1);
  g_assert_cmpint(resource_table_create(&f->table, 0, BGRX, 1, 1), ==, RESOURCE_BAD_ID);
  g_assert_cmpint(resource_table_create(&f->table, 7, BGRX, 1, 1), ==, RESOURCE_BAD_ID);
  g_assert_cmpint(resource_table_create(&f->table, 8, FORMAT_OF_NOBODY, 1, 1), ==, RESOURCE_BAD_PARAMETER);
  g_assert_cmpint(resource_table_create(&f->table, 8, BGRX, 0, 1), ==, RESOURCE_BAD_PARAMETER);
  g_assert_cmpint(resource_table_create(&f->table, 8, BGRX, 1, 0), ==, RESOURCE_BAD_PARAMETER);
  g_assert_cmpint(resource_table_create(&f->table, 8, BGRX, RESOURCE_MAX_SIDE + 1, 1), ==, RESOURCE_BAD_PARAMETER);
  g_assert_cmpint(resource_table_create(&f->table, 8, BGRX, 0xffffffff, 0xffffffff), ==, RESOURCE_BAD_PARAMETER);
  Resource *resource = resource_table_find(&f->table, 7);
  Rect all = {0, 0, 1, 1};
  Frame frame;
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &all, 0), ==, RESOURCE_REFUSED);
  g_assert_cmpint(resource_detach(&f->table, resource), ==, RESOURCE_REFUSED);
  g_assert_false(resource_frame(&f->table, resource, &f->memory, &all, &frame));
}

static void test_count_limit(Fixture *f, gconstpointer data) {
  for (guint i = 1; i <= RESOURCE_MAX_COUNT; i++) make(f, i * 0x400001u, BGRX, 1, 1);
  g_assert_cmpint(resource_table_create(&f->table, 5, BGRX, 1, 1), ==, RESOURCE_NO_MEMORY);
  resource_table_remove(&f->table, resource_table_find(&f->table, 0x400001u));
  g_assert_cmpint(resource_table_create(&f->table, 5, BGRX, 1, 1), ==, RESOURCE_OK);
  resource_table_clear(&f->table);
  g_assert_cmpuint(resource_table_count(&f->table), ==, 0);
}

static void test_bytes_limit(Fixture *f, gconstpointer data) {
  make(f, 1, BGRX, RESOURCE_MAX_SIDE, RESOURCE_MAX_SIDE - 1);
  make(f, 2, BGRX, RESOURCE_MAX_SIDE - 1, 1);
  g_assert_cmpint(resource_table_create(&f->table, 3, BGRX, 2, 1), ==, RESOURCE_NO_MEMORY);
  g_assert_cmpint(resource_table_create(&f->table, 3, BGRX, 1, 1), ==, RESOURCE_OK);
  g_assert_cmpuint(f->table.bytes, ==, RESOURCE_MAX_BYTES);
  resource_table_clear(&f->table);
  g_assert_cmpuint(f->table.bytes, ==, 0);
}

/* Formats that are converted have memory of the host's; what others already have leaves no room here. */
static void test_own_limit(Fixture *f, gconstpointer data) {
  Rect pixel = {0, 0, 1, 1};
  Resource *resource = make(f, 1, XRGB, 1024, 2);
  attach(f, resource, &(Part){BASE, PAGE}, 1);
  f->table.own_bytes = RESOURCE_MAX_OWN_BYTES - 2 * PAGE + 1;
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &pixel, 0), ==, RESOURCE_NO_MEMORY);
  f->table.own_bytes--;
  g_assert_cmpint(resource_transfer(&f->table, resource, &f->memory, &pixel, 0), ==, RESOURCE_OK);
  g_assert_cmpuint(f->table.own_bytes, ==, RESOURCE_MAX_OWN_BYTES);
  resource_table_remove(&f->table, resource);
  g_assert_cmpuint(f->table.own_bytes, ==, RESOURCE_MAX_OWN_BYTES - 2 * PAGE);
}

static void test_outside_memory(Fixture *f, gconstpointer data) {
  Backing *backing = backing_create(4);
  g_assert_false(backing_add(backing, &f->memory, 0, PAGE));
  g_assert_false(backing_add(backing, &f->memory, BASE + (PAGES - 1) * PAGE, PAGE + 1));
  g_assert_false(backing_add(backing, &f->memory, G_MAXUINT64, 2));
  g_assert_true(backing_add(backing, &f->memory, BASE + (PAGES - 1) * PAGE, PAGE));
  backing_destroy(backing, &f->table.maps_left);
  g_assert_nonnull((backing = backing_create(BACKING_MAX_SEGMENTS)));
  backing_destroy(backing, &f->table.maps_left);
}

/* QEMU replaces the table of memory while the guest runs. */
static void test_memory_replaced(Fixture *f, gconstpointer data) {
  Resource *kept = make(f, 1, BGRX, 1024, 2), *lost = make(f, 2, BGRX, 1024, 2);
  attach(f, kept, &(Part){BASE, 2 * PAGE}, 1);
  attach(f, lost, &(Part){BASE + 40 * PAGE, 2 * PAGE}, 1);
  frame_of(f, kept);
  frame_of(f, lost);
  GuestMemoryRegion half = {.guest = BASE, .size = 8 * PAGE, .user = 0, .fd = dup(f->memory.regions[0].fd)};
  g_assert_true(guest_memory_set(&f->memory, &half, 1, NULL));
  resource_table_memory_changed(&f->table, &f->memory);
  g_assert_cmpuint(frame_of(f, kept).data[PAGE], ==, 1);
  g_assert_null(lost->backing);
}

static void test_rect_list(void) {
  RectList list = {0};
  rect_list_add(&list, &(Rect){5, 5, 0, 9});
  g_assert_cmpuint(list.count, ==, 0);
  rect_list_add(&list, &(Rect){10, 10, 5, 5});
  rect_list_add(&list, &(Rect){11, 11, 2, 2}); /* inside */
  g_assert_cmpuint(list.count, ==, 1);
  rect_list_add(&list, &(Rect){9, 9, 10, 10}); /* around */
  g_assert_cmpuint(list.count, ==, 1);
  for (guint i = 0; i < RECT_LIST_MAX; i++) rect_list_add(&list, &(Rect){100 + i * 10, i, 5, 5});
  g_assert_cmpuint(list.count, ==, 1);
  g_assert_cmpuint(list.rects[0].x, ==, 9);
  g_assert_cmpuint(list.rects[0].y, ==, 0);
  g_assert_cmpuint(list.rects[0].x + list.rects[0].width, ==, 100 + (RECT_LIST_MAX - 1) * 10 + 5);
  g_assert_cmpuint(list.rects[0].height, ==, 20);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/vugpu-resource/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("view", test_view);
  ADD("unaligned-is-copied", test_unaligned_is_copied);
  ADD("short-segments-are-copied", test_short_segments_are_copied);
  ADD("no-maps-left", test_no_maps_left);
  ADD("transfer-from-elsewhere", test_transfer_from_elsewhere);
  ADD("formats", test_formats);
  ADD("refusals", test_refusals);
  ADD("count-limit", test_count_limit);
  ADD("bytes-limit", test_bytes_limit);
  ADD("own-limit", test_own_limit);
  ADD("outside-memory", test_outside_memory);
  ADD("memory-replaced", test_memory_replaced);
  g_test_add_func("/vugpu-resource/rect-list", test_rect_list);
  return g_test_run();
}
