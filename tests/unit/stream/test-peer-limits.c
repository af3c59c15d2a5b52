/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/peer.h"

#include "common/base/log.h"
#include "tests/unit/support/peer-rig.h"
#include "tests/unit/support/support.h"

#include <string.h>

/* Who may speak at all, how much, and for how long. */

static void test_token_right(PeerRig *rig, gconstpointer data) {
  g_assert_true(peer_rig_say(rig, HXFR_PING, 0, "alive?", 6)); /* the one thing answered before */
  peer_rig_hear_type(rig, HXFR_PONG, 0);
  peer_rig_negotiate(rig, PEER_RIG_TOKEN);
  peer_rig_subscribe(rig, 0, TRUE);
}

static void test_token_wrong(PeerRig *rig, gconstpointer data) {
  static const char *const WRONG[] = {
      "",
      "0",
      "0123456789abcdef", /* the token repeats itself: a part of it is not it */
      "0123456789abcdef0123456789abcde",
      "0123456789abcdef0123456789abcdee",
      "1123456789abcdef0123456789abcdef",
      "0123456789abcdef0123456789abcdef0",
      "0123456789ABCDEF0123456789ABCDEF",
      PEER_RIG_TOKEN PEER_RIG_TOKEN,
  };
  for (gsize i = 0; i < G_N_ELEMENTS(WRONG); i++) {
    g_assert_false(peer_rig_say_hello(rig, 2, WRONG[i]));
    peer_rig_hear_error(rig, HXFR_ERR_DENIED, 0);
    peer_rig_hear_nothing(rig);
    peer_destroy(rig->peer);
    peer_rig_begin(rig, PEER_NEEDS_TOKEN);
  }
}

/* F25: without the token, every request of every type is refused, and nothing is started or told. */
static void test_token_needed(PeerRig *rig, gconstpointer data) {
  const guint8 zeros[64] = {0};
  for (guint type = 0; type < 256; type++) {
    if (type == HXFR_PING || type == HXFR_HELLO) continue;
    g_assert_false(peer_rig_say(rig, (guint8)type, 0, zeros, type == HXFR_SUBSCRIBE ? 4 : 64));
    peer_rig_hear_error(rig, HXFR_ERR_DENIED, 0);
    peer_rig_hear_nothing(rig);
    peer_destroy(rig->peer);
    peer_rig_begin(rig, PEER_NEEDS_TOKEN);
  }
  hub_set_state(rig->service.hub, HXFR_STATE_RUNNING, "secret");
  peer_rig_hear_nothing(rig);
  g_assert_cmpuint(rig->source.starts, ==, 0);
}

/* A trusted transport needs no token; one that is given and wrong is refused all the same. */
static void test_trusted(PeerRig *rig, gconstpointer data) {
  g_assert_false(peer_rig_say_hello(rig, 2, "wrong"));
  peer_rig_hear_error(rig, HXFR_ERR_DENIED, 0);
  peer_destroy(rig->peer);
  peer_rig_begin(rig, PEER_TRUSTED);
  peer_rig_negotiate(rig, PEER_RIG_TOKEN);
  peer_destroy(rig->peer);
  peer_rig_begin(rig, PEER_VERSION_1);
  peer_rig_subscribe(rig, 0, TRUE);
}

static void test_hello_refused(PeerRig *rig, gconstpointer data) {
  for (guint16 version = 0; version < 2; version++) {
    g_assert_false(peer_rig_say_hello(rig, version, ""));
    peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, 0);
  }
  g_assert_false(peer_rig_say(rig, HXFR_HELLO, 0, "\2\0\0\0\0\0\0\0\xff\xff\0\0", 12));
  peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, 0);
  g_assert_true(peer_rig_say_hello(rig, 0xffff, "")); /* a later version: we speak 2 */
  peer_rig_hear_welcome(rig);
}

/* A peer that asks and does not read: cut off, and what it costs until then is bounded. */
static void test_overflow(PeerRig *rig, gconstpointer data) {
  guint taken = 0;
  while (peer_rig_say(rig, HXFR_PING, 0, NULL, 0)) g_assert_cmpuint(++taken, <, 10000);
  g_assert_cmpuint(taken, ==, OUTBOX_MAX_MESSAGES);
  g_assert_false(peer_rig_say(rig, HXFR_PING, 0, NULL, 0)); /* for good */
}

/* F03: silence ends a version 2 connection, and a version 1 peer, which knows no such duty, stays. */
static void test_overdue_silent(PeerRig *rig, gconstpointer data) {
  gint64 now = g_get_monotonic_time();
  g_assert_null(peer_overdue(rig->peer, now + 100 * PEER_SILENCE_US));
  peer_rig_negotiate(rig, "");
  peer_rig_hear_nothing(rig);
  now = g_get_monotonic_time();
  g_assert_null(peer_overdue(rig->peer, now));
  g_assert_null(peer_overdue(rig->peer, now + PEER_SILENCE_US - G_USEC_PER_SEC));
  g_assert_nonnull(peer_overdue(rig->peer, now + PEER_SILENCE_US + G_USEC_PER_SEC));
}

static void test_overdue_stalled(PeerRig *rig, gconstpointer data) {
  peer_rig_subscribe(rig, 0, TRUE);
  peer_rig_hear_nothing(rig);
  hub_publish(rig->service.hub, 0, support_unit(TRUE, 1, 64));
  gint64 now = g_get_monotonic_time();
  g_assert_null(peer_overdue(rig->peer, now + PEER_STALL_US - G_USEC_PER_SEC));
  g_assert_nonnull(peer_overdue(rig->peer, now + PEER_STALL_US + G_USEC_PER_SEC));
  for (guint i = 0; i < 20; i++) hub_publish(rig->service.hub, 0, support_unit(FALSE, 1, 64)); /* the lane is lost */
  g_assert_nonnull(peer_overdue(rig->peer, now + PEER_STALL_US + G_USEC_PER_SEC));
}

static void test_overdue_stranger(PeerRig *rig, gconstpointer data) {
  gint64 now = g_get_monotonic_time();
  g_assert_true(peer_rig_say(rig, HXFR_PING, 0, NULL, 0)); /* PING alone keeps nobody */
  peer_rig_hear_type(rig, HXFR_PONG, 0);
  peer_rig_hear_nothing(rig);
  g_assert_null(peer_overdue(rig->peer, now + PEER_STRANGER_US - G_USEC_PER_SEC));
  g_assert_nonnull(peer_overdue(rig->peer, now + PEER_STRANGER_US + G_USEC_PER_SEC));
  peer_rig_negotiate(rig, PEER_RIG_TOKEN);
  peer_rig_hear_nothing(rig);
  g_assert_null(peer_overdue(rig->peer, now + PEER_STRANGER_US + G_USEC_PER_SEC));
}

static guint count_peers(PeerRig *rig, PeerTrust trust, Peer **peers, guint max) {
  guint count = 0;
  while (count < max && (peers[count] = peer_create(&rig->service, trust, "test", &PEER_RIG_TRANSPORT, rig))) count++;
  return count;
}

/* The 33rd is refused with words; those who still owe a token cannot take the places of those who do not. */
static void test_too_many(PeerRig *rig, gconstpointer data) {
  Peer *strangers[64], *others[64];
  g_assert_cmpuint(count_peers(rig, PEER_NEEDS_TOKEN, strangers, 64), ==, PEER_MAX_STRANGERS);
  g_assert_cmpuint(count_peers(rig, PEER_TRUSTED, others, 64), ==, PEER_MAX_PEERS - 1); /* and the rig's */
  g_autoptr(GBytes) refusal = peer_refusal();
  HxfrHeader header;
  g_assert_true(hxfr_header_parse(g_bytes_get_data(refusal, NULL), &header));
  g_assert_cmphex(header.type, ==, HXFR_ERROR);

  /* a stranger with the right token finds no room either */
  Peer *mine = rig->peer;
  rig->peer = strangers[0];
  g_assert_false(peer_rig_say_hello(rig, 2, PEER_RIG_TOKEN));
  peer_rig_hear_error(rig, HXFR_ERR_DENIED, 0);
  peer_destroy(others[0]);
  peer_rig_negotiate(rig, PEER_RIG_TOKEN); /* now there is */
  rig->peer = mine;
  g_assert_null(peer_create(&rig->service, PEER_TRUSTED, "test", &PEER_RIG_TRANSPORT, rig));
  for (guint i = 1; i < PEER_MAX_PEERS - 1; i++) peer_destroy(others[i]);
  for (guint i = 0; i < PEER_MAX_STRANGERS; i++) peer_destroy(strangers[i]);
}

/* F05: it goes with units queued and subscriptions open: the source is stopped, everything is freed. */
static void test_gone_with_units(PeerRig *rig, gconstpointer data) {
  peer_rig_subscribe(rig, 0, TRUE);
  AccessUnit *unit = support_unit(TRUE, 1, 64);
  hub_publish(rig->service.hub, 0, access_unit_ref(unit));
  g_assert_cmpint(unit->refs, ==, 2);
  g_clear_pointer(&rig->peer, peer_destroy);
  g_assert_cmpint(unit->refs, ==, 1);
  access_unit_unref(unit);
  g_assert_cmpuint(rig->source.stops, ==, 1);
  hub_publish(rig->service.hub, 0, support_unit(TRUE, 1, 64));
  hub_set_state(rig->service.hub, HXFR_STATE_LOST, "nobody is told");
}

static void test_broken(PeerRig *rig, gconstpointer data) {
  peer_broken(rig->peer, FRAMING_BAD_MAGIC, &(HxfrHeader){0});
  peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, 0);
  peer_broken(rig->peer, FRAMING_TOO_LARGE, &(HxfrHeader){.type = HXFR_PING, .payload_size = G_MAXUINT32});
  peer_rig_hear_error(rig, HXFR_ERR_INVALID_MESSAGE, 0);
}

/* Twenty thousand messages of every type, most of them lies: it answers, or it ends, and it never falls. */
static void test_random(PeerRig *rig, gconstpointer data) {
  for (guint round = 0; round < 20000; round++) {
    guint8 payload[300];
    gsize size = (gsize)g_test_rand_int_range(0, 5) * (gsize)g_test_rand_int_range(0, 60);
    static const guint8 TYPES[] = {0x01, 0x02, 0x03, 0x04, 0x10, 0x20, 0x21, 0x30, 0x80, 0x86, 0x88, 0xff};
    guint8 type =
        g_test_rand_int_range(0, 10) ? TYPES[g_test_rand_int_range(0, G_N_ELEMENTS(TYPES))] : (guint8)g_test_rand_int();
    for (gsize i = 0; i < size; i++) payload[i] = (guint8)(g_test_rand_bit() ? g_test_rand_int() : 0);
    size = MIN(size, hxfr_max_payload(type));
    gboolean alive = peer_rig_say(rig, type, (guint16)g_test_rand_int_range(0, 5), payload, size);
    if (g_test_rand_int_range(0, 3) == 0) hub_publish(rig->service.hub, 0, support_unit(round % 20 == 0, 1, 64));
    HxfrHeader header;
    ByteReader reader;
    while (peer_rig_hear(rig, &header, &reader)) {
    }
    if (alive && g_test_rand_int_range(0, 200)) continue;
    peer_destroy(rig->peer);
    peer_rig_begin(rig, PEER_TRUSTED);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, trust, run)                                                                                          \
  g_test_add("/peer-limits/" name, PeerRig, GINT_TO_POINTER(trust), peer_rig_set_up, run, peer_rig_tear_down)
  ADD("token-right", PEER_NEEDS_TOKEN, test_token_right);
  ADD("token-wrong", PEER_NEEDS_TOKEN, test_token_wrong);
  ADD("F25-token-needed", PEER_NEEDS_TOKEN, test_token_needed);
  ADD("trusted", PEER_TRUSTED, test_trusted);
  ADD("hello-refused", PEER_TRUSTED, test_hello_refused);
  ADD("overflow", PEER_TRUSTED, test_overflow);
  ADD("F03-overdue-silent", PEER_TRUSTED, test_overdue_silent);
  ADD("F07-overdue-stalled", PEER_TRUSTED, test_overdue_stalled);
  ADD("overdue-stranger", PEER_NEEDS_TOKEN, test_overdue_stranger);
  ADD("too-many", PEER_TRUSTED, test_too_many);
  ADD("F05-gone-with-units", PEER_TRUSTED, test_gone_with_units);
  ADD("broken", PEER_TRUSTED, test_broken);
  ADD("random", PEER_TRUSTED, test_random);
  return g_test_run();
}
