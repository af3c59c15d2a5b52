/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/*
 * The access token: 128 random bits in hexadecimal in a file of mode 0600,
 * never in argv and never in a log.
 */

/* Reads the first line of the file, or makes the file if there is none. Refuses one that others may read, or whose
 * token is shorter than 16 or longer than 256 bytes. The caller's. */
char *token_load(const char *path, GError **error);

/* Where the token of the VM of that name is by default: in the user's state folder, which is made. The caller's. */
char *token_default_path(const char *vm_name, GError **error);
