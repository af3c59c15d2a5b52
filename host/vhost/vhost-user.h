/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/*
 * vhost-user's messages on their socket: the vhost-user protocol, "Message
 * Specification" (QEMU, docs/interop/vhost-user). Framing and descriptors
 * alone, no meanings; back-end side; nothing blocks. One thread.
 *
 *   u32 request | u32 flags | u32 size | payload of `size` bytes
 */

#define VHOST_USER_HEADER 12u
/* The longest that is known here is a memory table of 8 regions with 264 bytes, or a configuration of 268. */
#define VHOST_USER_MAX_PAYLOAD 512u
/* A memory table's. */
#define VHOST_USER_MAX_FDS 8u

#define VHOST_USER_VERSION 1u
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_REPLY 4u
#define VHOST_USER_NEED_REPLY 8u

typedef struct {
  guint32 request;
  guint32 flags;
  guint32 size;
  guint8 payload[VHOST_USER_MAX_PAYLOAD];
  int fds[VHOST_USER_MAX_FDS]; /* -1: taken */
  guint n_fds;
} VhostUserMessage;

typedef struct {
  int fd;
  guint received; /* bytes of the message under way */
  guint8 header[VHOST_USER_HEADER];
  VhostUserMessage message;
} VhostUser;

typedef enum {
  VHOST_USER_MORE,    /* nothing complete yet */
  VHOST_USER_MESSAGE, /* vhost->message is complete; vhost_user_next() before the next read */
  VHOST_USER_END,     /* the peer has closed; *error NULL if between two messages */
} VhostUserRead;

/* Takes the socket over; it becomes non-blocking. */
void vhost_user_init(VhostUser *vhost, int fd);
void vhost_user_finish(VhostUser *vhost);

/* Reads what is there, one message at most. On END *error says what is wrong, if something is. */
VhostUserRead vhost_user_read(VhostUser *vhost, GError **error);
/* Closes the descriptors that nobody took, and begins the next message. */
void vhost_user_next(VhostUser *vhost);
/* The message's first descriptor, now the caller's; -1 if there is none. */
int vhost_user_take_fd(VhostUser *vhost, guint index);

/* Answers a request. FALSE and error if the peer does not take it. */
gboolean vhost_user_reply(VhostUser *vhost, guint32 request, const void *payload, guint32 size, GError **error);
