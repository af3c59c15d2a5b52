/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support/fake-source.h"

#include "tests/unit/support/support.h"

static void answer(FakeSource *source, guint scanout) {
  if (source->answer) hub_publish(source->answer, scanout, support_unit(TRUE, 1, 64));
}

static void on_start(gpointer data, guint scanout, const HubDemand *demand) {
  FakeSource *source = data;
  g_assert_false(source->running >> scanout & 1);
  source->starts++;
  source->running |= 1u << scanout;
  source->scanout = scanout;
  source->demand = *demand;
}

static void on_stop(gpointer data, guint scanout) {
  FakeSource *source = data;
  g_assert_true(source->running >> scanout & 1);
  source->stops++;
  source->running &= ~(1u << scanout);
  source->scanout = scanout;
}

static void on_request_idr(gpointer data, guint scanout) {
  FakeSource *source = data;
  source->idr_requests++;
  source->scanout = scanout;
  answer(source, scanout);
}

static void on_demand(gpointer data, guint scanout, const HubDemand *demand) {
  FakeSource *source = data;
  source->demands++;
  source->scanout = scanout;
  source->demand = *demand;
}

static void on_joined(gpointer data, guint scanout) {
  FakeSource *source = data;
  g_assert_true(source->running >> scanout & 1);
  source->joins++;
  source->scanout = scanout;
}

const HubSource FAKE_SOURCE = {
    .start = on_start,
    .stop = on_stop,
    .request_idr = on_request_idr,
    .demand = on_demand,
    .joined = on_joined,
};

void fake_source_add_scanout(Hub *hub, guint id) {
  hub_set_scanout(hub, &(HxfrScanout){id, 640, 480, 60000, HXFR_SCANOUT_CONNECTED | HXFR_SCANOUT_LIT, "fake"});
}
