/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/frame-flow.h"

static void free_entry(gpointer data) {
  FrameFlowEntry *entry = data;
  gst_video_codec_frame_unref(entry->frame);
  g_free(entry);
}

static void free_done(gpointer data) {
  FrameFlowDone *done = data;
  gst_video_codec_frame_unref(done->frame);
  link_unit_destroy(done->unit);
  g_free(done);
}

void frame_flow_init(FrameFlow *flow, guint limit) {
  *flow = (FrameFlow){.limit = limit};
  mutex_init(&flow->mutex);
  cond_init(&flow->changed);
}

void frame_flow_finish(FrameFlow *flow) {
  frame_flow_reset(flow);
  cond_finish(&flow->changed);
  mutex_finish(&flow->mutex);
}

/* With the mutex held. */
static void forget_frames(FrameFlow *flow) {
  g_queue_clear_full(&flow->asked, free_entry);
  g_queue_clear_full(&flow->done, free_done);
}

void frame_flow_reset(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  forget_frames(flow);
  flow->open = flow->stopping = flow->flushing = flow->failed = flow->delivering = FALSE;
  flow->need_key = flow->ask_key = TRUE; /* a stream begins with an IDR */
  flow->result = GST_FLOW_OK;
  flow->at_host = 0;
  mutex_unlock(&flow->mutex);
}

void frame_flow_open(FrameFlow *flow, const LinkHost *host) {
  mutex_lock(&flow->mutex);
  flow->open = TRUE;
  flow->host = *host;
  cond_signal(&flow->changed);
  mutex_unlock(&flow->mutex);
}

void frame_flow_host(FrameFlow *flow, LinkHost *host) {
  mutex_lock(&flow->mutex);
  *host = flow->host;
  mutex_unlock(&flow->mutex);
}

/* Why no frame can be taken; GST_FLOW_OK if one can. With the mutex held. */
static GstFlowReturn state(const FrameFlow *flow) {
  if (flow->stopping || flow->flushing) return GST_FLOW_FLUSHING;
  if (flow->failed) return GST_FLOW_ERROR;
  return flow->result;
}

/* What is done and not delivered counts as well: so downstream's pace is upstream's. With the mutex held. */
static gboolean has_room(const FrameFlow *flow) {
  return flow->open && flow->at_host + flow->done.length + (flow->delivering ? 1 : 0) < flow->limit;
}

GstFlowReturn frame_flow_wait_room(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  while (state(flow) == GST_FLOW_OK && !has_room(flow)) cond_wait(&flow->changed, &flow->mutex);
  GstFlowReturn result = state(flow);
  mutex_unlock(&flow->mutex);
  return result;
}

guint64 frame_flow_ask(FrameFlow *flow, GstVideoCodecFrame *frame, gboolean *force_key) {
  FrameFlowEntry *entry = g_new(FrameFlowEntry, 1);
  mutex_lock(&flow->mutex);
  guint64 id = ++flow->last_id;
  *entry = (FrameFlowEntry){.id = id, .frame = frame, .asked_us = g_get_monotonic_time()};
  g_queue_push_tail(&flow->asked, entry);
  flow->at_host++;
  if (flow->ask_key) *force_key = TRUE;
  if (*force_key) flow->key_id = id;
  flow->ask_key = FALSE;
  mutex_unlock(&flow->mutex);
  return id;
}

GstFlowReturn frame_flow_drain(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  while (state(flow) == GST_FLOW_OK && (flow->asked.length > 0 || flow->done.length > 0 || flow->delivering)) {
    cond_wait(&flow->changed, &flow->mutex);
  }
  GstFlowReturn result = state(flow);
  mutex_unlock(&flow->mutex);
  return result;
}

/* With the mutex held; NULL if it is none of ours any more. */
static FrameFlowEntry *take_asked(FrameFlow *flow, guint64 id) {
  for (GList *link = flow->asked.head; link; link = link->next) {
    FrameFlowEntry *entry = link->data;
    if (entry->id != id) continue;
    g_queue_delete_link(&flow->asked, link);
    return entry;
  }
  return NULL;
}

gboolean frame_flow_answer(FrameFlow *flow, guint64 id, LinkUnit *unit) {
  mutex_lock(&flow->mutex);
  flow->at_host--;
  g_autofree FrameFlowEntry *entry = take_asked(flow, id);
  gboolean usable = entry && unit && (unit->is_key || !flow->need_key);
  if (usable) {
    flow->need_key = FALSE;
  } else if (unit) {
    /* dropping an access unit means waiting for an IDR: one that is asked for already, or else by the next request */
    flow->need_key = TRUE;
    if (id >= flow->key_id) flow->ask_key = TRUE;
    g_clear_pointer(&unit, link_unit_destroy);
  }
  if (entry) {
    FrameFlowDone *done = g_new(FrameFlowDone, 1);
    *done = (FrameFlowDone){.frame = entry->frame, .asked_us = entry->asked_us, .unit = unit};
    g_queue_push_tail(&flow->done, done);
  }
  cond_signal(&flow->changed);
  mutex_unlock(&flow->mutex);
  return usable;
}

void frame_flow_want_key(FrameFlow *flow, gboolean need, gboolean ask) {
  mutex_lock(&flow->mutex);
  if (need) flow->need_key = TRUE;
  if (ask) flow->ask_key = TRUE;
  mutex_unlock(&flow->mutex);
}

gboolean frame_flow_take(FrameFlow *flow, FrameFlowDone *done) {
  mutex_lock(&flow->mutex);
  while (!flow->stopping && flow->done.length == 0) cond_wait(&flow->changed, &flow->mutex);
  FrameFlowDone *first = flow->stopping ? NULL : g_queue_pop_head(&flow->done);
  flow->delivering = first != NULL;
  mutex_unlock(&flow->mutex);
  if (!first) return FALSE;
  *done = *first;
  g_free(first);
  return TRUE;
}

void frame_flow_delivered(FrameFlow *flow, GstFlowReturn result) {
  mutex_lock(&flow->mutex);
  flow->delivering = FALSE;
  if (!flow->flushing) flow->result = result;
  cond_signal(&flow->changed);
  mutex_unlock(&flow->mutex);
}

void frame_flow_begin_flush(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  flow->flushing = TRUE;
  cond_signal(&flow->changed);
  mutex_unlock(&flow->mutex);
}

void frame_flow_end_flush(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  forget_frames(flow);
  while (flow->delivering) cond_wait(&flow->changed, &flow->mutex);
  flow->flushing = FALSE;
  flow->result = GST_FLOW_OK;
  flow->need_key = flow->ask_key = TRUE;
  mutex_unlock(&flow->mutex);
}

void frame_flow_fail(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  flow->failed = TRUE;
  cond_signal(&flow->changed);
  mutex_unlock(&flow->mutex);
}

void frame_flow_stop(FrameFlow *flow) {
  mutex_lock(&flow->mutex);
  flow->stopping = TRUE;
  cond_signal(&flow->changed);
  mutex_unlock(&flow->mutex);
}
