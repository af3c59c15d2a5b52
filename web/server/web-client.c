/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-client.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "web/server/web-private.h"

struct WebClient {
  int refs; /* atomic */
  struct WebServer *server;
  int notes;   /* atomic: on their way to the hub's thread */
  int wake;    /* atomic: something is in the outbox */
  int closing; /* atomic: send what is there, then close */

  Mutex mutex;
  Outbox *outbox; /* set once by the hub's thread; NULL before */

  struct lws *wsi;     /* the service thread's; NULL once closed */
  GByteArray *message; /* the service thread's: what has come of a message */

  Peer *peer; /* the hub's thread's */
};

WebClient *web_client_ref(WebClient *client) {
  __atomic_add_fetch(&client->refs, 1, __ATOMIC_RELAXED);
  return client;
}

void web_client_unref(WebClient *client) {
  if (!client || __atomic_sub_fetch(&client->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  g_assert(client->peer == NULL);
  outbox_unref(client->outbox);
  g_byte_array_unref(client->message);
  mutex_finish(&client->mutex);
  g_free(client);
}

/* A note from the service thread to the hub's. */
typedef struct {
  WebClient *client;
  void (*run)(WebClient *client, GBytes *message, guint32 number);
  GBytes *message;
  guint32 number;
} Note;

static gboolean deliver(gpointer data) {
  Note *note = data;
  note->run(note->client, note->message, note->number);
  return G_SOURCE_REMOVE;
}

static void note_free(gpointer data) {
  Note *note = data;
  __atomic_sub_fetch(&note->client->notes, 1, __ATOMIC_ACQ_REL);
  __atomic_sub_fetch(&note->client->server->notes, 1, __ATOMIC_ACQ_REL);
  g_clear_pointer(&note->message, g_bytes_unref);
  web_client_unref(note->client);
  g_free(note);
}

static void send_note(WebClient *client, void (*run)(WebClient *, GBytes *, guint32), GBytes *message, guint32 number) {
  Note *note = g_new0(Note, 1);
  *note = (Note){web_client_ref(client), run, message, number};
  __atomic_add_fetch(&client->notes, 1, __ATOMIC_ACQ_REL);
  __atomic_add_fetch(&client->server->notes, 1, __ATOMIC_ACQ_REL);
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT); /* notes keep their order: all have one priority */
  g_source_set_callback(source, deliver, note, note_free);
  g_source_attach(source, client->server->context);
  g_source_unref(source);
}

/* The hub's thread. */
static void wake(gpointer data) {
  WebClient *client = data;
  if (!__atomic_exchange_n(&client->wake, 1, __ATOMIC_ACQ_REL)) web_server_wake(client->server);
}

static void close_later(WebClient *client) {
  __atomic_store_n(&client->closing, 1, __ATOMIC_RELEASE);
  wake(client);
}

static const PeerTransport TRANSPORT = {.wake = wake};

static void set_outbox(WebClient *client, Outbox *outbox) {
  mutex_lock(&client->mutex);
  client->outbox = outbox;
  mutex_unlock(&client->mutex);
}

static void on_opened(WebClient *client, GBytes *message, guint32 number) {
  client->peer = peer_create(client->server->service, PEER_TRUSTED, "websocket", &TRANSPORT, client);
  if (client->peer) {
    g_ptr_array_add(client->server->peers, client);
    set_outbox(client, outbox_ref(peer_outbox(client->peer)));
    return;
  }
  Outbox *outbox = outbox_create();
  outbox_push_message(outbox, peer_refusal());
  set_outbox(client, outbox);
  close_later(client);
}

void web_client_end(WebClient *client) {
  if (!client->peer) return;
  g_ptr_array_remove_fast(client->server->peers, client);
  g_clear_pointer(&client->peer, peer_destroy);
}

static void on_message(WebClient *client, GBytes *message, guint32 number) {
  if (!client->peer || __atomic_load_n(&client->closing, __ATOMIC_ACQUIRE)) return;
  gsize size;
  const guint8 *bytes = g_bytes_get_data(message, &size);
  HxfrHeader header = {0};
  FramingResult result = FRAMING_MESSAGE;
  if (size < HXFR_HEADER_SIZE || !hxfr_header_parse(bytes, &header)) {
    result = FRAMING_BAD_MAGIC;
  } else if (header.payload_size > hxfr_max_payload(header.type)) {
    result = FRAMING_TOO_LARGE;
  } else if (header.payload_size != size - HXFR_HEADER_SIZE) {
    result = FRAMING_NEED_MORE; /* a WebSocket message is a whole one */
  }
  gboolean go_on = FALSE;
  if (result == FRAMING_MESSAGE) {
    go_on = peer_receive(client->peer, &header, bytes + HXFR_HEADER_SIZE);
  } else {
    peer_broken(client->peer, result, &header);
  }
  /* a WebSocket's messages cannot be left unread: who asks for more than may be owed is cut off */
  if (go_on && peer_owes_too_much(client->peer)) {
    stats_count("web.cut-off-flood");
    go_on = FALSE;
  }
  if (!go_on) close_later(client);
}

static void on_idr_wanted(WebClient *client, GBytes *message, guint32 scanouts) {
  if (client->peer) peer_idr_wanted(client->peer, scanouts);
}

static void on_closed(WebClient *client, GBytes *message, guint32 number) {
  web_client_end(client);
}

void web_client_check(WebClient *client, gint64 now_us) {
  static LogLimit limit;
  const char *why = client->peer ? peer_overdue(client->peer, now_us) : NULL;
  if (!why) return;
  log_limited(&limit, LOG_INFO, "web", "cutting off a viewer: %s", why);
  close_later(client);
}

WebClient *web_client_open(struct WebServer *server, struct lws *wsi) {
  WebClient *client = g_new0(WebClient, 1);
  client->refs = 1;
  client->server = server;
  client->wsi = wsi;
  client->message = g_byte_array_new();
  mutex_init(&client->mutex);
  send_note(client, on_opened, NULL, 0);
  return client;
}

gboolean web_client_received(WebClient *client, const void *bytes, gsize size, gboolean final) {
  /* the page sends requests only; nothing with pixels comes from a browser */
  if (client->message->len + size > HXFR_HEADER_SIZE + HXFR_MAX_REQUEST) {
    stats_count("web.oversize-messages");
    return FALSE;
  }
  g_byte_array_append(client->message, bytes, (guint)size);
  if (!final) return TRUE;
  if (__atomic_load_n(&client->notes, __ATOMIC_ACQUIRE) >= WEB_CLIENT_MAX_NOTES) {
    stats_count("web.cut-off-flood");
    return FALSE;
  }
  send_note(client, on_message, g_bytes_new(client->message->data, client->message->len), 0);
  g_byte_array_set_size(client->message, 0);
  return TRUE;
}

gboolean web_client_next(WebClient *client, OutboxItem *item) {
  mutex_lock(&client->mutex);
  Outbox *outbox = client->outbox;
  mutex_unlock(&client->mutex);
  if (!outbox) return FALSE;
  guint32 idr_wanted = 0;
  gboolean any = outbox_pop(outbox, item, &idr_wanted);
  if (idr_wanted) send_note(client, on_idr_wanted, NULL, idr_wanted);
  return any;
}

gboolean web_client_is_closing(WebClient *client) {
  return __atomic_load_n(&client->closing, __ATOMIC_ACQUIRE) != 0;
}

void web_client_closed(WebClient *client) {
  client->wsi = NULL;
  send_note(client, on_closed, NULL, 0);
}

gboolean web_client_take_wake(WebClient *client) {
  return __atomic_exchange_n(&client->wake, 0, __ATOMIC_ACQ_REL) != 0;
}

struct lws *web_client_wsi(WebClient *client) {
  return client->wsi;
}
