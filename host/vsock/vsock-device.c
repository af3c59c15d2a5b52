/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vsock/vsock-device.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "host/vsock/vsock-connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct VsockDevice {
  guint32 cid;
  const VsockDeviceEvents *events;
  gpointer data;
  GMainContext *context;
  GPtrArray *connections; /* of VsockConnection */
  guint turn;             /* index of the connection that is asked first */
  VsockPacket resets[VSOCK_DEVICE_RESETS];
  guint n_resets;
};

static StatsCounter *count_input(void) {
  static StatsCounter *counter;
  if (!counter) counter = stats_counter("vsock.bytes-in");
  return counter;
}

static StatsCounter *count_output(void) {
  static StatsCounter *counter;
  if (!counter) counter = stats_counter("vsock.bytes-out");
  return counter;
}

/* ---- life ---- */

VsockDevice *vsock_device_create(guint32 cid, const VsockDeviceEvents *events, gpointer data, GMainContext *context) {
  VsockDevice *device = g_new0(VsockDevice, 1);
  device->cid = cid;
  device->events = events;
  device->data = data;
  device->context = context;
  device->connections = g_ptr_array_new_with_free_func((GDestroyNotify)vsock_connection_destroy);
  return device;
}

void vsock_device_reset(VsockDevice *device) {
  g_ptr_array_set_size(device->connections, 0);
  device->n_resets = 0;
}

void vsock_device_destroy(VsockDevice *device) {
  if (!device) return;
  g_ptr_array_unref(device->connections);
  g_free(device);
}

static VsockConnection *find(const VsockDevice *device, const VsockPacket *packet) {
  for (guint i = 0; i < device->connections->len; i++) {
    VsockConnection *connection = g_ptr_array_index(device->connections, i);
    if (vsock_connection_is(connection, packet->src_port, packet->dst_port)) return connection;
  }
  return NULL;
}

static void on_changed(gpointer data) {
  VsockDevice *device = data;
  device->events->changed(device->data);
}

/* ---- from the guest ---- */

/* The answer to `packet`, whoever it says it is from and to. A RST is not answered (5.10.6.6). */
static void answer_with_reset(VsockDevice *device, const VsockPacket *packet) {
  if (packet->op == VSOCK_RST) return;
  g_assert(device->n_resets < VSOCK_DEVICE_RESETS);
  device->resets[device->n_resets++] = (VsockPacket){
      .src_cid = packet->dst_cid,
      .dst_cid = packet->src_cid,
      .src_port = packet->dst_port,
      .dst_port = packet->src_port,
      .type = packet->type,
      .op = VSOCK_RST,
  };
}

static void refuse(VsockDevice *device, const VsockPacket *packet, const char *counter, const char *why) {
  static LogLimit limit;
  stats_count(counter);
  log_limited(&limit, LOG_WARN, "vsock",
              "a packet of the guest's is refused (operation %u, CID %u port %u to CID %u port %u): %s", packet->op,
              (guint)packet->src_cid, packet->src_port, (guint)packet->dst_cid, packet->dst_port, why);
  answer_with_reset(device, packet);
}

/* Both ends of a socket pair: [0] ours, [1] whoever accepts'. */
static gboolean make_pair(int ends[2]) {
  static LogLimit limit;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0) return TRUE;
  log_limited(&limit, LOG_ERROR, "vsock", "no sockets for a connection of the guest's: %s", g_strerror(errno));
  return FALSE;
}

static void connect_guest(VsockDevice *device, const VsockPacket *packet) {
  int ends[2];
  if (device->connections->len >= VSOCK_DEVICE_CONNECTIONS) {
    refuse(device, packet, "vsock.refused-connections", "there are as many connections as there may be");
    return;
  }
  if (!make_pair(ends)) {
    refuse(device, packet, "vsock.refused-connections", "there is no socket for it");
    return;
  }
  if (!device->events->accept(device->data, packet->dst_port, ends[1])) {
    close(ends[0]);
    refuse(device, packet, "vsock.refused-connections", "nobody accepts it");
    return;
  }
  stats_count("vsock.connections");
  VsockConnection *connection =
      vsock_connection_create(packet->src_port, packet->dst_port, ends[0], device->context, on_changed, device);
  g_ptr_array_add(device->connections, connection);
  /* the guest's credit, which comes with every packet */
  VsockPacket credit = *packet;
  credit.op = VSOCK_CREDIT_UPDATE;
  vsock_connection_input(connection, &credit, NULL);
}

static void drop(VsockDevice *device, VsockConnection *connection) {
  g_ptr_array_remove(device->connections, connection);
}

static void take_packet(VsockDevice *device, const VsockPacket *packet, const VirtqueueElement *element) {
  VsockConnection *connection = find(device, packet);
  if (packet->op == VSOCK_RST) {
    if (connection) drop(device, connection);
  } else if (packet->op == VSOCK_REQUEST && !connection) {
    connect_guest(device, packet);
  } else if (!connection) {
    /* Usual after a connection has ended, so no line for it. */
    stats_count("vsock.strays");
    answer_with_reset(device, packet);
  } else if (!vsock_connection_input(connection, packet, element)) {
    drop(device, connection);
    refuse(device, packet, "vsock.violations", "it breaks the rules of its connection");
  }
}

gboolean vsock_device_takes_input(const VsockDevice *device) {
  return device->n_resets < VSOCK_DEVICE_RESETS;
}

void vsock_device_input(VsockDevice *device, const VirtqueueElement *element) {
  static LogLimit limit;
  guint8 header[VSOCK_PACKET_HEADER] = {0};
  VsockPacket packet;
  virtqueue_element_read(element, 0, header, sizeof header);
  if (!vsock_packet_parse(&packet, header, element->out_size)) {
    stats_count("vsock.malformed");
    log_limited(&limit, LOG_WARN, "vsock", "what the guest sends is no packet; it is passed over");
    return;
  }
  stats_add(count_input(), packet.len);
  if (packet.type != VSOCK_TYPE_STREAM) {
    refuse(device, &packet, "vsock.violations", "only stream sockets are offered");
  } else if (packet.src_cid != device->cid || packet.dst_cid != VSOCK_HOST_CID) {
    refuse(device, &packet, "vsock.refused-cids", "the guest may speak for itself, and to the host, which is CID 2");
  } else {
    take_packet(device, &packet, element);
  }
  if (vsock_device_has_output(device)) device->events->changed(device->data);
}

/* ---- to the guest ---- */

static VsockConnection *next_speaker(const VsockDevice *device) {
  guint count = device->connections->len;
  for (guint i = 0; i < count; i++) {
    VsockConnection *connection = g_ptr_array_index(device->connections, (device->turn + i) % count);
    if (vsock_connection_has_output(connection)) return connection;
  }
  return NULL;
}

gboolean vsock_device_has_output(const VsockDevice *device) {
  return device->n_resets > 0 || next_speaker(device) != NULL;
}

static void take_reset(VsockDevice *device, VsockPacket *packet) {
  *packet = device->resets[0];
  device->n_resets--;
  for (guint i = 0; i < device->n_resets; i++) device->resets[i] = device->resets[i + 1];
  device->events->changed(device->data);
}

static void take_from(VsockDevice *device, VsockConnection *connection, const VirtqueueElement *element,
                      VsockPacket *packet) {
  guint index = 0;
  *packet = (VsockPacket){.src_cid = VSOCK_HOST_CID, .dst_cid = device->cid, .type = VSOCK_TYPE_STREAM};
  vsock_connection_output(connection, element, packet);
  if (g_ptr_array_find(device->connections, connection, &index)) device->turn = index + 1;
  if (packet->op == VSOCK_RST) drop(device, connection);
}

guint32 vsock_device_output(VsockDevice *device, const VirtqueueElement *element) {
  guint8 header[VSOCK_PACKET_HEADER];
  VsockPacket packet;
  if (element->in_size < VSOCK_PACKET_HEADER) {
    stats_count("vsock.malformed");
    return 0;
  }
  VsockConnection *connection = next_speaker(device);
  if (device->n_resets > 0) {
    take_reset(device, &packet);
  } else if (connection) {
    take_from(device, connection, element, &packet);
  } else {
    return 0;
  }
  stats_add(count_output(), packet.len);
  vsock_packet_write(&packet, header);
  virtqueue_element_write(element, header, sizeof header);
  return VSOCK_PACKET_HEADER + packet.len;
}
