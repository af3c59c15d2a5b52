/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union {
  struct cmsghdr align;
  guint8 bytes[CMSG_SPACE(sizeof(int) * PACKET_MAX_FDS)];
} Control;

gboolean packet_pair(int ends[2], GError **error) {
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0) return TRUE;
  int code = errno;
  g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(code), "no sockets between our processes: %s",
              g_strerror(code));
  return FALSE;
}

static PacketResult result_of(int code) {
  return code == EAGAIN || code == EWOULDBLOCK || code == EINTR || code == ENOBUFS ? PACKET_LATER : PACKET_OVER;
}

PacketResult packet_send(int socket, const void *bytes, gsize size, const int *fds, guint n_fds) {
  g_assert(size > 0 && size <= PACKET_MAX_BYTES && n_fds <= PACKET_MAX_FDS);
  struct iovec part = {(void *)bytes, size};
  Control control = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (n_fds > 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * n_fds);
  }
  /* per call, because O_NONBLOCK of a descriptor may be shared with who holds the other copy */
  if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return PACKET_DONE;
  return result_of(errno);
}

static void take_fds(Packet *packet, struct msghdr *message) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    guint count = (guint)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (guint i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      if (packet->n_fds < PACKET_MAX_FDS) {
        packet->fds[packet->n_fds++] = fd;
      } else {
        close(fd);
      }
    }
  }
}

PacketResult packet_receive(int socket, Packet *packet) {
  struct iovec part = {packet->bytes, sizeof packet->bytes};
  Control control;
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  packet->n_fds = 0;
  packet->size = 0;
  ssize_t size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) return result_of(errno);
  take_fds(packet, &message);
  packet->size = (gsize)size;
  if (size > 0 && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return PACKET_DONE;
  packet_clear(packet);
  return PACKET_OVER;
}

int packet_take_fd(Packet *packet, guint index) {
  if (index >= packet->n_fds) return -1;
  int fd = packet->fds[index];
  packet->fds[index] = -1;
  return fd;
}

void packet_clear(Packet *packet) {
  for (guint i = 0; i < packet->n_fds; i++) {
    if (packet->fds[i] >= 0) close(packet->fds[i]);
  }
  packet->n_fds = 0;
}
