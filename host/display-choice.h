/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/display.h"
#include "host/display/test/test-settings.h"
#include "host/display/vugpu/vugpu-settings.h"

/* `--display`: which one, and what everybody has to know of it before it runs. */

typedef enum { DISPLAY_CHOICE_TEST, DISPLAY_CHOICE_QEMU, DISPLAY_CHOICE_VUGPU } DisplayKind;

typedef struct {
  DisplayKind kind;
  gboolean has_resources; /* it can read resources by id */
  gboolean has_outputs;   /* its outputs can be connected and disconnected */
  char *qmp_path;         /* of `qemu` */
  VugpuSettings vugpu;
  TestSettings test;
} DisplayChoice;

/* FALSE and error if the text names no display; *choice needs no finishing then. */
gboolean display_choice_parse(DisplayChoice *choice, const char *text, GError **error);
void display_choice_finish(DisplayChoice *choice);

/* What it names, not started. */
Display *display_choice_create(const DisplayChoice *choice);
