/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/test-scene.h"

#include "host/display/test/barcode.h"
#include "host/display/test/scene.h"

G_STATIC_ASSERT(TEST_SCENE_MAX_RECTS == SCENE_MAX_RECTS + 1);
G_STATIC_ASSERT(BARCODE_WIDTH <= TEST_SETTINGS_MIN_WIDTH && BARCODE_HEIGHT <= TEST_SETTINGS_MIN_HEIGHT);

struct TestScene {
  TestSettings settings;
  const SceneInterface *interface;
  gpointer scene;
  Desktop *desktop;
  Image *picture;
  char *name;
  gboolean painted;
  guint64 at; /* the frame shown, if painted */
};

static const SceneInterface *const INTERFACES[] = {
    [TEST_SCENE_IDLE] = &scene_idle,     [TEST_SCENE_CURSOR] = &scene_cursor, [TEST_SCENE_TYPING] = &scene_typing,
    [TEST_SCENE_SCROLL] = &scene_scroll, [TEST_SCENE_CUBE] = &scene_cube,     [TEST_SCENE_VIDEO] = &scene_video,
    [TEST_SCENE_DRAG] = &scene_drag,
};

TestScene *test_scene_create(const TestSettings *settings, guint scanout) {
  TestScene *scene = g_new0(TestScene, 1);
  const Theme *theme = theme_of(scanout);
  scene->settings = *settings;
  scene->interface = INTERFACES[settings->scene];
  scene->desktop = desktop_create(settings->width, settings->height, theme);
  scene->scene = scene->interface->create(scene->desktop);
  scene->picture = image_create(settings->width, settings->height);
  scene->name = g_strdup_printf("test %s %s", test_settings_scene_name(settings->scene), theme->name);
  return scene;
}

void test_scene_destroy(TestScene *scene) {
  if (!scene) return;
  scene->interface->destroy(scene->scene);
  image_destroy(scene->picture);
  desktop_destroy(scene->desktop);
  g_free(scene->name);
  g_free(scene);
}

/* In the idle scene nothing changes, the number neither. */
static void paint_barcode(TestScene *scene, gboolean fresh, Rect *rects, guint *count) {
  gboolean still = scene->settings.scene == TEST_SCENE_IDLE;
  if (!scene->settings.barcode || (still && !fresh)) return;
  guint32 number = still ? 0 : (guint32)(scene->at & BARCODE_MAX);
  barcode_draw(scene->picture->data, scene->picture->stride, 0, 0, number);
  rects[(*count)++] = (Rect){0, 0, BARCODE_WIDTH, BARCODE_HEIGHT};
}

static void join(Rect *first, const Rect *second) {
  guint right = MAX(first->x + first->width, second->x + second->width);
  guint bottom = MAX(first->y + first->height, second->y + second->height);
  first->x = MIN(first->x, second->x);
  first->y = MIN(first->y, second->y);
  first->width = right - first->x;
  first->height = bottom - first->y;
}

static guint hand_over(const Rect *found, guint count, Rect *rects, guint max_rects) {
  g_assert(max_rects > 0);
  guint used = MIN(count, max_rects);
  for (guint i = 0; i < used; i++) rects[i] = found[i];
  for (guint i = used; i < count; i++) join(&rects[used - 1], &found[i]);
  return used;
}

guint test_scene_paint(TestScene *scene, guint64 n, Rect *rects, guint max_rects) {
  if (scene->painted && scene->at == n) return 0;
  gboolean fresh = !scene->painted || scene->at + 1 != n;
  const Rect whole = {0, 0, scene->picture->width, scene->picture->height};
  SceneDamage damage = {.count = 0};
  if (fresh) image_copy(scene->picture, 0, 0, scene->desktop->image, &whole);
  scene->painted = TRUE;
  scene->at = n;
  scene->interface->paint(scene->scene, scene->picture, n, fresh, &damage);

  Rect found[TEST_SCENE_MAX_RECTS];
  guint count = damage.count;
  for (guint i = 0; i < count; i++) found[i] = damage.rects[i];
  paint_barcode(scene, fresh, found, &count);
  return fresh ? hand_over(&whole, 1, rects, max_rects) : hand_over(found, count, rects, max_rects);
}

Frame test_scene_frame(const TestScene *scene) {
  const Image *picture = scene->picture;
  return (Frame){.format = PIXEL_FORMAT_XRGB8888,
                 .width = picture->width,
                 .height = picture->height,
                 .stride = picture->stride,
                 .data = picture->data};
}

const char *test_scene_name(const TestScene *scene) {
  return scene->name;
}
