/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/vhost-user.h"

#include "common/base/byte-reader.h"
#include "common/base/byte-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

G_STATIC_ASSERT(VHOST_USER_HEADER == 3 * sizeof(guint32));

void vhost_user_init(VhostUser *vhost, int fd) {
  *vhost = (VhostUser){.fd = fd};
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void vhost_user_finish(VhostUser *vhost) {
  vhost_user_next(vhost);
  if (vhost->fd >= 0) close(vhost->fd);
  vhost->fd = -1;
}

void vhost_user_next(VhostUser *vhost) {
  VhostUserMessage *message = &vhost->message;
  for (guint i = 0; i < message->n_fds; i++) {
    if (message->fds[i] >= 0) close(message->fds[i]);
  }
  message->n_fds = 0;
  vhost->received = 0;
}

int vhost_user_take_fd(VhostUser *vhost, guint index) {
  VhostUserMessage *message = &vhost->message;
  if (index >= message->n_fds) return -1;
  int fd = message->fds[index];
  message->fds[index] = -1;
  return fd;
}

/* ---- reading ---- */

static gboolean refuse(GError **error, const char *what) {
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the peer on the vhost-user socket %s", what);
  return FALSE;
}

static gboolean keep_fds(VhostUserMessage *message, const struct cmsghdr *control) {
  guint count = (guint)((control->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  gboolean fit = TRUE;
  for (guint i = 0; i < count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
    if (message->n_fds < VHOST_USER_MAX_FDS) {
      message->fds[message->n_fds++] = fd;
    } else {
      close(fd);
      fit = FALSE;
    }
  }
  return fit;
}

/* Bytes into `to`; -1 when nothing is there (errno EAGAIN), 0 at the end. */
static gssize receive(VhostUser *vhost, guint8 *to, gsize size, GError **error) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * VHOST_USER_MAX_FDS)];
  } control;
  struct iovec part = {to, size};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  gssize got;
  do {
    got = recvmsg(vhost->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return got;
  gboolean ok = (message.msg_flags & MSG_CTRUNC) == 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) ok = keep_fds(&vhost->message, c) && ok;
  }
  if (!ok) refuse(error, "sent too many descriptors");
  return got;
}

static gboolean parse_header(VhostUser *vhost, GError **error) {
  VhostUserMessage *message = &vhost->message;
  ByteReader reader;
  byte_reader_init(&reader, vhost->header, sizeof vhost->header);
  message->request = byte_reader_u32(&reader);
  message->flags = byte_reader_u32(&reader);
  message->size = byte_reader_u32(&reader);
  if ((message->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION) return refuse(error, "speaks another protocol");
  if (message->size > VHOST_USER_MAX_PAYLOAD) return refuse(error, "sent a message that is longer than any");
  return TRUE;
}

/* The next part of the message: never a byte of the one behind it, whose descriptors would come along. */
static gssize receive_part(VhostUser *vhost, GError **error) {
  guint got = vhost->received;
  if (got < VHOST_USER_HEADER) return receive(vhost, vhost->header + got, VHOST_USER_HEADER - got, error);
  guint at = got - VHOST_USER_HEADER;
  return receive(vhost, vhost->message.payload + at, vhost->message.size - at, error);
}

static VhostUserRead end(const VhostUser *vhost, gssize got, GError **error) {
  if (got < 0) {
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno), "the vhost-user socket failed: %s",
                g_strerror(errno));
  } else if (vhost->received > 0) {
    refuse(error, "left in the middle of a message");
  }
  return VHOST_USER_END;
}

VhostUserRead vhost_user_read(VhostUser *vhost, GError **error) {
  g_autoptr(GError) wrong = NULL;
  for (;;) {
    gssize got = receive_part(vhost, &wrong);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return VHOST_USER_MORE;
    if (got <= 0) return end(vhost, got, error);
    vhost->received += (guint)got;
    if (!wrong && vhost->received == VHOST_USER_HEADER) parse_header(vhost, &wrong);
    if (wrong) {
      g_propagate_error(error, g_steal_pointer(&wrong));
      return VHOST_USER_END;
    }
    if (vhost->received >= VHOST_USER_HEADER && vhost->received - VHOST_USER_HEADER == vhost->message.size) {
      return VHOST_USER_MESSAGE;
    }
  }
}

/* ---- answering ---- */

gboolean vhost_user_reply(VhostUser *vhost, guint32 request, const void *payload, guint32 size, GError **error) {
  guint8 bytes[VHOST_USER_HEADER + VHOST_USER_MAX_PAYLOAD];
  ByteWriter writer;
  byte_writer_init(&writer, bytes, sizeof bytes);
  byte_writer_u32(&writer, request);
  byte_writer_u32(&writer, VHOST_USER_VERSION | VHOST_USER_REPLY);
  byte_writer_u32(&writer, size);
  byte_writer_bytes(&writer, payload, size);
  g_assert(byte_writer_ok(&writer));
  gssize sent = send(vhost->fd, bytes, writer.position, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent == (gssize)writer.position) return TRUE;
  /* The socket's buffer holds hundreds of answers: a peer that leaves it full is no front-end. */
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "the vhost-user socket takes no answer: %s",
              sent < 0 ? g_strerror(errno) : "it is full");
  return FALSE;
}
