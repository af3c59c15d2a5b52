/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/display.h"
#include "host/encode/worker.h"
#include "stream/hub.h"

/*
 * The set of scanouts: where display, capture, encode and hub meet. The
 * display's thread captures; the hub's thread is told which scanouts there
 * are; the hub's streams get encode threads that read the shadows.
 */

typedef struct Displays Displays;

/* NULL and error if `text` ("test:…", "qemu:…") names no display. */
Display *displays_open(const char *text, GError **error);

/* Takes the display over. Its HubSource is what the hub is made with; displays_start() once there is a hub. */
Displays *displays_create(Display *display, const WorkerSettings *settings, GMainContext *context);
const HubSource *displays_hub_source(void); /* its data is the Displays */

/* For requests: the scanout's shadow of the moment with a reference, NULL while dark (any thread); and the display. */
Shadow *displays_get_shadow(Displays *displays, guint scanout);
Display *displays_get_display(Displays *displays);

gboolean displays_start(Displays *displays, Hub *hub, GError **error);
/* The display's thread has ended, and so have the encoders' callbacks. */
void displays_stop(Displays *displays);
void displays_destroy(Displays *displays); /* NULL is legal */
