/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * A test double of QEMU and its guest: a vhost-user front-end with a
 * vhost-user-gpu device, or another one with two queues, and the driver of
 * that device. Blocking, with time
 * limits that abort the test; everything here aborts on failure.
 */

#define FAKE_VHOST_REGION (8u << 20)
/* Guest addresses: two regions, as a large q35 has them. */
#define FAKE_VHOST_LOW 0x0u
#define FAKE_VHOST_HIGH G_GUINT64_CONSTANT(0x100000000)
/* Where in the low region a test may put its pictures. */
#define FAKE_VHOST_FREE 0x100000u
#define FAKE_VHOST_QUEUE 64u
#define FAKE_VHOST_LIMIT_MS 5000

typedef struct {
  int fd; /* the vhost-user socket */
  int memory_fd;
  guint8 *memory;    /* of both regions */
  int gpu_socket;    /* our end */
  gboolean is_other; /* no GPU: without its features and its socket */
  int kick[2];
  int call[2];
  guint16 offered[2]; /* chains, of each queue */
  guint16 taken[2];
  gboolean no_kicks; /* they get lost */
  gboolean split;    /* messages go byte by byte */
  guint64 protocol;  /* what the back-end offers */
} FakeVhost;

/* Takes a connected socket. */
void fake_vhost_init(FakeVhost *fake, int fd);
void fake_vhost_init_path(FakeVhost *fake, const char *path);
/* As QEMU dies. */
void fake_vhost_finish(FakeVhost *fake);

/* Where a guest address is here. */
guint8 *fake_vhost_at(FakeVhost *fake, guint64 guest);

/* What QEMU sends when it starts, and when the guest's driver has. */
void fake_vhost_greet(FakeVhost *fake);
void fake_vhost_start(FakeVhost *fake);
/* As a paused VM does; start again begins where it stopped. */
void fake_vhost_pause(FakeVhost *fake);
/* As a rebooted one does. */
void fake_vhost_reset(FakeVhost *fake);

void fake_vhost_send(FakeVhost *fake, guint32 request, const void *payload, guint32 size, const int *fds, guint n_fds);
/* The answer to the request: how many bytes it has. */
guint32 fake_vhost_receive(FakeVhost *fake, guint32 request, void *payload, guint32 size);
/* For requests that change something: sends it, with the flag that wants an answer; returns that (0: done). */
guint64 fake_vhost_ask(FakeVhost *fake, guint32 request, const void *payload, guint32 size, const int *fds,
                       guint n_fds);
/* Whether the back-end has hung up, or does so within the limit. */
gboolean fake_vhost_is_closed(FakeVhost *fake);

/* Puts a command into a queue; its answer goes to the n-th of FAKE_VHOST_QUEUE / 2 places. */
void fake_vhost_offer(FakeVhost *fake, guint queue, const void *command, guint32 size);
void fake_vhost_kick(FakeVhost *fake, guint queue);
/* Waits until all is done that was offered. */
void fake_vhost_wait(FakeVhost *fake, guint queue);
/* The answer to the n-th command since the last wait; NULL if it has none. */
const guint8 *fake_vhost_answer(FakeVhost *fake, guint queue, guint n, guint32 *size);

/* One command, done: its answer's type. */
guint32 fake_vhost_run(FakeVhost *fake, const void *command, guint32 size);
/* Commands in short: words of 32 bits after the header. */
guint32 fake_vhost_words(FakeVhost *fake, guint32 type, const guint32 *words, guint count);
#define FAKE_VHOST_WORDS(fake, type, ...)                                                                              \
  fake_vhost_words(fake, type, (const guint32[]){__VA_ARGS__}, G_N_ELEMENTS(((const guint32[]){__VA_ARGS__})))
