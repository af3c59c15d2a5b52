/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/test-scene.h"

#include <cairo.h>
#include <stdlib.h>

/* scene-png SETTINGS N OUT.png: frame N of a test scene, to look at. SETTINGS is what follows "--display test". With
 * `bench` for OUT.png: the cost of N frames instead. */

static gboolean write_png(const Frame *frame, const char *path) {
  /* Cairo wants to write where it reads; it does not, for a surface that is only saved */
  cairo_surface_t *surface = cairo_image_surface_create_for_data(
      (guint8 *)frame->data, CAIRO_FORMAT_RGB24, (gint)frame->width, (gint)frame->height, (gint)frame->stride);
  cairo_status_t status = cairo_surface_write_to_png(surface, path);
  cairo_surface_destroy(surface);
  if (status != CAIRO_STATUS_SUCCESS) g_printerr("scene-png: %s: %s\n", path, cairo_status_to_string(status));
  return status == CAIRO_STATUS_SUCCESS;
}

static void bench(TestScene *scene, guint64 frames) {
  Rect rects[TEST_SCENE_MAX_RECTS];
  test_scene_paint(scene, 0, rects, TEST_SCENE_MAX_RECTS);
  gint64 longest = 0, start = g_get_monotonic_time(), last = start;
  for (guint64 n = 1; n <= frames; n++) {
    test_scene_paint(scene, n, rects, TEST_SCENE_MAX_RECTS);
    gint64 now = g_get_monotonic_time();
    longest = MAX(longest, now - last);
    last = now;
  }
  g_print("%s: %.3f ms a frame, longest %.3f ms\n", test_scene_name(scene),
          (double)(last - start) / 1000 / (double)MAX(frames, 1), (double)longest / 1000);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    g_printerr("usage: scene-png SETTINGS N OUT.png|bench\n");
    return 2;
  }
  TestSettings settings;
  g_autoptr(GError) error = NULL;
  if (!test_settings_parse(argv[1], &settings, &error)) {
    g_printerr("scene-png: %s\n", error->message);
    return 2;
  }
  guint64 n = g_ascii_strtoull(argv[2], NULL, 10);
  gint64 start = g_get_monotonic_time();
  TestScene *scene = test_scene_create(&settings, settings.scanouts - 1);
  g_print("created in %d ms\n", (gint)((g_get_monotonic_time() - start) / 1000));
  gboolean done = TRUE;
  if (g_strcmp0(argv[3], "bench") == 0) {
    bench(scene, n);
  } else {
    Rect rects[TEST_SCENE_MAX_RECTS];
    test_scene_paint(scene, n, rects, TEST_SCENE_MAX_RECTS);
    Frame frame = test_scene_frame(scene);
    done = write_png(&frame, argv[3]);
  }
  test_scene_destroy(scene);
  return done ? 0 : 1;
}
