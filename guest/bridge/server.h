/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/bridge/options.h"

/* The program from its options to its end: token, doors, hub, bridge. */

/* Until SIGTERM or SIGINT. The exit status; what was wrong has been printed. */
int server_run(const Options *options);
