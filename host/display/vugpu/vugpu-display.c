/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/vugpu-display.h"

#include "common/base/byte-writer.h"
#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "common/net/listener.h"
#include "host/display/vugpu/gpu-commands.h"
#include "host/display/vugpu/ui-info.h"
#include "host/vhost/vhost-device.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define VUGPU_QUEUES 2u              /* control, cursor: virtio 1.2 section 5.7.2 */
#define VUGPU_FEATURE_EDID (1u << 1) /* 5.7.3 */

typedef struct {
  Display base;
  VugpuSettings settings;
  pthread_t thread;
  gboolean started;
  atomic_bool stopping;
  GMainContext *context;

  Mutex mutex;     /* guards the next two */
  GQueue requests; /* of Request */
  gboolean open;   /* the thread takes requests */

  /* The rest is the thread's own, once there is one. */
  Listener *listener;
  GuestMemory memory;
  Gpu gpu;
  VhostDevice *device; /* NULL: no QEMU */
  gboolean spoken;     /* by this QEMU */
  gboolean was_attached;
  gboolean over; /* the device's connection has ended */
  char *why;
  UiInfo *ui_info; /* NULL: no QMP socket was given */
} VugpuDisplay;

/* From another thread. */
typedef struct {
  DisplayReadDone done; /* NULL: it is for an output */
  gpointer data;
  guint32 resource_id;
  guint output;
  gboolean connected;
  guint width;
  guint height;
  guint refresh_mhz;
} Request;

/* ---- what the sink is told ---- */

static const char *place(const VugpuDisplay *display) {
  return display->settings.path ? display->settings.path : "the given socket";
}

static void tell(VugpuDisplay *display, DisplayState state, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void tell(VugpuDisplay *display, DisplayState state, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  display->base.sink->state(display->base.sink_data, state, text);
}

/* ---- the device's events ---- */

static guint32 on_run(gpointer data, guint queue, const VirtqueueElement *element) {
  VugpuDisplay *display = data;
  return gpu_commands_run(&display->gpu, element);
}

static void on_end_batch(gpointer data) {
  VugpuDisplay *display = data;
  gpu_scanouts_capture(&display->gpu.scanouts);
}

static void on_memory_changes(gpointer data) {
  VugpuDisplay *display = data;
  gpu_memory_changes(&display->gpu);
}

static void on_memory_changed(gpointer data) {
  VugpuDisplay *display = data;
  gpu_memory_changed(&display->gpu);
}

static void on_reset(gpointer data) {
  VugpuDisplay *display = data;
  gpu_reset(&display->gpu);
}

static void on_attached(gpointer data) {
  VugpuDisplay *display = data;
  stats_count("vugpu.attached");
  display->spoken = display->was_attached = TRUE;
  gpu_set_attached(&display->gpu, TRUE);
  tell(display, DISPLAY_RUNNING, "attached to QEMU on %s; the guest has not started its display yet", place(display));
}

static void on_started(gpointer data) {
  VugpuDisplay *display = data;
  tell(display, DISPLAY_RUNNING, "attached to QEMU on %s; the guest's driver runs", place(display));
}

/* Taken down by the loop: the device is still in use by whoever calls this. */
static void on_closed(gpointer data, const char *why) {
  VugpuDisplay *display = data;
  display->over = TRUE;
  display->why = g_strdup(why);
}

/* struct virtio_gpu_config (virtio 1.2 section 5.7.4). QEMU puts in its own events and number of scanouts. What a later
 * version has behind it is 0: no capability sets. */
static void write_config(gpointer data, guint8 *config) {
  ByteWriter writer;
  byte_writer_init(&writer, config, VHOST_DEVICE_CONFIG);
  byte_writer_u32(&writer, 0); /* events_read */
  byte_writer_u32(&writer, 0); /* events_clear */
  byte_writer_u32(&writer, DISPLAY_MAX_SCANOUTS);
}

static const VhostDeviceType DEVICE_TYPE = {
    .name = "vugpu",
    .queues = VUGPU_QUEUES,
    .features = VUGPU_FEATURE_EDID,
    .protocol =
        VHOST_PROTOCOL_MULTI_QUEUE | VHOST_PROTOCOL_REPLY_ACK | VHOST_PROTOCOL_CONFIG | VHOST_PROTOCOL_RESET_DEVICE,
    .takes_socket = TRUE, /* QEMU's, for drawing through it */
    .write_config = write_config,
};

static const VhostDeviceEvents DEVICE_EVENTS = {
    .run = on_run,
    .end_batch = on_end_batch,
    .memory_changes = on_memory_changes,
    .memory_changed = on_memory_changed,
    .reset = on_reset,
    .attached = on_attached,
    .started = on_started,
    .closed = on_closed,
};

/* ---- connections ---- */

static void attach(VugpuDisplay *display, int fd) {
  display->spoken = FALSE;
  display->device = vhost_device_create(fd, &DEVICE_TYPE, &display->memory, &DEVICE_EVENTS, display, display->context);
}

static void on_accepted(int fd, const Address *address, gpointer data) {
  static LogLimit limit;
  VugpuDisplay *display = data;
  if (!display->device) {
    attach(display, fd);
    return;
  }
  stats_count("vugpu.second-front-ends");
  log_limited(&limit, LOG_WARN, "vugpu", "a second program connects to %s; it serves one QEMU at a time",
              place(display));
  close(fd);
}

static void detach(VugpuDisplay *display) {
  if (!display->device) return;
  gpu_set_attached(&display->gpu, FALSE);
  g_clear_pointer(&display->device, vhost_device_destroy);
}

static void handle_end(VugpuDisplay *display) {
  g_autofree char *why = g_steal_pointer(&display->why);
  const char *next = display->listener ? "waiting for the next one" : "its socket was the only one";
  display->over = FALSE;
  stats_count("vugpu.lost");
  detach(display);
  if (why) {
    tell(display, DISPLAY_LOST, "the connection with QEMU on %s is given up: %s; %s", place(display), why, next);
  } else if (display->spoken) {
    tell(display, DISPLAY_LOST, "QEMU on %s has left; %s", place(display), next);
  } else {
    tell(display, display->was_attached ? DISPLAY_LOST : DISPLAY_STARTING,
         "a program connected to %s and left without a word: QEMU before 8 does that where it has no KVM, and says "
         "\"vhost initialization failed: requires kvm\"; QEMU 10 needs none; %s",
         place(display), next);
  }
}

/* ---- requests ---- */

static gboolean post(VugpuDisplay *display, const Request *request) {
  mutex_lock(&display->mutex);
  gboolean open = display->open;
  if (open) g_queue_push_tail(&display->requests, g_memdup2(request, sizeof *request));
  mutex_unlock(&display->mutex);
  if (open) g_main_context_wakeup(display->context);
  return open;
}

static Request *next_request(VugpuDisplay *display) {
  mutex_lock(&display->mutex);
  Request *request = g_queue_pop_head(&display->requests);
  mutex_unlock(&display->mutex);
  return request;
}

static void serve_read(VugpuDisplay *display, const Request *request) {
  Frame frame;
  DisplayRead result = gpu_read(&display->gpu, request->resource_id, &frame);
  request->done(result, result == DISPLAY_READ_OK ? &frame : NULL, request->data);
}

static void serve_output(VugpuDisplay *display, const Request *request) {
  gpu_set_output(&display->gpu, request->output, request->connected, request->width, request->height,
                 request->refresh_mhz);
  if (!display->ui_info) return;
  ui_info_set(display->ui_info, request->output, request->connected ? request->width : 0,
              request->connected ? request->height : 0);
}

static void serve_requests(VugpuDisplay *display) {
  Request *request;
  while ((request = next_request(display))) {
    if (request->done) {
      serve_read(display, request);
    } else {
      serve_output(display, request);
    }
    g_free(request);
  }
}

static void set_open(VugpuDisplay *display, gboolean open) {
  mutex_lock(&display->mutex);
  display->open = open;
  mutex_unlock(&display->mutex);
}

/* ---- the thread ---- */

static void begin(VugpuDisplay *display) {
  if (display->settings.qmp_path) display->ui_info = ui_info_create(display->settings.qmp_path);
  if (display->listener) {
    tell(display, DISPLAY_STARTING,
         "waiting for QEMU: -chardev socket,id=gpu,path=%s -device vhost-user-gpu-pci,chardev=gpu", place(display));
  } else {
    tell(display, DISPLAY_STARTING, "waiting for QEMU's first word on the given socket");
    attach(display, display->settings.fd);
    display->settings.fd = -1;
  }
}

static void end(VugpuDisplay *display) {
  set_open(display, FALSE);
  serve_requests(display);
  detach(display);
  g_clear_pointer(&display->why, g_free);
  g_clear_pointer(&display->listener, listener_destroy);
  g_clear_pointer(&display->ui_info, ui_info_destroy);
  while (g_main_context_iteration(display->context, FALSE)) {
    /* what GDBus has left for us to free */
  }
}

static void *run(void *data) {
  VugpuDisplay *display = data;
  thread_set_name("display-vugpu");
  g_main_context_push_thread_default(display->context);
  begin(display);
  while (!atomic_load(&display->stopping)) {
    g_main_context_iteration(display->context, TRUE);
    serve_requests(display);
    if (display->over) handle_end(display);
  }
  end(display);
  g_main_context_pop_thread_default(display->context);
  return NULL;
}

/* ---- the display interface ---- */

static gboolean is_listening(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0;
}

static gboolean check_fd(int fd, GError **error) {
  int value = 0;
  socklen_t size = sizeof value;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 && value == AF_UNIX && !is_listening(fd)) return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
              "descriptor %d is no connected unix socket: it has to be QEMU's end of -chardev socket", fd);
  return FALSE;
}

static gboolean prepare(VugpuDisplay *display, GError **error) {
  VugpuSettings *settings = &display->settings;
  gboolean listening = settings->fd >= 0 && is_listening(settings->fd);
  if (settings->fd >= 0 && !listening) return check_fd(settings->fd, error);
  Address address = {.kind = ADDRESS_UNIX};
  g_autofree char *text = g_strconcat("unix:", settings->path, NULL);
  if (settings->path && !address_parse(text, &address, error)) return FALSE;
  if (listening) {
    display->listener = listener_adopt(settings->fd, &address);
    settings->fd = -1;
    listener_accept(display->listener, display->context, on_accepted, display);
  } else {
    display->listener = listener_create(&address, display->context, on_accepted, display, error);
  }
  return display->listener != NULL;
}

static gboolean start(Display *base, GError **error) {
  VugpuDisplay *display = (VugpuDisplay *)base;
  g_assert(!display->started);
  if (!prepare(display, error)) return FALSE;
  gpu_init(&display->gpu, &display->settings, &display->memory, base->sink, base->sink_data);
  set_open(display, TRUE);
  int result = pthread_create(&display->thread, NULL, run, display);
  display->started = result == 0;
  if (display->started) return TRUE;
  set_open(display, FALSE);
  gpu_finish(&display->gpu);
  g_clear_pointer(&display->listener, listener_destroy);
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(result), "cannot start the display's thread: %s",
              g_strerror(result));
  return FALSE;
}

static void stop(Display *base) {
  VugpuDisplay *display = (VugpuDisplay *)base;
  if (!display->started) return;
  atomic_store(&display->stopping, TRUE);
  g_main_context_wakeup(display->context);
  pthread_join(display->thread, NULL);
  gpu_finish(&display->gpu);
  display->started = FALSE;
  atomic_store(&display->stopping, FALSE);
}

static void destroy(Display *base) {
  VugpuDisplay *display = (VugpuDisplay *)base;
  g_assert(!display->started);
  if (display->settings.fd >= 0) close(display->settings.fd);
  vugpu_settings_finish(&display->settings);
  g_main_context_unref(display->context);
  mutex_finish(&display->mutex);
  g_free(display);
}

static void read_resource(Display *base, guint32 resource_id, DisplayReadDone done, gpointer data) {
  VugpuDisplay *display = (VugpuDisplay *)base;
  if (!post(display, &(Request){.done = done, .data = data, .resource_id = resource_id})) {
    done(DISPLAY_READ_NOT_FOUND, NULL, data);
  }
}

static gboolean set_output(Display *base, guint id, gboolean connected, guint width, guint height, guint refresh_mhz) {
  VugpuDisplay *display = (VugpuDisplay *)base;
  if (connected ? !vugpu_settings_output_ok(id, width, height, refresh_mhz) : id == 0 || id >= DISPLAY_MAX_SCANOUTS) {
    return FALSE;
  }
  return post(
      display,
      &(Request){.output = id, .connected = connected, .width = width, .height = height, .refresh_mhz = refresh_mhz});
}

static const DisplayInterface INTERFACE = {
    .name = "vugpu",
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .read_resource = read_resource,
    .set_output = set_output,
};

Display *vugpu_display_create(const VugpuSettings *settings) {
  VugpuDisplay *display = g_new0(VugpuDisplay, 1);
  display->base.interface = &INTERFACE;
  display->settings = *settings;
  display->settings.path = g_strdup(settings->path);
  display->settings.qmp_path = g_strdup(settings->qmp_path);
  display->context = g_main_context_new();
  mutex_init(&display->mutex);
  atomic_init(&display->stopping, FALSE);
  return &display->base;
}
