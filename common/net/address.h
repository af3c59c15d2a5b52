/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <sys/socket.h>

/*
 * Where to listen or connect, as people write it:
 *
 *   unix:/run/framelift/vm1.sock   tcp:127.0.0.1:5900   tcp:[::1]:5900   vsock:2:5000
 *
 * Only numeric hosts and "localhost": a look-up of a name blocks, and a
 * daemon should not listen on whatever a name server says.
 */

/* Every CID of this machine (VMADDR_CID_ANY): to listen on. */
#define ADDRESS_ANY_CID G_MAXUINT32

typedef enum {
  ADDRESS_UNIX,
  ADDRESS_TCP,
  ADDRESS_VSOCK,
} AddressKind;

typedef struct {
  AddressKind kind;
  union {
    struct sockaddr any;
    struct sockaddr_storage storage;
  } socket;
  socklen_t size;
  char path[108];    /* unix: the file; else empty */
  guint32 peer_cid;  /* vsock, listening: the only one that is let in; 0: nobody */
  gboolean loopback; /* tcp: only this machine can reach it */
} Address;

/* Accepts a plain path (with a slash in it) as unix: too. */
gboolean address_parse(const char *text, Address *address, GError **error);

/* As one writes it, with whoever is let in where that is one CID; the port that the kernel chose included if `fd` is a
 * bound socket, -1 otherwise. */
char *address_to_string(const Address *address, int fd);
