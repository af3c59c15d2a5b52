/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * kick-thief LISTEN BACKEND PERCENT: sits between QEMU and a vhost-user back-end, two unix sockets, and has so many of
 * a hundred notifications get lost, of either direction (F14): the guest's kicks and the device's interrupts.
 * Everything else passes. For one connection; at its end, and at SIGTERM, it says on stdout "KICKS stolen N of M,
 * INTERRUPTS stolen N of M".
 *
 * It gives each side event descriptors of its own in place of the other's, and carries from one to the other.
 */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* vhost-user, "Front-end message types" and "Vring descriptor indices" */
#define SET_VRING_KICK 12u
#define SET_VRING_CALL 13u
#define VRING_INDEX_MASK 0xffu
#define VRING_NO_FD 0x100u

#define HEADER_SIZE 12u
#define MAX_PAYLOAD 4096u
#define MAX_FDS 16u
#define QUEUES 2u

typedef struct {
  int from; /* -1: not yet */
  int to;
} Way;

typedef struct {
  guint stolen;
  guint seen;
} Count;

typedef struct {
  guint32 header[3]; /* request, flags, size of the payload */
  guint8 payload[MAX_PAYLOAD];
  int fds[MAX_FDS];
  guint n_fds;
} Message;

static Way kicks[QUEUES], calls[QUEUES];
static Count kick_count, call_count;
static guint percent;
static volatile sig_atomic_t ended;

static void on_signal(int number) {
  ended = 1;
}

static gboolean fill_address(struct sockaddr_un *address, const char *path) {
  *address = (struct sockaddr_un){.sun_family = AF_UNIX};
  return g_strlcpy(address->sun_path, path, sizeof address->sun_path) < sizeof address->sun_path;
}

static int dial(const char *path) {
  struct sockaddr_un address;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return fill_address(&address, path) && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

static int await_one(const char *path) {
  struct sockaddr_un address;
  int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (!fill_address(&address, path) || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(listener, 1) != 0) {
    return -1;
  }
  printf("KICK-THIEF listens\n");
  int fd = accept(listener, NULL, NULL);
  close(listener);
  return fd;
}

/* ---- messages of the front-end, with their descriptors ---- */

static gboolean read_all(int fd, guint8 *to, gsize size) {
  while (size > 0) {
    gssize got = read(fd, to, size);
    if (got <= 0) return FALSE;
    to += got;
    size -= (gsize)got;
  }
  return TRUE;
}

/* Descriptors come with a message's first byte. */
static gboolean receive(int fd, Message *message) {
  union {
    struct cmsghdr align;
    guint8 bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
  } control;
  struct iovec part = {message->header, 1};
  struct msghdr received = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &received, MSG_CMSG_CLOEXEC) != 1) return FALSE;
  struct cmsghdr *first = CMSG_FIRSTHDR(&received);
  message->n_fds = first ? (guint)((first->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
  if (first) memcpy(message->fds, CMSG_DATA(first), message->n_fds * sizeof(int));
  return read_all(fd, (guint8 *)message->header + 1, HEADER_SIZE - 1) && message->header[2] <= MAX_PAYLOAD &&
         read_all(fd, message->payload, message->header[2]);
}

static gboolean pass_on(int fd, const Message *message) {
  union {
    struct cmsghdr align;
    guint8 bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
  } control = {0};
  struct iovec parts[] = {{(void *)message->header, HEADER_SIZE}, {(void *)message->payload, message->header[2]}};
  struct msghdr sent = {.msg_iov = parts, .msg_iovlen = 2};
  if (message->n_fds > 0) {
    sent.msg_control = &control;
    sent.msg_controllen = CMSG_SPACE(message->n_fds * sizeof(int));
    struct cmsghdr *first = CMSG_FIRSTHDR(&sent);
    *first = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(message->n_fds * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(first), message->fds, message->n_fds * sizeof(int));
  }
  return sendmsg(fd, &sent, MSG_NOSIGNAL) == (gssize)(HEADER_SIZE + message->header[2]);
}

static void replace(Way *way, int from, int to) {
  if (way->from >= 0) close(way->from);
  if (way->to >= 0) close(way->to);
  *way = (Way){from, to};
}

/* What the back-end gets is ours; what QEMU gave stays here. */
static void intercept(Message *message) {
  guint64 value;
  gboolean is_kick = message->header[0] == SET_VRING_KICK;
  if (!is_kick && message->header[0] != SET_VRING_CALL) return;
  memcpy(&value, message->payload, sizeof value);
  guint queue = value & VRING_INDEX_MASK;
  if (queue >= QUEUES || (value & VRING_NO_FD) || message->n_fds != 1) return;
  int theirs = message->fds[0], ours = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (is_kick) {
    replace(&kicks[queue], theirs, dup(ours));
  } else {
    replace(&calls[queue], dup(ours), theirs);
  }
  message->fds[0] = ours;
}

static gboolean carry_message(int from, int to) {
  Message message;
  if (!receive(from, &message)) return FALSE;
  intercept(&message);
  gboolean ok = pass_on(to, &message);
  for (guint i = 0; i < message.n_fds; i++) {
    gboolean kept = FALSE;
    for (guint q = 0; q < QUEUES; q++) kept |= message.fds[i] == kicks[q].from || message.fds[i] == calls[q].to;
    if (!kept) close(message.fds[i]);
  }
  return ok;
}

/* The back-end's answers, which have none. */
static gboolean carry_bytes(int from, int to) {
  guint8 piece[MAX_PAYLOAD];
  gssize size = read(from, piece, sizeof piece);
  return size > 0 && write(to, piece, (gsize)size) == size;
}

/* ---- notifications ---- */

static void carry_event(const Way *way, Count *count) {
  guint64 value;
  if (read(way->from, &value, sizeof value) != sizeof value) return;
  count->seen++;
  if ((guint)g_random_int_range(0, 100) < percent) {
    count->stolen++;
    return;
  }
  value = 1;
  if (write(way->to, &value, sizeof value) < 0 && errno != EAGAIN) perror("kick-thief");
}

static void run(int front, int back) {
  while (!ended) {
    struct pollfd ends[2 + 2 * QUEUES] = {{front, POLLIN, 0}, {back, POLLIN, 0}};
    for (guint q = 0; q < QUEUES; q++) {
      ends[2 + q] = (struct pollfd){kicks[q].from, POLLIN, 0}; /* a negative one is passed over */
      ends[2 + QUEUES + q] = (struct pollfd){calls[q].from, POLLIN, 0};
    }
    if (poll(ends, G_N_ELEMENTS(ends), -1) < 0) continue;
    for (guint q = 0; q < QUEUES; q++) {
      if (ends[2 + q].revents & POLLIN) carry_event(&kicks[q], &kick_count);
      if (ends[2 + QUEUES + q].revents & POLLIN) carry_event(&calls[q], &call_count);
    }
    if (ends[0].revents && !carry_message(front, back)) return;
    if (ends[1].revents && !carry_bytes(back, front)) return;
  }
}

int main(int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc != 4 || (percent = (guint)g_ascii_strtoull(argv[3], NULL, 10)) > 100) {
    fputs("usage: kick-thief LISTEN BACKEND PERCENT\n", stderr);
    return 2;
  }
  for (guint q = 0; q < QUEUES; q++) kicks[q] = calls[q] = (Way){-1, -1};
  struct sigaction end = {.sa_handler = on_signal};
  sigaction(SIGTERM, &end, NULL);
  int front = await_one(argv[1]), back = front >= 0 ? dial(argv[2]) : -1;
  if (back < 0) {
    perror("kick-thief");
    return 1;
  }
  run(front, back);
  printf("KICKS stolen %u of %u, INTERRUPTS stolen %u of %u\n", kick_count.stolen, kick_count.seen, call_count.stolen,
         call_count.seen);
  return 0;
}
