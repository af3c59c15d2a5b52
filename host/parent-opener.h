/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/process/control.h"

/* In the display's process: QMP sockets are opened by the parent, which knows their path; ours may open nothing. */

/* Everything that opens QMP sockets from here on asks the parent. Once, before it does. */
void parent_opener_install(void);
/* The parent's answer. On the main thread. */
void parent_opener_answer(const ControlMessage *message, Packet *packet);
