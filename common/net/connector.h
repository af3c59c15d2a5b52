/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"

/*
 * Connecting out, with a time limit. Blocks up to that limit: for tools and
 * threads of their own, never for a main loop.
 */

/* A connected, non-blocking socket; -1 and error otherwise. The error says what a person can do. */
int connector_connect(const Address *address, guint timeout_ms, GError **error);
