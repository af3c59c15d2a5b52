/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/qemu-dbus/qmp-socket.h"

#include <json-glib/json-glib.h>

/*
 * A client of QEMU's monitor protocol (QMP, docs/interop/qmp-spec in QEMU) on
 * a unix socket: commands one after the other, a descriptor with a command,
 * events. Nothing blocks: it works in the thread-default GMainContext of the
 * thread that created it, and calls back there. Every answer has a time limit.
 */

/* One line of QMP. What we ask for, and the events, are far below it. */
#define QMP_LINE_MAX (64u * 1024)
/* How long the greeting and each answer may take; QEMU needs milliseconds. */
#define QMP_LIMIT_MS 5000

typedef struct Qmp Qmp;

typedef struct {
  /* An event; `details` is its "data", NULL if it has none. Borrowed. */
  void (*event)(gpointer data, const char *name, JsonObject *details);
  /* Once, and the last: QEMU has gone, or said something that is no QMP, or nothing in time. Commands under way are not
   * called back. */
  void (*closed)(gpointer data, const GError *error);
} QmpEvents;

/* The answer to a command: `result` is its "return" (any JSON), or `error` has QEMU's words. Borrowed. */
typedef void (*QmpAnswer)(gpointer data, JsonNode *result, const GError *error);

/* Connects, by itself or by the opener of qmp-socket.h; what fails later, with that one, is told by events->closed. Error
 * texts say what, on what, why; those with the code G_IO_ERROR_NOT_FOUND or CONNECTION_REFUSED mean that no QEMU is
 * there. `events` is static. */
Qmp *qmp_create(const char *path, const QmpEvents *events, gpointer data, GError **error);
/* Legal in a callback, NULL too; calls nothing back. */
void qmp_destroy(Qmp *qmp);

/* Sends a command when those before it have been answered, the first after the greeting. `arguments` is taken and may
 * be NULL; `fd` is taken, -1 for none. */
void qmp_command(Qmp *qmp, const char *name, JsonObject *arguments, int fd, QmpAnswer answer, gpointer data);
