/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-service.h"

#include "common/base/byte-writer.h"
#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "common/net/listener.h"
#include "host/vhost/vhost-device.h"
#include "host/vsock/vsock-device.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

/* virtio 1.2 section 5.10.2; the third, for events, QEMU keeps. */
enum { QUEUE_RECEIVE, QUEUE_TRANSMIT, QUEUES };

struct VsockService {
  char *path;
  guint32 cid;
  guint32 port;
  VsockServiceAccept accept;
  gpointer data;
  pthread_t thread;
  atomic_bool stopping;
  GMainContext *context;

  /* The rest is the thread's own. */
  Listener *listener;
  GuestMemory memory;
  VsockDevice *device;
  VhostDevice *vhost; /* NULL: no QEMU */
  gboolean over;      /* its connection has ended */
  char *why;
};

/* ---- the rings ---- */

static gboolean on_ready(gpointer data, guint queue) {
  VsockService *service = data;
  return queue == QUEUE_RECEIVE ? vsock_device_has_output(service->device) : vsock_device_takes_input(service->device);
}

static guint32 on_run(gpointer data, guint queue, const VirtqueueElement *element) {
  VsockService *service = data;
  if (queue == QUEUE_RECEIVE) return vsock_device_output(service->device, element);
  vsock_device_input(service->device, element);
  return 0;
}

static void on_event(gpointer data) {
}

static void on_reset(gpointer data) {
  VsockService *service = data;
  vsock_device_reset(service->device);
}

static void on_attached(gpointer data) {
  VsockService *service = data;
  stats_count("vsock.attached");
  log_info("vsock", "attached to QEMU on %s; the guest is CID %u", service->path, service->cid);
}

static void on_started(gpointer data) {
  log_info("vsock", "the guest's vsock driver runs");
}

/* Taken down by the loop: the device is still in use by whoever calls this. */
static void on_closed(gpointer data, const char *why) {
  VsockService *service = data;
  service->over = TRUE;
  service->why = g_strdup(why);
}

/* struct virtio_vsock_config (5.10.4) */
static void write_config(gpointer data, guint8 *config) {
  VsockService *service = data;
  ByteWriter writer;
  byte_writer_init(&writer, config, VHOST_DEVICE_CONFIG);
  byte_writer_u64(&writer, service->cid);
}

/* Without RESET_DEVICE: a new driver is told by its rings, which QEMU 7 and 10 do alike. */
static const VhostDeviceType DEVICE_TYPE = {
    .name = "vsock",
    .queues = QUEUES,
    .protocol = VHOST_PROTOCOL_MULTI_QUEUE | VHOST_PROTOCOL_REPLY_ACK | VHOST_PROTOCOL_CONFIG,
    .write_config = write_config,
};

static const VhostDeviceEvents VHOST_EVENTS = {
    .ready = on_ready,
    .run = on_run,
    .end_batch = on_event,
    .memory_changes = on_event,
    .memory_changed = on_event,
    .reset = on_reset,
    .attached = on_attached,
    .started = on_started,
    .closed = on_closed,
};

/* ---- the device ---- */

static gboolean on_accept(gpointer data, guint32 port, int fd) {
  VsockService *service = data;
  if (port == service->port) return service->accept(service->data, port, fd);
  stats_count("vsock.refused-ports");
  close(fd);
  return FALSE;
}

static void on_changed(gpointer data) {
  VsockService *service = data;
  if (!service->vhost) return;
  vhost_device_wake(service->vhost, QUEUE_RECEIVE);
  vhost_device_wake(service->vhost, QUEUE_TRANSMIT);
}

static const VsockDeviceEvents DEVICE_EVENTS = {.accept = on_accept, .changed = on_changed};

/* ---- connections with QEMU ---- */

static void on_accepted(int fd, const Address *address, gpointer data) {
  static LogLimit limit;
  VsockService *service = data;
  if (!service->vhost) {
    service->vhost = vhost_device_create(fd, &DEVICE_TYPE, &service->memory, &VHOST_EVENTS, service, service->context);
    return;
  }
  stats_count("vsock.second-front-ends");
  log_limited(&limit, LOG_WARN, "vsock", "a second program connects to %s; it serves one QEMU at a time",
              service->path);
  close(fd);
}

static void detach(VsockService *service) {
  vsock_device_reset(service->device);
  g_clear_pointer(&service->vhost, vhost_device_destroy);
}

static void handle_end(VsockService *service) {
  static LogLimit limit;
  g_autofree char *why = g_steal_pointer(&service->why);
  service->over = FALSE;
  stats_count("vsock.lost");
  detach(service);
  if (why) {
    log_limited(&limit, LOG_WARN, "vsock", "the connection with QEMU on %s is given up: %s", service->path, why);
  } else {
    log_limited(&limit, LOG_INFO, "vsock", "QEMU on %s has left; waiting for the next one", service->path);
  }
}

/* ---- the thread ---- */

static void *run(void *data) {
  VsockService *service = data;
  pthread_setname_np(pthread_self(), "vsock");
  while (!atomic_load(&service->stopping)) {
    g_main_context_iteration(service->context, TRUE);
    if (service->over) handle_end(service);
  }
  detach(service);
  return NULL;
}

static void service_free(VsockService *service) {
  g_clear_pointer(&service->why, g_free);
  vsock_device_destroy(service->device);
  listener_destroy(service->listener);
  g_main_context_unref(service->context);
  g_free(service->path);
  g_free(service);
}

VsockService *vsock_service_start(const VsockSettings *settings, int fd, VsockServiceAccept accept, gpointer data,
                                  GError **error) {
  VsockService *service = g_new0(VsockService, 1);
  Address address = {.kind = ADDRESS_UNIX};
  service->path = g_strdup(settings->path);
  service->cid = settings->cid;
  service->port = settings->port;
  service->accept = accept;
  service->data = data;
  service->context = g_main_context_new();
  service->device = vsock_device_create(settings->cid, &DEVICE_EVENTS, service, service->context);
  service->listener = listener_adopt(fd, &address);
  listener_accept(service->listener, service->context, on_accepted, service);
  int result = pthread_create(&service->thread, NULL, run, service);
  if (result == 0) return service;
  service_free(service);
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(result), "cannot start the vsock device's thread: %s",
              g_strerror(result));
  return NULL;
}

void vsock_service_stop(VsockService *service) {
  if (!service) return;
  atomic_store(&service->stopping, TRUE);
  g_main_context_wakeup(service->context);
  pthread_join(service->thread, NULL);
  service_free(service);
}
