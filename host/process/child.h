/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/process/control.h"

/*
 * A child's side: it is started with the parent's options and one socket,
 * gets what the parent opened for it, and ends when the parent does.
 */

typedef struct Child Child;

typedef struct {
  /* The packet's descriptors may be taken. FALSE and error: the child cannot start, and ends. */
  gboolean (*setup)(gpointer data, const ControlMessage *message, Packet *packet, GError **error);
  /* Everything else, once it is set up. */
  void (*message)(gpointer data, const ControlMessage *message, Packet *packet);
} ChildEvents;

/* Whether argv[0] says that this process is to be a child of that role: "frameliftd-ROLE". */
gboolean child_is(const char *program, const char *role);

/* What every process of ours does first: no core dumps, which would hold the guest's screen; no new privileges. */
void child_confine(void);

/* Until the parent orders the end, or SIGTERM comes. `events` are called on the default main context. Returns the exit
 * status; what was set up is the caller's to take down. */
int child_run(const char *role, const ChildEvents *events, gpointer data);
/* From within events, or later from the main context: tells the parent. */
void child_say_serving(void);
/* Ends in order; any thread. */
void child_end(void);
