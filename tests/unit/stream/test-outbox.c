/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/outbox.h"

#include "common/base/stats.h"
#include "tests/unit/support/support.h"

#include <pthread.h>

/* Pushes and drops the reference; returns what became of it. */
static OutboxPush push(Outbox *outbox, guint scanout, gboolean key) {
  g_autoptr(AccessUnit) unit = support_unit(key, 1, 64);
  return outbox_push_unit(outbox, scanout, unit);
}

static GBytes *message_of(gsize size) {
  return g_bytes_new_take(g_malloc0(size), size);
}

/* Takes all there is; returns how many, and which lanes want an IDR. */
static guint drain(Outbox *outbox, guint32 *idr_wanted) {
  OutboxItem item;
  guint32 wanted = 0, all = 0;
  guint count = 0;
  while (outbox_pop(outbox, &item, &wanted)) {
    all |= wanted;
    outbox_item_clear(&item);
    count++;
  }
  if (idr_wanted) *idr_wanted = all | wanted;
  return count;
}

#define LOST 99u

/* Units that wait in the lane; LOST where it has dropped them and waits for the peer to read again. */
static guint backlog(Outbox *outbox, guint scanout) {
  if (outbox_is_behind(outbox, scanout, LOST)) return LOST;
  guint units = 0;
  while (outbox_is_behind(outbox, scanout, units + 1)) units++;
  return units;
}

static void test_order(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  outbox_open_lane(outbox, 2, 1);
  outbox_open_lane(outbox, 5, 2);
  g_assert_true(outbox_push_message(outbox, message_of(7)));
  g_assert_cmpint(push(outbox, 2, TRUE), ==, OUTBOX_QUEUED);
  g_assert_cmpint(push(outbox, 5, TRUE), ==, OUTBOX_QUEUED);
  g_assert_true(outbox_push_message(outbox, message_of(8)));

  OutboxItem item;
  guint32 wanted;
  g_assert_true(outbox_pop(outbox, &item, &wanted));
  g_assert_cmpuint(g_bytes_get_size(item.message), ==, 7);
  outbox_item_clear(&item);
  g_assert_true(outbox_pop(outbox, &item, &wanted)); /* version 1: a whole FRAME_RESPONSE */
  g_assert_nonnull(item.message);
  g_assert_null(item.unit);
  HxfrHeader header;
  g_assert_true(hxfr_header_parse(g_bytes_get_data(item.message, NULL), &header));
  g_assert_cmphex(header.type, ==, HXFR_FRAME_RESPONSE);
  g_assert_cmpuint(header.session_id, ==, 2);
  outbox_item_clear(&item);
  g_assert_true(outbox_pop(outbox, &item, &wanted)); /* version 2: a head, and the shared unit */
  g_assert_null(item.message);
  g_assert_nonnull(item.unit);
  g_assert_cmpuint(item.head_size, ==, sizeof item.head);
  g_assert_true(hxfr_header_parse(item.head, &header));
  g_assert_cmphex(header.type, ==, HXFR_UNIT);
  g_assert_cmpuint(header.session_id, ==, 5);
  g_assert_cmpuint(header.payload_size, ==, HXFR_UNIT_FIXED_SIZE + item.unit->body_size);
  outbox_item_clear(&item);
  outbox_item_clear(&item); /* harmless */
  g_assert_true(outbox_pop(outbox, &item, &wanted));
  g_assert_cmpuint(g_bytes_get_size(item.message), ==, 8);
  outbox_item_clear(&item);
  g_assert_false(outbox_pop(outbox, &item, &wanted));
  g_assert_cmpuint(wanted, ==, 0);
}

static void test_messages_bounded(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  for (guint i = 0; i < OUTBOX_MAX_MESSAGES; i++) g_assert_true(outbox_push_message(outbox, message_of(1)));
  g_assert_false(outbox_push_message(outbox, message_of(1)));
  g_assert_cmpuint(drain(outbox, NULL), ==, OUTBOX_MAX_MESSAGES);
  g_assert_true(outbox_push_message(outbox, message_of(OUTBOX_MAX_MESSAGE_BYTES)));
  g_assert_false(outbox_push_message(outbox, message_of(1)));
  g_assert_cmpuint(drain(outbox, NULL), ==, 1);
  g_assert_false(outbox_push_message(outbox, message_of(OUTBOX_MAX_MESSAGE_BYTES + 1)));
  g_assert_cmpuint(drain(outbox, NULL), ==, 0);
}

static void test_waits_for_idr(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  g_assert_cmpint(push(outbox, 0, TRUE), ==, OUTBOX_WAITING); /* no lane */
  outbox_open_lane(outbox, 0, 2);
  g_assert_cmpint(push(outbox, 0, FALSE), ==, OUTBOX_WAITING);
  g_assert_cmpint(push(outbox, 1, TRUE), ==, OUTBOX_WAITING); /* another's */
  g_assert_cmpint(push(outbox, 0, TRUE), ==, OUTBOX_QUEUED);
  g_assert_cmpint(push(outbox, 0, FALSE), ==, OUTBOX_QUEUED);
  g_assert_cmpuint(backlog(outbox, 0), ==, 2);
  outbox_close_lane(outbox, 0);
  g_assert_cmpuint(backlog(outbox, 0), ==, 0);
  guint32 wanted;
  g_assert_cmpuint(drain(outbox, &wanted), ==, 0);
  g_assert_cmpuint(wanted, ==, 0); /* joining asks by itself: a lane that opens is no laggard */
}

/* F07, F08: a full lane loses all it holds and waits; the IDR is wanted when the peer takes again, and told once. */
static void test_full_lane(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  outbox_open_lane(outbox, 3, 2);
  g_assert_true(outbox_push_message(outbox, message_of(1)));
  g_assert_cmpint(push(outbox, 3, TRUE), ==, OUTBOX_QUEUED);
  for (guint i = 1; i < OUTBOX_MAX_UNITS; i++) g_assert_cmpint(push(outbox, 3, FALSE), ==, OUTBOX_QUEUED);
  gint64 dropped = stats_get(stats_counter("subscriber.units-dropped"));
  gint64 lagged = stats_get(stats_counter("subscriber.lagged"));
  g_assert_cmpint(push(outbox, 3, FALSE), ==, OUTBOX_DROPPED);
  g_assert_cmpint(stats_get(stats_counter("subscriber.units-dropped")) - dropped, ==, OUTBOX_MAX_UNITS + 1);
  g_assert_cmpint(stats_get(stats_counter("subscriber.lagged")) - lagged, ==, 1);
  g_assert_cmpuint(backlog(outbox, 3), ==, LOST);
  for (guint i = 0; i < 20; i++) g_assert_cmpint(push(outbox, 3, FALSE), ==, OUTBOX_WAITING);

  OutboxItem item;
  guint32 wanted;
  g_assert_true(outbox_pop(outbox, &item, &wanted)); /* the message is still there */
  g_assert_nonnull(item.message);
  g_assert_cmphex(wanted, ==, 1u << 3);
  outbox_item_clear(&item);
  g_assert_false(outbox_pop(outbox, &item, &wanted));
  g_assert_cmphex(wanted, ==, 0); /* once */
  g_assert_cmpint(push(outbox, 3, FALSE), ==, OUTBOX_WAITING);
  g_assert_cmpint(push(outbox, 3, TRUE), ==, OUTBOX_QUEUED);
  g_assert_cmpint(push(outbox, 3, FALSE), ==, OUTBOX_QUEUED);
  g_assert_cmpuint(drain(outbox, &wanted), ==, 2);
  g_assert_cmphex(wanted, ==, 0);
}

/* An IDR that comes to a full lane, or to one that waits, heals it: nobody has to ask for another. */
static void test_idr_heals(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  guint32 wanted;
  outbox_open_lane(outbox, 0, 2);
  push(outbox, 0, TRUE);
  for (guint i = 1; i < OUTBOX_MAX_UNITS; i++) push(outbox, 0, FALSE);
  g_assert_cmpint(push(outbox, 0, TRUE), ==, OUTBOX_QUEUED);
  g_assert_cmpuint(backlog(outbox, 0), ==, 1);
  g_assert_cmpuint(drain(outbox, &wanted), ==, 1);
  g_assert_cmphex(wanted, ==, 0);

  push(outbox, 0, TRUE);
  for (guint i = 0; i < OUTBOX_MAX_UNITS; i++) push(outbox, 0, FALSE);
  g_assert_cmpuint(backlog(outbox, 0), ==, LOST);
  g_assert_cmpint(push(outbox, 0, TRUE), ==, OUTBOX_QUEUED);
  g_assert_cmpuint(drain(outbox, &wanted), ==, 1);
  g_assert_cmphex(wanted, ==, 0);
}

static void test_lanes_are_apart(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    outbox_open_lane(outbox, i, 2);
    g_assert_cmpint(push(outbox, i, TRUE), ==, OUTBOX_QUEUED);
  }
  for (guint i = 0; i < OUTBOX_MAX_UNITS; i++) push(outbox, 4, FALSE);
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) g_assert_cmpuint(backlog(outbox, i), ==, i == 4 ? LOST : 1);
  guint32 wanted;
  g_assert_cmpuint(drain(outbox, &wanted), ==, HXFR_MAX_SCANOUTS - 1);
  g_assert_cmphex(wanted, ==, 1u << 4);
}

/* What is dropped is freed: the outbox holds no reference beyond its bounds. */
static void test_references(void) {
  Outbox *outbox = outbox_create();
  outbox_open_lane(outbox, 0, 2);
  g_autoptr(AccessUnit) key = support_unit(TRUE, 1, 64);
  g_autoptr(AccessUnit) delta = support_unit(FALSE, 1, 64);
  outbox_push_unit(outbox, 0, key);
  for (guint i = 0; i < 1000; i++) {
    outbox_push_unit(outbox, 0, delta);
    g_assert_cmpint(delta->refs, <=, 1 + (int)OUTBOX_MAX_UNITS);
  }
  g_assert_cmpint(key->refs, ==, 1);
  g_assert_cmpint(delta->refs, ==, 1);
  outbox_push_unit(outbox, 0, key);
  outbox_push_unit(outbox, 0, delta);
  outbox_open_lane(outbox, 0, 2); /* anew: what it held is gone */
  g_assert_cmpint(delta->refs, ==, 1);
  outbox_push_unit(outbox, 0, key);
  g_assert_cmpint(key->refs, ==, 2);
  Outbox *second = outbox_ref(outbox);
  outbox_unref(outbox);
  g_assert_cmpint(key->refs, ==, 2);
  outbox_unref(second);
  g_assert_cmpint(key->refs, ==, 1);
  outbox_unref(NULL);
}

static void test_heartbeat(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  gint64 now = g_get_monotonic_time(), idle = 500000;
  g_assert_false(outbox_push_heartbeat(outbox, 0, 7, now + 10 * idle, idle)); /* no lane */
  outbox_open_lane(outbox, 0, 1);
  g_assert_false(outbox_push_heartbeat(outbox, 0, 7, now + 10 * idle, idle)); /* version 1 knows none */
  outbox_open_lane(outbox, 0, 2);
  g_assert_false(outbox_push_heartbeat(outbox, 0, 7, now + idle / 2, idle));
  g_assert_true(outbox_push_heartbeat(outbox, 0, 7, now + 10 * idle, idle));
  g_assert_false(outbox_push_heartbeat(outbox, 0, 7, now + 10 * idle + idle / 2, idle)); /* it counts itself */

  OutboxItem item;
  guint32 wanted;
  g_assert_true(outbox_pop(outbox, &item, &wanted));
  HxfrHeader header;
  const guint8 *bytes = g_bytes_get_data(item.message, NULL);
  g_assert_true(hxfr_header_parse(bytes, &header));
  g_assert_cmphex(header.type, ==, HXFR_HEARTBEAT);
  ByteReader reader;
  HxfrHeartbeat heartbeat;
  byte_reader_init(&reader, bytes + HXFR_HEADER_SIZE, header.payload_size);
  g_assert_true(hxfr_heartbeat_parse(&reader, &heartbeat));
  g_assert_cmpuint(heartbeat.sequence, ==, 7);
  g_assert_cmpint(heartbeat.now_ns, >, 0);
  g_assert_cmpint(heartbeat.now_ns, <=, 10 * idle * 1000);
  outbox_item_clear(&item);

  /* a peer that does not read is not cut off for its heartbeats: they stop before the bound */
  for (guint i = 0; i < 2 * OUTBOX_MAX_MESSAGES; i++) {
    outbox_push_heartbeat(outbox, 0, 7, now + (20 + 2 * (gint64)i) * idle, idle);
  }
  g_assert_true(outbox_push_message(outbox, message_of(1)));
  g_assert_cmpuint(drain(outbox, NULL), <=, OUTBOX_MAX_MESSAGES / 2 + 1);
}

static void test_congested(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  for (guint i = 0; i < OUTBOX_CONGESTED_MESSAGES; i++) {
    g_assert_false(outbox_is_congested(outbox));
    g_assert_true(outbox_push_message(outbox, message_of(1)));
  }
  g_assert_true(outbox_is_congested(outbox));
  drain(outbox, NULL);
  g_assert_false(outbox_is_congested(outbox));
  g_assert_true(outbox_push_message(outbox, message_of(OUTBOX_CONGESTED_BYTES)));
  g_assert_true(outbox_is_congested(outbox));
  drain(outbox, NULL);
  outbox_open_lane(outbox, 0, 2); /* pictures are no answers */
  for (guint i = 0; i < OUTBOX_MAX_UNITS; i++) push(outbox, 0, i == 0);
  g_assert_false(outbox_is_congested(outbox));
}

static void test_stalled(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  gint64 now = g_get_monotonic_time();
  g_assert_cmpint(outbox_stalled_us(outbox, now + 100 * G_USEC_PER_SEC), ==, 0);
  g_assert_true(outbox_push_message(outbox, message_of(1)));
  g_usleep(20000);
  g_assert_true(outbox_push_message(outbox, message_of(1))); /* more of it is no progress */
  gint64 stalled = outbox_stalled_us(outbox, g_get_monotonic_time());
  g_assert_cmpint(stalled, >=, 20000);
  OutboxItem item;
  guint32 wanted;
  g_assert_true(outbox_pop(outbox, &item, &wanted));
  outbox_item_clear(&item);
  g_assert_cmpint(outbox_stalled_us(outbox, g_get_monotonic_time()), <, stalled);
  g_usleep(20000);
  g_assert_cmpint(outbox_stalled_us(outbox, g_get_monotonic_time()), >=,
                  20000); /* there is more, and it is not taken */
  drain(outbox, NULL);
  g_assert_cmpint(outbox_stalled_us(outbox, now + 100 * G_USEC_PER_SEC), ==, 0);
}

/* F07: a lane that loses all it holds has made no progress, though nothing waits in it then: a peer of version 1 that
 * never reads again must be seen to be stalled, however often others' IDRs fill its lane anew. */
static void test_stalled_while_dropping(void) {
  g_autoptr(Outbox) outbox = outbox_create();
  outbox_open_lane(outbox, 0, 1);
  push(outbox, 0, TRUE);
  OutboxItem item;
  guint32 wanted;
  g_assert_true(outbox_pop(outbox, &item, &wanted)); /* being written: the socket is full */
  outbox_item_clear(&item);
  gint64 begun = g_get_monotonic_time();
  for (guint i = 0; i < 5; i++) {
    push(outbox, 0, TRUE);
    for (guint k = 0; k < OUTBOX_MAX_UNITS; k++) push(outbox, 0, FALSE);
    g_usleep(5000);
    gint64 now = g_get_monotonic_time();
    g_assert_cmpint(outbox_stalled_us(outbox, now), >=, now - begun - 1000);
  }
}

/* F08 as a property: whatever comes and goes, no P picture leaves without the one before it. */
static void test_never_a_gap(void) {
  for (guint round = 0; round < 200; round++) {
    g_autoptr(Outbox) outbox = outbox_create();
    outbox_open_lane(outbox, 0, 2);
    guint64 sequence = 0, expected = 0;
    gboolean any = FALSE;
    gint greed = g_test_rand_int_range(1, 20);
    for (guint step = 0; step < 400; step++) {
      if (g_test_rand_int_range(0, 20) < greed) {
        g_autoptr(AccessUnit) unit = support_unit(g_test_rand_int_range(0, 25) == 0, 1, 64);
        unit->info.sequence = sequence++;
        outbox_push_unit(outbox, 0, unit);
        g_assert_false(outbox_is_behind(outbox, 0, OUTBOX_MAX_UNITS + 1) && !outbox_is_behind(outbox, 0, LOST));
        continue;
      }
      OutboxItem item;
      guint32 wanted;
      if (!outbox_pop(outbox, &item, &wanted)) continue;
      const AccessUnitInfo *info = &item.unit->info;
      if (!info->is_key) g_assert_true(any && info->sequence == expected);
      if (any) g_assert_cmpuint(info->sequence, >=, expected);
      any = TRUE;
      expected = info->sequence + 1;
      outbox_item_clear(&item);
    }
  }
}

typedef struct {
  Outbox *outbox;
  int done; /* atomic */
  guint taken;
} Race;

static void *take_from_a_thread(void *data) {
  Race *race = data;
  while (TRUE) {
    gboolean last = __atomic_load_n(&race->done, __ATOMIC_ACQUIRE);
    race->taken += drain(race->outbox, NULL);
    if (last) return NULL;
    g_usleep(100);
  }
}

/* Pushed on one thread, taken on another: nothing but what was dropped is missing. */
static void test_threads(void) {
  Race race = {.outbox = outbox_create()};
  gint64 dropped = stats_get(stats_counter("subscriber.units-dropped"));
  guint waiting = 0;
  const guint count = 5000;
  outbox_open_lane(race.outbox, 0, 1);
  pthread_t thread;
  pthread_create(&thread, NULL, take_from_a_thread, &race);
  for (guint i = 0; i < count; i++) {
    waiting += push(race.outbox, 0, i % 50 == 0) == OUTBOX_WAITING;
    if (i % 7 == 0) g_usleep(50);
  }
  __atomic_store_n(&race.done, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  dropped = stats_get(stats_counter("subscriber.units-dropped")) - dropped;
  g_assert_cmpint((gint64)race.taken + dropped + waiting, ==, count);
  outbox_unref(race.outbox);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/outbox/order", test_order);
  g_test_add_func("/outbox/messages-bounded", test_messages_bounded);
  g_test_add_func("/outbox/waits-for-idr", test_waits_for_idr);
  g_test_add_func("/outbox/F07-F08-full-lane", test_full_lane);
  g_test_add_func("/outbox/idr-heals", test_idr_heals);
  g_test_add_func("/outbox/lanes-are-apart", test_lanes_are_apart);
  g_test_add_func("/outbox/references", test_references);
  g_test_add_func("/outbox/heartbeat", test_heartbeat);
  g_test_add_func("/outbox/congested", test_congested);
  g_test_add_func("/outbox/stalled", test_stalled);
  g_test_add_func("/outbox/F07-stalled-while-dropping", test_stalled_while_dropping);
  g_test_add_func("/outbox/F08-never-a-gap", test_never_a_gap);
  g_test_add_func("/outbox/threads", test_threads);
  return g_test_run();
}
