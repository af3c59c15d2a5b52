/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support/fake-requests.h"

#include "tests/unit/support/support.h"

struct RequestSession {
  FakeRequests *requests;
  RequestAnswer answer;
  gpointer answer_data;
  guint owed;
};

static RequestSession *on_open(gpointer data, RequestAnswer answer, gpointer answer_data) {
  FakeRequests *requests = data;
  if (!requests->sessions) requests->sessions = g_ptr_array_new();
  if (requests->sessions->len >= FAKE_REQUESTS_MAX_SESSIONS) return NULL;
  RequestSession *session = g_new0(RequestSession, 1);
  *session = (RequestSession){requests, answer, answer_data, 0};
  g_ptr_array_add(requests->sessions, session);
  requests->opened++;
  return session;
}

static void on_close(RequestSession *session) {
  session->requests->closed++;
  g_assert_true(g_ptr_array_remove(session->requests->sessions, session));
  g_free(session);
}

static void take(RequestSession *session, const HxfrFrameRequest *request, GBytes *pixels) {
  FakeRequests *requests = session->requests;
  requests->submitted++;
  requests->last = *request;
  requests->pixels = pixels ? g_bytes_get_size(pixels) : 0;
  session->owed++;
  if (!requests->answer_at_once) return;
  session->owed--;
  session->answer(session->answer_data, support_unit(TRUE, 1, 64), HXFR_OK, "");
}

static void on_submit(RequestSession *session, const HxfrFrameRequest *request, GBytes *pixels) {
  take(session, request, pixels);
}

static void on_fingerprint(RequestSession *session, const HxfrRequestFingerprint *request) {
  FakeRequests *requests = session->requests;
  g_assert_cmpuint(request->fingerprint.count, >, 0);
  g_assert_cmpuint(request->scanout, <, HXFR_MAX_SCANOUTS);
  requests->last_fingerprint = *request;
  if (!requests->answer_at_once || requests->fingerprints++ % 2) {
    take(session, &request->request, NULL);
  } else {
    session->answer(session->answer_data, NULL, HXFR_WANTED_DIFFERENT, "");
  }
}

/* Looks at every byte, so that AddressSanitizer knows whether it is there. */
static void on_tiles(RequestSession *session, const RequestTiles *request) {
  FakeRequests *requests = session->requests;
  gsize size, needed = 0;
  const guint8 *bytes = g_bytes_get_data(request->bytes, &size);
  gboolean planar = request->tiles.request.format == PIXEL_FORMAT_NV12;
  for (guint i = 0; i < request->tiles.rect_count; i++) {
    const Rect *rect = &request->rects[i];
    g_assert_cmpuint(rect->x + rect->width, <=, request->tiles.request.width);
    g_assert_cmpuint(rect->y + rect->height, <=, request->tiles.request.height);
    needed += (gsize)rect->width * rect->height * (planar ? 3 : 8) / 2;
    requests->last_rect = *rect;
  }
  g_assert_cmpuint(needed, ==, size);
  volatile guint8 sum = 0;
  for (gsize i = 0; i < size; i++) sum += bytes[i];
  requests->tiles++;
  requests->last_tiles = request->tiles;
  take(session, &request->tiles.request, request->bytes);
}

static void on_scanout(RequestSession *session, guint scanout) {
  guint index;
  g_assert_cmpuint(scanout, <, HXFR_MAX_SCANOUTS);
  if (g_ptr_array_find(session->requests->sessions, session, &index)) session->requests->scanouts[index] = scanout;
}

static void on_bitrate(RequestSession *session, guint bitrate) {
  session->requests->bitrate = bitrate;
}

static void on_force(RequestSession *session) {
  session->requests->key_frames++;
}

static gsize on_pixel_bytes(gpointer data) {
  return ((FakeRequests *)data)->waiting_bytes;
}

static gboolean on_set_output(gpointer data, gconstpointer owner, guint scanout, gboolean connected, guint width,
                              guint height, guint refresh_mhz) {
  FakeRequests *requests = data;
  g_assert_nonnull(owner);
  g_assert_cmpuint(scanout, <, HXFR_MAX_SCANOUTS);
  if (connected) {
    g_assert_cmpuint(width * height, >, 0);
    requests->connected |= 1u << scanout;
  } else {
    requests->connected &= ~(1u << scanout);
  }
  return scanout < 14; /* a device of fourteen outputs */
}

const RequestSource FAKE_REQUESTS = {
    .has_resources = TRUE,
    .open = on_open,
    .close = on_close,
    .submit = on_submit,
    .submit_fingerprint = on_fingerprint,
    .submit_tiles = on_tiles,
    .set_scanout = on_scanout,
    .set_bitrate = on_bitrate,
    .force_keyframe = on_force,
    .pixel_bytes = on_pixel_bytes,
    .set_output = on_set_output,
};

void fake_requests_finish(FakeRequests *requests) {
  g_assert_cmpuint(requests->opened, ==, requests->closed);
  g_clear_pointer(&requests->sessions, g_ptr_array_unref);
}

void fake_requests_answer(FakeRequests *requests, guint session, AccessUnit *unit) {
  RequestSession *owing = g_ptr_array_index(requests->sessions, session);
  g_assert_cmpuint(owing->owed--, >, 0);
  owing->answer(owing->answer_data, unit, HXFR_OK, "");
}

void fake_requests_refuse(FakeRequests *requests, guint session, gint32 code) {
  RequestSession *owing = g_ptr_array_index(requests->sessions, session);
  g_assert_cmpuint(owing->owed--, >, 0);
  owing->answer(owing->answer_data, NULL, code, "refused by the test");
}
