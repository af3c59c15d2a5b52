/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/worker.h"

#include "common/base/log.h"
#include "common/base/memory-trim.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/encode/picture-encoder.h"
#include "host/encode/schedule.h"

/* A broken encoder is opened anew at once, then after this long. */
#define WORKER_RETRY_US G_USEC_PER_SEC
/* The writer was at it: it needs a millisecond or two. */
#define WORKER_TORN_RETRY_US 500

struct Worker {
  int refs; /* atomic: the owner's and the thread's */
  guint scanout;
  WorkerSettings settings;
  const WorkerHost *host;
  gpointer data;

  Mutex mutex; /* what follows, up to the thread's own */
  Cond cond;
  gboolean stopped;
  gboolean changed;
  gboolean idr_wanted;
  WorkerDemand demand;

  /* the thread's own */
  PictureSource source;
  PictureEncoder encoder;
  Schedule schedule;
  gboolean is_new; /* the shadow holds what was not encoded */
  gint64 retry_us;
  guint failures;
};

static void worker_unref(Worker *worker) {
  if (__atomic_sub_fetch(&worker->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  mutex_finish(&worker->mutex);
  cond_finish(&worker->cond);
  g_free(worker);
}

static void signal_locked(Worker *worker) {
  cond_signal(&worker->cond);
  mutex_unlock(&worker->mutex);
}

void worker_changed(Worker *worker) {
  mutex_lock(&worker->mutex);
  worker->changed = TRUE;
  signal_locked(worker);
}

void worker_request_idr(Worker *worker) {
  mutex_lock(&worker->mutex);
  worker->idr_wanted = TRUE;
  signal_locked(worker);
}

void worker_set_demand(Worker *worker, const WorkerDemand *demand) {
  mutex_lock(&worker->mutex);
  worker->demand = *demand;
  signal_locked(worker);
}

void worker_stop(Worker *worker) {
  if (!worker) return;
  mutex_lock(&worker->mutex);
  worker->stopped = TRUE;
  signal_locked(worker);
  worker_unref(worker);
}

/* The shadow may be another one than before: then everything begins anew. FALSE: there is nothing to encode. */
static gboolean refresh_source(Worker *worker) {
  /* under the lock, because after worker_stop() there may be nobody to ask */
  mutex_lock(&worker->mutex);
  Shadow *shadow = worker->stopped ? NULL : worker->host->get_shadow(worker->scanout, worker->data);
  mutex_unlock(&worker->mutex);
  PictureSourceChange change = picture_source_set_shadow(&worker->source, shadow);
  if (change == PICTURE_SOURCE_REPLACED) {
    picture_encoder_restart(&worker->encoder);
    schedule_init(&worker->schedule, worker->settings.max_fps);
  }
  worker->is_new = picture_source_is_new(&worker->source);
  return change != PICTURE_SOURCE_DARK && picture_source_has_picture(&worker->source);
}

/* F21: an encoder that fails is replaced, never the end of the stream. */
static void on_failure(Worker *worker, const GError *error) {
  static LogLimit limit;
  stats_count("encode.failures");
  log_limited(&limit, LOG_ERROR, "encode", "scanout %u: %s; opening the encoder again", worker->scanout,
              error->message);
  worker->retry_us = g_get_monotonic_time() + (worker->failures++ > 0 ? WORKER_RETRY_US : 0);
}

static void publish(Worker *worker, AccessUnit *unit) {
  mutex_lock(&worker->mutex);
  if (!worker->stopped) worker->host->publish(worker->scanout, g_steal_pointer(&unit), worker->data);
  mutex_unlock(&worker->mutex);
  access_unit_unref(unit);
}

static void encode(Worker *worker, ScheduleKind kind, gboolean idr_wanted) {
  static const PicturePurpose PURPOSES[] = {
      [SCHEDULE_PICTURE] = PICTURE_MOVING,
      [SCHEDULE_REFINEMENT] = PICTURE_REFINED,
      [SCHEDULE_REPEAT] = PICTURE_REPEATED,
      [SCHEDULE_KEEP_ALIVE] = PICTURE_REPEATED,
  };
  g_autoptr(GError) error = NULL;
  PictureJob job = {
      .purpose = PURPOSES[kind],
      .idr = idr_wanted,
      .is_new = worker->is_new,
      .is_still = worker->schedule.settled,
      .begun_us = g_get_monotonic_time(),
  };
  if (kind != SCHEDULE_PICTURE) {
    damage_clear(&worker->source.damage);
  } else if (!picture_source_take(&worker->source)) {
    if (idr_wanted) worker_request_idr(worker);
    worker->retry_us = job.begun_us + WORKER_TORN_RETRY_US;
    return;
  }
  AccessUnit *unit = picture_encoder_encode(&worker->encoder, &worker->source, &job, &error);
  if (!unit) {
    on_failure(worker, error);
    return;
  }
  worker->failures = 0;
  if (kind == SCHEDULE_REPEAT) stats_count("encode.repeats");
  if (kind == SCHEDULE_KEEP_ALIVE) stats_count("encode.keep-alives");
  gboolean finest = picture_encoder_is_finest(&worker->encoder);
  schedule_done(&worker->schedule, kind, worker->is_new, finest, job.begun_us);
  unit->info.is_settled = worker->schedule.settled;
  publish(worker, unit);
}

/* Waits until something happens or the next thing is due; returns with the lock released. FALSE: stopped. */
static gboolean wait_for_work(Worker *worker, ScheduleKind *kind, gboolean *idr) {
  mutex_lock(&worker->mutex);
  while (!worker->stopped) {
    worker->changed = FALSE;
    WorkerDemand demand = worker->demand;
    gboolean idr_wanted = worker->idr_wanted;
    mutex_unlock(&worker->mutex);

    gint64 now = g_get_monotonic_time(), at = G_MAXINT64;
    guint64 ceiling = worker->settings.bitrate;
    rate_control_set_ceiling(&worker->encoder.rate, demand.bitrate ? MIN(demand.bitrate, ceiling) : ceiling);
    *kind = SCHEDULE_NOTHING;
    if (refresh_source(worker) && !demand.hold) {
      ScheduleInput input = {
          .is_new = worker->is_new,
          .idr_wanted = idr_wanted || !worker->encoder.encoder,
          .keep_alive_hz = demand.keep_alive_hz,
          .ready_us = rate_control_ready_at(&worker->encoder.rate, now),
          .room_us = rate_control_room_at(&worker->encoder.rate, now),
      };
      *kind = schedule_next(&worker->schedule, &input, now, &at);
      at = MAX(at, worker->retry_us);
    }

    mutex_lock(&worker->mutex);
    if (worker->stopped) break;
    if (worker->idr_wanted != idr_wanted) continue; /* it came after the decision: decide again */
    if (*kind != SCHEDULE_NOTHING && at <= now) {
      *idr = worker->idr_wanted;
      worker->idr_wanted = FALSE;
      mutex_unlock(&worker->mutex);
      return TRUE;
    }
    if (worker->changed || worker->idr_wanted != idr_wanted) continue;
    if (at == G_MAXINT64 || *kind == SCHEDULE_NOTHING) {
      cond_wait(&worker->cond, &worker->mutex);
    } else {
      cond_wait_until(&worker->cond, &worker->mutex, at);
    }
  }
  mutex_unlock(&worker->mutex);
  return FALSE;
}

static void run(void *data) {
  Worker *worker = data;
  ScheduleKind kind;
  gboolean idr = FALSE;
  while (wait_for_work(worker, &kind, &idr)) encode(worker, kind, idr);
  picture_encoder_finish(&worker->encoder);
  picture_source_finish(&worker->source);
  worker_unref(worker);
  memory_trim(); /* an encoder is 20 MB in small pieces, and nobody may come for hours */
}

Worker *worker_start(guint scanout, const WorkerSettings *settings, const WorkerDemand *demand, const WorkerHost *host,
                     gpointer data, GError **error) {
  Worker *worker = g_new0(Worker, 1);
  worker->refs = 2;
  worker->scanout = scanout;
  worker->settings = *settings;
  worker->demand = *demand;
  worker->host = host;
  worker->data = data;
  mutex_init(&worker->mutex);
  cond_init(&worker->cond);
  picture_encoder_init(&worker->encoder, settings->encoder, settings->max_fps, settings->bitrate);
  schedule_init(&worker->schedule, settings->max_fps);
  if (thread_start_detached("encode", run, worker, error)) return worker;
  worker_unref(worker);
  worker_unref(worker);
  return NULL;
}
