/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * A desktop's screen as a PipeWire node: asks the providers that there are,
 * one after the other, until one gives a node. On the default main context;
 * nothing here waits.
 */

typedef struct Capture Capture;

typedef struct {
  /* fd: PipeWire's socket to use, borrowed until it is closed; -1: the session's own. */
  void (*ready)(guint32 node, int fd, gpointer data);
  /* No provider gives one, or the one that gave it has taken it back: one line. Once; close it now. `refused`: somebody
   * said no, and is not to be asked again by a timer. */
  void (*failed)(const char *why, gboolean refused, gpointer data);
} CaptureEvents;

/* One way to a node. `open` never calls back before it has returned; `close` ends everything, in any state. */
typedef struct {
  const char *name; /* for people */
  gpointer (*open)(const CaptureEvents *events, gpointer data);
  void (*close)(gpointer provider);
} CaptureProvider;

extern const CaptureProvider CAPTURE_MUTTER;
extern const CaptureProvider CAPTURE_PORTAL;

/* Never calls back before it has returned. */
Capture *capture_open(const CaptureEvents *events, gpointer data);
/* Nothing is called after. NULL is legal. */
void capture_close(Capture *capture);

/* The beginning of a pipeline that reads that node; the caller's. */
char *capture_launch(guint32 node, int fd);
