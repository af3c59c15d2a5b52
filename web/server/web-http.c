/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "web/server/web-private.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "stream/stats-json.h"

#include <string.h>

/* Longer than any header a browser sends us; libwebsockets' own limit for all of them together is 4 KiB. */
#define WEB_MAX_HEADER 4096
#define WEB_RESOURCES "/framelift/page"

/* Everything from us and nothing inline: what a page of somebody else's puts into ours does not run. */
static const char CSP[] = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; "
                          "img-src 'self' data: blob:; connect-src 'self' ws: wss:; manifest-src 'self'; "
                          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

typedef struct {
  const char *suffix;
  const char *type;
} MimeType;

static const MimeType MIME_TYPES[] = {
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".json", "application/json"},
};

typedef struct StatsWish StatsWish;

/* What a request still has to send: libwebsockets takes the body when the socket is writable. */
typedef struct {
  GBytes *body;
  StatsWish *wish;
} HttpState;

char *web_http_header(struct lws *wsi, enum lws_token_indexes token) {
  int length = lws_hdr_total_length(wsi, token);
  if (length <= 0 || length >= WEB_MAX_HEADER) return g_strdup("");
  char *text = g_malloc0((gsize)length + 1);
  if (lws_hdr_copy(wsi, text, length + 1, token) < 0) text[0] = '\0';
  return text;
}

typedef struct {
  guint8 buffer[LWS_PRE + 2048];
  guint8 *at;
  guint8 *end;
} Head;

static gboolean add_header(struct lws *wsi, Head *head, const char *name, const char *value) {
  return lws_add_http_header_by_name(wsi, (const guint8 *)name, (const guint8 *)value, (int)strlen(value), &head->at,
                                     head->end) == 0;
}

static gboolean begin_head(struct lws *wsi, Head *head, guint status, const char *type, gsize length) {
  head->at = head->buffer + LWS_PRE;
  head->end = head->buffer + sizeof head->buffer - 1;
  return lws_add_http_common_headers(wsi, status, type, length, &head->at, head->end) == 0 &&
         add_header(wsi, head, "content-security-policy:", CSP) &&
         add_header(wsi, head, "x-content-type-options:", "nosniff") &&
         add_header(wsi, head, "referrer-policy:", "no-referrer") &&
         add_header(wsi, head, "cross-origin-opener-policy:", "same-origin") &&
         add_header(wsi, head, "cache-control:", "no-store");
}

static gboolean end_head(struct lws *wsi, Head *head) {
  return lws_finalize_write_http_header(wsi, head->buffer + LWS_PRE, &head->at, head->end) == 0;
}

static int finished(struct lws *wsi) {
  return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int send_status(struct lws *wsi, guint status, const char *cookie) {
  Head head;
  gboolean sent = begin_head(wsi, &head, status, "text/plain", 0) &&
                  (!cookie || add_header(wsi, &head, "set-cookie:", cookie)) && end_head(wsi, &head);
  return sent ? finished(wsi) : -1;
}

int web_http_refuse(struct lws *wsi, guint status) {
  stats_count("web.refused");
  return send_status(wsi, status, NULL);
}

/* Takes the body over. */
static int send_body(struct lws *wsi, HttpState *state, const char *type, GBytes *body) {
  Head head;
  state->body = body;
  if (!begin_head(wsi, &head, HTTP_STATUS_OK, type, g_bytes_get_size(body)) || !end_head(wsi, &head)) return -1;
  lws_callback_on_writable(wsi);
  return 0;
}

static int on_body_writable(struct lws *wsi, HttpState *state) {
  if (!state->body) return 0;
  gsize size;
  const void *data = g_bytes_get_data(state->body, &size);
  g_autofree guint8 *buffer = g_malloc(LWS_PRE + size);
  memcpy(buffer + LWS_PRE, data, size);
  /* the largest is a hundred kilobytes: written at once, what the socket does not take libwebsockets keeps */
  int written = lws_write(wsi, buffer + LWS_PRE, size, LWS_WRITE_HTTP_FINAL);
  g_clear_pointer(&state->body, g_bytes_unref);
  return written < 0 ? -1 : finished(wsi);
}

static int send_file(struct lws *wsi, HttpState *state, const char *path) {
  const char *name = g_str_equal(path, "/") ? "/index.html" : path;
  g_autofree char *resource = g_strconcat(WEB_RESOURCES, name, NULL);
  GBytes *body = g_resources_lookup_data(resource, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  if (!body) return web_http_refuse(wsi, HTTP_STATUS_NOT_FOUND);
  const char *type = "application/octet-stream";
  for (gsize i = 0; i < G_N_ELEMENTS(MIME_TYPES); i++) {
    if (g_str_has_suffix(name, MIME_TYPES[i].suffix)) type = MIME_TYPES[i].type;
  }
  return send_body(wsi, state, type, body);
}

/* The counters are written down on the hub's thread, and the answer goes out when they are. */
struct StatsWish {
  int refs; /* atomic: the request's and the note's */
  WebServer *server;
  struct lws *wsi; /* the service thread's */
  char *json;      /* atomic */
};

static void stats_wish_unref(gpointer data) {
  StatsWish *wish = data;
  if (__atomic_sub_fetch(&wish->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  g_free(wish->json);
  g_free(wish);
}

static gboolean fill_stats(gpointer data) {
  StatsWish *wish = data;
  PeerService *service = wish->server->service;
  char *json = stats_json(service->hub, service->vm_name, service->server_name);
  __atomic_store_n(&wish->json, json, __ATOMIC_RELEASE);
  web_server_wake(wish->server);
  __atomic_sub_fetch(&wish->server->notes, 1, __ATOMIC_ACQ_REL);
  return G_SOURCE_REMOVE;
}

static int wish_stats(struct lws *wsi, WebServer *server, HttpState *state) {
  StatsWish *wish = g_new0(StatsWish, 1);
  *wish = (StatsWish){.refs = 2, .server = server, .wsi = wsi};
  state->wish = wish;
  g_ptr_array_add(server->wishes, wish);
  __atomic_add_fetch(&server->notes, 1, __ATOMIC_ACQ_REL);
  GSource *source = g_idle_source_new();
  g_source_set_callback(source, fill_stats, wish, stats_wish_unref);
  g_source_attach(source, server->context);
  g_source_unref(source);
  return 0;
}

static void drop_wish(WebServer *server, HttpState *state) {
  if (!state->wish) return;
  g_ptr_array_remove_fast(server->wishes, state->wish);
  g_clear_pointer(&state->wish, stats_wish_unref);
}

static void on_woken(WebServer *server) {
  for (guint i = 0; i < server->wishes->len; i++) {
    StatsWish *wish = g_ptr_array_index(server->wishes, i);
    if (__atomic_load_n(&wish->json, __ATOMIC_ACQUIRE)) lws_callback_on_writable(wish->wsi);
  }
}

static int send_stats(struct lws *wsi, WebServer *server, HttpState *state) {
  char *json = __atomic_exchange_n(&state->wish->json, NULL, __ATOMIC_ACQ_REL);
  if (!json) return 0;
  drop_wish(server, state);
  return send_body(wsi, state, "application/json", g_bytes_new_take(json, strlen(json)));
}

static int on_post_session(struct lws *wsi, WebServer *server) {
  g_autofree char *authorization = web_http_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION);
  g_autofree char *origin = web_http_header(wsi, WSI_TOKEN_ORIGIN);
  g_autofree char *host = web_http_header(wsi, WSI_TOKEN_HOST);
  if (!web_auth_origin_allowed(origin, host)) return web_http_refuse(wsi, HTTP_STATUS_FORBIDDEN);
  if (!web_auth_bearer_matches(&server->auth, authorization)) {
    static LogLimit limit;
    stats_count("web.wrong-token");
    log_limited(&limit, LOG_WARN, "web", "a browser came with a wrong token");
    return web_http_refuse(wsi, HTTP_STATUS_UNAUTHORIZED);
  }
  g_autofree char *cookie = web_auth_set_cookie(&server->auth);
  return send_status(wsi, HTTP_STATUS_NO_CONTENT, cookie);
}

static int on_request(struct lws *wsi, WebServer *server, HttpState *state, const char *path) {
  g_autofree char *host = web_http_header(wsi, WSI_TOKEN_HOST);
  g_autofree char *cookies = web_http_header(wsi, WSI_TOKEN_HTTP_COOKIE);
  stats_count("web.requests");
  if (!web_auth_host_allowed(&server->auth, host)) {
    static LogLimit limit;
    log_limited(&limit, LOG_WARN, "web", "a request for the host \"%s\" was refused: see --http-name", host);
    return web_http_refuse(wsi, HTTP_STATUS_FORBIDDEN);
  }
  gboolean post = lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0;
  gboolean get = lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0;
  if (post && g_str_equal(path, "/session")) return on_post_session(wsi, server);
  if (!get) return web_http_refuse(wsi, HTTP_STATUS_METHOD_NOT_ALLOWED);
  gboolean session = g_str_equal(path, "/session"), stats = g_str_equal(path, "/stats");
  if (!session && !stats) return send_file(wsi, state, path);
  if (!web_auth_cookie_matches(&server->auth, cookies)) return web_http_refuse(wsi, HTTP_STATUS_UNAUTHORIZED);
  return session ? send_status(wsi, HTTP_STATUS_NO_CONTENT, NULL) : wish_stats(wsi, server, state);
}

int web_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size) {
  HttpState *state = user;
  WebServer *server = lws_context_user(lws_get_context(wsi));
  switch (reason) {
  case LWS_CALLBACK_HTTP: {
    g_autofree char *path = g_strndup(in, size);
    return on_request(wsi, server, state, path);
  }
  case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
    /* a WebSocket that names no subprotocol, or another one, would come past the checks of "hxfr" */
    stats_count("web.refused-sockets");
    web_http_refuse(wsi, HTTP_STATUS_BAD_REQUEST);
    return -1;
  case LWS_CALLBACK_HTTP_WRITEABLE:
    return state->wish ? send_stats(wsi, server, state) : on_body_writable(wsi, state);
  case LWS_CALLBACK_CLOSED_HTTP:
  case LWS_CALLBACK_HTTP_DROP_PROTOCOL:
    if (!state) return 0;
    g_clear_pointer(&state->body, g_bytes_unref);
    drop_wish(server, state);
    return 0;
  case LWS_CALLBACK_EVENT_WAIT_CANCELLED:
    on_woken(server);
    return 0;
  default:
    return lws_callback_http_dummy(wsi, reason, user, in, size);
  }
}
