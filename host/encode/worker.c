/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/worker.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/encode/picture-source.h"
#include "host/encode/rate-control.h"
#include "host/encode/schedule.h"

/* A moving picture's quantiser sinks no faster than this: what was coarse comes back over some pictures and not in one
 * that is ten times their size. */
#define WORKER_QP_DESCENT 2u
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
  Encoder *encoder;
  RateControl rate;
  Schedule schedule;
  guint qp;        /* of the last picture */
  gboolean is_new; /* the shadow holds what was not encoded */
  gint64 last_pts_us;
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

static gboolean open_encoder(Worker *worker, GError **error) {
  gdouble fps = worker->settings.max_fps;
  EncoderConfig config = {
      .width = worker->source.width,
      .height = worker->source.height,
      .fps_num = (guint)(fps * 1000 + 0.5),
      .fps_den = 1000,
  };
  worker->encoder = encoder_create(worker->settings.encoder, &config, error);
  if (!worker->encoder) return FALSE;
  stats_count("encode.opened");
  log_debug("encode", "scanout %u: %s at %ux%u", worker->scanout, worker->settings.encoder->name, config.width,
            config.height);
  return TRUE;
}

/* The shadow may be another one than before: then everything begins anew. FALSE: there is nothing to encode. */
static gboolean refresh_source(Worker *worker) {
  /* under the lock, because after worker_stop() there may be nobody to ask */
  mutex_lock(&worker->mutex);
  Shadow *shadow = worker->stopped ? NULL : worker->host->get_shadow(worker->scanout, worker->data);
  mutex_unlock(&worker->mutex);
  PictureSourceChange change = picture_source_set_shadow(&worker->source, shadow);
  if (change == PICTURE_SOURCE_REPLACED) {
    g_clear_pointer(&worker->encoder, encoder_destroy);
    worker->qp = RATE_IDR_QP;
    schedule_init(&worker->schedule, worker->settings.max_fps);
  }
  worker->is_new = picture_source_is_new(&worker->source);
  return change != PICTURE_SOURCE_DARK && picture_source_has_picture(&worker->source);
}

static guint choose_qp(Worker *worker, ScheduleKind kind, const RatePicture *picture, gint64 now_us) {
  if (kind == SCHEDULE_REFINEMENT) return MAX(worker->qp, RATE_FINE_QP + RATE_REFINE_STEP) - RATE_REFINE_STEP;
  if (kind != SCHEDULE_PICTURE) return worker->qp;
  gboolean still = picture->idr && !worker->is_new && worker->schedule.settled;
  guint floor_qp = still ? RATE_FINE_QP : picture->idr ? RATE_IDR_QP : RATE_BASE_QP;
  if (!picture->idr && worker->qp > RATE_BASE_QP) floor_qp = MAX(RATE_BASE_QP, worker->qp - WORKER_QP_DESCENT);
  return rate_control_choose(&worker->rate, picture, floor_qp, now_us);
}

static void count_kind(ScheduleKind kind, gboolean idr, gsize bytes, gint64 encode_us) {
  stats_count("encode.total");
  if (kind == SCHEDULE_PICTURE) stats_count(idr ? "encode.idr" : "encode.pictures");
  if (kind == SCHEDULE_REFINEMENT) stats_count("encode.refinements");
  if (kind == SCHEDULE_REPEAT) stats_count("encode.repeats");
  if (kind == SCHEDULE_KEEP_ALIVE) stats_count("encode.keep-alives");
  stats_add(stats_counter("encode.bytes"), (gint64)bytes);
  stats_add(stats_counter("encode.time-us"), encode_us);
}

typedef struct {
  ScheduleKind kind;
  gboolean idr;
  gint64 begun_us;
  gint64 converted_us;
  guint qp;
} Job;

static void publish(Worker *worker, const Job *job, const EncoderOutput *output) {
  const PictureSource *source = &worker->source;
  gint64 done = g_get_monotonic_time();
  gboolean fresh = job->kind == SCHEDULE_PICTURE && worker->is_new;
  gint64 pts = MAX(fresh ? source->state.flush_us : job->begun_us, worker->last_pts_us + 1);
  worker->last_pts_us = pts;
  AccessUnitInfo info = {
      .flush_us = pts,
      .encoded_us = done,
      .width = source->width,
      .height = source->height,
      .is_key = output->is_key,
      .is_refinement = job->kind == SCHEDULE_REFINEMENT,
      .is_keep_alive = job->kind == SCHEDULE_KEEP_ALIVE || job->kind == SCHEDULE_REPEAT,
      .is_settled = worker->schedule.settled,
      .capture_us = fresh ? (guint32)MAX(source->state.captured_us - source->state.flush_us, 0) : 0,
      .queue_us = fresh ? (guint32)MAX(job->begun_us - source->state.captured_us, 0) : 0,
      .convert_us = (guint32)(job->converted_us - job->begun_us),
      .encode_us = (guint32)(done - job->converted_us),
      .frames_merged = fresh ? source->merged : 0,
      .qp = job->qp,
  };
  Rect rects[ACCESS_UNIT_MAX_RECTS];
  guint count = job->kind == SCHEDULE_PICTURE ? damage_to_rects(&source->damage, rects, G_N_ELEMENTS(rects)) : 0;
  AccessUnit *unit = access_unit_create(&info, rects, count, output->data, output->size);
  count_kind(job->kind, job->idr, output->size, done - job->begun_us);
  if (!unit) {
    stats_count("encode.no-memory");
    worker_request_idr(worker); /* what is lost here is lost to all: only an IDR mends it (F08) */
    return;
  }
  mutex_lock(&worker->mutex);
  if (!worker->stopped) worker->host->publish(worker->scanout, g_steal_pointer(&unit), worker->data);
  mutex_unlock(&worker->mutex);
  access_unit_unref(unit);
}

/* F21: an encoder that fails is replaced, never the end of the stream. */
static void on_failure(Worker *worker, const GError *error) {
  static LogLimit limit;
  stats_count("encode.failures");
  log_limited(&limit, LOG_ERROR, "encode", "scanout %u: %s; opening the encoder again", worker->scanout,
              error->message);
  g_clear_pointer(&worker->encoder, encoder_destroy);
  worker->retry_us = g_get_monotonic_time() + (worker->failures++ > 0 ? WORKER_RETRY_US : 0);
}

static void encode(Worker *worker, ScheduleKind kind, gboolean idr_wanted) {
  g_autoptr(GError) error = NULL;
  Job job = {.kind = kind, .begun_us = g_get_monotonic_time(), .idr = idr_wanted || !worker->encoder};
  if (kind == SCHEDULE_PICTURE) {
    if (!picture_source_take(&worker->source)) {
      if (idr_wanted) worker_request_idr(worker);
      worker->retry_us = job.begun_us + WORKER_TORN_RETRY_US;
      return;
    }
  } else {
    damage_clear(&worker->source.damage);
  }
  job.converted_us = g_get_monotonic_time();
  if (!worker->encoder && !open_encoder(worker, &error)) {
    on_failure(worker, error);
    return;
  }
  const Damage *damage = &worker->source.damage;
  RatePicture picture = {job.idr, job.idr ? 1 : (gdouble)damage_count(damage) / (damage->columns * damage->rows)};
  job.qp = choose_qp(worker, kind, &picture, job.begun_us);
  EncoderInput input = {.picture = &worker->source.nv12, .damage = damage, .idr = job.idr, .qp = job.qp};
  EncoderOutput output;
  if (!encoder_encode(worker->encoder, &input, &output, &error)) {
    on_failure(worker, error);
    return;
  }
  worker->failures = 0;
  if (kind == SCHEDULE_PICTURE) rate_control_encoded(&worker->rate, &picture, job.qp, output.size);
  if (kind != SCHEDULE_PICTURE) worker->rate.level += (gdouble)output.size * 8;
  worker->qp = job.qp;
  schedule_done(&worker->schedule, kind, worker->is_new, job.qp <= RATE_FINE_QP, job.begun_us);
  publish(worker, &job, &output);
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
    rate_control_set_ceiling(&worker->rate, demand.bitrate ? MIN(demand.bitrate, ceiling) : ceiling);
    *kind = SCHEDULE_NOTHING;
    if (refresh_source(worker) && !demand.hold) {
      ScheduleInput input = {
          .is_new = worker->is_new,
          .idr_wanted = idr_wanted || !worker->encoder,
          .keep_alive_hz = demand.keep_alive_hz,
          .ready_us = rate_control_ready_at(&worker->rate, now),
          .room_us = rate_control_room_at(&worker->rate, now),
      };
      *kind = schedule_next(&worker->schedule, &input, now, &at);
      at = MAX(at, worker->retry_us);
    }

    mutex_lock(&worker->mutex);
    if (worker->stopped) break;
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
  g_clear_pointer(&worker->encoder, encoder_destroy);
  picture_source_finish(&worker->source);
  worker_unref(worker);
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
  worker->qp = RATE_IDR_QP;
  mutex_init(&worker->mutex);
  cond_init(&worker->cond);
  rate_control_init(&worker->rate, settings->bitrate);
  schedule_init(&worker->schedule, settings->max_fps);
  if (thread_start_detached("encode", run, worker, error)) return worker;
  worker_unref(worker);
  worker_unref(worker);
  return NULL;
}
