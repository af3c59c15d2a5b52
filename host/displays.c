/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/displays.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/capture/capture.h"
#include "host/display/qemu-dbus/qemu-display.h"
#include "host/display/test/test-display.h"
#include "host/display/vugpu/vugpu-display.h"

#include <string.h>

G_STATIC_ASSERT(DISPLAY_MAX_SCANOUTS == HXFR_MAX_SCANOUTS);
G_STATIC_ASSERT(CAPTURE_MAX_SCANOUTS == HXFR_MAX_SCANOUTS);

struct Displays {
  Display *display;
  gboolean started;
  WorkerSettings settings;
  GMainContext *context;
  Hub *hub;
  Capture *capture;
  int stopped; /* atomic: notes on their way find nobody */

  Mutex mutex; /* workers: the display's thread tells them, the hub's makes and stops them */
  Worker *workers[HXFR_MAX_SCANOUTS];
};

static Display *open_vugpu(const char *text, GError **error) {
  VugpuSettings settings;
  vugpu_settings_init(&settings);
  Display *display = vugpu_settings_parse(text, &settings, error) ? vugpu_display_create(&settings) : NULL;
  vugpu_settings_finish(&settings);
  return display;
}

Display *displays_open(const char *text, GError **error) {
  if (g_str_has_prefix(text, "qemu:")) return qemu_display_create(text + 5);
  if (g_str_has_prefix(text, "vugpu:")) return open_vugpu(text + 6, error);
  if (g_str_has_prefix(text, "test") && strchr(":,", text[4])) { /* or nothing follows */
    TestSettings settings;
    return test_settings_parse(text + 4, &settings, error) ? test_display_create(&settings) : NULL;
  }
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
              "--display %s: no such display; write qemu:QMP-SOCKET, vugpu:SOCKET or test[:WxH[@FPS]][,scene=NAME][,barcode]", text);
  return NULL;
}

/* A note to the hub's thread. They keep their order: one context, one priority. */
typedef struct {
  Displays *displays;
  guint scanout;
  HxfrScanout info;
  HxfrDisplayState state;
  char *text;
  AccessUnit *unit;
} Note;

static void note_free(gpointer data) {
  Note *note = data;
  g_free(note->text);
  access_unit_unref(note->unit);
  g_free(note);
}

static void send_note(Displays *displays, GSourceFunc run, Note contents) {
  Note *note = g_memdup2(&contents, sizeof contents);
  note->displays = displays;
  GSource *source = g_idle_source_new();
  g_source_set_priority(source, G_PRIORITY_DEFAULT);
  g_source_set_callback(source, run, note, note_free);
  g_source_attach(source, displays->context);
  g_source_unref(source);
}

static gboolean is_stopped(const Displays *displays) {
  return __atomic_load_n(&displays->stopped, __ATOMIC_ACQUIRE) != 0;
}

/* What the display says, on its thread. */

static gboolean deliver_scanout(gpointer data) {
  Note *note = data;
  if (!is_stopped(note->displays)) hub_set_scanout(note->displays->hub, &note->info);
  return G_SOURCE_REMOVE;
}

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  Displays *displays = data;
  capture_set_size(displays->capture, id, info->lit ? info->width : 0, info->lit ? info->height : 0);
  Note note = {.info = {
                   .id = id,
                   .width = info->width,
                   .height = info->height,
                   .refresh_mhz = info->refresh_mhz,
                   .flags = (info->connected ? HXFR_SCANOUT_CONNECTED : 0u) | (info->lit ? HXFR_SCANOUT_LIT : 0u),
               }};
  g_strlcpy(note.info.name, info->name, sizeof note.info.name);
  send_note(displays, deliver_scanout, note);
}

static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  Displays *displays = data;
  capture_update(displays->capture, id, frame, rects, n_rects, flush_us);
}

static gboolean deliver_state(gpointer data) {
  Note *note = data;
  if (!is_stopped(note->displays)) hub_set_state(note->displays->hub, note->state, note->text);
  return G_SOURCE_REMOVE;
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  static const HxfrDisplayState STATES[] = {
      [DISPLAY_STARTING] = HXFR_STATE_STARTING,
      [DISPLAY_RUNNING] = HXFR_STATE_RUNNING,
      [DISPLAY_LOST] = HXFR_STATE_LOST,
  };
  log_info("display", "%s", text);
  send_note(data, deliver_state, (Note){.state = STATES[state], .text = g_strdup(text)});
}

static const DisplaySink SINK = {.scanout = on_scanout, .update = on_update, .state = on_state};

static void on_captured(guint scanout, gpointer data) {
  Displays *displays = data;
  mutex_lock(&displays->mutex);
  if (displays->workers[scanout]) worker_changed(displays->workers[scanout]);
  mutex_unlock(&displays->mutex);
}

/* What the encode threads ask and give. */

static Shadow *get_shadow(guint scanout, gpointer data) {
  Displays *displays = data;
  return capture_get_shadow(displays->capture, scanout);
}

Shadow *displays_get_shadow(Displays *displays, guint scanout) {
  return capture_get_shadow(displays->capture, scanout);
}

Display *displays_get_display(Displays *displays) {
  return displays->display;
}

static gboolean deliver_unit(gpointer data) {
  Note *note = data;
  if (!is_stopped(note->displays)) {
    hub_publish(note->displays->hub, note->scanout, g_steal_pointer(&note->unit));
  }
  return G_SOURCE_REMOVE;
}

static void publish(guint scanout, AccessUnit *unit, gpointer data) {
  send_note(data, deliver_unit, (Note){.scanout = scanout, .unit = unit});
}

static const WorkerHost WORKER_HOST = {.get_shadow = get_shadow, .publish = publish};

/* What the hub asks, on its thread. */

static WorkerDemand to_worker_demand(const HubDemand *demand) {
  return (WorkerDemand){demand->bitrate, demand->keep_alive_hz, demand->hold};
}

static void set_worker(Displays *displays, guint scanout, Worker *worker) {
  mutex_lock(&displays->mutex);
  displays->workers[scanout] = worker;
  mutex_unlock(&displays->mutex);
}

static void start_stream(gpointer data, guint scanout, const HubDemand *demand) {
  Displays *displays = data;
  g_autoptr(GError) error = NULL;
  WorkerDemand worker_demand = to_worker_demand(demand);
  Worker *worker = worker_start(scanout, &displays->settings, &worker_demand, &WORKER_HOST, displays, &error);
  if (!worker) {
    stats_count("encode.no-thread");
    log_error("encode", "scanout %u is not encoded: %s", scanout, error->message);
    return;
  }
  set_worker(displays, scanout, worker);
}

static void stop_stream(gpointer data, guint scanout) {
  Displays *displays = data;
  Worker *worker = displays->workers[scanout];
  set_worker(displays, scanout, NULL);
  worker_stop(worker);
}

static void request_idr(gpointer data, guint scanout) {
  Displays *displays = data;
  if (displays->workers[scanout]) worker_request_idr(displays->workers[scanout]);
}

static void on_demand(gpointer data, guint scanout, const HubDemand *demand) {
  Displays *displays = data;
  WorkerDemand worker_demand = to_worker_demand(demand);
  if (displays->workers[scanout]) worker_set_demand(displays->workers[scanout], &worker_demand);
}

static const HubSource HUB_SOURCE = {
    .start = start_stream,
    .stop = stop_stream,
    .request_idr = request_idr,
    .demand = on_demand,
};

const HubSource *displays_hub_source(void) {
  return &HUB_SOURCE;
}

Displays *displays_create(Display *display, const WorkerSettings *settings, GMainContext *context) {
  Displays *displays = g_new0(Displays, 1);
  displays->display = display;
  displays->settings = *settings;
  displays->context = context;
  displays->capture = capture_create(on_captured, displays);
  mutex_init(&displays->mutex);
  return displays;
}

gboolean displays_start(Displays *displays, Hub *hub, GError **error) {
  displays->hub = hub;
  displays->started = display_start(displays->display, &SINK, displays, error);
  return displays->started;
}

void displays_stop(Displays *displays) {
  __atomic_store_n(&displays->stopped, 1, __ATOMIC_RELEASE);
  if (displays->started) display_stop(displays->display);
  displays->started = FALSE;
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) stop_stream(displays, i);
  /* notes on their way point here */
  while (g_main_context_iteration(displays->context, FALSE)) {
  }
}

void displays_destroy(Displays *displays) {
  if (!displays) return;
  display_destroy(displays->display);
  capture_destroy(displays->capture);
  mutex_finish(&displays->mutex);
  g_free(displays);
}
