/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/display.h"

/*
 * `--display qemu:QMP-SOCKET`: the consoles of a QEMU that was started with
 *   -display dbus,p2p=yes -qmp unix:QMP-SOCKET,server=on,wait=off
 * by QEMU's D-Bus display, peer to peer. Any display device, any guest, boot
 * screens and QEMU's text consoles included.
 *
 * A scanout's id is its console's place in the order of QEMU's ids, its name
 * is the console's label. While no QEMU is there, or it has left, the display
 * says so and tries again, first every 100 ms, then every second. It takes
 * the one place of the QMP socket for as long as it is attached.
 */

/* display_start() refuses a path that no socket can have. Owns a copy of the path. */
Display *qemu_display_create(const char *qmp_path);
