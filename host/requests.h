/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/displays.h"
#include "stream/requests.h"

/* FRAME_REQUEST on the host: a session has an encode thread of its own that reads shadows and, where the display has a
 * resource table, resources. On the hub's thread. */

typedef struct Requests Requests;

/* The displays outlive it. */
Requests *requests_create(Displays *displays, const WorkerSettings *settings, GMainContext *context);
void requests_destroy(Requests *requests); /* without sessions; NULL is legal */

/* What a PeerService is given; its data is the Requests. The caller's struct, filled in for this display. */
void requests_fill_source(Requests *requests, RequestSource *source);
