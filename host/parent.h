/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/options.h"

/*
 * The process that people start: opens what the others need, starts them and
 * starts them again, and parses nothing that comes from a guest or a network.
 * Returns the exit status. argv: its own, before anything took options out.
 */
int parent_run(const Options *options, char **argv);
