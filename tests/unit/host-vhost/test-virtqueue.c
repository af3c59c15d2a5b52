/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/virtqueue.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A driver that writes what it likes. Queue of 8; rings at fixed places of one region that begins at guest address
 * BASE. */
#define BASE 0x100000u
#define USER 0x7000000000u
#define MEMORY 0x10000u
#define SIZE 8u
#define DESCRIPTORS 0x0u
#define AVAILABLE 0x100u
#define USED 0x200u
#define INDIRECT 0x1000u
#define NEXT 1u
#define WRITE 2u
#define INDIRECT_FLAG 4u

typedef struct {
  GuestMemory memory;
  Virtqueue queue;
  VirtqueueElement element;
  guint8 *bytes;
  guint16 available;
} Fixture;

static void set_up(Fixture *f, gconstpointer data) {
  int fd = memfd_create("guest", MFD_CLOEXEC);
  g_assert_no_errno(ftruncate(fd, MEMORY));
  GuestMemoryRegion region = {.guest = BASE, .size = MEMORY, .user = USER, .fd = fd};
  g_assert_true(guest_memory_set(&f->memory, &region, 1, NULL));
  f->bytes = f->memory.regions[0].map;
  f->queue = (Virtqueue){.user_descriptors = USER + DESCRIPTORS,
                         .user_available = USER + AVAILABLE,
                         .user_used = USER + USED,
                         .event_index = TRUE};
  g_assert_true(virtqueue_set_size(&f->queue, SIZE));
  g_assert_true(virtqueue_start(&f->queue, &f->memory, NULL));
}

static void tear_down(Fixture *f, gconstpointer data) {
  guest_memory_clear(&f->memory);
}

static void put16(Fixture *f, guint at, guint16 value) {
  value = GUINT16_TO_LE(value);
  memcpy(f->bytes + at, &value, 2);
}

static guint16 get16(Fixture *f, guint at) {
  guint16 value;
  memcpy(&value, f->bytes + at, 2);
  return GUINT16_FROM_LE(value);
}

static void put_descriptor(Fixture *f, guint at, guint64 address, guint32 length, guint16 flags, guint16 next) {
  address = GUINT64_TO_LE(address);
  length = GUINT32_TO_LE(length);
  memcpy(f->bytes + at, &address, 8);
  memcpy(f->bytes + at + 8, &length, 4);
  put16(f, at + 12, flags);
  put16(f, at + 14, next);
}

static void describe(Fixture *f, guint index, guint64 address, guint32 length, guint16 flags, guint16 next) {
  put_descriptor(f, DESCRIPTORS + index * 16, address, length, flags, next);
}

static void offer(Fixture *f, guint16 head) {
  put16(f, AVAILABLE + 4 + (f->available % SIZE) * 2, head);
  put16(f, AVAILABLE + 2, ++f->available);
}

static VirtqueueTake take(Fixture *f) {
  return virtqueue_take(&f->queue, &f->element);
}

static void test_chain(Fixture *f, gconstpointer data) {
  char read[8] = "";
  describe(f, 3, BASE + 0x2000, 4, NEXT, 1);
  describe(f, 1, BASE + 0x3000, 2, NEXT, 6);
  describe(f, 6, BASE + 0x4000, 3, WRITE | NEXT, 7);
  describe(f, 7, BASE + 0x5000, 9, WRITE, 0);
  memcpy(f->bytes + 0x2000, "abcd", 4);
  memcpy(f->bytes + 0x3000, "ef", 2);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_EMPTY);
  offer(f, 3);
  g_assert_true(virtqueue_has_more(&f->queue));
  g_assert_cmpint(take(f), ==, VIRTQUEUE_CHAIN);
  g_assert_cmpuint(f->element.head, ==, 3);
  g_assert_cmpuint(f->element.out_size, ==, 6);
  g_assert_cmpuint(f->element.in_size, ==, 12);
  g_assert_cmpuint(virtqueue_element_read(&f->element, 0, read, 8), ==, 6);
  g_assert_cmpstr(read, ==, "abcdef");
  g_assert_cmpuint(virtqueue_element_read(&f->element, 3, read, 2), ==, 2);
  g_assert_cmpmem(read, 2, "de", 2);
  g_assert_cmpuint(virtqueue_element_read(&f->element, 6, read, 2), ==, 0);
  g_assert_cmpuint(virtqueue_element_write(&f->element, "123456", 6), ==, 6);
  g_assert_cmpmem(f->bytes + 0x4000, 3, "123", 3);
  g_assert_cmpmem(f->bytes + 0x5000, 3, "456", 3);
  g_assert_cmpuint(virtqueue_element_write(&f->element, "0123456789ABCDEF", 16), ==, 12);
  virtqueue_push(&f->queue, 3, 6);
  g_assert_cmpuint(get16(f, USED + 2), ==, 1);
  g_assert_cmpmem(f->bytes + USED + 4, 8, "\3\0\0\0\6\0\0\0", 8);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_EMPTY);
}

static void test_indirect(Fixture *f, gconstpointer data) {
  describe(f, 0, BASE + INDIRECT, 3 * 16, INDIRECT_FLAG, 0);
  put_descriptor(f, INDIRECT, BASE + 0x2000, 10, NEXT, 2);
  put_descriptor(f, INDIRECT + 32, BASE + 0x3000, 20, NEXT | WRITE, 1);
  put_descriptor(f, INDIRECT + 16, BASE + 0x4000, 30, WRITE, 0);
  offer(f, 0);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_CHAIN);
  g_assert_cmpuint(f->element.out_size, ==, 10);
  g_assert_cmpuint(f->element.in_size, ==, 50);
}

/* As many descriptors as may be, and one more. */
static void test_long_indirect(Fixture *f, gconstpointer data) {
  for (guint n = VIRTQUEUE_MAX_CHAIN; n <= VIRTQUEUE_MAX_CHAIN + 1; n++) {
    describe(f, 0, BASE + INDIRECT, n * 16, INDIRECT_FLAG, 0);
    for (guint i = 0; i < n; i++) {
      put_descriptor(f, INDIRECT + i * 16, BASE + 0x8000, 1, i + 1 < n ? NEXT : 0, (guint16)(i + 1));
    }
    offer(f, 0);
    g_assert_cmpint(take(f), ==, n == VIRTQUEUE_MAX_CHAIN ? VIRTQUEUE_CHAIN : VIRTQUEUE_MALFORMED);
  }
}

typedef struct {
  const char *name;
  guint64 address;
  guint32 length;
  guint16 flags;
  guint16 next;
} Lie;

/* In descriptor 0, before a good one in descriptor 1. */
static const Lie LIES[] = {
    {"loop of one", BASE + 0x2000, 4, NEXT, 0},
    {"loop of two", BASE + 0x2000, 4, NEXT, 2},
    {"next outside", BASE + 0x2000, 4, NEXT, SIZE},
    {"next far outside", BASE + 0x2000, 4, NEXT, 65535},
    {"address outside", 0x10, 4, 0, 0},
    {"address at the end", BASE + MEMORY, 1, 0, 0},
    {"length past the end", BASE + 0x2000, MEMORY, 0, 0},
    {"length of 4 GiB", BASE, 0xffffffff, WRITE, 0},
    {"address wraps", G_MAXUINT64, 2, 0, 0},
    {"readable after writable", BASE + 0x2000, 4, WRITE | NEXT, 1},
    {"indirect and next", BASE + INDIRECT, 16, INDIRECT_FLAG | NEXT, 1},
    {"indirect, part of a descriptor", BASE + INDIRECT, 17, INDIRECT_FLAG, 0},
    {"indirect, empty", BASE + INDIRECT, 0, INDIRECT_FLAG, 0},
    {"indirect, outside", 0, 16, INDIRECT_FLAG, 0},
    {"indirect, past the end", BASE + MEMORY - 8, 16, INDIRECT_FLAG, 0},
    {"indirect, wraps", G_MAXUINT64 - 7, 16, INDIRECT_FLAG, 0},
    {"indirect, endless", BASE, 0xfffffff0, INDIRECT_FLAG, 0},
    {"indirect in indirect", BASE + INDIRECT, 16, INDIRECT_FLAG, 0},
};

/* Each lie costs its own chain, and the next chain is served. */
static void test_lies(Fixture *f, gconstpointer data) {
  for (guint i = 0; i < G_N_ELEMENTS(LIES); i++) {
    const Lie *lie = &LIES[i];
    put_descriptor(f, INDIRECT, BASE + INDIRECT, 16, INDIRECT_FLAG, 0);
    describe(f, 0, lie->address, lie->length, lie->flags, lie->next);
    describe(f, 1, BASE + 0x2000, 4, 0, 0);
    describe(f, 2, BASE + 0x2000, 4, NEXT, 0);
    offer(f, 0);
    offer(f, 1);
    g_test_message("%s", lie->name);
    g_assert_cmpint(take(f), ==, VIRTQUEUE_MALFORMED);
    g_assert_cmpuint(f->element.head, ==, 0);
    virtqueue_push(&f->queue, 0, 0);
    g_assert_cmpint(take(f), ==, VIRTQUEUE_CHAIN);
    virtqueue_push(&f->queue, 1, 0);
  }
}

static void test_broken_head(Fixture *f, gconstpointer data) {
  offer(f, SIZE);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_BROKEN);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_EMPTY);
  g_assert_false(virtqueue_has_more(&f->queue));
  g_assert_false(virtqueue_rearm(&f->queue));
  /* the next start makes it whole */
  f->queue.next_available = f->available;
  g_assert_true(virtqueue_start(&f->queue, &f->memory, NULL));
  describe(f, 1, BASE + 0x2000, 4, 0, 0);
  offer(f, 1);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_CHAIN);
}

static void test_broken_index(Fixture *f, gconstpointer data) {
  put16(f, AVAILABLE + 2, SIZE + 1);
  g_assert_cmpint(take(f), ==, VIRTQUEUE_BROKEN);
}

static void test_wraps(Fixture *f, gconstpointer data) {
  describe(f, 5, BASE + 0x2000, 4, 0, 0);
  for (guint i = 0; i < 70000; i++) {
    offer(f, 5);
    g_assert_cmpint(take(f), ==, VIRTQUEUE_CHAIN);
    virtqueue_push(&f->queue, 5, 0);
  }
  g_assert_cmpuint(get16(f, USED + 2), ==, 70000 & 0xffff);
}

static void test_event_index(Fixture *f, gconstpointer data) {
  guint used_event = AVAILABLE + 4 + 2 * SIZE, available_event = USED + 4 + 8 * SIZE;
  describe(f, 0, BASE + 0x2000, 4, 0, 0);
  g_assert_false(virtqueue_wants_interrupt(&f->queue)); /* nothing was pushed */
  for (guint i = 0; i < 4; i++) {
    offer(f, 0);
    g_assert_cmpint(take(f), ==, VIRTQUEUE_CHAIN);
  }
  put16(f, used_event, 2); /* tell me after the third */
  virtqueue_push(&f->queue, 0, 0);
  virtqueue_push(&f->queue, 0, 0);
  g_assert_false(virtqueue_wants_interrupt(&f->queue));
  g_assert_true(virtqueue_is_unseen(&f->queue) == FALSE); /* it has looked at two */
  virtqueue_push(&f->queue, 0, 0);
  g_assert_true(virtqueue_wants_interrupt(&f->queue));
  g_assert_true(virtqueue_is_unseen(&f->queue));
  virtqueue_push(&f->queue, 0, 0);
  g_assert_false(virtqueue_wants_interrupt(&f->queue));
  g_assert_false(virtqueue_rearm(&f->queue));
  g_assert_cmpuint(get16(f, available_event), ==, 4);
  offer(f, 0);
  g_assert_true(virtqueue_rearm(&f->queue));
}

static void test_flags(Fixture *f, gconstpointer data) {
  f->queue.event_index = FALSE;
  virtqueue_push(&f->queue, 0, 0);
  g_assert_true(virtqueue_wants_interrupt(&f->queue));
  put16(f, AVAILABLE, 1);
  virtqueue_push(&f->queue, 0, 0);
  g_assert_false(virtqueue_wants_interrupt(&f->queue));
  g_assert_false(virtqueue_is_unseen(&f->queue));
}

static void test_places(Fixture *f, gconstpointer data) {
  const guint64 wrong[] = {0, USER + 1, USER + MEMORY - 8, G_MAXUINT64 & ~(guint64)15};
  guint64 *places[] = {&f->queue.user_descriptors, &f->queue.user_available, &f->queue.user_used};
  for (guint i = 0; i < G_N_ELEMENTS(places); i++) {
    for (guint k = 0; k < G_N_ELEMENTS(wrong); k++) {
      g_autoptr(GError) error = NULL;
      guint64 right = *places[i];
      *places[i] = wrong[k];
      g_assert_false(virtqueue_start(&f->queue, &f->memory, &error));
      g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
      g_assert_false(virtqueue_is_started(&f->queue));
      g_assert_cmpint(take(f), ==, VIRTQUEUE_EMPTY);
      *places[i] = right;
    }
  }
  g_assert_true(virtqueue_start(&f->queue, &f->memory, NULL));
}

static void test_sizes(void) {
  Virtqueue queue = {0};
  const guint32 wrong[] = {0, 3, 12, 1023, 2048, 0x80000000u, 0xffffffffu};
  for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) g_assert_false(virtqueue_set_size(&queue, wrong[i]));
  g_assert_true(virtqueue_set_size(&queue, 1));
  g_assert_true(virtqueue_set_size(&queue, VIRTQUEUE_MAX_SIZE));
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/virtqueue/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("chain", test_chain);
  ADD("indirect", test_indirect);
  ADD("long-indirect", test_long_indirect);
  ADD("lies", test_lies);
  ADD("broken-head", test_broken_head);
  ADD("broken-index", test_broken_index);
  ADD("wraps", test_wraps);
  ADD("event-index", test_event_index);
  ADD("flags", test_flags);
  ADD("places", test_places);
  g_test_add_func("/virtqueue/sizes", test_sizes);
  return g_test_run();
}
