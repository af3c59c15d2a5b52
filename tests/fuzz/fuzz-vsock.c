/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/byte-reader.h"
#include "common/base/log.h"
#include "host/vsock/vsock-device.h"
#include "tests/fuzz/fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A guest that sends anything to a vsock device, with a host behind it that
 * reads and writes now and then. The first byte says how:
 *   0  packets: a byte that says what happens next, then what it needs
 *   1  the guest's memory with both rings in it
 */

#define CID 42u
#define PORT 5000u
#define HOSTS 4u
#define MEMORY (64u << 10)
#define BASE 0x10000u
#define USER 0x7000000u
#define QUEUE 16u
#define RING(n) ((n)*0x400u)

typedef struct {
  GMainContext *context;
  VsockDevice *device;
  int hosts[HOSTS]; /* -1: none */
  guint next;
} Fixture;

static gboolean on_accept(gpointer data, guint32 port, int fd) {
  Fixture *f = data;
  if (port != PORT) {
    close(fd);
    return FALSE;
  }
  int *place = &f->hosts[f->next++ % HOSTS];
  if (*place >= 0) close(*place);
  *place = fd;
  return TRUE;
}

static void on_changed(gpointer data) {
}

static const VsockDeviceEvents EVENTS = {on_accept, on_changed};

static void set_up(Fixture *f) {
  *f = (Fixture){.context = g_main_context_new()};
  log_set_level(LOG_ERROR - 1);
  for (guint i = 0; i < HOSTS; i++) f->hosts[i] = -1;
  f->device = vsock_device_create(CID, &EVENTS, f, f->context);
}

static void tear_down(Fixture *f) {
  for (guint i = 0; i < HOSTS; i++) {
    if (f->hosts[i] >= 0) close(f->hosts[i]);
  }
  vsock_device_destroy(f->device);
  g_main_context_unref(f->context);
}

static void turn(Fixture *f) {
  for (guint i = 0; i < 8 && g_main_context_iteration(f->context, FALSE); i++) {
  }
}

/* ---- packets ---- */

/* Ports and CIDs that often are the right ones: the fuzzer is to get far. */
static void read_packet(ByteReader *input, VsockPacket *packet) {
  guint8 flags = byte_reader_u8(input);
  packet->src_cid = flags & 1 ? byte_reader_u64(input) : CID;
  packet->dst_cid = flags & 2 ? byte_reader_u64(input) : VSOCK_HOST_CID;
  packet->src_port = byte_reader_u8(input);
  packet->dst_port = flags & 4 ? byte_reader_u32(input) : PORT;
  packet->type = flags & 8 ? byte_reader_u16(input) : VSOCK_TYPE_STREAM;
  packet->op = byte_reader_u8(input);
  packet->flags = byte_reader_u8(input);
  packet->buf_alloc = flags & 16 ? byte_reader_u32(input) : 65536;
  packet->fwd_cnt = byte_reader_u16(input);
  packet->len = flags & 32 ? byte_reader_u32(input) : byte_reader_u16(input);
}

static void give(Fixture *f, ByteReader *input) {
  static VirtqueueElement element;
  static guint8 bytes[VSOCK_PACKET_HEADER + G_MAXUINT16];
  VsockPacket packet;
  read_packet(input, &packet);
  gsize size = byte_reader_u8(input) & 1 ? MIN(sizeof bytes, VSOCK_PACKET_HEADER + (gsize)packet.len)
                                         : byte_reader_u16(input) % sizeof bytes;
  gsize first = MIN(size, byte_reader_u8(input));
  vsock_packet_write(&packet, bytes);
  element.n_out = size > first ? 2 : 1;
  element.n_in = 0;
  element.out_size = size;
  element.spans[0] = (VirtqueueSpan){bytes, first};
  element.spans[1] = (VirtqueueSpan){bytes + first, size - first};
  if (vsock_device_takes_input(f->device)) vsock_device_input(f->device, &element);
}

static void take(Fixture *f, gsize size) {
  static VirtqueueElement element;
  if (!vsock_device_has_output(f->device)) return;
  guint8 *bytes = g_malloc(size + 1);
  element.n_out = 0;
  element.n_in = 1;
  element.in_size = size;
  element.spans[0] = (VirtqueueSpan){bytes, size};
  guint32 written = vsock_device_output(f->device, &element);
  VsockPacket packet;
  g_assert(written <= size);
  g_assert(written == 0 ||
           (vsock_packet_parse(&packet, bytes, written) && written == VSOCK_PACKET_HEADER + packet.len));
  g_free(bytes);
}

static void host(Fixture *f, guint8 which) {
  guint8 bytes[4096] = {0};
  int *fd = &f->hosts[which % HOSTS];
  if (*fd < 0) return;
  switch (which / HOSTS % 4) {
  case 0:
    (void)!recv(*fd, bytes, sizeof bytes, MSG_DONTWAIT);
    break;
  case 1:
    (void)!send(*fd, bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    break;
  case 2:
    shutdown(*fd, SHUT_WR);
    break;
  case 3:
    close(*fd);
    *fd = -1;
    break;
  }
}

static void fuzz_packets(ByteReader *input) {
  Fixture f;
  set_up(&f);
  while (byte_reader_left(input) > 0) {
    switch (byte_reader_u8(input) % 5) {
    case 0:
    case 1:
      give(&f, input);
      break;
    case 2:
      take(&f, byte_reader_u16(input));
      break;
    case 3:
      host(&f, byte_reader_u8(input));
      break;
    case 4:
      turn(&f);
      break;
    }
  }
  tear_down(&f);
}

/* ---- rings ---- */

static gboolean start(Virtqueue *queue, const GuestMemory *memory, guint64 at) {
  *queue = (Virtqueue){.user_descriptors = USER + at,
                       .user_available = USER + at + 0x100,
                       .user_used = USER + at + 0x200,
                       .event_index = TRUE};
  return virtqueue_set_size(queue, QUEUE) && virtqueue_start(queue, memory, NULL);
}

static void run_queue(Fixture *f, Virtqueue *queue, gboolean receives) {
  static VirtqueueElement element;
  if (receives ? !vsock_device_has_output(f->device) : !vsock_device_takes_input(f->device)) return;
  VirtqueueTake found = virtqueue_take(queue, &element);
  guint32 written = 0;
  if (found == VIRTQUEUE_EMPTY || found == VIRTQUEUE_BROKEN) return;
  if (found == VIRTQUEUE_CHAIN && receives) written = vsock_device_output(f->device, &element);
  if (found == VIRTQUEUE_CHAIN && !receives) vsock_device_input(f->device, &element);
  virtqueue_push(queue, element.head, written);
}

static void fuzz_rings(ByteReader *input) {
  Fixture f;
  GuestMemory memory = {0};
  GuestMemoryRegion region = {.guest = BASE, .size = MEMORY, .user = USER};
  Virtqueue receive, transmit;
  set_up(&f);
  region.fd = memfd_create("fuzz-guest", MFD_CLOEXEC);
  g_assert(region.fd >= 0 && ftruncate(region.fd, MEMORY) == 0);
  gboolean mapped = guest_memory_set(&memory, &region, 1, NULL);
  g_assert(mapped);
  gsize size = MIN(byte_reader_left(input), MEMORY);
  if (size > 0) memcpy(memory.regions[0].map, byte_reader_bytes(input, size), size);
  gboolean started = start(&receive, &memory, RING(0)) && start(&transmit, &memory, RING(1));
  g_assert(started);
  for (guint i = 0; i < 4 * QUEUE; i++) {
    run_queue(&f, &transmit, FALSE);
    turn(&f);
    host(&f, (guint8)i);
    run_queue(&f, &receive, TRUE);
  }
  tear_down(&f);
  guest_memory_clear(&memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ByteReader input;
  byte_reader_init(&input, data, size);
  switch (byte_reader_u8(&input)) {
  case 0:
    fuzz_packets(&input);
    break;
  case 1:
    fuzz_rings(&input);
    break;
  }
  return 0;
}
