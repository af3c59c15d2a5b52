/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/gst/link-events.h"
#include "guest/gst/request-window.h"

/*
 * A connection to a host that holds itself up: a thread of its own connects,
 * negotiates, sends and receives, and connects again when the host was away.
 * Every wait has a time limit, and the end of each is an error that names the
 * hop (F01).
 *
 * What ends the link for good, told by events->failed:
 *   - the first connection does not come to be;
 *   - access is denied, or the host does not serve what is asked for;
 *   - a request is unanswered for the time limit on a connection that stands;
 *   - the host was away for BACK_OFF_GIVE_UP_MS.
 * Everything else is told by events->down and tried again.
 *
 * All functions: any thread but the link's own. They never wait, but for
 * link_destroy(), which waits for the thread: at most one connect's time limit.
 */

typedef struct Link Link;

/* Settings are copied; events and data must outlive the link. NULL and error where no thread or pipe could be had. */
Link *link_create(const LinkSettings *settings, const LinkEvents *events, gpointer data, GError **error);
void link_destroy(Link *link); /* NULL is legal. No event comes after it. */

/* Asks for a frame, now or as soon as the host is there; request->pixels are taken over. At most REQUEST_WINDOW_MAX may
 * be unanswered. */
void link_request(Link *link, const Request *request);
/* The encoder's settings, said to this host and to each that comes after it. */
void link_configure(Link *link, const HxfrConfig *config);
/* KEYFRAME_REQ, for a subscription. */
void link_want_key(Link *link);

void link_counters(Link *link, LinkCounters *counters);
