/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display-choice.h"

#include "host/display/qemu-dbus/qemu-display.h"
#include "host/display/test/test-display.h"
#include "host/display/vugpu/vugpu-display.h"

#include <gio/gio.h>
#include <string.h>

static gboolean parse_vugpu(DisplayChoice *choice, const char *text, GError **error) {
  choice->kind = DISPLAY_CHOICE_VUGPU;
  choice->has_resources = choice->has_outputs = TRUE;
  return vugpu_settings_parse(text, &choice->vugpu, error);
}

gboolean display_choice_parse(DisplayChoice *choice, const char *text, GError **error) {
  *choice = (DisplayChoice){.kind = DISPLAY_CHOICE_TEST};
  vugpu_settings_init(&choice->vugpu);
  gboolean known = TRUE;
  if (g_str_has_prefix(text, "qemu:")) {
    choice->kind = DISPLAY_CHOICE_QEMU;
    choice->qmp_path = g_strdup(text + 5);
  } else if (g_str_has_prefix(text, "vugpu:")) {
    known = parse_vugpu(choice, text + 6, error);
  } else if (g_str_has_prefix(text, "test") && strchr(":,", text[4])) { /* or nothing follows */
    known = test_settings_parse(text + 4, &choice->test, error);
  } else {
    known = FALSE;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                "--display %s: no such display; write qemu:QMP-SOCKET, vugpu:SOCKET or "
                "test[:WxH[@FPS]][,scene=NAME][,barcode]",
                text);
  }
  if (!known) display_choice_finish(choice);
  return known;
}

void display_choice_finish(DisplayChoice *choice) {
  g_clear_pointer(&choice->qmp_path, g_free);
  vugpu_settings_finish(&choice->vugpu);
}

Display *display_choice_create(const DisplayChoice *choice) {
  switch (choice->kind) {
  case DISPLAY_CHOICE_QEMU:
    return qemu_display_create(choice->qmp_path);
  case DISPLAY_CHOICE_VUGPU:
    return vugpu_display_create(&choice->vugpu);
  case DISPLAY_CHOICE_TEST:
    break;
  }
  return test_display_create(&choice->test);
}
