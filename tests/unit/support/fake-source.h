/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "stream/hub.h"

/* A HubSource that counts what it is asked, and encodes nothing by itself. */

typedef struct {
  guint starts;
  guint stops;
  guint idr_requests;
  guint demands;
  guint joins;
  guint scanout;    /* of the last call */
  guint32 running;  /* scanouts, a bit each */
  HubDemand demand; /* the last, start's or later */
  Hub *answer;      /* where set, an IDR is published here at once for each start and request */
} FakeSource;

extern const HubSource FAKE_SOURCE; /* its data is a FakeSource */

/* Scanout `id` of 640×480, lit. */
void fake_source_add_scanout(Hub *hub, guint id);
