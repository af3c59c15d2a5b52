/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* framelift's sub-commands, one file each. Exit status: 0 done, 1 failed, 2 wrong usage. */

enum {
  COMMAND_DONE = 0,
  COMMAND_FAILED = 1,
  COMMAND_USAGE = 2,
};

/* argv[0] is the command's name. */
int command_probe(int argc, char **argv);
int command_record(int argc, char **argv);
int command_stats(int argc, char **argv);

/* Parses the options and leaves exactly one argument, the address, in *address. FALSE: *status is what to exit with,
 * and it has been said why. `summary` is one line for --help. */
gboolean command_parse(const char *name, const char *summary, const GOptionEntry *entries, int argc, char **argv,
                       char **address, int *status);
/* "framelift NAME: TEXT" on stderr; gives COMMAND_FAILED. */
int command_fail(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);
int command_usage(const char *name, const char *format, ...) G_GNUC_PRINTF(2, 3);
