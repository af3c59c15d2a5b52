/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/vhost-device.h"

#include "common/base/byte-reader.h"
#include "common/base/byte-writer.h"
#include "common/base/log.h"
#include "host/vhost/vhost-user.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

/* vhost-user, "Front-end message types" */
enum {
  GET_FEATURES = 1,
  SET_FEATURES = 2,
  SET_OWNER = 3,
  RESET_OWNER = 4,
  SET_MEM_TABLE = 5,
  SET_VRING_NUM = 8,
  SET_VRING_ADDR = 9,
  SET_VRING_BASE = 10,
  GET_VRING_BASE = 11,
  SET_VRING_KICK = 12,
  SET_VRING_CALL = 13,
  SET_VRING_ERR = 14,
  GET_PROTOCOL_FEATURES = 15,
  SET_PROTOCOL_FEATURES = 16,
  GET_QUEUE_NUM = 17,
  SET_VRING_ENABLE = 18,
  GET_CONFIG = 24,
  SET_CONFIG = 25,
  GPU_SET_SOCKET = 33,
  RESET_DEVICE = 34,
};

#define BIT(n) (G_GUINT64_CONSTANT(1) << (n))
/* virtio 1.2 section 6; bit 30 is vhost-user's own. */
#define FEATURE_INDIRECT BIT(28)
#define FEATURE_EVENT_INDEX BIT(29)
#define FEATURE_PROTOCOL BIT(30)
#define FEATURE_VERSION_1 BIT(32)
#define FEATURES (FEATURE_INDIRECT | FEATURE_EVENT_INDEX | FEATURE_PROTOCOL | FEATURE_VERSION_1)

/* "Vring descriptor indices": the queue's number, and a flag that no descriptor comes along. */
#define VRING_INDEX_MASK 0xffu
#define VRING_NO_FD 0x100u
/* "Virtio device config space": offset, size, flags before the bytes, of which there are 256 at most. */
#define CONFIG_HEADER 12u
#define CONFIG_MAX VHOST_DEVICE_CONFIG
/* "Memory regions description" */
#define REGION_SIZE 32u

G_STATIC_ASSERT(8 + GUEST_MEMORY_MAX_REGIONS * REGION_SIZE <= VHOST_USER_MAX_PAYLOAD);
G_STATIC_ASSERT(CONFIG_HEADER + CONFIG_MAX <= VHOST_USER_MAX_PAYLOAD);
G_STATIC_ASSERT(GUEST_MEMORY_MAX_REGIONS <= VHOST_USER_MAX_FDS);

struct VhostDevice {
  VhostUser vhost;
  const VhostDeviceType *type;
  GuestMemory *memory;
  const VhostDeviceEvents *events;
  gpointer data;
  GSource *readable;
  guint64 features;
  guint64 protocol;
  int gpu_socket; /* QEMU's, for drawing through it; nothing is said there. -1: none */
  gboolean spoken;
  gboolean has_begun; /* the first queue was started since the last reset */
  Vring vrings[VHOST_DEVICE_MAX_QUEUES];
};

/* A request and what it carries. */
typedef struct {
  VhostDevice *device;
  ByteReader payload;
  GError *fatal; /* set: the connection cannot go on */
} Request;

/* ---- pieces ---- */

static void reply(Request *request, const void *payload, gsize size) {
  VhostUser *vhost = &request->device->vhost;
  if (!request->fatal) {
    vhost_user_reply(vhost, vhost->message.request, payload, (guint32)size, &request->fatal);
  }
}

static gboolean reply_u64(Request *request, guint64 value) {
  guint64 bytes = GUINT64_TO_LE(value);
  reply(request, &bytes, sizeof bytes);
  return TRUE;
}

/* The ring that the number names; NULL if there is none. */
static Vring *vring_at(Request *request, guint64 index) {
  if (!byte_reader_ok(&request->payload) || index >= request->device->type->queues) return NULL;
  return &request->device->vrings[index];
}

/* Struct vhost_vring_state: the ring, and a number for it. */
static Vring *read_state(Request *request, guint32 *number) {
  guint32 index = byte_reader_u32(&request->payload);
  *number = byte_reader_u32(&request->payload);
  return vring_at(request, index);
}

/* The ring and its descriptor, -1 if none came; the caller owns it. NULL: no such ring, nothing to own. */
static Vring *read_fd(Request *request, int *fd) {
  guint64 value = byte_reader_u64(&request->payload);
  Vring *vring = vring_at(request, value & VRING_INDEX_MASK);
  *fd = vring && !(value & VRING_NO_FD) ? vhost_user_take_fd(&request->device->vhost, 0) : -1;
  return vring;
}

static void reset(VhostDevice *device) {
  vring_count(device->type->name, "resets");
  device->has_begun = FALSE;
  device->events->reset(device->data);
}

/* ---- requests; FALSE: refused ---- */

static gboolean get_features(Request *request) {
  return reply_u64(request, FEATURES | request->device->type->features);
}

static gboolean set_features(Request *request) {
  VhostDevice *device = request->device;
  guint64 features = byte_reader_u64(&request->payload);
  if (!byte_reader_ok(&request->payload)) return FALSE;
  device->features = features;
  for (guint i = 0; i < device->type->queues; i++) {
    device->vrings[i].queue.event_index = (features & FEATURE_EVENT_INDEX) != 0;
    /* "Ring states": without the protocol features there is no request that would enable it */
    if (!(features & FEATURE_PROTOCOL)) vring_set_enabled(&device->vrings[i], TRUE);
  }
  return TRUE;
}

static gboolean get_protocol_features(Request *request) {
  return reply_u64(request, request->device->type->protocol);
}

static gboolean set_protocol_features(Request *request) {
  VhostDevice *device = request->device;
  device->protocol = byte_reader_u64(&request->payload) & device->type->protocol;
  return byte_reader_ok(&request->payload);
}

static gboolean get_queue_num(Request *request) {
  return reply_u64(request, request->device->type->queues);
}

static gboolean set_owner(Request *request) {
  return TRUE;
}

static gboolean reset_device(Request *request) {
  reset(request->device);
  return TRUE;
}

static gboolean read_regions(Request *request, GuestMemoryRegion *regions, guint count) {
  ByteReader *payload = &request->payload;
  for (guint i = 0; i < count; i++) {
    regions[i].guest = byte_reader_u64(payload);
    regions[i].size = byte_reader_u64(payload);
    regions[i].user = byte_reader_u64(payload);
    regions[i].offset = byte_reader_u64(payload);
  }
  return byte_reader_ok(payload);
}

static gboolean replace_memory(VhostDevice *device, const GuestMemoryRegion *regions, guint count, GError **error) {
  gboolean started[VHOST_DEVICE_MAX_QUEUES];
  device->events->memory_changes(device->data);
  for (guint i = 0; i < device->type->queues; i++) {
    started[i] = virtqueue_is_started(&device->vrings[i].queue);
    virtqueue_stop(&device->vrings[i].queue);
  }
  gboolean ok = guest_memory_set(device->memory, regions, count, error);
  for (guint i = 0; i < device->type->queues && ok; i++) {
    if (started[i]) ok = vring_start(&device->vrings[i], device->memory, error);
  }
  device->events->memory_changed(device->data);
  return ok;
}

static gboolean set_mem_table(Request *request) {
  VhostDevice *device = request->device;
  GuestMemoryRegion regions[GUEST_MEMORY_MAX_REGIONS] = {0};
  guint32 count = byte_reader_u32(&request->payload);
  byte_reader_skip(&request->payload, 4);
  if (count > GUEST_MEMORY_MAX_REGIONS || count != device->vhost.message.n_fds) return FALSE;
  if (!read_regions(request, regions, count)) return FALSE;
  for (guint i = 0; i < count; i++) regions[i].fd = vhost_user_take_fd(&device->vhost, i);
  g_autoptr(GError) error = NULL;
  if (replace_memory(device, regions, count, &error)) return TRUE;
  log_error(device->type->name, "%s", error->message);
  return FALSE;
}

static gboolean set_vring_num(Request *request) {
  guint32 number;
  Vring *vring = read_state(request, &number);
  return vring && !virtqueue_is_started(&vring->queue) && virtqueue_set_size(&vring->queue, number);
}

static gboolean set_vring_base(Request *request) {
  VhostDevice *device = request->device;
  guint32 number;
  Vring *vring = read_state(request, &number);
  if (!vring || number > G_MAXUINT16 || virtqueue_is_started(&vring->queue)) return FALSE;
  gboolean begins = vring->index == 0 && number == 0 && device->has_begun;
  if (begins && !(device->protocol & VHOST_PROTOCOL_RESET_DEVICE)) reset(device);
  vring->queue.next_available = (guint16)number;
  return TRUE;
}

static gboolean set_vring_addr(Request *request) {
  guint32 index = byte_reader_u32(&request->payload);
  byte_reader_skip(&request->payload, 4); /* flags: logging, which is not offered */
  guint64 descriptors = byte_reader_u64(&request->payload);
  guint64 used = byte_reader_u64(&request->payload);
  guint64 available = byte_reader_u64(&request->payload);
  Vring *vring = vring_at(request, index);
  if (!vring) return FALSE;
  vring->queue.user_descriptors = descriptors;
  vring->queue.user_used = used;
  vring->queue.user_available = available;
  g_autoptr(GError) error = NULL;
  if (!virtqueue_is_started(&vring->queue) || vring_start(vring, request->device->memory, &error)) return TRUE;
  log_error(request->device->type->name, "%s", error->message);
  return FALSE;
}

/* This starts the ring ("Starting and stopping rings"). */
static gboolean set_vring_kick(Request *request) {
  VhostDevice *device = request->device;
  int fd;
  Vring *vring = read_fd(request, &fd);
  if (!vring) return FALSE;
  vring_set_kick(vring, fd);
  g_autoptr(GError) error = NULL;
  if (!vring_start(vring, device->memory, &error)) {
    log_error(device->type->name, "%s", error->message);
    return FALSE;
  }
  if (vring->index > 0) return TRUE;
  device->has_begun = TRUE;
  device->events->started(device->data);
  return TRUE;
}

static gboolean set_vring_call(Request *request) {
  int fd;
  Vring *vring = read_fd(request, &fd);
  if (!vring) return FALSE;
  vring_set_call(vring, fd);
  return TRUE;
}

static gboolean set_vring_err(Request *request) {
  int fd;
  Vring *vring = read_fd(request, &fd);
  if (!vring) return FALSE;
  vring_set_error(vring, fd);
  return TRUE;
}

static gboolean set_vring_enable(Request *request) {
  guint32 number;
  Vring *vring = read_state(request, &number);
  if (!vring || number > 1) return FALSE;
  vring_set_enabled(vring, number == 1);
  return TRUE;
}

static gboolean get_vring_base(Request *request) {
  guint32 number;
  Vring *vring = read_state(request, &number);
  guint32 answer[2] = {0, 0};
  if (vring) {
    vring_stop(vring);
    answer[0] = GUINT32_TO_LE(vring->index);
    answer[1] = GUINT32_TO_LE((guint32)vring->queue.next_available);
  }
  reply(request, answer, sizeof answer);
  return TRUE;
}

/* Refused with an answer without bytes ("Virtio device config space"). */
static gboolean get_config(Request *request) {
  guint8 config[CONFIG_MAX] = {0}, answer[CONFIG_HEADER + CONFIG_MAX];
  ByteWriter writer;
  guint32 offset = byte_reader_u32(&request->payload);
  guint32 size = byte_reader_u32(&request->payload);
  guint32 flags = byte_reader_u32(&request->payload);
  if (!byte_reader_ok(&request->payload) || size > CONFIG_MAX || offset > CONFIG_MAX - size) {
    reply(request, NULL, 0);
    return TRUE;
  }
  request->device->type->write_config(request->device->data, config);
  byte_writer_init(&writer, answer, sizeof answer);
  byte_writer_u32(&writer, offset);
  byte_writer_u32(&writer, size);
  byte_writer_u32(&writer, flags);
  byte_writer_bytes(&writer, config + offset, size);
  reply(request, answer, writer.position);
  return TRUE;
}

/* QEMU keeps the only field of a GPU that a guest may write, events_clear; others have none. */
static gboolean set_config(Request *request) {
  return TRUE;
}

static gboolean gpu_set_socket(Request *request) {
  VhostDevice *device = request->device;
  if (!device->type->takes_socket) return FALSE;
  if (device->gpu_socket >= 0) close(device->gpu_socket);
  device->gpu_socket = vhost_user_take_fd(&device->vhost, 0);
  return device->gpu_socket >= 0;
}

/* ---- dispatch ---- */

static const struct {
  guint32 request;
  gboolean answers; /* by itself */
  gboolean (*run)(Request *request);
} REQUESTS[] = {
    {GET_FEATURES, TRUE, get_features},
    {SET_FEATURES, FALSE, set_features},
    {SET_OWNER, FALSE, set_owner},
    {RESET_OWNER, FALSE, reset_device},
    {SET_MEM_TABLE, FALSE, set_mem_table},
    {SET_VRING_NUM, FALSE, set_vring_num},
    {SET_VRING_ADDR, FALSE, set_vring_addr},
    {SET_VRING_BASE, FALSE, set_vring_base},
    {GET_VRING_BASE, TRUE, get_vring_base},
    {SET_VRING_KICK, FALSE, set_vring_kick},
    {SET_VRING_CALL, FALSE, set_vring_call},
    {SET_VRING_ERR, FALSE, set_vring_err},
    {GET_PROTOCOL_FEATURES, TRUE, get_protocol_features},
    {SET_PROTOCOL_FEATURES, FALSE, set_protocol_features},
    {GET_QUEUE_NUM, TRUE, get_queue_num},
    {SET_VRING_ENABLE, FALSE, set_vring_enable},
    {GET_CONFIG, TRUE, get_config},
    {SET_CONFIG, FALSE, set_config},
    {GPU_SET_SOCKET, FALSE, gpu_set_socket},
    {RESET_DEVICE, FALSE, reset_device},
};

static gboolean run_request(Request *request, gboolean *answers) {
  guint32 number = request->device->vhost.message.request;
  for (guint i = 0; i < G_N_ELEMENTS(REQUESTS); i++) {
    if (REQUESTS[i].request != number) continue;
    *answers = REQUESTS[i].answers;
    return REQUESTS[i].run(request);
  }
  return FALSE;
}

static void handle_message(VhostDevice *device, GError **error) {
  static LogLimit limit;
  const VhostUserMessage *message = &device->vhost.message;
  Request request = {.device = device};
  gboolean answers = FALSE;
  byte_reader_init(&request.payload, message->payload, message->size);
  if (!device->spoken) device->events->attached(device->data);
  device->spoken = TRUE;
  gboolean ok = run_request(&request, &answers);
  log_debug(device->type->name, "vhost-user request %u, %u bytes, %u descriptors: %s", message->request, message->size,
            message->n_fds, ok ? "done" : "refused");
  if (!ok) {
    vring_count(device->type->name, "refused-requests");
    log_limited(&limit, LOG_WARN, device->type->name, "QEMU's vhost-user request %u is refused", message->request);
  }
  gboolean wanted = (message->flags & VHOST_USER_NEED_REPLY) && (device->protocol & VHOST_PROTOCOL_REPLY_ACK);
  if (wanted && !answers) reply_u64(&request, ok ? 0 : 1);
  if (request.fatal) g_propagate_error(error, request.fatal);
}

/* ---- the connection ---- */

static void stop_reading(VhostDevice *device) {
  if (!device->readable) return;
  g_source_destroy(device->readable);
  g_clear_pointer(&device->readable, g_source_unref);
}

/* All messages that are there: QEMU waits for many an answer with the guest's processors stopped. */
static gboolean on_readable(gint fd, GIOCondition condition, gpointer data) {
  VhostDevice *device = data;
  g_autoptr(GError) error = NULL;
  VhostUserRead result;
  while ((result = vhost_user_read(&device->vhost, &error)) == VHOST_USER_MESSAGE) {
    handle_message(device, &error);
    vhost_user_next(&device->vhost);
    if (error) break;
  }
  if (!error && result == VHOST_USER_MORE) return G_SOURCE_CONTINUE;
  stop_reading(device);
  for (guint i = 0; i < device->type->queues; i++) vring_stop(&device->vrings[i]);
  device->events->closed(device->data, error ? error->message : NULL);
  return G_SOURCE_REMOVE;
}

static gboolean is_ready(gpointer data, guint index) {
  VhostDevice *device = data;
  return !device->events->ready || device->events->ready(device->data, index);
}

static guint32 run_chain(gpointer data, guint index, const VirtqueueElement *element) {
  VhostDevice *device = data;
  return device->events->run(device->data, index, element);
}

static void end_batch(gpointer data) {
  VhostDevice *device = data;
  device->events->end_batch(device->data);
}

static const VringHandler VRING_HANDLER = {.ready = is_ready, .run = run_chain, .end_batch = end_batch};

VhostDevice *vhost_device_create(int fd, const VhostDeviceType *type, GuestMemory *memory,
                                 const VhostDeviceEvents *events, gpointer data, GMainContext *context) {
  g_assert(type->queues <= VHOST_DEVICE_MAX_QUEUES);
  VhostDevice *device = g_new0(VhostDevice, 1);
  device->type = type;
  device->memory = memory;
  device->events = events;
  device->data = data;
  device->gpu_socket = -1;
  vhost_user_init(&device->vhost, fd);
  for (guint i = 0; i < device->type->queues; i++) {
    vring_init(&device->vrings[i], type->name, i, &VRING_HANDLER, device, context);
  }
  device->readable = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP);
  g_source_set_callback(device->readable, G_SOURCE_FUNC(on_readable), device, NULL);
  g_source_attach(device->readable, context);
  return device;
}

void vhost_device_wake(VhostDevice *device, guint queue) {
  vring_wake(&device->vrings[queue]);
}

void vhost_device_destroy(VhostDevice *device) {
  if (!device) return;
  stop_reading(device);
  for (guint i = 0; i < device->type->queues; i++) vring_finish(&device->vrings[i]);
  vhost_user_finish(&device->vhost);
  if (device->gpu_socket >= 0) close(device->gpu_socket);
  guest_memory_clear(device->memory);
  g_free(device);
}
