/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unix-relay PATH: stdin and stdout to a unix socket and back, until either side ends. For QEMU's
 * `guestfwd=tcp:ADDRESS:PORT-cmd:…`, which starts a program for each connection of the guest.
 */
#include <glib.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE (64u << 10)

static int dial(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) return -1;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? fd : -1;
}

/* Waits for the slower side: that is the flow control. FALSE at the end of either. */
static gboolean pass(int from, int to) {
  static guint8 piece[PIECE];
  gssize size = read(from, piece, sizeof piece);
  for (gssize done = 0; done < size;) {
    gssize written = write(to, piece + done, (gsize)(size - done));
    if (written <= 0) return FALSE;
    done += written;
  }
  return size > 0;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fputs("usage: unix-relay PATH\n", stderr);
    return 2;
  }
  int fd = dial(argv[1]);
  if (fd < 0) return 1; /* without a word: QEMU has stderr go to the guest as well */
  struct pollfd ends[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
  while (poll(ends, 2, -1) > 0) {
    if (ends[0].revents && !pass(STDIN_FILENO, fd)) break;
    if (ends[1].revents && !pass(fd, STDOUT_FILENO)) break;
  }
  return 0;
}
