/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/options.h"

/* The process that encodes and talks to the network: encoders, hub, requests, HXFR, HTTP. It may end at any moment, and
 * is started again. Returns the exit status. */
int stream_process_run(const Options *options);
