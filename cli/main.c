/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/command.h"
#include "framelift-config.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef struct {
  const char *name;
  int (*run)(int argc, char **argv);
  const char *what;
} Command;

static const Command COMMANDS[] = {
    {"probe", command_probe, "go the way of a picture hop by hop, and say which one is silent"},
    {"record", command_record, "write a scanout's H.264 into a file, without encoding it again"},
    {"stats", command_stats, "show every counter, drop and fallback of a daemon"},
};

static void print_usage(FILE *to) {
  fputs("Usage: framelift COMMAND ADDRESS [OPTION…]\n\n", to);
  for (gsize i = 0; i < G_N_ELEMENTS(COMMANDS); i++) fprintf(to, "  %-8s %s\n", COMMANDS[i].name, COMMANDS[i].what);
  fputs("\nADDRESS is what frameliftd was given with --listen: unix:/path or tcp:HOST:PORT.\n"
        "Each command explains itself with --help. Exit status: 0 done, 1 failed, 2 wrong usage.\n",
        to);
}

static void print_failure(const char *name, const char *format, va_list args) {
  g_autofree char *text = g_strdup_vprintf(format, args);
  fprintf(stderr, "framelift %s: %s\n", name, text);
}

int command_fail(const char *name, const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_failure(name, format, args);
  va_end(args);
  return COMMAND_FAILED;
}

int command_usage(const char *name, const char *format, ...) {
  va_list args;
  va_start(args, format);
  print_failure(name, format, args);
  va_end(args);
  fprintf(stderr, "Try: framelift %s --help\n", name);
  return COMMAND_USAGE;
}

gboolean command_parse(const char *name, const char *summary, const GOptionEntry *entries, int argc, char **argv,
                       char **address, int *status) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GOptionContext) context = g_option_context_new("ADDRESS");
  g_option_context_add_main_entries(context, entries, NULL);
  g_option_context_set_help_enabled(context, FALSE);
  g_option_context_set_summary(context, summary);
  g_autofree char *program = g_strdup_printf("framelift %s", name);
  g_set_prgname(program);
  for (int i = 1; i < argc; i++) {
    if (!g_str_equal(argv[i], "--help") && !g_str_equal(argv[i], "-h")) continue;
    g_autofree char *help = g_option_context_get_help(context, TRUE, NULL);
    fputs(help, stdout);
    *status = COMMAND_DONE;
    return FALSE;
  }
  gboolean parsed = g_option_context_parse(context, &argc, &argv, &error);
  if (parsed && argc == 2) {
    *address = g_strdup(argv[1]);
    return TRUE;
  }
  *status = command_usage(name, "%s",
                          error      ? error->message
                          : argc < 2 ? "the address is missing: what frameliftd was given with --listen"
                                     : "one address only");
  return FALSE;
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  const char *name = argc > 1 ? argv[1] : "";
  for (gsize i = 0; i < G_N_ELEMENTS(COMMANDS); i++) {
    if (g_str_equal(name, COMMANDS[i].name)) return COMMANDS[i].run(argc - 1, argv + 1);
  }
  if (g_str_equal(name, "--help") || g_str_equal(name, "-h") || g_str_equal(name, "help")) {
    print_usage(stdout);
    return COMMAND_DONE;
  }
  if (g_str_equal(name, "--version")) {
    printf("framelift %s\n", FRAMELIFT_VERSION);
    return COMMAND_DONE;
  }
  if (*name) fprintf(stderr, "framelift: \"%s\" is no command\n\n", name);
  print_usage(stderr);
  return COMMAND_USAGE;
}
