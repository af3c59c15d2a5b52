/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/*
 * Makes QEMU tell its guest that an output has changed: Console.SetUIInfo of
 * QEMU's D-Bus display (`-display dbus,p2p=yes`), reached through QMP. QEMU
 * then raises VIRTIO_GPU_EVENT_DISPLAY, and the guest asks the device again.
 *
 * Connects when there is something to say and hangs up when it is said: a QMP
 * socket serves one client at a time. Output N is taken for QEMU's console N,
 * which it is where the GPU is the only display device. What cannot be said is
 * logged and forgotten. On the thread-default context of its thread.
 */

typedef struct UiInfo UiInfo;

UiInfo *ui_info_create(const char *qmp_path);
void ui_info_destroy(UiInfo *ui_info); /* NULL is legal */

/* Size in pixels; 0, 0: nothing is plugged in. `id` below DISPLAY_MAX_SCANOUTS. */
void ui_info_set(UiInfo *ui_info, guint id, guint width, guint height);
