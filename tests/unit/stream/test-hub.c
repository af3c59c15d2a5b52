/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/hub.h"

#include "stream/idr-policy.h"
#include "tests/unit/support/fake-source.h"
#include "tests/unit/support/support.h"

typedef struct {
  FakeSource source;
  Hub *hub;
  guint wakes;
} Fixture;

/* A subscriber as a peer is one, with an outbox of its own. */
typedef struct {
  Outbox *outbox;
  HubSubscription *subscription;
} Viewer;

static void set_up(Fixture *fixture, gconstpointer data) {
  fixture->hub = hub_create(NULL, &FAKE_SOURCE, &fixture->source);
  fake_source_add_scanout(fixture->hub, 0);
  fake_source_add_scanout(fixture->hub, 3);
}

static void tear_down(Fixture *fixture, gconstpointer data) {
  hub_destroy(fixture->hub);
}

static void on_wake(gpointer data) {
  ((Fixture *)data)->wakes++;
}

static void join(Fixture *fixture, Viewer *viewer, guint scanout, guint version) {
  viewer->outbox = outbox_create();
  viewer->subscription = hub_subscribe(fixture->hub, scanout, viewer->outbox, version, on_wake, fixture);
  g_assert_nonnull(viewer->subscription);
}

static void leave(Viewer *viewer) {
  hub_unsubscribe(viewer->subscription);
  outbox_unref(viewer->outbox);
}

static void publish(Fixture *fixture, guint scanout, gboolean key) {
  hub_publish(fixture->hub, scanout, support_unit(key, 1, 64));
}

/* Takes all that waits; counts units and heartbeats. */
static guint take(Viewer *viewer, guint *heartbeats) {
  OutboxItem item;
  guint32 wanted;
  guint units = 0;
  while (outbox_pop(viewer->outbox, &item, &wanted)) {
    HxfrHeader header;
    g_assert_true(hxfr_header_parse(item.unit ? item.head : g_bytes_get_data(item.message, NULL), &header));
    if (header.type == HXFR_HEARTBEAT && heartbeats) (*heartbeats)++;
    units += header.type == HXFR_UNIT || header.type == HXFR_FRAME_RESPONSE;
    outbox_item_clear(&item);
  }
  return units;
}

static void test_start_and_stop(Fixture *fixture, gconstpointer data) {
  FakeSource *source = &fixture->source;
  Viewer one, two, other;
  join(fixture, &one, 0, 2);
  g_assert_cmpuint(source->starts, ==, 1);
  g_assert_cmpuint(source->joins, ==, 0); /* the first one is a start */
  join(fixture, &two, 0, 2);
  g_assert_cmpuint(source->starts, ==, 1);
  g_assert_cmpuint(source->joins, ==, 1);
  g_assert_cmpuint(hub_subscriber_count(fixture->hub, 0), ==, 2);
  g_assert_cmpuint(hub_subscriber_count(fixture->hub, 3), ==, 0);
  leave(&one);
  g_assert_cmpuint(source->stops, ==, 0);
  leave(&two);
  g_assert_cmpuint(source->stops, ==, 1);
  join(fixture, &other, 3, 2);
  g_assert_cmpuint(source->starts, ==, 2);
  g_assert_cmpuint(source->scanout, ==, 3);
  leave(&other);
  g_assert_cmpuint(source->stops, ==, 2);
  hub_unsubscribe(NULL);
}

static void test_absent(Fixture *fixture, gconstpointer data) {
  g_autoptr(Outbox) outbox = outbox_create();
  static const guint ABSENT[] = {1, 15, 16, G_MAXUINT};
  for (gsize i = 0; i < G_N_ELEMENTS(ABSENT); i++) {
    g_assert_null(hub_subscribe(fixture->hub, ABSENT[i], outbox, 2, on_wake, fixture));
  }
  g_assert_cmpuint(fixture->source.starts, ==, 0);
}

/* Nobody there: dropped, freed, and the sequence goes on. */
static void test_publish_to_nobody(Fixture *fixture, gconstpointer data) {
  AccessUnit *unit = support_unit(TRUE, 1, 64);
  hub_publish(fixture->hub, 0, access_unit_ref(unit));
  g_assert_cmpint(unit->refs, ==, 1);
  g_assert_cmpuint(unit->info.sequence, ==, 0);
  hub_publish(fixture->hub, 0, unit);
  Viewer viewer;
  join(fixture, &viewer, 0, 2);
  unit = access_unit_ref(support_unit(TRUE, 1, 64));
  AccessUnit *mine = unit;
  hub_publish(fixture->hub, 0, unit);
  g_assert_cmpuint(mine->info.sequence, ==, 2);
  access_unit_unref(mine);
  g_assert_cmpuint(take(&viewer, NULL), ==, 1);
  leave(&viewer);
}

/* F20: those who join while the source's first IDR is on its way share it: no other is asked for. */
static void test_joiners_share_the_first(Fixture *fixture, gconstpointer data) {
  Viewer viewers[5];
  for (guint i = 0; i < 5; i++) join(fixture, &viewers[i], 0, 1 + i % 2);
  publish(fixture, 0, TRUE);
  support_run_for(450);
  g_assert_cmpuint(fixture->source.idr_requests, ==, 0);
  g_assert_cmpuint(fixture->wakes, >=, 5);
  for (guint i = 0; i < 5; i++) {
    g_assert_cmpuint(take(&viewers[i], NULL), ==, 1);
    leave(&viewers[i]);
  }
}

/* On a stream that runs, joiners of the same moment cost one IDR together, at once; and until it is there they get
 * nothing. */
static void test_joiners_share_one(Fixture *fixture, gconstpointer data) {
  Viewer first, viewers[5];
  join(fixture, &first, 0, 2);
  publish(fixture, 0, TRUE);
  support_run_for(250); /* past the interval since the start */
  for (guint i = 0; i < 5; i++) join(fixture, &viewers[i], 0, 2);
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1);
  publish(fixture, 0, FALSE);
  for (guint i = 0; i < 5; i++) g_assert_cmpuint(take(&viewers[i], NULL), ==, 0);
  publish(fixture, 0, TRUE);
  for (guint i = 0; i < 5; i++) g_assert_cmpuint(take(&viewers[i], NULL), ==, 1);
  g_assert_cmpuint(take(&first, NULL), ==, 3);
  support_run_for(450);
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1);
  for (guint i = 0; i < 5; i++) leave(&viewers[i]);
  leave(&first);
}

/* If the IDR does not come, it is asked for again by those who still wait, and not forgotten. */
static void test_pending_is_asked_later(Fixture *fixture, gconstpointer data) {
  Viewer one, two;
  join(fixture, &one, 0, 2);
  join(fixture, &two, 0, 2); /* within 200 ms of the start: pending */
  g_assert_cmpuint(fixture->source.idr_requests, ==, 0);
  support_run_for(300);
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1);
  leave(&one);
  leave(&two);
}

static void test_no_flood(Fixture *fixture, gconstpointer data) {
  Viewer viewer;
  fixture->source.answer = fixture->hub;
  join(fixture, &viewer, 0, 2);
  gint64 end = g_get_monotonic_time() + 1100 * 1000;
  while (g_get_monotonic_time() < end) {
    hub_want_idr(viewer.subscription);
    support_run_for(3);
    take(&viewer, NULL);
  }
  g_assert_cmpuint(fixture->source.idr_requests, >=, 3);
  g_assert_cmpuint(fixture->source.idr_requests, <=, 6);
  leave(&viewer);
}

/* One that lags again and again is the reason for one IDR a second; one that joins meanwhile does not wait for that. */
static void test_laggard(Fixture *fixture, gconstpointer data) {
  Viewer laggard, joiner;
  fixture->source.answer = fixture->hub;
  join(fixture, &laggard, 0, 2);
  support_run_for(250);
  gint64 begun = g_get_monotonic_time();
  while (g_get_monotonic_time() < begun + 700 * 1000) {
    hub_want_idr_after_lag(laggard.subscription);
    support_run_for(10);
    take(&laggard, NULL);
  }
  g_assert_cmpuint(fixture->source.idr_requests, ==, 1);
  join(fixture, &joiner, 0, 2);
  support_run_for(250);
  g_assert_cmpuint(fixture->source.idr_requests, ==, 2);
  leave(&joiner);
  leave(&laggard);
}

static void fill(Fixture *fixture, guint count) {
  for (guint i = 0; i < count; i++) publish(fixture, 0, i == 0);
}

/* F07, F13: the encoder is held only while everybody is behind, and goes on as soon as one is not. */
static void test_hold(Fixture *fixture, gconstpointer data) {
  FakeSource *source = &fixture->source;
  Viewer slow, quick;
  join(fixture, &slow, 0, 2);
  join(fixture, &quick, 0, 2);
  fill(fixture, 2);
  g_assert_cmpuint(take(&quick, NULL), ==, 2);
  publish(fixture, 0, FALSE);
  g_assert_cmpuint(take(&quick, NULL), ==, 1);
  publish(fixture, 0, FALSE);
  g_assert_true(outbox_is_behind(slow.outbox, 0, 4));
  g_assert_false(source->demand.hold); /* one of two */
  publish(fixture, 0, FALSE);
  publish(fixture, 0, FALSE);
  g_assert_true(source->demand.hold);
  support_run_for(30);
  g_assert_true(source->demand.hold);
  take(&quick, NULL);
  support_run_for(50);
  g_assert_false(source->demand.hold);
  leave(&quick);
  leave(&slow);
}

/* Those whose lanes have lost all are behind as well: for nobody there is no point in encoding. */
static void test_hold_when_lost(Fixture *fixture, gconstpointer data) {
  Viewer slow;
  join(fixture, &slow, 0, 2);
  fill(fixture, 12);
  g_assert_true(fixture->source.demand.hold);
  support_run_for(30);
  g_assert_true(fixture->source.demand.hold);
  take(&slow, NULL);
  support_run_for(50);
  g_assert_false(fixture->source.demand.hold);
  leave(&slow);
}

/* Somebody who joins a held stream is not behind; and when he, too, is, it is held again. */
static void test_join_while_held(Fixture *fixture, gconstpointer data) {
  FakeSource *source = &fixture->source;
  Viewer slow, late;
  join(fixture, &slow, 0, 2);
  fill(fixture, 4);
  g_assert_true(source->demand.hold);
  join(fixture, &late, 0, 2);
  g_assert_false(source->demand.hold);
  fill(fixture, 3); /* at once: the poll has not come round since */
  support_run_for(30);
  g_assert_true(outbox_is_behind(late.outbox, 0, 3));
  g_assert_true(source->demand.hold);
  leave(&late);
  leave(&slow);
}

/* The only one not behind leaves, and the one held leaves: no timer is left to find them. */
static void test_leave_while_held(Fixture *fixture, gconstpointer data) {
  Viewer slow;
  join(fixture, &slow, 0, 2);
  fill(fixture, 4);
  g_assert_true(fixture->source.demand.hold);
  leave(&slow);
  support_run_for(50);
  join(fixture, &slow, 0, 2);
  g_assert_false(fixture->source.demand.hold);
  leave(&slow);
}

static void test_keep_alive_demand(Fixture *fixture, gconstpointer data) {
  Viewer one, two;
  join(fixture, &two, 0, 2);
  g_assert_cmpuint(fixture->source.demand.keep_alive_hz, ==, 0);
  join(fixture, &one, 0, 1);
  g_assert_cmpuint(fixture->source.demand.keep_alive_hz, ==, HUB_KEEP_ALIVE_HZ);
  leave(&one);
  g_assert_cmpuint(fixture->source.demand.keep_alive_hz, ==, 0);
  leave(&two);
  join(fixture, &one, 0, 1);
  g_assert_cmpuint(fixture->source.demand.keep_alive_hz, ==, HUB_KEEP_ALIVE_HZ); /* from the start */
  leave(&one);
}

/* The highest wish; but who wishes nothing wants all there is, so that nobody's wish makes another's picture worse. */
static void test_bitrate_wishes(Fixture *fixture, gconstpointer data) {
  FakeSource *source = &fixture->source;
  Viewer one, two;
  join(fixture, &one, 0, 2);
  hub_wish_bitrate(one.subscription, 2000000);
  g_assert_cmpuint(source->demand.bitrate, ==, 2000000);
  join(fixture, &two, 0, 2);
  g_assert_cmpuint(source->demand.bitrate, ==, 0);
  hub_wish_bitrate(two.subscription, 5000000);
  g_assert_cmpuint(source->demand.bitrate, ==, 5000000);
  guint demands = source->demands;
  hub_wish_bitrate(one.subscription, 3000000); /* nothing new for the source */
  g_assert_cmpuint(source->demands, ==, demands);
  hub_wish_bitrate(two.subscription, 1000000);
  g_assert_cmpuint(source->demand.bitrate, ==, 3000000);
  leave(&one);
  g_assert_cmpuint(source->demand.bitrate, ==, 1000000);
  leave(&two);
  join(fixture, &one, 0, 2);
  g_assert_cmpuint(source->demand.bitrate, ==, 0); /* wishes end with those who had them */
  leave(&one);
}

/* F23: a version 2 subscriber of a still screen hears something each second; a version 1 one gets no unknown message.
 */
static void test_heartbeats(Fixture *fixture, gconstpointer data) {
  Viewer old, new;
  guint old_beats = 0, new_beats = 0;
  join(fixture, &old, 0, 1);
  join(fixture, &new, 0, 2);
  gint64 begun = g_get_monotonic_time();
  support_run_for(2600);
  gint64 seconds = (g_get_monotonic_time() - begun) / G_USEC_PER_SEC;
  take(&old, &old_beats);
  take(&new, &new_beats);
  g_assert_cmpuint(old_beats, ==, 0);
  g_assert_cmpint((gint64)new_beats, >=, seconds);
  g_assert_cmpint((gint64)new_beats, <=, 2 * seconds);
  leave(&old);
  leave(&new);
}

/* Where units come, heartbeats do not. */
static void test_no_heartbeat_in_motion(Fixture *fixture, gconstpointer data) {
  Viewer viewer;
  guint beats = 0;
  join(fixture, &viewer, 0, 2);
  for (guint i = 0; i < 30; i++) {
    publish(fixture, 0, i == 0);
    support_run_for(50);
    g_assert_cmpuint(take(&viewer, &beats), ==, 1);
  }
  g_assert_cmpuint(beats, ==, 0);
  leave(&viewer);
}

typedef struct {
  Hub *hub;
  guint scanouts;
  guint states;
  gboolean once;
} Watcher;

static void on_event(HubEvent event, gpointer data) {
  Watcher *watcher = data;
  if (event == HUB_SCANOUTS_CHANGED) watcher->scanouts++;
  if (event == HUB_STATE_CHANGED) watcher->states++;
  if (watcher->once) hub_unwatch(watcher->hub, on_event, watcher);
}

static void test_watchers(Fixture *fixture, gconstpointer data) {
  Watcher one = {.hub = fixture->hub}, two = {.hub = fixture->hub, .once = TRUE}, three = {.hub = fixture->hub};
  hub_watch(fixture->hub, on_event, &one);
  hub_watch(fixture->hub, on_event, &two);
  hub_watch(fixture->hub, on_event, &three);
  hub_set_state(fixture->hub, HXFR_STATE_RUNNING, "running");
  hub_set_state(fixture->hub, HXFR_STATE_RUNNING, "running"); /* nothing new */
  fake_source_add_scanout(fixture->hub, 0);                   /* the same as it was */
  fake_source_add_scanout(fixture->hub, 7);
  g_assert_cmpuint(one.states, ==, 1);
  g_assert_cmpuint(one.scanouts, ==, 1);
  g_assert_cmpuint(two.states + two.scanouts, ==, 1);
  g_assert_cmpuint(three.states, ==, 1); /* unwatching within the loop skips nobody */
  g_assert_cmpuint(three.scanouts, ==, 1);
  hub_unwatch(fixture->hub, on_event, &one);
  hub_unwatch(fixture->hub, on_event, &one);
  hub_set_state(fixture->hub, HXFR_STATE_LOST, "gone");
  g_assert_cmpuint(one.states, ==, 1);
  g_assert_cmpuint(three.states, ==, 2);
  const char *text;
  g_assert_cmpint(hub_state(fixture->hub, &text), ==, HXFR_STATE_LOST);
  g_assert_cmpstr(text, ==, "gone");
  g_assert_cmpuint(hub_scanouts(fixture->hub)->count, ==, 3);
  hub_unwatch(fixture->hub, on_event, &three);
}

static void test_all_scanouts(Fixture *fixture, gconstpointer data) {
  for (guint round = 0; round < 2; round++) {
    for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
      hub_set_scanout(fixture->hub, &(HxfrScanout){.id = i, .width = 100 + round});
    }
    g_assert_cmpuint(hub_scanouts(fixture->hub)->count, ==, HXFR_MAX_SCANOUTS);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, run) g_test_add("/hub/" name, Fixture, NULL, set_up, run, tear_down)
  ADD("start-and-stop", test_start_and_stop);
  ADD("absent", test_absent);
  ADD("publish-to-nobody", test_publish_to_nobody);
  ADD("F20-joiners-share-the-first", test_joiners_share_the_first);
  ADD("F20-joiners-share-one", test_joiners_share_one);
  ADD("pending-is-asked-later", test_pending_is_asked_later);
  ADD("no-flood", test_no_flood);
  ADD("laggard", test_laggard);
  ADD("F07-hold", test_hold);
  ADD("hold-when-lost", test_hold_when_lost);
  ADD("join-while-held", test_join_while_held);
  ADD("leave-while-held", test_leave_while_held);
  ADD("F19-keep-alive-demand", test_keep_alive_demand);
  ADD("bitrate-wishes", test_bitrate_wishes);
  ADD("F23-heartbeats", test_heartbeats);
  ADD("no-heartbeat-in-motion", test_no_heartbeat_in_motion);
  ADD("watchers", test_watchers);
  ADD("all-scanouts", test_all_scanouts);
  return g_test_run();
}
