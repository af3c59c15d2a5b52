/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/base/log.h"
#include "host/display-process.h"
#include "host/options.h"
#include "host/parent.h"
#include "host/process/child.h"
#include "host/stream-process.h"

#include <stdio.h>

enum {
  EXIT_NORMAL = 0,
  EXIT_WRONG_USAGE = 2,
};

/* One program, three processes: a child has the parent's options and another argv[0]. */
static int run(const Options *options, char **argv) {
  if (options->verbose) log_set_level(LOG_DEBUG);
  child_confine();
  if (child_is(argv[0], "display")) return display_process_run(options);
  if (child_is(argv[0], "stream")) return stream_process_run(options);
  return parent_run(options, argv);
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  g_auto(GStrv) original = g_strdupv(argv); /* parsing takes options out */
  Options options;
  int status = EXIT_NORMAL;
  switch (options_parse(&options, argc, argv, &error)) {
  case OPTIONS_RUN:
    status = run(&options, original);
    break;
  case OPTIONS_USAGE:
    fprintf(stderr, "frameliftd: %s\nTry: frameliftd --help\n", error->message);
    status = EXIT_WRONG_USAGE;
    break;
  case OPTIONS_EXIT:
    break;
  }
  options_finish(&options);
  return status;
}
