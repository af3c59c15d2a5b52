/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/request-worker.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/encode/fingerprint-check.h"
#include "host/encode/picture-encoder.h"
#include "host/encode/request-canvas.h"

#include <string.h>

/* The shadow's writer has so long to rest between two pictures. */
#define TAKE_TRIES 100u
#define TAKE_PAUSE_US 500u

struct RequestWorker {
  int refs; /* atomic: the owner's, the thread's, a read's that is under way */
  const RequestWorkerHost *host;
  gpointer data;

  Mutex mutex; /* what follows, up to the thread's own */
  Cond cond;
  gboolean stopped;
  GQueue requests; /* of WorkRequest */
  gsize pixel_bytes;
  gboolean idr_wanted;
  guint64 bitrate;
  gboolean read_done;
  RequestPicture read_result;
  Shadow *read_shadow; /* a reference, for the thread to take */

  /* the thread's own */
  Shadow *own;          /* pixels that came whole */
  RequestCanvas canvas; /* pictures that came as tiles */
  gboolean pixels_owed; /* by the peer: what comes before them is not encoded */
  PictureSource source;
  PictureEncoder encoder;
};

static void work_request_free(gpointer data) {
  WorkRequest *request = data;
  g_clear_pointer(&request->pixels, g_bytes_unref);
  g_free((gpointer)request->fingerprint);
  g_free((gpointer)request->rects);
  g_free(request);
}

static void worker_unref(RequestWorker *worker) {
  if (__atomic_sub_fetch(&worker->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  g_queue_clear_full(&worker->requests, work_request_free);
  shadow_unref(worker->own);
  shadow_unref(worker->read_shadow);
  request_canvas_finish(&worker->canvas);
  mutex_finish(&worker->mutex);
  cond_finish(&worker->cond);
  g_free(worker);
}

void request_worker_submit(RequestWorker *worker, const WorkRequest *request) {
  WorkRequest *copy = g_memdup2(request, sizeof *request);
  if (copy->pixels) g_bytes_ref(copy->pixels);
  copy->fingerprint = g_memdup2(request->fingerprint, sizeof *request->fingerprint);
  copy->rects = g_memdup2(request->rects, request->n_rects * sizeof *request->rects);
  mutex_lock(&worker->mutex);
  g_queue_push_tail(&worker->requests, copy);
  if (copy->pixels) worker->pixel_bytes += g_bytes_get_size(copy->pixels);
  cond_signal(&worker->cond);
  mutex_unlock(&worker->mutex);
}

void request_worker_set_bitrate(RequestWorker *worker, guint64 bitrate) {
  mutex_lock(&worker->mutex);
  worker->bitrate = bitrate;
  mutex_unlock(&worker->mutex);
}

void request_worker_force_idr(RequestWorker *worker) {
  mutex_lock(&worker->mutex);
  worker->idr_wanted = TRUE;
  mutex_unlock(&worker->mutex);
}

gsize request_worker_pixel_bytes(RequestWorker *worker) {
  mutex_lock(&worker->mutex);
  gsize bytes = worker->pixel_bytes;
  mutex_unlock(&worker->mutex);
  return bytes;
}

void request_worker_stop(RequestWorker *worker) {
  if (!worker) return;
  mutex_lock(&worker->mutex);
  worker->stopped = TRUE;
  cond_signal(&worker->cond);
  mutex_unlock(&worker->mutex);
  worker_unref(worker);
}

/* A shadow of the session's own, of that size and format; NULL where there is no memory. */
static Shadow *own_shadow(RequestWorker *worker, const Frame *frame) {
  gboolean fits = worker->own && shadow_width(worker->own) == frame->width &&
                  shadow_height(worker->own) == frame->height && shadow_frame(worker->own).format == frame->format;
  if (fits) return worker->own;
  g_clear_pointer(&worker->own, shadow_unref);
  worker->own = shadow_create(frame->width, frame->height, NULL);
  return worker->own;
}

static RequestPicture write_own(RequestWorker *worker, const Frame *frame) {
  Shadow *shadow = own_shadow(worker, frame);
  if (!shadow) return REQUEST_PICTURE_FAILED;
  Rect whole = {0, 0, frame->width, frame->height};
  shadow_write_begin(shadow);
  shadow_write_rect(shadow, frame, &whole);
  shadow_write_end(shadow, g_get_monotonic_time());
  return REQUEST_PICTURE_OK;
}

static void on_read(RequestPicture result, Shadow *shadow, gpointer data) {
  RequestWorker *worker = data;
  mutex_lock(&worker->mutex);
  worker->read_done = TRUE;
  worker->read_result = result;
  if (shadow) worker->read_shadow = shadow_ref(shadow);
  cond_signal(&worker->cond);
  mutex_unlock(&worker->mutex);
  worker_unref(worker);
}

/* *shadow: the picture, with a reference. */
static RequestPicture read_resource(RequestWorker *worker, const WorkRequest *request, Shadow **shadow) {
  if (request->width == 0 || request->height == 0 || request->width > FRAME_MAX_WIDTH ||
      request->height > FRAME_MAX_HEIGHT) {
    return REQUEST_PICTURE_BAD_SIZE;
  }
  mutex_lock(&worker->mutex);
  worker->read_done = FALSE;
  if (!worker->stopped) {
    /* under the lock, because after request_worker_stop() there may be nobody to ask; it only posts */
    __atomic_add_fetch(&worker->refs, 1, __ATOMIC_RELAXED);
    worker->host->read_resource(request, on_read, worker, worker->data);
  }
  /* not longer than the owner: what comes after that is let go with the worker */
  while (!worker->stopped && !worker->read_done) cond_wait(&worker->cond, &worker->mutex);
  RequestPicture result = worker->read_done ? worker->read_result : REQUEST_PICTURE_NOT_FOUND;
  *shadow = g_steal_pointer(&worker->read_shadow);
  mutex_unlock(&worker->mutex);
  return result;
}

static Shadow *scanout_shadow(RequestWorker *worker, guint scanout) {
  mutex_lock(&worker->mutex);
  Shadow *shadow = worker->stopped ? NULL : worker->host->get_shadow(scanout, worker->data);
  mutex_unlock(&worker->mutex);
  return shadow;
}

static RequestPicture follow(RequestWorker *worker, PictureSourceChange change) {
  if (change == PICTURE_SOURCE_REPLACED) picture_encoder_restart(&worker->encoder);
  return change == PICTURE_SOURCE_DARK ? REQUEST_PICTURE_FAILED : REQUEST_PICTURE_OK;
}

/* What the shadow has that was not encoded yet. Its writer is at it for a millisecond in sixteen: this waits until it
 * rests, because a picture that is half old and half new must not be encoded. One that never rests has no picture. */
static RequestPicture take(RequestWorker *worker, gboolean *is_new) {
  *is_new = FALSE;
  damage_clear(&worker->source.damage);
  if (!picture_source_is_new(&worker->source)) return REQUEST_PICTURE_OK;
  for (guint tries = 0; tries < TAKE_TRIES; tries++) {
    if (tries > 0) g_usleep(TAKE_PAUSE_US);
    *is_new = picture_source_take(&worker->source);
    if (*is_new) return REQUEST_PICTURE_OK;
  }
  stats_count("requests.writer-never-rests");
  return REQUEST_PICTURE_FAILED;
}

static RequestPicture fetch_scanout(RequestWorker *worker, const WorkRequest *request, gboolean *is_new) {
  Shadow *shadow = scanout_shadow(worker, request->scanout);
  if (!shadow || shadow_generation(shadow) == 0) {
    shadow_unref(shadow);
    return REQUEST_PICTURE_NOT_FOUND;
  }
  RequestPicture result = follow(worker, picture_source_set_shadow(&worker->source, shadow));
  return result == REQUEST_PICTURE_OK ? take(worker, is_new) : result;
}

static gboolean wants_pixels(RequestPicture result) {
  return result >= REQUEST_PICTURE_DARK;
}

static RequestPicture check_shadow(const Shadow *shadow, const WorkRequest *request, guint64 *generation) {
  static const RequestPicture RESULTS[] = {
      [FINGERPRINT_AGREES] = REQUEST_PICTURE_OK,
      [FINGERPRINT_DARK] = REQUEST_PICTURE_DARK,
      [FINGERPRINT_OTHER_SIZE] = REQUEST_PICTURE_OTHER_SIZE,
      [FINGERPRINT_DIFFERS] = REQUEST_PICTURE_DIFFERENT,
  };
  return RESULTS[fingerprint_check(shadow, request->fingerprint, request->width, request->height, generation)];
}

/* Brings `source` to a picture that agrees. Unlike take(), this leaves no other one there: what was taken is compared,
 * and where the scanout went on in between, again. */
static RequestPicture take_if_shown(RequestWorker *worker, const WorkRequest *request, gboolean *is_new) {
  PictureSource *source = &worker->source;
  Damage damage; /* of all that was taken */
  damage_init(&damage, source->width, source->height);
  gint64 end = g_get_monotonic_time() + FINGERPRINT_CHECK_WAIT_MS * 1000;
  do {
    guint64 generation;
    RequestPicture result = check_shadow(source->shadow, request, &generation);
    if (result != REQUEST_PICTURE_OK) return result;
    if (source->generation < generation && picture_source_take(source)) {
      damage_union(&damage, &source->damage);
      *is_new = TRUE;
    }
    if (source->generation == generation) {
      source->damage = damage;
      return REQUEST_PICTURE_OK;
    }
  } while (g_get_monotonic_time() < end);
  return REQUEST_PICTURE_DIFFERENT;
}

/* The scanout's picture, if it is the one that the fingerprint is of (F27). */
static RequestPicture fetch_if_shown(RequestWorker *worker, const WorkRequest *request, gboolean *is_new) {
  if (worker->pixels_owed) return REQUEST_PICTURE_IN_ORDER;
  guint64 generation;
  Shadow *shadow = scanout_shadow(worker, request->scanout);
  RequestPicture result = check_shadow(shadow, request, &generation);
  if (result == REQUEST_PICTURE_OK) {
    result = follow(worker, picture_source_set_shadow(&worker->source, shadow));
    if (result == REQUEST_PICTURE_OK) result = take_if_shown(worker, request, is_new);
    if (wants_pixels(result)) picture_source_finish(&worker->source); /* it may hold what was never encoded */
  } else {
    shadow_unref(shadow); /* what the session showed so far stays as it is */
  }
  if (wants_pixels(result)) stats_count("requests.fingerprint-mismatches");
  return result;
}

static RequestPicture fetch_tiles(RequestWorker *worker, const WorkRequest *request, gboolean *is_new) {
  RequestCanvasTiles tiles = {
      .picture = request->picture,
      .base = request->base,
      .format = request->format,
      .width = request->width,
      .height = request->height,
      .rects = request->rects,
      .count = request->n_rects,
      .bytes = g_bytes_get_data(request->pixels, NULL),
  };
  switch (request_canvas_apply(&worker->canvas, &tiles)) {
  case REQUEST_CANVAS_OK:
    break;
  case REQUEST_CANVAS_NO_BASE:
    stats_count("requests.bases-gone");
    return REQUEST_PICTURE_NO_BASE;
  case REQUEST_CANVAS_NO_MEMORY:
    stats_count("encode.no-memory");
    return REQUEST_PICTURE_FAILED;
  }
  return follow(worker, request_canvas_show(&worker->canvas, &worker->source, request->base == 0, is_new));
}

/* What is on its way behind a request that was refused must not be encoded before it: its peer waits for access units
 * in order. */
static void keep_order(RequestWorker *worker, const WorkRequest *request, RequestPicture result) {
  if (wants_pixels(result))
    worker->pixels_owed = TRUE;
  else if (request->pixels)
    worker->pixels_owed = FALSE;
}

/* Brings `source` to the picture that is asked for. */
static RequestPicture fetch(RequestWorker *worker, const WorkRequest *request, gboolean *is_new) {
  RequestPicture result;
  Shadow *shadow = NULL;
  if (request->picture != 0) return fetch_tiles(worker, request, is_new);
  if (request->fingerprint) return fetch_if_shown(worker, request, is_new);
  if (request->resource_id != 0) {
    if (!worker->host->read_resource) return REQUEST_PICTURE_NOT_FOUND;
    result = read_resource(worker, request, &shadow);
  } else if (request->pixels) {
    Frame frame = {request->format, request->width, request->height, request->stride,
                   g_bytes_get_data(request->pixels, NULL)};
    if (request->format == PIXEL_FORMAT_NV12) {
      return follow(worker, picture_source_load_nv12(&worker->source, &frame, is_new));
    }
    result = write_own(worker, &frame);
    if (result == REQUEST_PICTURE_OK) shadow = shadow_ref(worker->own);
  } else {
    return fetch_scanout(worker, request, is_new);
  }
  if (result != REQUEST_PICTURE_OK) return result;
  result = follow(worker, picture_source_set_shadow(&worker->source, shadow));
  return result == REQUEST_PICTURE_OK ? take(worker, is_new) : result;
}

static AccessUnit *encode(RequestWorker *worker, gboolean idr, gboolean is_new, RequestPicture *result) {
  static LogLimit limit;
  g_autoptr(GError) error = NULL;
  gboolean finest = picture_encoder_is_finest(&worker->encoder);
  PictureJob job = {.idr = idr, .is_new = is_new, .is_still = finest, .begun_us = g_get_monotonic_time()};
  job.purpose = is_new || idr || !worker->encoder.encoder ? PICTURE_MOVING
                : finest                                  ? PICTURE_REPEATED
                                                          : PICTURE_REFINED;
  AccessUnit *unit = picture_encoder_encode(&worker->encoder, &worker->source, &job, &error);
  if (unit) return unit;
  stats_count("requests.encode-failures");
  log_limited(&limit, LOG_ERROR, "requests", "%s; opening the encoder again", error->message);
  *result = REQUEST_PICTURE_FAILED;
  return NULL;
}

static void answer(RequestWorker *worker, AccessUnit *unit, RequestPicture result) {
  mutex_lock(&worker->mutex);
  if (!worker->stopped) worker->host->answer(g_steal_pointer(&unit), result, worker->data);
  mutex_unlock(&worker->mutex);
  access_unit_unref(unit);
}

/* NULL when stopped. */
static WorkRequest *next_request(RequestWorker *worker) {
  mutex_lock(&worker->mutex);
  while (!worker->stopped && g_queue_is_empty(&worker->requests)) cond_wait(&worker->cond, &worker->mutex);
  WorkRequest *request = worker->stopped ? NULL : g_queue_pop_head(&worker->requests);
  if (request) {
    request->idr |= worker->idr_wanted;
    worker->idr_wanted = FALSE;
    rate_control_set_ceiling(&worker->encoder.rate, worker->bitrate);
    if (request->pixels) worker->pixel_bytes -= g_bytes_get_size(request->pixels);
  }
  mutex_unlock(&worker->mutex);
  return request;
}

static void run(void *data) {
  RequestWorker *worker = data;
  WorkRequest *request;
  while ((request = next_request(worker))) {
    gboolean is_new = FALSE;
    RequestPicture result = fetch(worker, request, &is_new);
    keep_order(worker, request, result);
    AccessUnit *unit = result == REQUEST_PICTURE_OK ? encode(worker, request->idr, is_new, &result) : NULL;
    answer(worker, unit, result);
    work_request_free(request);
  }
  picture_encoder_finish(&worker->encoder);
  picture_source_finish(&worker->source);
  worker_unref(worker);
}

RequestWorker *request_worker_start(const EncoderInterface *encoder, gdouble fps, guint64 bitrate,
                                    const RequestWorkerHost *host, gpointer data, GError **error) {
  RequestWorker *worker = g_new0(RequestWorker, 1);
  worker->refs = 2;
  worker->host = host;
  worker->data = data;
  worker->bitrate = bitrate;
  g_queue_init(&worker->requests);
  mutex_init(&worker->mutex);
  cond_init(&worker->cond);
  picture_encoder_init(&worker->encoder, encoder, fps, bitrate);
  if (thread_start_detached("request", run, worker, error)) return worker;
  worker_unref(worker);
  worker_unref(worker);
  return NULL;
}
