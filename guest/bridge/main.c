/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/base/log.h"
#include "guest/bridge/options.h"
#include "guest/bridge/server.h"
#include "guest/gst/framelift-src.h"
#include "guest/gst/vsock-enc.h"

#include <gst/gst.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum {
  EXIT_NORMAL = 0,
  EXIT_WRONG_USAGE = 2,
};

/* Heaps that threads share out among themselves: a pipeline's threads come and go, and without a number each may leave
 * one behind. */
#define ARENAS 4

static void confine(void) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  signal(SIGPIPE, SIG_IGN);
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, ARENAS);
#endif
}

/* Our own elements are those of this build, whatever plugin is installed. */
static void register_elements(void) {
  gst_element_register(NULL, "frameliftsrc", GST_RANK_NONE, framelift_src_get_type());
  gst_element_register(NULL, "vsockenc", GST_RANK_NONE, vsock_enc_get_type());
}

static int run(const Options *options) {
  if (options->verbose) log_set_level(LOG_DEBUG);
  confine();
  gst_init(NULL, NULL);
  register_elements();
  return server_run(options);
}

int main(int argc, char **argv) {
  g_autoptr(GError) error = NULL;
  Options options;
  int status = EXIT_NORMAL;
  switch (options_parse(&options, argc, argv, g_getenv(OPTIONS_TEST_VARIABLE), &error)) {
  case OPTIONS_RUN:
    status = run(&options);
    break;
  case OPTIONS_USAGE:
    fprintf(stderr, "framelift-bridge: %s\nTry: framelift-bridge --help\n", error->message);
    status = EXIT_WRONG_USAGE;
    break;
  case OPTIONS_EXIT:
    break;
  }
  options_finish(&options);
  return status;
}
