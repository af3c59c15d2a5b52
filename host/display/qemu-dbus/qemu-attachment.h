/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

#include <gio/gio.h>

/*
 * One attachment to one running QEMU, from its QMP socket to its last
 * picture: takes the D-Bus display over QMP, finds the consoles and listens
 * to each. The QMP connection stays open; its end is QEMU's end, and its
 * events say how the VM is. An attachment that is lost is not repaired:
 * destroy it and create the next.
 *
 * Works in the thread-default GMainContext of the thread that creates it and
 * calls its events there. Must not be destroyed in one of its events.
 */

typedef struct QemuAttachment QemuAttachment;

typedef struct {
  /* A console was found; ids count up from 0 in the order of QEMU's own. `name` is UTF-8 without control characters. */
  void (*console)(gpointer data, guint id, const char *name);
  /* Every console that was found sends its pictures, or has refused to (logged). */
  void (*attached)(gpointer data, guint n_consoles);
  /* How the VM is, for people: "the VM is paused". */
  void (*note)(gpointer data, const char *text);
  /* The console's whole picture, XRGB8888; the rects are as in DisplaySink's update(). Borrowed. */
  void (*picture)(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 arrival_us);
  void (*dark)(gpointer data, guint id);
  /* QEMU is there and well, and has given the display to another program: no more pictures, but notes, and in the end
   * lost() when QEMU leaves. */
  void (*displaced)(gpointer data);
  /* Once: no further events mean anything. `why` is for people. */
  void (*lost)(gpointer data, const char *why);
} QemuAttachmentEvents;

/* Connects to QMP at once and goes on by itself. Errors are qmp_create()'s. `events` is static. */
QemuAttachment *qemu_attachment_create(const char *qmp_path, const QemuAttachmentEvents *events, gpointer data,
                                       GError **error);
/* Iterates the thread's default context until nothing is under way. NULL is legal. */
void qemu_attachment_destroy(QemuAttachment *attachment);
