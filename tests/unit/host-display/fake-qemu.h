/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <gio/gio.h>

/*
 * What framelift sees of a QEMU, in threads of this process: a QMP socket
 * and, over it, a D-Bus display with consoles, whose listeners the test then
 * calls as it likes. One client, once.
 */

#define FAKE_QEMU_MAX_CONSOLES 20u

typedef struct FakeQemu FakeQemu;

/* Listens on `path` from the return on. Labels are "fake.0", "fake.1", …; ids start at 3, told in descending order. */
FakeQemu *fake_qemu_start(const char *path, guint n_consoles);
/* Closes everything at once, as a process that is killed does, and removes the socket. */
void fake_qemu_kill(FakeQemu *qemu);

/* Waits (5 s) for the next listener of console N and opens its connection. A new reference. */
GDBusConnection *fake_qemu_listener(FakeQemu *qemu, guint console);
/* A command ("getfd") that is answered by an error from here on, or, with hang_up, by the end of the monitor. A
 * literal. */
void fake_qemu_refuse(FakeQemu *qemu, const char *command, gboolean hang_up);

typedef struct {
  guint16 width_mm;
  guint16 height_mm;
  guint32 width;
  guint32 height;
} FakeQemuUiInfo;

/* The next SetUIInfo of console N, if one has come. */
gboolean fake_qemu_ui_info(FakeQemu *qemu, guint console, FakeQemuUiInfo *info);
/* Announces a console's new size. */
void fake_qemu_resize(FakeQemu *qemu, guint console, guint width, guint height);
/* Says a line of QMP, such as an event. */
void fake_qemu_say(FakeQemu *qemu, const char *line);

/* Calls a listener and waits for the answer. Takes floating arguments. */
gboolean fake_qemu_call(GDBusConnection *listener, const char *method, GVariant *arguments, GError **error);
/* The same without an answer, as QEMU calls: returns at once. */
void fake_qemu_send(GDBusConnection *listener, const char *method, GVariant *arguments);
