/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/requests.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/media/pixel-format.h"
#include "stream/unit-message.h"

#include <string.h>

/* Bit rates that a peer wished, and scanouts that it named, for sessions before their first request. */
#define REQUESTS_MAX_WISHES 64u

/* What a session owes for one request. */
typedef struct {
  gint64 pts_ns;
} Debt;

typedef struct {
  RequestBook *book;
  guint16 id;
  RequestSession *session; /* NULL where none could be opened */
  GQueue debts;            /* of Debt, oldest first */
} Session;

struct RequestBook {
  const RequestSource *source;
  gpointer source_data;
  RequestSend send;
  gpointer data;
  GHashTable *sessions; /* by id, of Session */
  GHashTable *wishes;   /* bit rates by id, of sessions that are not open yet */
  GHashTable *scanouts; /* their scanouts by id, those that are not 0 */
  guint in_flight;
  guint32 outputs; /* a bit each: connected by this peer */
};

static void session_free(gpointer data) {
  Session *session = data;
  if (session->session) session->book->source->close(session->session);
  g_queue_clear_full(&session->debts, g_free);
  g_free(session);
}

RequestBook *request_book_create(const RequestSource *source, gpointer source_data, RequestSend send, gpointer data) {
  RequestBook *book = g_new0(RequestBook, 1);
  book->source = source;
  book->source_data = source_data;
  book->send = send;
  book->data = data;
  book->sessions = g_hash_table_new_full(NULL, NULL, NULL, session_free);
  book->wishes = g_hash_table_new(NULL, NULL);
  book->scanouts = g_hash_table_new(NULL, NULL);
  return book;
}

void request_book_destroy(RequestBook *book) {
  g_hash_table_unref(book->sessions);
  g_hash_table_unref(book->wishes);
  g_hash_table_unref(book->scanouts);
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    if (book->outputs >> i & 1) request_book_disable(book, i);
  }
  g_free(book);
}

static void send_error(RequestBook *book, guint16 session_id, gint32 code, const char *text) {
  static LogLimit limit;
  stats_count("requests.errors");
  log_limited(&limit, LOG_INFO, "requests", "session %u: ERROR %d (%s): %s", session_id, code, hxfr_error_name(code),
              text);
  book->send(hxfr_error_message(session_id, code, text), book->data);
}

static void send_wanted(Session *session, gint64 pts_ns, guint32 reason) {
  guint8 payload[HXFR_PIXELS_WANTED_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_pixels_wanted_write(&writer, &(HxfrPixelsWanted){pts_ns, reason});
  stats_count("requests.pixels-wanted");
  log_debug("requests", "session %u: pixels wanted, pts=%" G_GINT64_FORMAT ": %s", session->id, pts_ns,
            hxfr_wanted_reason_text(reason));
  session->book->send(hxfr_message(HXFR_PIXELS_WANTED, session->id, payload, sizeof payload), session->book->data);
}

static void on_answer(gpointer data, AccessUnit *unit, gint32 code, const char *text) {
  Session *session = data;
  RequestBook *book = session->book;
  g_autofree Debt *debt = g_queue_pop_head(&session->debts);
  g_assert(debt != NULL);
  book->in_flight--;
  if (!unit && code > 0) {
    send_wanted(session, debt->pts_ns, (guint32)code);
    return;
  }
  if (!unit) {
    send_error(book, session->id, code, text);
    return;
  }
  stats_count("requests.answered");
  log_debug("requests", "session %u: answer of %" G_GSIZE_FORMAT " bytes, pts=%" G_GINT64_FORMAT "%s", session->id,
            unit->size, debt->pts_ns, unit->info.is_key ? ", key frame" : "");
  book->send(unit_message_response(unit, session->id, debt->pts_ns), book->data);
  access_unit_unref(unit);
}

static Session *find_or_open(RequestBook *book, guint16 id) {
  Session *session = g_hash_table_lookup(book->sessions, GUINT_TO_POINTER(id));
  if (session) return session;
  RequestSession *opened = NULL;
  session = g_new0(Session, 1);
  session->book = book;
  session->id = id;
  g_queue_init(&session->debts);
  opened = book->source->open(book->source_data, on_answer, session);
  if (!opened) {
    session_free(session);
    return NULL;
  }
  session->session = opened;
  g_hash_table_insert(book->sessions, GUINT_TO_POINTER(id), session);
  gpointer wish = g_hash_table_lookup(book->wishes, GUINT_TO_POINTER(id));
  if (wish) book->source->set_bitrate(opened, GPOINTER_TO_UINT(wish));
  gpointer scanout = g_hash_table_lookup(book->scanouts, GUINT_TO_POINTER(id));
  if (scanout) book->source->set_scanout(opened, GPOINTER_TO_UINT(scanout));
  return session;
}

/* The pixels that follow the fixed part: exactly as many as the request says. NULL and why not. */
static GBytes *take_pixels(const HxfrFrameRequest *request, ByteReader *reader, const char **why) {
  gsize size;
  if (request->width == 0 || request->height == 0 || request->width > FRAME_MAX_WIDTH ||
      request->height > FRAME_MAX_HEIGHT) {
    *why = "FRAME_REQUEST with pixels of a size that is 0 or over 8192x4320";
  } else if (!pixel_format_info(request->format)) {
    *why = "FRAME_REQUEST with pixels of an unknown format";
  } else if (request->format == PIXEL_FORMAT_NV12 && (request->width % 2 || request->height % 2)) {
    *why = "FRAME_REQUEST with NV12 of an odd size";
  } else if (!pixel_format_size(request->format, request->width, request->height, request->stride, &size)) {
    *why = "FRAME_REQUEST with a stride that is too small for its width";
  } else if (byte_reader_left(reader) != size) {
    *why = "FRAME_REQUEST with more or fewer pixels than its size says";
  } else {
    guint8 *copy = g_try_malloc(size);
    if (copy) return g_bytes_new_take(memcpy(copy, byte_reader_bytes(reader, size), size), size);
    *why = "no memory for the pixels of FRAME_REQUEST";
  }
  return NULL;
}

/* The session that owes one more answer now; NULL where the answer is ERROR, which is sent. why: NULL, or what is wrong
 * with the request already. */
static Session *admit(RequestBook *book, const HxfrHeader *header, const HxfrFrameRequest *request, const char *why) {
  Session *session = NULL;
  gint32 code = HXFR_ERR_INVALID_MESSAGE;
  if (!why) {
    session = book->source ? find_or_open(book, header->session_id) : NULL;
    gboolean no_resource = !book->source && request->resource_id != 0; /* by wire rule 2, whatever else is missing */
    code = no_resource ? HXFR_ERR_RESOURCE_NOT_FOUND : HXFR_ERR_NOT_CONFIGURED;
    why = book->source ? "too many request sessions of this VM: 8 at the most" : "this host takes no requests";
  }
  if (!session) {
    /* sessions that never were have no order to keep; those that are get a malformed request's answer at once */
    send_error(book, header->session_id, code, why);
    return NULL;
  }
  stats_count("requests.taken");
  g_queue_push_tail(&session->debts, g_memdup2(&(Debt){request->pts_ns}, sizeof(Debt)));
  book->in_flight++;
  return session;
}

void request_book_take(RequestBook *book, const HxfrHeader *header, ByteReader *reader) {
  HxfrFrameRequest request;
  g_autoptr(GBytes) pixels = NULL;
  const char *why = NULL;
  if (!hxfr_frame_request_parse(reader, &request)) {
    why = "a malformed FRAME_REQUEST";
  } else if (header->flags & HXFR_FLAG_PIXELS && request.resource_id == 0) {
    pixels = take_pixels(&request, reader, &why);
  }
  if (!why) {
    log_debug("requests", "session %u: request for resource %u, %ux%u, pts=%" G_GINT64_FORMAT "%s", header->session_id,
              request.resource_id, request.width, request.height, request.pts_ns, pixels ? ", with pixels" : "");
  }
  Session *session = admit(book, header, &request, why);
  if (session) book->source->submit(session->session, &request, pixels);
}

static const char *check_fingerprint(const HxfrRequestFingerprint *request) {
  const HxfrFrameRequest *frame = &request->request;
  if (request->scanout >= HXFR_MAX_SCANOUTS) return "REQUEST_FINGERPRINT of a scanout over 15";
  for (guint i = 0; i < request->fingerprint.count; i++) {
    const FingerprintPlace *place = &request->fingerprint.places[i];
    if (place->x >= frame->width || place->y >= frame->height) return "REQUEST_FINGERPRINT with a place outside";
  }
  return NULL;
}

void request_book_take_fingerprint(RequestBook *book, const HxfrHeader *header, ByteReader *reader) {
  HxfrRequestFingerprint request;
  const char *why = "a malformed REQUEST_FINGERPRINT";
  if (hxfr_request_fingerprint_parse(reader, &request)) why = check_fingerprint(&request);
  if (!why) {
    stats_count("requests.fingerprints");
    log_debug("requests", "session %u: request by fingerprint, %u places on scanout %u, %ux%u, pts=%" G_GINT64_FORMAT,
              header->session_id, request.fingerprint.count, request.scanout, request.request.width,
              request.request.height, request.request.pts_ns);
  }
  Session *session = admit(book, header, &request.request, why);
  if (session) book->source->submit_fingerprint(session->session, &request);
}

void request_book_take_tiles(RequestBook *book, const HxfrHeader *header, ByteReader *reader) {
  g_auto(RequestTiles) request = {0};
  const char *why;
  if (request_tiles_read(&request, reader, &why)) {
    const HxfrRequestTiles *tiles = &request.tiles;
    gsize size = g_bytes_get_size(request.bytes);
    stats_count("requests.tiles");
    stats_add(stats_counter("requests.tile-rects"), tiles->rect_count);
    stats_add(stats_counter("requests.tile-bytes"), (gint64)size);
    log_debug("requests",
              "session %u: request by tiles, picture %u on %u, %u rectangles, %" G_GSIZE_FORMAT
              " bytes, %ux%u, pts=%" G_GINT64_FORMAT,
              header->session_id, tiles->picture, tiles->base, tiles->rect_count, size, tiles->request.width,
              tiles->request.height, tiles->request.pts_ns);
  }
  Session *session = admit(book, header, &request.tiles.request, why);
  if (session) book->source->submit_tiles(session->session, &request);
}

gboolean request_book_bind_scanout(RequestBook *book, guint16 session_id, guint scanout) {
  g_assert(scanout < HXFR_MAX_SCANOUTS);
  if (!book->source || !book->source->set_scanout) return FALSE;
  Session *session = g_hash_table_lookup(book->sessions, GUINT_TO_POINTER(session_id));
  if (session) {
    book->source->set_scanout(session->session, scanout);
    return TRUE;
  }
  gboolean known = g_hash_table_contains(book->scanouts, GUINT_TO_POINTER(session_id));
  if (scanout == 0) {
    g_hash_table_remove(book->scanouts, GUINT_TO_POINTER(session_id));
    return TRUE;
  }
  if (!known && g_hash_table_size(book->scanouts) >= REQUESTS_MAX_WISHES) return FALSE;
  g_hash_table_insert(book->scanouts, GUINT_TO_POINTER(session_id), GUINT_TO_POINTER(scanout));
  return TRUE;
}

gboolean request_book_has_session(const RequestBook *book, guint16 session_id) {
  return g_hash_table_contains(book->sessions, GUINT_TO_POINTER(session_id));
}

gboolean request_book_set_bitrate(RequestBook *book, guint16 session_id, guint bitrate) {
  if (!book->source) return FALSE;
  Session *session = g_hash_table_lookup(book->sessions, GUINT_TO_POINTER(session_id));
  if (session) {
    book->source->set_bitrate(session->session, bitrate);
    return TRUE;
  }
  /* no encoder before there is something to encode: the session may become a subscription yet */
  gboolean known = g_hash_table_contains(book->wishes, GUINT_TO_POINTER(session_id));
  if (!known && g_hash_table_size(book->wishes) >= REQUESTS_MAX_WISHES) return FALSE;
  g_hash_table_insert(book->wishes, GUINT_TO_POINTER(session_id), GUINT_TO_POINTER(bitrate));
  return TRUE;
}

gboolean request_book_force_keyframe(RequestBook *book, guint16 session_id) {
  Session *session = g_hash_table_lookup(book->sessions, GUINT_TO_POINTER(session_id));
  if (session) book->source->force_keyframe(session->session);
  return session != NULL;
}

gboolean request_book_enable(RequestBook *book, const HxfrEnableScanout *enable) {
  if (!book->source || !book->source->set_output || enable->scanout_id == 0 ||
      enable->scanout_id >= HXFR_MAX_SCANOUTS || enable->width == 0 || enable->height == 0 ||
      enable->width > FRAME_MAX_WIDTH || enable->height > FRAME_MAX_HEIGHT || enable->refresh_rate > 1000) {
    return FALSE;
  }
  guint refresh_mhz = enable->refresh_rate * 1000;
  if (!book->source->set_output(book->source_data, book, enable->scanout_id, TRUE, enable->width, enable->height,
                                refresh_mhz)) {
    return FALSE;
  }
  book->outputs |= 1u << enable->scanout_id;
  return TRUE;
}

void request_book_disable(RequestBook *book, guint32 scanout) {
  if (scanout >= HXFR_MAX_SCANOUTS || !(book->outputs >> scanout & 1)) return; /* only who connected it */
  book->outputs &= ~(1u << scanout);
  book->source->set_output(book->source_data, book, scanout, FALSE, 0, 0, 0);
}

gboolean request_book_is_congested(const RequestBook *book) {
  return book->in_flight >= REQUESTS_MAX_IN_FLIGHT ||
         (book->in_flight > 0 && book->source->pixel_bytes(book->source_data) >= REQUESTS_MAX_PIXEL_BYTES);
}
