/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/host-vhost/fake-vhost.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define USER 0x7f0000000000u
/* In the low region, for each queue. */
#define QUEUE_AT(queue) (0x10000u * ((queue) + 1))
#define DESCRIPTORS 0x0u
#define AVAILABLE 0x1000u
#define USED 0x2000u
#define COMMANDS 0x4000u /* places of 256 bytes */
#define COMMAND_SIZE 256u
#define ANSWER_SIZE 1088u
/* Long commands go there, one at a time. */
#define LONG_COMMAND 0x60000u
#define ANSWER_AT(queue, n) (0x80000u + (queue)*0x20000u + (n)*ANSWER_SIZE)

#define GPU_FEATURES 2u
#define FEATURES ((G_GUINT64_CONSTANT(1) << 32) | (1u << 30) | (1u << 29) | (1u << 28))
#define PROTOCOL_REPLY_ACK 8u

static guint64 features_of(const FakeVhost *fake) {
  return FEATURES | (fake->is_other ? 0 : GPU_FEATURES);
}

static void put(FakeVhost *fake, guint64 at, const void *bytes, gsize size) {
  memcpy(fake_vhost_at(fake, at), bytes, size);
}

static guint16 get16(FakeVhost *fake, guint64 at) {
  return __atomic_load_n((guint16 *)(void *)fake_vhost_at(fake, at), __ATOMIC_ACQUIRE);
}

static void set16(FakeVhost *fake, guint64 at, guint16 value) {
  __atomic_store_n((guint16 *)(void *)fake_vhost_at(fake, at), value, __ATOMIC_RELEASE);
}

/* ---- life ---- */

void fake_vhost_init(FakeVhost *fake, int fd) {
  *fake = (FakeVhost){.fd = fd, .gpu_socket = -1};
  fake->memory_fd = memfd_create("fake-guest", MFD_CLOEXEC);
  g_assert_no_errno(ftruncate(fake->memory_fd, 2 * FAKE_VHOST_REGION));
  fake->memory = mmap(NULL, 2 * FAKE_VHOST_REGION, PROT_READ | PROT_WRITE, MAP_SHARED, fake->memory_fd, 0);
  g_assert_true(fake->memory != MAP_FAILED);
  for (guint i = 0; i < 2; i++) {
    fake->kick[i] = eventfd(0, EFD_CLOEXEC);
    fake->call[i] = eventfd(0, EFD_CLOEXEC);
  }
}

void fake_vhost_init_path(FakeVhost *fake, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_strlcpy(address.sun_path, path, sizeof address.sun_path);
  g_assert_no_errno(connect(fd, (struct sockaddr *)&address, sizeof address));
  fake_vhost_init(fake, fd);
}

void fake_vhost_finish(FakeVhost *fake) {
  close(fake->fd);
  if (fake->gpu_socket >= 0) close(fake->gpu_socket);
  munmap(fake->memory, 2 * FAKE_VHOST_REGION);
  close(fake->memory_fd);
  for (guint i = 0; i < 2; i++) {
    close(fake->kick[i]);
    close(fake->call[i]);
  }
}

guint8 *fake_vhost_at(FakeVhost *fake, guint64 guest) {
  guint64 at = guest >= FAKE_VHOST_HIGH ? guest - FAKE_VHOST_HIGH + FAKE_VHOST_REGION : guest;
  g_assert_cmpuint(at, <, 2 * FAKE_VHOST_REGION);
  return fake->memory + at;
}

/* ---- messages ---- */

static void send_part(FakeVhost *fake, const guint8 *bytes, gsize size, const int *fds, guint n_fds) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int) * 16)];
  } control = {0};
  struct iovec part = {(void *)bytes, size};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (n_fds > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
  }
  gssize sent = sendmsg(fake->fd, &message, MSG_NOSIGNAL);
  g_assert_true(sent == (gssize)size || (sent < 0 && errno == EPIPE));
}

static void send_flagged(FakeVhost *fake, guint32 request, guint32 flags, const void *payload, guint32 size,
                         const int *fds, guint n_fds) {
  guint8 bytes[1024];
  guint32 header[] = {request, 1 | flags, size};
  g_assert_cmpuint(sizeof header + size, <=, sizeof bytes);
  memcpy(bytes, header, sizeof header);
  if (size > 0) memcpy(bytes + sizeof header, payload, size);
  gsize all = sizeof header + size, step = fake->split ? 1 : all;
  for (gsize at = 0; at < all; at += step) {
    send_part(fake, bytes + at, step, fds, at == 0 ? n_fds : 0);
    if (fake->split) g_usleep(50);
  }
}

void fake_vhost_send(FakeVhost *fake, guint32 request, const void *payload, guint32 size, const int *fds, guint n_fds) {
  send_flagged(fake, request, 0, payload, size, fds, n_fds);
}

static void read_all(FakeVhost *fake, void *to, gsize size) {
  guint8 *bytes = to;
  for (gsize done = 0; done < size;) {
    struct pollfd poller = {.fd = fake->fd, .events = POLLIN};
    g_assert_cmpint(poll(&poller, 1, FAKE_VHOST_LIMIT_MS), ==, 1);
    gssize got = read(fake->fd, bytes + done, size - done);
    g_assert_cmpint(got, >, 0);
    done += (gsize)got;
  }
}

guint32 fake_vhost_receive(FakeVhost *fake, guint32 request, void *payload, guint32 size) {
  guint32 header[3];
  read_all(fake, header, sizeof header);
  g_assert_cmpuint(header[0], ==, request);
  g_assert_cmpuint(header[1], ==, 1 | 4);
  g_assert_cmpuint(header[2], <=, size);
  read_all(fake, payload, header[2]);
  return header[2];
}

guint64 fake_vhost_ask(FakeVhost *fake, guint32 request, const void *payload, guint32 size, const int *fds,
                       guint n_fds) {
  guint64 result;
  send_flagged(fake, request, 8, payload, size, fds, n_fds);
  g_assert_cmpuint(fake_vhost_receive(fake, request, &result, sizeof result), ==, sizeof result);
  return result;
}

gboolean fake_vhost_is_closed(FakeVhost *fake) {
  struct pollfd poller = {.fd = fake->fd, .events = POLLIN};
  char byte;
  return poll(&poller, 1, FAKE_VHOST_LIMIT_MS) == 1 && recv(fake->fd, &byte, 1, MSG_DONTWAIT) <= 0;
}

static guint64 get_u64(FakeVhost *fake, guint32 request) {
  guint64 value;
  fake_vhost_send(fake, request, NULL, 0, NULL, 0);
  g_assert_cmpuint(fake_vhost_receive(fake, request, &value, sizeof value), ==, sizeof value);
  return value;
}

/* ---- what QEMU does ---- */

void fake_vhost_greet(FakeVhost *fake) {
  guint64 features = get_u64(fake, 1);
  g_assert_cmpuint(features & features_of(fake), ==, features_of(fake));
  fake->protocol = get_u64(fake, 15);
  g_assert_cmpuint(fake->protocol & PROTOCOL_REPLY_ACK, !=, 0);
  fake_vhost_send(fake, 16, &fake->protocol, 8, NULL, 0);
  g_assert_cmpuint(get_u64(fake, 17), ==, 2);
  fake_vhost_send(fake, 3, NULL, 0, NULL, 0);
}

static void send_memory(FakeVhost *fake) {
  const guint64 table[] = {2,
                           FAKE_VHOST_LOW,
                           FAKE_VHOST_REGION,
                           USER,
                           0,
                           FAKE_VHOST_HIGH,
                           FAKE_VHOST_REGION,
                           USER + 2 * FAKE_VHOST_REGION,
                           FAKE_VHOST_REGION};
  const int fds[] = {fake->memory_fd, fake->memory_fd};
  g_assert_cmpuint(fake_vhost_ask(fake, 5, table, sizeof table, fds, 2), ==, 0);
}

static void start_queue(FakeVhost *fake, guint32 queue) {
  const guint32 size[] = {queue, FAKE_VHOST_QUEUE}, base[] = {queue, fake->taken[queue]};
  const guint64 user = USER + QUEUE_AT(queue), index = queue;
  const guint64 addresses[] = {queue, user + DESCRIPTORS, user + USED, user + AVAILABLE, 0};
  fake_vhost_send(fake, 8, size, sizeof size, NULL, 0);
  fake_vhost_send(fake, 10, base, sizeof base, NULL, 0);
  fake_vhost_send(fake, 9, addresses, sizeof addresses, NULL, 0);
  fake_vhost_send(fake, 12, &index, 8, &fake->kick[queue], 1);
  fake_vhost_send(fake, 13, &index, 8, &fake->call[queue], 1);
}

static void send_gpu_socket(FakeVhost *fake) {
  int ends[2];
  g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  fake_vhost_send(fake, 33, NULL, 0, &ends[1], 1);
  close(ends[1]);
  if (fake->gpu_socket >= 0) close(fake->gpu_socket);
  fake->gpu_socket = ends[0];
}

void fake_vhost_start(FakeVhost *fake) {
  const guint64 features = features_of(fake);
  if (!fake->is_other) send_gpu_socket(fake);
  fake_vhost_send(fake, 2, &features, 8, NULL, 0);
  send_memory(fake);
  for (guint i = 0; i < 2; i++) start_queue(fake, i);
  for (guint32 i = 0; i < 2; i++) {
    const guint32 enable[] = {i, 1};
    g_assert_cmpuint(fake_vhost_ask(fake, 18, enable, sizeof enable, NULL, 0), ==, 0);
  }
}

void fake_vhost_pause(FakeVhost *fake) {
  for (guint32 i = 0; i < 2; i++) {
    const guint32 which[] = {i, 0};
    guint32 base[2];
    fake_vhost_send(fake, 18, which, sizeof which, NULL, 0);
    fake_vhost_send(fake, 11, which, sizeof which, NULL, 0);
    g_assert_cmpuint(fake_vhost_receive(fake, 11, base, sizeof base), ==, sizeof base);
    g_assert_cmpuint(base[0], ==, i);
    g_assert_cmpuint(base[1], ==, fake->taken[i]);
  }
}

void fake_vhost_reset(FakeVhost *fake) {
  fake_vhost_pause(fake);
  fake_vhost_send(fake, 34, NULL, 0, NULL, 0);
  for (guint i = 0; i < 2; i++) {
    fake->offered[i] = fake->taken[i] = 0;
    memset(fake_vhost_at(fake, QUEUE_AT(i)), 0, 0x4000);
  }
}

/* ---- what the guest's driver does ---- */

static void write_descriptor(FakeVhost *fake, guint queue, guint index, guint64 address, guint32 length,
                             guint16 flags) {
  guint64 at = QUEUE_AT(queue) + DESCRIPTORS + index * 16;
  guint16 next = (guint16)(index + 1);
  put(fake, at, &address, 8);
  put(fake, at + 8, &length, 4);
  put(fake, at + 12, &flags, 2);
  put(fake, at + 14, &next, 2);
}

/* A pair of descriptors for each command, 2n and 2n + 1. */
void fake_vhost_offer(FakeVhost *fake, guint queue, const void *command, guint32 size) {
  guint n = fake->offered[queue] % (FAKE_VHOST_QUEUE / 2);
  guint64 base = QUEUE_AT(queue), at = base + COMMANDS + n * COMMAND_SIZE;
  g_assert_cmpuint((guint16)(fake->offered[queue] - fake->taken[queue]), <, FAKE_VHOST_QUEUE / 2);
  if (size > COMMAND_SIZE) at = LONG_COMMAND;
  put(fake, at, command, size);
  write_descriptor(fake, queue, 2 * n, at, size, 1);
  write_descriptor(fake, queue, 2 * n + 1, ANSWER_AT(queue, n), ANSWER_SIZE, 2);
  set16(fake, base + AVAILABLE + 4 + (fake->offered[queue] % FAKE_VHOST_QUEUE) * 2, (guint16)(2 * n));
  set16(fake, base + AVAILABLE + 2, ++fake->offered[queue]);
}

void fake_vhost_kick(FakeVhost *fake, guint queue) {
  guint64 one = 1;
  if (!fake->no_kicks) g_assert_cmpint(write(fake->kick[queue], &one, 8), ==, 8);
}

void fake_vhost_wait(FakeVhost *fake, guint queue) {
  guint64 base = QUEUE_AT(queue), count;
  while (get16(fake, base + USED + 2) != fake->offered[queue]) {
    struct pollfd poller = {.fd = fake->call[queue], .events = POLLIN};
    set16(fake, base + AVAILABLE + 4 + FAKE_VHOST_QUEUE * 2, fake->taken[queue]); /* the event that interrupts */
    if (get16(fake, base + USED + 2) == fake->offered[queue]) break;
    g_assert_cmpint(poll(&poller, 1, FAKE_VHOST_LIMIT_MS), ==, 1);
    g_assert_cmpint(read(fake->call[queue], &count, 8), ==, 8);
    fake->taken[queue] = get16(fake, base + USED + 2);
  }
  fake->taken[queue] = fake->offered[queue];
  set16(fake, base + AVAILABLE + 4 + FAKE_VHOST_QUEUE * 2, fake->taken[queue]);
}

const guint8 *fake_vhost_answer(FakeVhost *fake, guint queue, guint n, guint32 *size) {
  guint64 entry = QUEUE_AT(queue) + USED + 4 + (n % FAKE_VHOST_QUEUE) * 8;
  guint32 head;
  memcpy(&head, fake_vhost_at(fake, entry), 4);
  memcpy(size, fake_vhost_at(fake, entry + 4), 4);
  g_assert_cmpuint(head % 2, ==, 0);
  g_assert_cmpuint(*size, <=, ANSWER_SIZE);
  return *size > 0 ? fake_vhost_at(fake, ANSWER_AT(queue, head / 2)) : NULL;
}

guint32 fake_vhost_run(FakeVhost *fake, const void *command, guint32 size) {
  guint32 answered, type;
  fake_vhost_offer(fake, 0, command, size);
  fake_vhost_kick(fake, 0);
  fake_vhost_wait(fake, 0);
  const guint8 *answer = fake_vhost_answer(fake, 0, (guint16)(fake->taken[0] - 1), &answered);
  g_assert_nonnull(answer);
  g_assert_cmpuint(answered, >=, 24);
  memcpy(&type, answer, 4);
  return type;
}

guint32 fake_vhost_words(FakeVhost *fake, guint32 type, const guint32 *words, guint count) {
  guint32 command[COMMAND_SIZE / 4] = {type};
  g_assert_cmpuint(6 + count, <=, G_N_ELEMENTS(command));
  memcpy(command + 6, words, count * sizeof *words);
  return fake_vhost_run(fake, command, (6 + count) * 4);
}
