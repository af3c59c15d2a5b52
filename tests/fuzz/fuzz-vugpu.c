/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/byte-reader.h"
#include "common/base/log.h"
#include "host/display/vugpu/gpu-commands.h"
#include "host/vhost/vhost-device.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A guest, and a front-end, that send anything. The first byte says how:
 *   0  commands, one after the other: a byte of length, its bytes
 *   1  the guest's memory with a ring in it; what the ring leads to is run
 *   2  the vhost-user socket
 */

#define MEMORY (64u << 10)
#define BASE 0x10000u /* of the memory in the guest */
#define USER 0x7000000u
#define QUEUE 16u
#define DESCRIPTORS 0x0u
#define AVAILABLE 0x100u
#define USED 0x200u
#define ANSWER 1088u
/* A picture's side: the fuzzer is to get far, not to fill memory. */
#define SIDE 200u

typedef struct {
  GuestMemory memory;
  Gpu gpu;
  ScanoutInfo infos[DISPLAY_MAX_SCANOUTS];
} Fixture;

/* ---- the sink: looks at each pixel that it may ---- */

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  Fixture *f = data;
  g_assert(id < DISPLAY_MAX_SCANOUTS && info->width <= FRAME_MAX_WIDTH && info->height <= FRAME_MAX_HEIGHT);
  f->infos[id] = *info;
}

static void touch(const Frame *frame, const Rect *rect) {
  volatile guint8 sum = 0;
  for (guint y = rect->y; y < rect->y + rect->height; y++) {
    const guint8 *row = frame->data + y * frame->stride;
    for (gsize x = (gsize)rect->x * 4; x < (gsize)(rect->x + rect->width) * 4; x += 64) sum = (guint8)(sum + row[x]);
    sum = (guint8)(sum + row[(gsize)(rect->x + rect->width) * 4 - 1]);
  }
}

static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  Fixture *f = data;
  g_assert(f->infos[id].lit && frame->width == f->infos[id].width && frame->height == f->infos[id].height);
  if (n_rects == 0) touch(frame, &(Rect){0, 0, frame->width, frame->height});
  for (guint i = 0; i < n_rects; i++) {
    g_assert(rects[i].width > 0 && rects[i].x + rects[i].width <= frame->width);
    g_assert(rects[i].height > 0 && rects[i].y + rects[i].height <= frame->height);
    touch(frame, &rects[i]);
  }
}

static void on_state(gpointer data, DisplayState state, const char *text) {
}

static const DisplaySink SINK = {.scanout = on_scanout, .update = on_update, .state = on_state};

static int make_memory(void) {
  int fd = memfd_create("fuzz-guest", MFD_CLOEXEC);
  g_assert(fd >= 0 && ftruncate(fd, MEMORY) == 0);
  return fd;
}

static void set_up(Fixture *f, gboolean with_memory) {
  VugpuSettings settings;
  GuestMemoryRegion region = {.guest = BASE, .size = MEMORY, .user = USER};
  *f = (Fixture){0};
  log_set_level(LOG_ERROR);
  vugpu_settings_init(&settings);
  if (with_memory) {
    region.fd = make_memory();
    gboolean mapped = guest_memory_set(&f->memory, &region, 1, NULL);
    g_assert(mapped);
  }
  gpu_init(&f->gpu, &settings, &f->memory, &SINK, f);
  gpu_set_attached(&f->gpu, TRUE);
}

static void tear_down(Fixture *f) {
  gpu_set_attached(&f->gpu, FALSE);
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) g_assert(!f->infos[id].lit && !f->infos[id].connected);
  g_assert(f->gpu.resources.bytes == 0 && f->gpu.resources.own_bytes == 0);
  g_assert(f->gpu.resources.maps_left == BACKING_MAX_MAPS);
  gpu_finish(&f->gpu);
  guest_memory_clear(&f->memory);
}

/* ---- commands ---- */

static void make_small(guint8 *command, gsize size) {
  guint32 type;
  if (size < 40) return;
  memcpy(&type, command, 4);
  if (GUINT32_FROM_LE(type) != GPU_RESOURCE_CREATE_2D) return;
  for (guint i = 0; i < 2; i++) {
    guint32 side;
    memcpy(&side, command + 32 + i * 4, 4);
    side = GUINT32_TO_LE(GUINT32_FROM_LE(side) % SIDE);
    memcpy(command + 32 + i * 4, &side, 4);
  }
}

static void run_command(Fixture *f, const guint8 *bytes, gsize size) {
  static VirtqueueElement element;
  guint8 *command = g_memdup2(bytes, size), *answer = g_malloc(ANSWER);
  make_small(command, size);
  element.n_out = size > 0 ? 1 : 0;
  element.n_in = 1;
  element.out_size = size;
  element.in_size = ANSWER;
  element.spans[0] = (VirtqueueSpan){command, size};
  element.spans[element.n_out] = (VirtqueueSpan){answer, ANSWER};
  guint32 written = gpu_commands_run(&f->gpu, &element);
  g_assert(written >= GPU_COMMANDS_HEADER && written <= ANSWER);
  g_free(command);
  g_free(answer);
}

static void fuzz_commands(ByteReader *input) {
  Fixture f;
  set_up(&f, TRUE);
  while (byte_reader_left(input) > 0) {
    guint8 head = byte_reader_u8(input);
    gsize size = MIN((gsize)head & 0x7f, byte_reader_left(input));
    run_command(&f, byte_reader_bytes(input, size), size);
    if (head & 0x80) gpu_scanouts_capture(&f.gpu.scanouts); /* the batch ends here */
  }
  gpu_scanouts_capture(&f.gpu.scanouts);
  tear_down(&f);
}

/* ---- a ring ---- */

static void fuzz_ring(ByteReader *input) {
  static VirtqueueElement element;
  Fixture f;
  Virtqueue queue = {.user_descriptors = USER + DESCRIPTORS,
                     .user_available = USER + AVAILABLE,
                     .user_used = USER + USED,
                     .event_index = TRUE};
  set_up(&f, TRUE);
  gsize size = MIN(byte_reader_left(input), MEMORY);
  if (size > 0) memcpy(f.memory.regions[0].map, byte_reader_bytes(input, size), size);
  gboolean started = virtqueue_set_size(&queue, QUEUE) && virtqueue_start(&queue, &f.memory, NULL);
  g_assert(started);
  /* an answer may be written over the ring, and make it longer */
  for (guint i = 0; i < 4 * QUEUE; i++) {
    VirtqueueTake take = virtqueue_take(&queue, &element);
    if (take == VIRTQUEUE_EMPTY || take == VIRTQUEUE_BROKEN) break;
    guint8 head[64];
    guint32 written = 0;
    gsize got = take == VIRTQUEUE_CHAIN ? virtqueue_element_read(&element, 0, head, sizeof head) : 0;
    guint32 type = 0;
    if (got >= 4) memcpy(&type, head, 4);
    if (take == VIRTQUEUE_CHAIN && GUINT32_FROM_LE(type) != GPU_RESOURCE_CREATE_2D) {
      written = gpu_commands_run(&f.gpu, &element);
    } else if (take == VIRTQUEUE_CHAIN) {
      run_command(&f, head, got);
    }
    virtqueue_push(&queue, element.head, written);
    virtqueue_wants_interrupt(&queue);
  }
  virtqueue_rearm(&queue);
  gpu_scanouts_capture(&f.gpu.scanouts);
  tear_down(&f);
}

/* ---- the socket ---- */

static guint32 on_run(gpointer data, guint queue, const VirtqueueElement *element) {
  return 0;
}

static void on_event(gpointer data) {
}

static void on_closed(gpointer data, const char *why) {
  *(gboolean *)data = TRUE;
}

static const VhostDeviceEvents EVENTS = {NULL,     on_run,   on_event, on_event, on_event,
                                         on_event, on_event, on_event, on_closed};

static void write_config(gpointer data, guint8 *config) {
  memset(config, 1, VHOST_DEVICE_CONFIG);
}

static const VhostDeviceType TYPE = {"fuzz", 2, 2, G_MAXUINT16, TRUE, write_config};

static void send_with_fds(int socket, const guint8 *bytes, gsize size, guint n_fds) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * 8)];
  } control = {0};
  int fds[8];
  struct iovec part = {(void *)bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  for (guint i = 0; i < n_fds; i++) fds[i] = make_memory();
  if (n_fds > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
  }
  gssize sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  (void)sent; /* it may have hung up */
  for (guint i = 0; i < n_fds; i++) close(fds[i]);
}

static void iterate(GMainContext *context) {
  for (guint i = 0; i < 8 && g_main_context_iteration(context, FALSE); i++) {
  }
}

static void fuzz_socket(ByteReader *input) {
  g_autoptr(GMainContext) context = g_main_context_new();
  GuestMemory memory = {0};
  gboolean closed = FALSE;
  int ends[2];
  int result = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
  g_assert(result == 0);
  log_set_level(LOG_ERROR - 1);
  VhostDevice *device = vhost_device_create(ends[0], &TYPE, &memory, &EVENTS, &closed, context);
  while (byte_reader_left(input) > 0 && !closed) {
    guint8 head = byte_reader_u8(input);
    gsize size = MIN((gsize)head & 0x1f, byte_reader_left(input));
    if (size > 0) send_with_fds(ends[1], byte_reader_bytes(input, size), size, head >> 5);
    iterate(context);
  }
  close(ends[1]);
  iterate(context);
  g_assert(closed);
  vhost_device_destroy(device);
  g_assert(memory.n_regions == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  ByteReader input;
  byte_reader_init(&input, data, size);
  switch (byte_reader_u8(&input)) {
  case 0:
    fuzz_commands(&input);
    break;
  case 1:
    fuzz_ring(&input);
    break;
  case 2:
    fuzz_socket(&input);
    break;
  }
  return 0;
}
