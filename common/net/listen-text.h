/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"

/*
 * The texts of --listen and --http, as every program of ours takes them. No
 * state, any thread. Errors name the option.
 */

/* ADDRESS or ADDRESS,v1. *version_1: whoever connects needs no token, and the address is loopback; never for a unix
 * socket, whose mode says who may come. vsock is parsed like the others: whether it is served is the caller's to say.
 */
gboolean listen_text_parse(const char *text, Address *address, gboolean *version_1, GError **error);

/* HOST:PORT. */
gboolean listen_text_parse_http(const char *text, Address *address, GError **error);
