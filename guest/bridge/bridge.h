/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/bridge/options.h"
#include "stream/hub.h"

/*
 * Where pipeline and viewers meet: it does what the state machine says, tells
 * viewers, and publishes what comes. A hub's source of scanout 0; on the
 * default main context.
 */

/* An element that takes longer to stop hangs in a driver; it is waited for, and said. */
#define BRIDGE_END_LIMIT_MS 10000
/* A pipeline that has not answered a wish for an IDR is asked again so often, this long. */
#define BRIDGE_IDR_REPEAT_MS 1000
#define BRIDGE_IDR_REPEATS 30

typedef struct Bridge Bridge;

/* Borrows the options. */
Bridge *bridge_create(const Options *options);
const HubSource *bridge_hub_source(void); /* its data: the Bridge */
/* Before anybody subscribes. The hub outlives the bridge's last call into it: bridge_stop(). */
void bridge_set_hub(Bridge *bridge, Hub *hub);
/* Ends the pipeline; `stopped` is called when that is done, at once or later. */
void bridge_stop(Bridge *bridge, void (*stopped)(gpointer data), gpointer data);
void bridge_destroy(Bridge *bridge); /* after that; NULL is legal */
