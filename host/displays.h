/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display-choice.h"
#include "host/encode/worker.h"
#include "host/link/link-client.h"
#include "stream/hub.h"

/*
 * The set of scanouts, in the stream process: where the link to the display's
 * process, the encode threads and the hub meet. The hub is told which
 * scanouts there are; its streams get encode threads that read the shadows.
 */

typedef struct Displays Displays;

/* Its HubSource is what the hub is made with; displays_start() once there is a hub. `choice` is borrowed for its life.
 */
Displays *displays_create(const DisplayChoice *choice, const WorkerSettings *settings, GMainContext *context);
const HubSource *displays_hub_source(void); /* its data is the Displays */

/* `known` is called once, when the display has first told which scanouts there are. */
void displays_start(Displays *displays, Hub *hub, void (*known)(gpointer data), gpointer data);
/* Who serves a program of the guest that has connected over our vsock device: `fd` is a stream socket, the callee's. */
void displays_set_vsock(Displays *displays, void (*vsock)(gpointer data, guint32 port, int fd), gpointer data);
/* Another display process, or the first; takes the socket over. */
void displays_connect(Displays *displays, int socket);
/* The encoders' callbacks have ended. */
void displays_stop(Displays *displays);
void displays_destroy(Displays *displays); /* NULL is legal */

/* For requests. */
Shadow *displays_get_shadow(Displays *displays, guint scanout); /* with a reference, NULL while dark. Any thread */
gboolean displays_has_resources(const Displays *displays);
gboolean displays_has_outputs(const Displays *displays);
/* Connects, resizes or disconnects an output; FALSE if there can be none like that, or it is another owner's. It is the
 * owner's until it is disconnected, by the owner or by the guest's reset (F16). `owner` is only compared. */
gboolean displays_set_output(Displays *displays, gconstpointer owner, guint id, gboolean connected, guint width,
                             guint height, guint refresh_mhz);
LinkClient *displays_link(Displays *displays); /* borrowed; for reads */
