/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/peer.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "stream/stats-json.h"

#include <string.h>

/* STATE's text, HELLO's name: cut to this in an answer. */
#define PEER_TEXT_MAX 512u

struct Peer {
  PeerService *service;
  const PeerTransport *transport;
  gpointer transport_data;
  const char *kind;
  PeerTrust trust;
  guint version;
  gboolean admitted;
  gboolean overflowed; /* the outbox refused an answer */
  gint64 created_us;
  gint64 heard_us;
  Outbox *outbox;
  HubSubscription *subscriptions[HXFR_MAX_SCANOUTS];
  RequestBook *requests;
};

void peer_service_init(PeerService *service) {
  service->peers = g_ptr_array_new();
}

void peer_service_finish(PeerService *service) {
  g_assert(service->peers->len == 0);
  g_clear_pointer(&service->peers, g_ptr_array_unref);
}

static void send_message(Peer *peer, GBytes *message) {
  if (!outbox_push_message(peer->outbox, message)) peer->overflowed = TRUE;
  peer->transport->wake(peer->transport_data);
}

static void send_error(Peer *peer, guint16 session_id, gint32 code, const char *text) {
  static LogLimit limit;
  stats_count("peer.errors-sent");
  log_limited(&limit, LOG_INFO, "peer", "%s peer: ERROR %d (%s): %s", peer->kind, code, hxfr_error_name(code), text);
  send_message(peer, hxfr_error_message(session_id, code, text));
}

static void send_scanouts(Peer *peer) {
  guint8 payload[4 + HXFR_MAX_SCANOUTS * HXFR_SCANOUT_ENTRY_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_scanouts_write(&writer, hub_scanouts(peer->service->hub));
  send_message(peer, hxfr_message(HXFR_SCANOUTS, 0, payload, writer.position));
}

static void send_state(Peer *peer) {
  const char *text;
  HxfrDisplayState state = hub_state(peer->service->hub, &text);
  char cut[PEER_TEXT_MAX];
  const char *end;
  g_strlcpy(cut, text, sizeof cut);
  if (!g_utf8_validate(cut, -1, &end)) cut[end - cut] = '\0'; /* the cut may be in the middle of a character */
  guint8 payload[HXFR_STATE_FIXED_SIZE + PEER_TEXT_MAX];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_state_write(&writer, state, cut);
  send_message(peer, hxfr_message(HXFR_STATE, 0, payload, writer.position));
}

static void on_hub_event(HubEvent event, gpointer data) {
  Peer *peer = data;
  if (peer->version < HXFR_VERSION || !peer->admitted) return;
  if (event == HUB_SCANOUTS_CHANGED) send_scanouts(peer);
  if (event == HUB_STATE_CHANGED) send_state(peer);
}

static void send_answer(GBytes *message, gpointer data) {
  Peer *peer = data;
  outbox_push_answer(peer->outbox, message);
  peer->transport->wake(peer->transport_data);
}

/* Strangers have places of their own, so that they cannot take those of peers with a token. */
static gboolean has_room(const PeerService *service, PeerTrust trust) {
  guint strangers = 0;
  for (guint i = 0; i < service->peers->len; i++) {
    const Peer *peer = g_ptr_array_index(service->peers, i);
    if (!peer->admitted) strangers++;
  }
  guint others = service->peers->len - strangers;
  return trust == PEER_NEEDS_TOKEN ? strangers < PEER_MAX_STRANGERS : others < PEER_MAX_PEERS;
}

Peer *peer_create(PeerService *service, PeerTrust trust, const char *kind, const PeerTransport *transport,
                  gpointer data) {
  if (!has_room(service, trust)) {
    stats_count("peer.refused-too-many");
    return NULL;
  }
  Peer *peer = g_new0(Peer, 1);
  peer->service = service;
  peer->transport = transport;
  peer->transport_data = data;
  peer->kind = kind;
  peer->trust = trust;
  peer->version = 1;
  peer->admitted = trust != PEER_NEEDS_TOKEN;
  peer->heard_us = peer->created_us = g_get_monotonic_time();
  peer->outbox = outbox_create();
  peer->requests = request_book_create(service->requests, service->requests_data, send_answer, peer);
  g_ptr_array_add(service->peers, peer);
  hub_watch(service->hub, on_hub_event, peer);
  stats_count("peer.connected");
  stats_set(stats_counter("peer.now"), service->peers->len);
  return peer;
}

void peer_destroy(Peer *peer) {
  if (!peer) return;
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) hub_unsubscribe(peer->subscriptions[i]);
  request_book_destroy(peer->requests);
  hub_unwatch(peer->service->hub, on_hub_event, peer);
  g_ptr_array_remove_fast(peer->service->peers, peer);
  stats_set(stats_counter("peer.now"), peer->service->peers->len);
  outbox_unref(peer->outbox);
  g_free(peer);
}

GBytes *peer_refusal(void) {
  return hxfr_error_message(0, HXFR_ERR_DENIED, "too many connections to this VM: close one first (32 at the most)");
}

Outbox *peer_outbox(Peer *peer) {
  return peer->outbox;
}

/* Takes the same time whatever the peer sent, so that a token cannot be found byte by byte. */
static gboolean token_matches(const char *token, const char *given) {
  gsize length = strlen(token), given_length = strlen(given);
  guint different = length != given_length;
  for (gsize i = 0; i < length; i++) different |= (guint)(token[i] ^ given[given_length ? i % given_length : 0]);
  return different == 0;
}

static gboolean takes_pixels(const Peer *peer) {
  return peer->service->requests && peer->transport->has_pixels;
}

/* REQUEST_FINGERPRINT and what goes with it. To version 1 they are unknown types, like all that comes after it. */
static gboolean takes_tiles(const Peer *peer) {
  return peer->version >= HXFR_VERSION && takes_pixels(peer) && peer->service->requests->submit_tiles;
}

/* After its HELLO was accepted. */
static guint32 features_of(const Peer *peer) {
  const RequestSource *requests = peer->service->requests;
  guint32 features = HXFR_FEATURE_STATS;
  if (requests) features |= HXFR_FEATURE_REQUESTS;
  if (requests && requests->has_resources) features |= HXFR_FEATURE_RESOURCES;
  if (takes_pixels(peer)) features |= HXFR_FEATURE_PIXELS;
  if (takes_tiles(peer)) features |= HXFR_FEATURE_TILES;
  return features;
}

/* Who came in only because the listener is open to version 1 may look, and no more. */
static guint16 rights_of(const Peer *peer, const HxfrHello *hello) {
  gboolean proved = peer->trust != PEER_VERSION_1 || hello->token[0] != '\0';
  return proved ? HXFR_RIGHT_VIEW | HXFR_RIGHT_CONTROL : HXFR_RIGHT_VIEW;
}

static gboolean on_hello(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  HxfrHello hello;
  if (!hxfr_hello_parse(reader, &hello) || hello.version < HXFR_VERSION) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a malformed HELLO");
    return FALSE;
  }
  gboolean needed = peer->trust == PEER_NEEDS_TOKEN || hello.token[0] != '\0';
  if (needed && !token_matches(peer->service->token, hello.token)) {
    stats_count("peer.wrong-token");
    send_error(peer, header->session_id, HXFR_ERR_DENIED,
               hello.token[0] ? "the token is wrong: use the one in frameliftd's token file"
                              : "a token is needed here: give the one in frameliftd's token file");
    return FALSE;
  }
  if (!peer->admitted && !has_room(peer->service, PEER_TRUSTED)) {
    stats_count("peer.refused-too-many");
    send_message(peer, peer_refusal());
    return FALSE;
  }
  peer->version = HXFR_VERSION;
  peer->admitted = TRUE;
  log_debug("peer", "%s peer is \"%s\", version 2", peer->kind, hello.name);

  HxfrWelcome welcome = {
      .version = HXFR_VERSION,
      .rights = rights_of(peer, &hello),
      .features = features_of(peer),
      .heartbeat_ms = HUB_HEARTBEAT_MS,
  };
  g_strlcpy(welcome.name, peer->service->vm_name, sizeof welcome.name);
  guint8 payload[HXFR_WELCOME_FIXED_SIZE + HXFR_MAX_NAME];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_welcome_write(&writer, &welcome);
  send_message(peer, hxfr_message(HXFR_WELCOME, header->session_id, payload, writer.position));
  send_scanouts(peer);
  send_state(peer);
  return TRUE;
}

static gboolean on_subscribe(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  guint32 scanout;
  if (!hxfr_subscribe_parse(reader, &scanout)) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a malformed SUBSCRIBE");
    return TRUE;
  }
  if (scanout < HXFR_MAX_SCANOUTS && peer->subscriptions[scanout]) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "SUBSCRIBE of a scanout that is subscribed already");
    return TRUE;
  }
  if (request_book_has_session(peer->requests, header->session_id)) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "SUBSCRIBE on a session that has requests");
    return TRUE;
  }
  gboolean exists = hub_has_scanout(peer->service->hub, scanout);
  guint8 payload[HXFR_SUBSCRIBE_RESP_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_subscribe_resp_write(&writer, scanout, exists);
  /* before the first unit can be in the outbox */
  send_message(peer, hxfr_message(HXFR_SUBSCRIBE_RESP, header->session_id, payload, sizeof payload));
  if (!exists) {
    stats_count("peer.subscribe-absent");
    return TRUE;
  }
  peer->subscriptions[scanout] = hub_subscribe(peer->service->hub, scanout, peer->outbox, peer->version,
                                               peer->transport->wake, peer->transport_data);
  return TRUE;
}

static HubSubscription *subscription_of(const Peer *peer, const HxfrHeader *header) {
  return header->session_id < HXFR_MAX_SCANOUTS ? peer->subscriptions[header->session_id] : NULL;
}

static void on_unsubscribe(Peer *peer, const HxfrHeader *header) {
  HubSubscription *subscription = subscription_of(peer, header);
  if (!subscription) return;
  peer->subscriptions[header->session_id] = NULL;
  hub_unsubscribe(subscription);
}

static void on_keyframe_req(Peer *peer, const HxfrHeader *header) {
  HubSubscription *subscription = subscription_of(peer, header);
  stats_count("peer.keyframe-requests");
  if (subscription) {
    hub_want_idr(subscription);
  } else if (!request_book_force_keyframe(peer->requests, header->session_id)) {
    send_error(peer, header->session_id, HXFR_ERR_NOT_CONFIGURED,
               "KEYFRAME_REQ on a session without SUBSCRIBE or FRAME_REQUEST");
  }
}

/* Version 1 peers in the field send kbit/s where the protocol says bit/s: nobody wants a video of under 100 kbit/s. */
static guint32 bitrate_of(const Peer *peer, guint32 given) {
  static LogLimit limit;
  if (peer->version >= HXFR_VERSION || given == 0 || given >= 100000) return given;
  stats_count("peer.bitrate-in-kbit");
  log_limited(&limit, LOG_INFO, "peer", "a version 1 peer asks for %u bit/s: taken as kbit/s", given);
  return given * 1000;
}

static void on_config_req(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  HxfrConfig config;
  if (!hxfr_config_parse(reader, &config)) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a malformed CONFIG_REQ");
    return;
  }
  HubSubscription *subscription = subscription_of(peer, header);
  config.bitrate = (guint32)MIN(bitrate_of(peer, config.bitrate), peer->service->max_bitrate);
  if (subscription) {
    hub_wish_bitrate(subscription, config.bitrate);
  } else if (!request_book_set_bitrate(peer->requests, header->session_id, config.bitrate)) {
    send_error(peer, header->session_id, HXFR_ERR_NOT_CONFIGURED, "CONFIG_REQ, and no session can be opened for it");
    return;
  }
  if (peer->version < HXFR_VERSION) return;
  /* what applies: the wish for a bit rate; size, rate and profile are the scanout's and the stream's */
  const HxfrScanouts *scanouts = hub_scanouts(peer->service->hub);
  for (guint i = 0; subscription && i < scanouts->count; i++) {
    if (scanouts->entries[i].id != header->session_id) continue;
    config.width = scanouts->entries[i].width;
    config.height = scanouts->entries[i].height;
    config.framerate_num = scanouts->entries[i].refresh_mhz;
    config.framerate_den = 1000;
  }
  config.profile = 66;
  config.realtime = 1;
  guint8 payload[HXFR_CONFIG_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_config_write(&writer, &config);
  send_message(peer, hxfr_message(HXFR_CONFIG_RESP, header->session_id, payload, sizeof payload));
}

static void on_enable_scanout(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  HxfrEnableScanout enable;
  if (!hxfr_enable_scanout_parse(reader, &enable)) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a malformed ENABLE_SCANOUT");
    return;
  }
  HxfrScanoutResp response = {
      .scanout_id = enable.scanout_id,
      .success = request_book_enable(peer->requests, &enable),
  };
  if (response.success) {
    request_book_bind_scanout(peer->requests, header->session_id, enable.scanout_id);
    g_snprintf(response.connector, sizeof response.connector, "Virtual-%u", enable.scanout_id + 1);
  }
  guint8 payload[HXFR_SCANOUT_RESP_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_scanout_resp_write(&writer, &response);
  send_message(peer, hxfr_message(HXFR_SCANOUT_RESP, header->session_id, payload, sizeof payload));
}

static void on_disable_scanout(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  guint32 scanout;
  if (hxfr_disable_scanout_parse(reader, &scanout)) {
    request_book_disable(peer->requests, scanout); /* version 1 has no answer to it */
  } else {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a malformed DISABLE_SCANOUT");
  }
}

static void on_request(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  if (subscription_of(peer, header)) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a request on a session that is a subscription");
  } else if (header->type == HXFR_REQUEST_FINGERPRINT) {
    request_book_take_fingerprint(peer->requests, header, reader);
  } else if (header->type == HXFR_REQUEST_TILES) {
    request_book_take_tiles(peer->requests, header, reader);
  } else {
    request_book_take(peer->requests, header, reader);
  }
}

static void on_request_scanout(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  guint32 scanout;
  if (!hxfr_request_scanout_parse(reader, &scanout) || scanout >= HXFR_MAX_SCANOUTS || subscription_of(peer, header)) {
    send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE,
               "REQUEST_SCANOUT that is malformed, over 15, or on a session that is a subscription");
  } else if (!request_book_bind_scanout(peer->requests, header->session_id, scanout)) {
    send_error(peer, header->session_id, HXFR_ERR_NOT_CONFIGURED, "REQUEST_SCANOUT of too many sessions");
  }
}

static gboolean skip_unknown(Peer *peer, const HxfrHeader *header) {
  stats_count("peer.unknown-messages");
  send_error(peer, header->session_id, HXFR_ERR_INVALID_MESSAGE, "a message of unknown type was skipped");
  return TRUE;
}

static void on_stats_req(Peer *peer, const HxfrHeader *header) {
  g_autofree char *json = stats_json(peer->service->hub, peer->service->vm_name, peer->service->server_name);
  send_message(peer, hxfr_message(HXFR_STATS, header->session_id, json, MIN(strlen(json), HXFR_MAX_TEXT)));
}

static gboolean dispatch(Peer *peer, const HxfrHeader *header, ByteReader *reader) {
  switch (header->type) {
  case HXFR_HELLO:
    return on_hello(peer, header, reader);
  case HXFR_PING:
    send_message(peer, hxfr_message(HXFR_PONG, header->session_id, reader->data, reader->size));
    return TRUE;
  case HXFR_PONG:
    return TRUE;
  case HXFR_SUBSCRIBE:
    return on_subscribe(peer, header, reader);
  case HXFR_UNSUBSCRIBE:
    on_unsubscribe(peer, header);
    return TRUE;
  case HXFR_KEYFRAME_REQ:
    on_keyframe_req(peer, header);
    return TRUE;
  case HXFR_CONFIG_REQ:
    on_config_req(peer, header, reader);
    return TRUE;
  case HXFR_ENABLE_SCANOUT:
    on_enable_scanout(peer, header, reader);
    return TRUE;
  case HXFR_DISABLE_SCANOUT:
    on_disable_scanout(peer, header, reader);
    return TRUE;
  case HXFR_FRAME_REQUEST:
    on_request(peer, header, reader);
    return TRUE;
  case HXFR_REQUEST_FINGERPRINT:
  case HXFR_REQUEST_TILES:
    if (!takes_tiles(peer)) return skip_unknown(peer, header);
    on_request(peer, header, reader);
    return TRUE;
  case HXFR_REQUEST_SCANOUT:
    if (!takes_tiles(peer)) return skip_unknown(peer, header);
    on_request_scanout(peer, header, reader);
    return TRUE;
  case HXFR_STATS_REQ:
    on_stats_req(peer, header);
    return TRUE;
  default:
    return skip_unknown(peer, header);
  }
}

guint32 peer_max_payload(const Peer *peer, guint8 type) {
  gboolean pixels = peer->admitted && ((type == HXFR_FRAME_REQUEST && takes_pixels(peer)) ||
                                       (type == HXFR_REQUEST_TILES && takes_tiles(peer)));
  return pixels ? hxfr_max_payload(type) : MIN(hxfr_max_payload(type), HXFR_MAX_REQUEST);
}

gboolean peer_is_congested(const Peer *peer) {
  return outbox_is_congested(peer->outbox) || request_book_is_congested(peer->requests);
}

gboolean peer_owes_too_much(const Peer *peer) {
  return request_book_is_congested(peer->requests);
}

gboolean peer_receive(Peer *peer, const HxfrHeader *header, const guint8 *payload) {
  peer->heard_us = g_get_monotonic_time();
  stats_count("peer.messages");
  if (!peer->admitted && header->type != HXFR_HELLO && header->type != HXFR_PING) {
    stats_count("peer.wrong-token");
    send_error(peer, header->session_id, HXFR_ERR_DENIED,
               "a token is needed here: send HELLO with the one in frameliftd's token file first");
    return FALSE;
  }
  ByteReader reader;
  byte_reader_init(&reader, payload, header->payload_size);
  gboolean go_on = dispatch(peer, header, &reader);
  if (peer->overflowed) stats_count("peer.cut-off-overflow");
  return go_on && !peer->overflowed;
}

void peer_broken(Peer *peer, FramingResult result, const HxfrHeader *header) {
  stats_count("peer.broken-streams");
  g_autofree char *text = result == FRAMING_TOO_LARGE
                              ? g_strdup_printf("%s of %u bytes: more than is taken here; closing",
                                                hxfr_type_name(header->type), header->payload_size)
                              : g_strdup_printf("%s; closing", framing_result_text(result));
  send_error(peer, 0, HXFR_ERR_INVALID_MESSAGE, text);
}

void peer_idr_wanted(Peer *peer, guint32 scanouts) {
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    if ((scanouts >> i & 1) && peer->subscriptions[i]) hub_want_idr_after_lag(peer->subscriptions[i]);
  }
}

const char *peer_overdue(Peer *peer, gint64 now_us) {
  if (outbox_stalled_us(peer->outbox, now_us) > PEER_STALL_US) {
    stats_count("peer.cut-off-stalled");
    return "it took nothing for 30 s";
  }
  if (!peer->admitted && now_us - peer->created_us > PEER_STRANGER_US) {
    stats_count("peer.cut-off-stranger");
    return "it sent no token for 5 s";
  }
  if (peer->version >= HXFR_VERSION && now_us - peer->heard_us > PEER_SILENCE_US) {
    stats_count("peer.cut-off-silent");
    return "it said nothing for 15 s, not even PING";
  }
  return NULL;
}
