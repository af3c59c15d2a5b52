/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/process/control.h"

/*
 * The parent's side of one child: starts it, hears it, and starts it again
 * when it ends: at once, or after a growing rest where it does not come to
 * live. On the default main context.
 */

typedef struct Supervisor Supervisor;

typedef struct {
  /* It runs: send it its SETUP. */
  void (*started)(gpointer data, Supervisor *supervisor);
  /* The packet's descriptors may be taken. */
  void (*message)(gpointer data, Supervisor *supervisor, const ControlMessage *message, Packet *packet);
  /* Another one is started, now or soon, unless FALSE is returned. `ready`: it has ever been READY; `in_order`: its exit
   * status was 0. */
  gboolean (*ended)(gpointer data, Supervisor *supervisor, gboolean ready, gboolean in_order);
} SupervisorEvents;

/* role: "display" or "stream"; argv: the parent's own, whose options the child gets. All borrowed for its life. */
Supervisor *supervisor_create(const char *role, char **argv, const SupervisorEvents *events, gpointer data);
/* FALSE and error where no process can be had. */
gboolean supervisor_start(Supervisor *supervisor, GError **error);
gint32 supervisor_pid(const Supervisor *supervisor); /* 0: it does not run */
/* FALSE if it cannot be told: it has gone. */
gboolean supervisor_send(Supervisor *supervisor, const ControlMessage *message, const int *fds, guint n_fds);
/* Orders it to end, without waiting; then waits for it, and kills it after that time. FALSE: it did not end in order. */
void supervisor_order_end(Supervisor *supervisor);
gboolean supervisor_wait(Supervisor *supervisor, guint limit_ms);
void supervisor_destroy(Supervisor *supervisor); /* one that has ended. NULL is legal */
