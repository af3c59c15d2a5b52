/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"
#include "stream/peer.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/support/fake-requests.h"
#include "tests/unit/support/fake-source.h"
#include "tests/unit/support/support.h"

#include <string.h>

/*
 * A whole conversation: bytes as a connection hands them to its peer, against
 * a hub with a source that encodes nothing, while pictures are published, the
 * state changes, and the outbox is taken from or not. Every answer must be a
 * whole message within its limit.
 *
 * Input: u8 trust and habits, u8 size of the pieces, the bytes from the peer.
 */

enum {
  HABIT_TRUST = 3, /* modulo 3: a PeerTrust */
  HABIT_REQUESTS = 1 << 2,
  HABIT_ANSWERS_AT_ONCE = 1 << 3,
  HABIT_READS = 1 << 4,
  HABIT_PICTURES = 1 << 5,
  HABIT_EVENTS = 1 << 6,
};

typedef struct {
  FakeSource source;
  FakeRequests requests;
  PeerService service;
  Peer *peer;
  Framing framing;
  guint habits;
  guint messages;
} Talk;

static void on_wake(gpointer data) {
}

static const PeerTransport TRANSPORT = {.wake = on_wake, .has_pixels = TRUE};

static void check_item(const OutboxItem *item) {
  HxfrHeader header;
  gsize size = item->unit ? item->head_size + item->unit->body_size : g_bytes_get_size(item->message);
  gboolean good = hxfr_header_parse(item->unit ? item->head : g_bytes_get_data(item->message, NULL), &header);
  g_assert(good && header.payload_size == size - HXFR_HEADER_SIZE);
  g_assert(header.payload_size <= hxfr_max_payload(header.type));
}

static void read_all(Talk *talk) {
  OutboxItem item;
  guint32 wanted;
  while (outbox_pop(peer_outbox(talk->peer), &item, &wanted)) {
    check_item(&item);
    outbox_item_clear(&item);
    peer_idr_wanted(talk->peer, wanted);
  }
}

static void happen(Talk *talk) {
  guint n = talk->messages++;
  if (talk->habits & HABIT_PICTURES) hub_publish(talk->service.hub, n % 2 * 3, support_unit(n % 7 == 0, 1, 64));
  if (talk->habits & HABIT_EVENTS) hub_set_state(talk->service.hub, n % 3, n % 2 ? "é" : "b");
  if (talk->habits & HABIT_EVENTS && n % 5 == 0) fake_source_add_scanout(talk->service.hub, n % HXFR_MAX_SCANOUTS);
  if (talk->habits & HABIT_READS) read_all(talk);
}

/* As a connection does. FALSE: the end. */
static gboolean receive(Talk *talk) {
  HxfrHeader header;
  const guint8 *payload;
  FramingResult result;
  guint8 type;
  while (TRUE) {
    if (framing_peek_type(&talk->framing, &type)) talk->framing.max_payload = peer_max_payload(talk->peer, type);
    if ((result = framing_next(&talk->framing, &header, &payload)) != FRAMING_MESSAGE) break;
    gboolean go_on = peer_receive(talk->peer, &header, payload);
    happen(talk);
    if (!go_on) return FALSE;
    if (peer_is_congested(talk->peer)) read_all(talk);
  }
  if (result == FRAMING_NEED_MORE) return TRUE;
  peer_broken(talk->peer, result, &header);
  return FALSE;
}

static void talk_init(Talk *talk, guint habits) {
  *talk = (Talk){.habits = habits};
  talk->requests.answer_at_once = (habits & HABIT_ANSWERS_AT_ONCE) != 0;
  talk->service = (PeerService){
      .hub = hub_create(NULL, &FAKE_SOURCE, &talk->source),
      .vm_name = "vm",
      .token = "0123456789abcdef",
      .server_name = "fuzz",
      .max_bitrate = 50000000,
      .requests = habits & HABIT_REQUESTS ? &FAKE_REQUESTS : NULL,
      .requests_data = &talk->requests,
  };
  peer_service_init(&talk->service);
  fake_source_add_scanout(talk->service.hub, 0);
  fake_source_add_scanout(talk->service.hub, 3);
  talk->peer = peer_create(&talk->service, (PeerTrust)((habits & HABIT_TRUST) % 3), "fuzz", &TRANSPORT, NULL);
  framing_init(&talk->framing, 0);
}

static void talk_finish(Talk *talk) {
  read_all(talk);
  peer_overdue(talk->peer, g_get_monotonic_time());
  peer_destroy(talk->peer);
  g_assert(talk->source.running == 0 && talk->requests.opened == talk->requests.closed);
  fake_requests_finish(&talk->requests);
  peer_service_finish(&talk->service);
  hub_destroy(talk->service.hub);
  framing_finish(&talk->framing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  log_set_level(LOG_ERROR);
  Talk talk;
  talk_init(&talk, data[0]);
  gsize piece = data[1] ? data[1] : size;
  for (gsize at = 2; at < size; at += piece) {
    framing_feed(&talk.framing, data + at, MIN(piece, size - at));
    if (!receive(&talk)) break;
  }
  talk_finish(&talk);
  return 0;
}
