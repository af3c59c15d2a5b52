/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/options.h"

/* The process that plays the VM's display: source, capture, and the link to the stream process. It knows QEMU, guest
 * memory and the shadows; no network, no codec. Returns the exit status. */
int display_process_run(const Options *options);
