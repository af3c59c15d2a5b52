/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "common/wire/hxfr-v2.h"
#include "stream/outbox.h"

/*
 * One encode for all: the hub hands every access unit of a scanout to every
 * subscriber of it, starts the source with the first and stops it with the
 * last, and asks for an IDR when somebody needs one (F20). It also holds what
 * peers are told about the VM: its scanouts and the state of its display.
 *
 * Lives on one main context; every call comes from its thread. What crosses
 * to other threads are outboxes.
 */

/* Version 2 subscribers hear something at least this often. */
#define HUB_HEARTBEAT_MS 1000u
/* Version 1 subscribers get this many access units a second on a still screen: they know no heartbeat, and their
 * pipelines take silence for death (F19). */
#define HUB_KEEP_ALIVE_HZ 10u

/* What a source is to do for the subscribers that it has now. */
typedef struct {
  guint bitrate;       /* bit/s: the highest wish; 0: somebody has none, and takes all there is */
  guint keep_alive_hz; /* 0: nobody needs keep-alives */
  gboolean hold;       /* no subscriber takes what there is: encode nothing new until that changes */
} HubDemand;

/* Where access units come from. Called on the hub's thread; nothing here waits. */
typedef struct {
  /* The first subscriber came: begin with an IDR. */
  void (*start)(gpointer data, guint scanout, const HubDemand *demand);
  void (*stop)(gpointer data, guint scanout);
  void (*request_idr)(gpointer data, guint scanout);
  void (*demand)(gpointer data, guint scanout, const HubDemand *demand);
  /* One more subscriber came, beside those that are there: somebody has just asked for the picture. NULL is legal. */
  void (*joined)(gpointer data, guint scanout);
} HubSource;

typedef struct Hub Hub;
typedef struct HubSubscription HubSubscription;

typedef enum {
  HUB_SCANOUTS_CHANGED,
  HUB_STATE_CHANGED,
} HubEvent;

typedef void (*HubWatch)(HubEvent event, gpointer data);

/* Wakes whoever takes from an outbox; the hub's thread. */
typedef void (*HubWake)(gpointer data);

/* context NULL: the default one. The source must outlive the hub. */
Hub *hub_create(GMainContext *context, const HubSource *source, gpointer source_data);
void hub_destroy(Hub *hub); /* without subscriptions; NULL is legal */

/* What the display says. */
void hub_set_scanout(Hub *hub, const HxfrScanout *scanout);
void hub_set_state(Hub *hub, HxfrDisplayState state, const char *text);
const HxfrScanouts *hub_scanouts(const Hub *hub);
HxfrDisplayState hub_state(const Hub *hub, const char **text); /* text borrowed until the next change */

/* `watch` is called after each change until hub_unwatch() with the same pair. */
void hub_watch(Hub *hub, HubWatch watch, gpointer data);
void hub_unwatch(Hub *hub, HubWatch watch, gpointer data);

/* Whether it can be subscribed. As long as the display has named none, scanout 0 can: every VM has it, and who comes
 * early waits for it as for a dark one. */
gboolean hub_has_scanout(const Hub *hub, guint scanout);

/* NULL if hub_has_scanout() says no. Opens the outbox's lane; access units come from the next IDR on, which is asked
 * for. version: the peer's, 1 or 2. `wake` is called after each push. */
HubSubscription *hub_subscribe(Hub *hub, guint scanout, Outbox *outbox, guint version, HubWake wake, gpointer data);
void hub_unsubscribe(HubSubscription *subscription); /* frees it; NULL is legal */

/* KEYFRAME_REQ. */
void hub_want_idr(HubSubscription *subscription);
/* The peer reads again after its lane lost units: outbox_pop() told. At most one IDR a second for the same one. */
void hub_want_idr_after_lag(HubSubscription *subscription);
/* CONFIG_REQ of a subscription; 0 takes the wish back. */
void hub_wish_bitrate(HubSubscription *subscription, guint bitrate);

/* Takes the reference over. A unit of a scanout without subscribers is dropped. */
void hub_publish(Hub *hub, guint scanout, AccessUnit *unit);

guint hub_subscriber_count(const Hub *hub, guint scanout);
