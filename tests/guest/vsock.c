/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs in the test guest, to reach the host over AF_VSOCK:
 *
 *   vsock connect CID PORT                 says whether it is let in
 *   vsock transfer CID PORT MEGABYTES      to an echo and back: every byte is compared; the reader rests at random
 *   vsock relay CID PORT DEVICE            copies between a character device and the connection
 *   vsock join DEVICE DEVICE               the same between two devices
 *
 * Each says one line that begins with VSOCK, and exits 0 if all was well.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define PART (64 << 10)
/* The reader of a transfer rests up to so long, after each so many parts. */
#define REST_US 200000
#define REST_PARTS 64

static int say(const char *what, const char *why) {
  printf("VSOCK %s: %s\n", what, why);
  fflush(stdout);
  return strcmp(why, "ok") == 0 ? 0 : 1;
}

static int open_connection(const char *cid, const char *port) {
  struct sockaddr_vm address = {.svm_family = AF_VSOCK,
                                .svm_cid = (unsigned)strtoul(cid, NULL, 10),
                                .svm_port = (unsigned)strtoul(port, NULL, 10)};
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  return -1;
}

static int write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t done = write(fd, bytes, size);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return -1;
    bytes += done;
    size -= (size_t)done;
  }
  return 0;
}

/* The same numbers for writer and reader. */
static void fill(uint64_t *state, uint64_t *words, size_t count) {
  for (size_t i = 0; i < count; i++) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    words[i] = *state;
  }
}

static uint64_t words[PART / 8];
static char came[PART];

static int send_numbers(int fd, long parts) {
  uint64_t state = 88172645463325252u;
  for (long i = 0; i < parts; i++) {
    fill(&state, words, PART / 8);
    if (write_all(fd, (const char *)words, PART) != 0) return 1;
  }
  return shutdown(fd, SHUT_WR) == 0 ? 0 : 1;
}

static const char *compare_numbers(int fd, long parts) {
  uint64_t state = 88172645463325252u;
  unsigned seed = 1;
  for (long i = 0; i < parts; i++) {
    fill(&state, words, PART / 8);
    for (size_t got = 0; got < PART;) {
      ssize_t size = read(fd, came + got, PART - got);
      if (size < 0) return strerror(errno);
      if (size == 0) return "ended too early";
      got += (size_t)size;
    }
    if (memcmp(came, words, PART) != 0) return "other bytes came back";
    if (i % REST_PARTS == 0) usleep((unsigned)rand_r(&seed) % REST_US);
  }
  ssize_t more = read(fd, came, 1);
  return more == 0 ? "ok" : more > 0 ? "too many bytes came back" : "its end is no orderly one";
}

static int transfer(int fd, long megabytes) {
  long parts = megabytes * ((1 << 20) / PART);
  pid_t writer = fork();
  if (writer == 0) _exit(send_numbers(fd, parts));
  const char *result = compare_numbers(fd, parts);
  int status = 1;
  waitpid(writer, &status, 0);
  return say("transfer", strcmp(result, "ok") == 0 && status != 0 ? "the writer failed" : result);
}

/* -1: over; 0: the sender has ended, or for a device: nobody is at its other end. */
static int copy(int from, int to) {
  ssize_t size = read(from, came, sizeof came);
  if (size <= 0) return (int)size;
  return write_all(to, came, (size_t)size) == 0 ? 1 : -1;
}

/* `fd` may be a device as well: then nothing ends it. */
static int relay(int fd, int is_device, const char *path) {
  int device = open(path, O_RDWR);
  if (device < 0 || fd < 0) return say("relay", strerror(errno));
  say("relay up", "ok");
  struct pollfd ends[] = {{.fd = device, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  while (poll(ends, 2, -1) > 0) {
    int device_state = ends[0].revents ? copy(device, fd) : 1;
    int state = ends[1].revents ? copy(fd, device) : 1;
    if (device_state < 0 || state < 0 || (state == 0 && !is_device)) break;
    if (device_state == 0 || state == 0) usleep(10000);
  }
  return say("relay end", "ok");
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  if (strcmp(argv[1], "join") == 0) return relay(open(argv[2], O_RDWR), 1, argv[3]);
  int fd = open_connection(argv[2], argv[3]);
  if (fd < 0) return say(argv[1], strerror(errno));
  if (strcmp(argv[1], "transfer") == 0 && argc == 5) return transfer(fd, atol(argv[4]));
  if (strcmp(argv[1], "relay") == 0 && argc == 5) return relay(fd, 0, argv[4]);
  return say(argv[1], "ok");
}
