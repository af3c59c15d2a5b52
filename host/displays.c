/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/displays.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"

#include <string.h>
#include <unistd.h>

G_STATIC_ASSERT(DISPLAY_MAX_SCANOUTS == HXFR_MAX_SCANOUTS);

struct Displays {
  const DisplayChoice *choice;
  WorkerSettings settings;
  GMainContext *context;
  Hub *hub;
  LinkClient *link;
  void (*known)(gpointer data); /* NULL once it was called */
  gpointer known_data;
  void (*vsock)(gpointer data, guint32 port, int fd); /* NULL: nobody */
  gpointer vsock_data;
  int stopped;      /* atomic: notes on their way find nobody */
  guint32 scanouts; /* a bit for each that was told over this link */
  guint n_outputs;  /* of the device; 0: not known */
  gconstpointer owners[HXFR_MAX_SCANOUTS]; /* of outputs that were connected for somebody */
  Worker *workers[HXFR_MAX_SCANOUTS];

  Mutex mutex; /* the shadows: the link brings them, encode threads ask for them */
  Shadow *shadows[HXFR_MAX_SCANOUTS];
};

/* A note to the hub's thread. They keep their order: one context, one priority. */
typedef struct {
  Displays *displays;
  guint scanout;
  AccessUnit *unit;
} Note;

static void note_free(gpointer data) {
  Note *note = data;
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

/* What the display's process tells. */

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  Displays *displays = data;
  HxfrScanout scanout = {
      .id = id,
      .width = info->width,
      .height = info->height,
      .refresh_mhz = info->refresh_mhz,
      .flags = (info->connected ? HXFR_SCANOUT_CONNECTED : 0u) | (info->lit ? HXFR_SCANOUT_LIT : 0u),
  };
  g_strlcpy(scanout.name, info->name, sizeof scanout.name);
  displays->scanouts |= 1u << id;
  if (!info->connected) displays->owners[id] = NULL;
  hub_set_scanout(displays->hub, &scanout);
}

static void on_outputs(gpointer data, guint count) {
  Displays *displays = data;
  displays->n_outputs = count;
}

static void wake_worker(Displays *displays, guint id) {
  if (displays->workers[id]) worker_changed(displays->workers[id]);
}

static void on_shadow(gpointer data, guint id, Shadow *shadow) {
  Displays *displays = data;
  mutex_lock(&displays->mutex);
  Shadow *old = displays->shadows[id];
  displays->shadows[id] = shadow;
  mutex_unlock(&displays->mutex);
  shadow_unref(old);
  wake_worker(displays, id);
}

static void on_changed(gpointer data, guint32 mask) {
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    if (mask >> i & 1) wake_worker(data, i);
  }
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  static const HxfrDisplayState STATES[] = {
      [DISPLAY_STARTING] = HXFR_STATE_STARTING,
      [DISPLAY_RUNNING] = HXFR_STATE_RUNNING,
      [DISPLAY_LOST] = HXFR_STATE_LOST,
  };
  Displays *displays = data;
  hub_set_state(displays->hub, STATES[state], text);
  void (*known)(gpointer) = displays->known;
  displays->known = NULL;
  if (known) known(displays->known_data);
}

static void on_vsock(gpointer data, guint32 port, int fd) {
  Displays *displays = data;
  if (displays->vsock) {
    displays->vsock(displays->vsock_data, port, fd);
  } else {
    close(fd);
  }
}

/* Its scanouts are nobody's until the next one tells: what they showed is not what the VM shows now. */
static void on_link_closed(gpointer data) {
  Displays *displays = data;
  stats_count("displays.links-lost");
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    if (!(displays->scanouts >> i & 1)) continue;
    on_shadow(displays, i, NULL);
    on_scanout(displays, i, &(ScanoutInfo){.refresh_mhz = DISPLAY_DEFAULT_REFRESH_MHZ});
  }
  displays->scanouts = 0;
  displays->n_outputs = 0;
  on_state(displays, DISPLAY_LOST, "the process that reads the VM's display has ended; it is being started again");
}

static const LinkClientEvents LINK_EVENTS = {
    .scanout = on_scanout,
    .outputs = on_outputs,
    .shadow = on_shadow,
    .changed = on_changed,
    .state = on_state,
    .vsock = on_vsock,
    .closed = on_link_closed,
};

/* What the encode threads ask and give. */

Shadow *displays_get_shadow(Displays *displays, guint scanout) {
  g_assert(scanout < HXFR_MAX_SCANOUTS);
  mutex_lock(&displays->mutex);
  Shadow *shadow = displays->shadows[scanout];
  if (shadow) shadow_ref(shadow);
  mutex_unlock(&displays->mutex);
  return shadow;
}

static Shadow *get_shadow(guint scanout, gpointer data) {
  return displays_get_shadow(data, scanout);
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
  guint32 watched = 0;
  displays->workers[scanout] = worker;
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) watched |= (displays->workers[i] ? 1u : 0u) << i;
  link_client_watch(displays->link, watched);
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

Displays *displays_create(const DisplayChoice *choice, const WorkerSettings *settings, GMainContext *context) {
  Displays *displays = g_new0(Displays, 1);
  displays->choice = choice;
  displays->settings = *settings;
  displays->context = context;
  displays->link = link_client_create(context, &LINK_EVENTS, displays);
  mutex_init(&displays->mutex);
  return displays;
}

void displays_start(Displays *displays, Hub *hub, void (*known)(gpointer data), gpointer data) {
  displays->hub = hub;
  displays->known = known;
  displays->known_data = data;
}

void displays_set_vsock(Displays *displays, void (*vsock)(gpointer data, guint32 port, int fd), gpointer data) {
  displays->vsock = vsock;
  displays->vsock_data = data;
}

void displays_connect(Displays *displays, int socket) {
  link_client_connect(displays->link, socket);
}

void displays_stop(Displays *displays) {
  __atomic_store_n(&displays->stopped, 1, __ATOMIC_RELEASE);
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    if (displays->workers[i]) stop_stream(displays, i);
  }
  /* notes on their way point here */
  while (g_main_context_iteration(displays->context, FALSE)) {
  }
}

void displays_destroy(Displays *displays) {
  if (!displays) return;
  link_client_destroy(displays->link);
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) shadow_unref(displays->shadows[i]);
  mutex_finish(&displays->mutex);
  g_free(displays);
}

gboolean displays_has_resources(const Displays *displays) {
  return displays->choice->has_resources;
}

gboolean displays_has_outputs(const Displays *displays) {
  return displays->choice->has_outputs;
}

gboolean displays_set_output(Displays *displays, gconstpointer owner, guint id, gboolean connected, guint width,
                             guint height, guint refresh_mhz) {
  if (connected ? !vugpu_settings_output_ok(id, width, height, refresh_mhz) : id == 0 || id >= DISPLAY_MAX_SCANOUTS) {
    return FALSE;
  }
  gboolean exists = displays->n_outputs == 0 || id < displays->n_outputs;
  gboolean is_free = displays->owners[id] ? displays->owners[id] == owner : connected;
  if (!exists || !is_free) {
    stats_count(exists ? "displays.outputs-of-others" : "displays.outputs-beyond");
    return FALSE;
  }
  displays->owners[id] = connected ? owner : NULL;
  link_client_set_output(displays->link, id, connected, width, height, refresh_mhz);
  return TRUE;
}

LinkClient *displays_link(Displays *displays) {
  return displays->link;
}
