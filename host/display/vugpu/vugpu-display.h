/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/display.h"
#include "host/display/vugpu/vugpu-settings.h"

/*
 * `--display vugpu:SOCKET`: a virtio-gpu device of our own, which stock QEMU
 * puts into the VM with
 *   -object memory-backend-memfd,id=mem,size=SIZE,share=on -machine q35,memory-backend=mem
 *   -chardev socket,id=gpu,path=SOCKET -device vhost-user-gpu-pci,chardev=gpu,max_outputs=N
 * The socket listens before QEMU starts, or is given connected. One QEMU at a
 * time; when it has left, the next one may come (on a listening socket).
 * QEMU has no way to plug or reconnect such a device: if this process ends,
 * the guest's display is dead until the VM starts again.
 *
 * Which outputs are connected, and their sizes, the device says when the guest
 * asks. The guest asks when its driver starts, and when QEMU tells it of a
 * change. Measured with QEMU 10.0: QEMU tells it after Console.SetUIInfo on
 * its D-Bus display (`-display dbus,p2p=yes`; nobody needs to listen there),
 * which settings->qmp_path is for; vhost-user's own message for it,
 * BACKEND_CONFIG_CHANGE_MSG, QEMU ignores with this device.
 *
 * read_resource() before display_start() or after display_stop() calls back
 * at once, on the caller's thread.
 */

/* Copies the settings, but takes the fd over. */
Display *vugpu_display_create(const VugpuSettings *settings);
