/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/request-window.h"

static gint64 add(RequestWindow *window, guint64 id, gint64 pts, gint64 duration) {
  return request_window_add(window, &(Request){.id = id, .pts_ns = pts, .duration_ns = duration})->wire_pts_ns;
}

static guint64 pop(RequestWindow *window) {
  Request request;
  request_window_pop(window, &request);
  return request.id;
}

static void test_order(void) {
  RequestWindow window;
  request_window_init(&window);
  g_assert_cmpint(add(&window, 1, 0, 10), ==, 0);
  g_assert_cmpint(add(&window, 2, 10, 10), ==, 10);
  g_assert_cmpint(add(&window, 3, 35, 10), ==, 35);
  g_assert_cmpint(request_window_find(&window, 0), ==, 0);
  g_assert_cmpint(request_window_find(&window, 35), ==, 2);
  g_assert_cmpint(request_window_find(&window, 20), ==, -1);
  g_assert_cmpint(request_window_find(&window, -1), ==, -1);
  g_assert_cmpuint(pop(&window), ==, 1);
  g_assert_cmpint(request_window_find(&window, 0), ==, -1);
  g_assert_cmpint(request_window_find(&window, 35), ==, 1);
  request_window_finish(&window);
  g_assert_cmpuint(window.count, ==, 0);
}

/* Every answer must fit one request alone, whatever the timestamps are. */
static void test_unique(void) {
  static const gint64 PTS[] = {0, 0, 5, 3, REQUEST_NO_PTS, REQUEST_NO_PTS, 0, 1, G_MAXINT64 - 1, G_MAXINT64, 7, 0};
  RequestWindow window;
  request_window_init(&window);
  gint64 last = -1;
  for (guint i = 0; i < 8; i++) {
    gint64 pts = add(&window, i, PTS[i], i % 2 ? 0 : 10);
    g_assert_cmpint(pts, >, last);
    last = pts;
  }
  request_window_finish(&window);
}

static void test_seek_back(void) {
  RequestWindow window;
  request_window_init(&window);
  add(&window, 1, 0, 10);
  add(&window, 2, 10, 10);
  /* back to the begin: goes on in the same steps */
  g_assert_cmpint(add(&window, 3, 0, 10), ==, 20);
  g_assert_cmpint(add(&window, 4, 10, 10), ==, 30);
  g_assert_cmpint(add(&window, 5, 20, 10), ==, 40);
  request_window_finish(&window);
}

static void test_full(void) {
  RequestWindow window;
  request_window_init(&window);
  for (guint i = 0; i < REQUEST_WINDOW_MAX; i++) add(&window, i, i, 1);
  for (guint i = 0; i < REQUEST_WINDOW_MAX; i++) g_assert_cmpuint(pop(&window), ==, i);
  request_window_finish(&window);
}

static void on_free(gpointer data) {
  *(guint *)data += 1;
}

static void test_pixels_are_freed(void) {
  guint freed = 0;
  RequestWindow window;
  request_window_init(&window);
  for (guint i = 0; i < 3; i++) {
    Request request = {.id = i, .pts_ns = i, .pixels = g_bytes_new_with_free_func("", 1, on_free, &freed)};
    request_window_add(&window, &request);
  }
  pop(&window);
  g_assert_cmpuint(freed, ==, 1);
  request_window_finish(&window);
  g_assert_cmpuint(freed, ==, 3);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/request-window/order", test_order);
  g_test_add_func("/request-window/unique", test_unique);
  g_test_add_func("/request-window/seek-back", test_seek_back);
  g_test_add_func("/request-window/full", test_full);
  g_test_add_func("/request-window/pixels-are-freed", test_pixels_are_freed);
  return g_test_run();
}
