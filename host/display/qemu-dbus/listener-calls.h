/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/qemu-dbus/console-mailbox.h"

#include <gio/gio.h>

/*
 * The calls of org.qemu.Display1.Listener, as QEMU makes them on a listener's
 * connection: read, checked, put into the console's mailbox, answered. A call
 * that does not add up gets a D-Bus error, is counted ("qemu.bad-call") and
 * logged at a bounded rate.
 *
 * The cursor's calls are counted only; a picture as DMA-BUF is counted and the
 * mailbox told. The further interfaces of newer QEMUs (Unix.Map and others)
 * are offered through the property Interfaces, which is empty here, so that
 * QEMU sends bytes.
 */

#define LISTENER_CALLS_OBJECT "/org/qemu/Display1/Listener"

/* Has `connection` answer from here on; before its message processing starts. Keeps a reference to the mailbox. Returns
 * the id for g_dbus_connection_remove_filter(). */
guint listener_calls_serve(GDBusConnection *connection, ConsoleMailbox *mailbox);
