/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream/hub.h"

/* Every counter, the scanouts and the display's state as one JSON object: what STATS carries and `framelift stats
 * --json` prints. The caller's; never NULL. The hub's thread. */
char *stats_json(const Hub *hub, const char *vm_name, const char *server_name);
