/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/requests.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "host/encode/request-worker.h"

G_STATIC_ASSERT(REQUESTS_MAX_SESSIONS == LINK_MAX_READERS);

struct Requests {
  Displays *displays;
  WorkerSettings settings;
  GMainContext *context;
  GPtrArray *sessions; /* of RequestSession */
};

struct RequestSession {
  int refs; /* atomic: the owner's, and those of answers on their way */
  Requests *requests;
  gboolean closed; /* the hub's thread */
  guint scanout;   /* likewise: what resource 0 means */
  RequestWorker *worker;
  guint reader; /* its place at the link, below REQUESTS_MAX_SESSIONS */
  RequestAnswer answer;
  gpointer answer_data;
};

static void session_unref(RequestSession *session) {
  if (__atomic_sub_fetch(&session->refs, 1, __ATOMIC_ACQ_REL) == 0) g_free(session);
}

/* An answer on its way to the hub's thread. */
typedef struct {
  RequestSession *session;
  AccessUnit *unit;
  RequestPicture result;
} Note;

static void note_free(gpointer data) {
  Note *note = data;
  access_unit_unref(note->unit);
  session_unref(note->session);
  g_free(note);
}

static HxfrWantedReason wanted_reason(RequestPicture result) {
  switch (result) {
  case REQUEST_PICTURE_DARK:
    return HXFR_WANTED_DARK;
  case REQUEST_PICTURE_OTHER_SIZE:
    return HXFR_WANTED_OTHER_SIZE;
  case REQUEST_PICTURE_IN_ORDER:
    return HXFR_WANTED_IN_ORDER;
  case REQUEST_PICTURE_NO_BASE:
    return HXFR_WANTED_NO_BASE;
  default:
    return HXFR_WANTED_DIFFERENT;
  }
}

static gint32 code_of(RequestPicture result, const char **text) {
  switch (result) {
  case REQUEST_PICTURE_OK:
    break;
  case REQUEST_PICTURE_NOT_FOUND:
    *text = "no such resource, or nothing is shown on the scanout";
    return HXFR_ERR_RESOURCE_NOT_FOUND;
  case REQUEST_PICTURE_NO_BACKING:
    *text = "the resource has no backing";
    return HXFR_ERR_RESOURCE_NOT_FOUND;
  case REQUEST_PICTURE_BAD_SIZE:
    *text = "the resource is smaller than what was asked for";
    return HXFR_ERR_RESOURCE_NOT_FOUND;
  case REQUEST_PICTURE_FAILED:
    *text = "the encoder failed";
    return HXFR_ERR_ENCODE_FAILED;
  case REQUEST_PICTURE_DARK:
  case REQUEST_PICTURE_OTHER_SIZE:
  case REQUEST_PICTURE_DIFFERENT:
  case REQUEST_PICTURE_IN_ORDER:
  case REQUEST_PICTURE_NO_BASE:
    *text = "";
    return (gint32)wanted_reason(result);
  }
  *text = "";
  return HXFR_OK;
}

static gboolean deliver(gpointer data) {
  Note *note = data;
  RequestSession *session = note->session;
  if (session->closed) {
    stats_count("requests.answers-for-nobody");
    return G_SOURCE_REMOVE;
  }
  const char *text;
  gint32 code = code_of(note->result, &text);
  session->answer(session->answer_data, g_steal_pointer(&note->unit), code, text);
  return G_SOURCE_REMOVE;
}

static void on_answer(AccessUnit *unit, RequestPicture result, gpointer data) {
  RequestSession *session = data;
  __atomic_add_fetch(&session->refs, 1, __ATOMIC_RELAXED);
  Note *note = g_new0(Note, 1);
  *note = (Note){session, unit, result};
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, deliver, note, note_free);
  g_source_attach(source, session->requests->context);
  g_source_unref(source);
}

static Shadow *get_shadow(guint scanout, gpointer data) {
  RequestSession *session = data;
  return displays_get_shadow(session->requests->displays, scanout);
}

/* A read of a resource, between the worker's words and the link's. */
typedef struct {
  RequestReadDone done;
  gpointer data;
} Read;

static void on_resource_read(LinkRead result, Shadow *shadow, gpointer data) {
  static const RequestPicture RESULTS[] = {
      [LINK_READ_OK] = REQUEST_PICTURE_OK,
      [LINK_READ_NOT_FOUND] = REQUEST_PICTURE_NOT_FOUND,
      [LINK_READ_NO_BACKING] = REQUEST_PICTURE_NO_BACKING,
      [LINK_READ_BAD_SIZE] = REQUEST_PICTURE_BAD_SIZE,
      [LINK_READ_FAILED] = REQUEST_PICTURE_FAILED,
  };
  g_autofree Read *read = data;
  read->done(RESULTS[result], shadow, read->data);
}

static void read_resource(const WorkRequest *request, RequestReadDone done, gpointer done_data, gpointer data) {
  RequestSession *session = data;
  Read *read = g_new0(Read, 1);
  *read = (Read){done, done_data};
  link_client_read(displays_link(session->requests->displays), session->reader, request->resource_id, request->width,
                   request->height, on_resource_read, read);
}

static const RequestWorkerHost HOST = {get_shadow, NULL, on_answer};
static const RequestWorkerHost HOST_WITH_RESOURCES = {get_shadow, read_resource, on_answer};

static guint free_reader(const Requests *requests) {
  guint32 taken = 0;
  for (guint i = 0; i < requests->sessions->len; i++) {
    const RequestSession *session = g_ptr_array_index(requests->sessions, i);
    taken |= 1u << session->reader;
  }
  return (guint)__builtin_ctz(~taken);
}

static RequestSession *open_session(gpointer data, RequestAnswer answer, gpointer answer_data) {
  Requests *requests = data;
  g_autoptr(GError) error = NULL;
  if (requests->sessions->len >= REQUESTS_MAX_SESSIONS) {
    stats_count("requests.refused-sessions");
    return NULL;
  }
  RequestSession *session = g_new0(RequestSession, 1);
  session->refs = 1;
  session->requests = requests;
  session->reader = free_reader(requests);
  session->answer = answer;
  session->answer_data = answer_data;
  const WorkerSettings *settings = &requests->settings;
  session->worker = request_worker_start(settings->encoder, settings->max_fps, settings->bitrate,
                                         displays_has_resources(requests->displays) ? &HOST_WITH_RESOURCES : &HOST,
                                         session, &error);
  if (!session->worker) {
    log_error("requests", "a session cannot be opened: %s", error->message);
    session_unref(session);
    return NULL;
  }
  g_ptr_array_add(requests->sessions, session);
  stats_set(stats_counter("requests.sessions"), requests->sessions->len);
  return session;
}

static void close_session(RequestSession *session) {
  Requests *requests = session->requests;
  session->closed = TRUE;
  request_worker_stop(g_steal_pointer(&session->worker));
  link_client_end_reader(displays_link(requests->displays), session->reader);
  g_ptr_array_remove_fast(requests->sessions, session);
  stats_set(stats_counter("requests.sessions"), requests->sessions->len);
  session_unref(session);
}

static void submit(RequestSession *session, const HxfrFrameRequest *request, GBytes *pixels) {
  if (request->resource_id == 0 && !pixels) {
    log_debug("requests", "no resource and no pixels: falling back to scanout %u, pts=%" G_GINT64_FORMAT,
              session->scanout, request->pts_ns);
  }
  WorkRequest work = {
      .resource_id = request->resource_id,
      .width = request->width,
      .height = request->height,
      .pixels = pixels,
      .format = request->format,
      .stride = request->stride,
      .idr = request->force_keyframe,
      .scanout = session->scanout,
  };
  request_worker_submit(session->worker, &work);
}

static void submit_fingerprint(RequestSession *session, const HxfrRequestFingerprint *request) {
  WorkRequest work = {
      .width = request->request.width,
      .height = request->request.height,
      .idr = request->request.force_keyframe,
      .scanout = request->scanout,
      .fingerprint = &request->fingerprint,
  };
  request_worker_submit(session->worker, &work);
}

static void submit_tiles(RequestSession *session, const RequestTiles *request) {
  const HxfrFrameRequest *frame = &request->tiles.request;
  WorkRequest work = {
      .width = frame->width,
      .height = frame->height,
      .pixels = request->bytes,
      .format = frame->format,
      .idr = frame->force_keyframe,
      .picture = request->tiles.picture,
      .base = request->tiles.base,
      .rects = request->rects,
      .n_rects = request->tiles.rect_count,
  };
  request_worker_submit(session->worker, &work);
}

static void set_scanout(RequestSession *session, guint scanout) {
  session->scanout = scanout;
}

static void set_bitrate(RequestSession *session, guint bitrate) {
  guint64 ceiling = session->requests->settings.bitrate;
  request_worker_set_bitrate(session->worker, bitrate ? MIN(bitrate, ceiling) : ceiling);
}

static void force_keyframe(RequestSession *session) {
  request_worker_force_idr(session->worker);
}

static gsize pixel_bytes(gpointer data) {
  Requests *requests = data;
  gsize sum = 0;
  for (guint i = 0; i < requests->sessions->len; i++) {
    RequestSession *session = g_ptr_array_index(requests->sessions, i);
    sum += request_worker_pixel_bytes(session->worker);
  }
  return sum;
}

static gboolean set_output(gpointer data, gconstpointer owner, guint scanout, gboolean connected, guint width,
                           guint height, guint refresh_mhz) {
  Requests *requests = data;
  return displays_set_output(requests->displays, owner, scanout, connected, width, height, refresh_mhz);
}

Requests *requests_create(Displays *displays, const WorkerSettings *settings, GMainContext *context) {
  Requests *requests = g_new0(Requests, 1);
  requests->displays = displays;
  requests->settings = *settings;
  requests->context = context;
  requests->sessions = g_ptr_array_new();
  return requests;
}

void requests_destroy(Requests *requests) {
  if (!requests) return;
  g_assert(requests->sessions->len == 0);
  g_ptr_array_unref(requests->sessions);
  g_free(requests);
}

void requests_fill_source(Requests *requests, RequestSource *source) {
  *source = (RequestSource){
      .has_resources = displays_has_resources(requests->displays),
      .open = open_session,
      .close = close_session,
      .submit = submit,
      .submit_fingerprint = submit_fingerprint,
      .submit_tiles = submit_tiles,
      .set_scanout = set_scanout,
      .set_bitrate = set_bitrate,
      .force_keyframe = force_keyframe,
      .pixel_bytes = pixel_bytes,
      .set_output = displays_has_outputs(requests->displays) ? set_output : NULL,
  };
}
