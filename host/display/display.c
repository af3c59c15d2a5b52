/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/display.h"

gboolean display_start(Display *display, const DisplaySink *sink, gpointer sink_data, GError **error) {
  display->sink = sink;
  display->sink_data = sink_data;
  return display->interface->start(display, error);
}

void display_stop(Display *display) {
  display->interface->stop(display);
}

void display_destroy(Display *display) {
  if (display) display->interface->destroy(display);
}
