/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/test-settings.h"

#include <gio/gio.h>
#include <string.h>

typedef struct {
  const char *text;
  TestSettings expected;
} Good;

static const Good GOOD[] = {
    {"", {1280, 720, 60000, TEST_SCENE_DRAG, FALSE, 1}},
    {":1920x1080", {1920, 1080, 60000, TEST_SCENE_DRAG, FALSE, 1}},
    {":1920x1080@60,scene=cube,barcode", {1920, 1080, 60000, TEST_SCENE_CUBE, TRUE, 1}},
    {":256x64@1", {256, 64, 1000, TEST_SCENE_DRAG, FALSE, 1}},
    {":8192x4320@240", {8192, 4320, 240000, TEST_SCENE_DRAG, FALSE, 1}},
    {":640x480@59.9", {640, 480, 59900, TEST_SCENE_DRAG, FALSE, 1}},
    {":640x480@59.94", {640, 480, 59940, TEST_SCENE_DRAG, FALSE, 1}},
    {":640x480@23.976", {640, 480, 23976, TEST_SCENE_DRAG, FALSE, 1}},
    {":641x479@30.0", {641, 479, 30000, TEST_SCENE_DRAG, FALSE, 1}},
    {",scene=idle", {1280, 720, 60000, TEST_SCENE_IDLE, FALSE, 1}},
    {",scene=cursor", {1280, 720, 60000, TEST_SCENE_CURSOR, FALSE, 1}},
    {",scene=typing", {1280, 720, 60000, TEST_SCENE_TYPING, FALSE, 1}},
    {",scene=scroll", {1280, 720, 60000, TEST_SCENE_SCROLL, FALSE, 1}},
    {",scene=video", {1280, 720, 60000, TEST_SCENE_VIDEO, FALSE, 1}},
    {",scene=drag", {1280, 720, 60000, TEST_SCENE_DRAG, FALSE, 1}},
    {",barcode", {1280, 720, 60000, TEST_SCENE_DRAG, TRUE, 1}},
    {",scanouts=4,barcode,scene=idle", {1280, 720, 60000, TEST_SCENE_IDLE, TRUE, 4}},
    {",scene=cube,scene=idle", {1280, 720, 60000, TEST_SCENE_IDLE, FALSE, 1}},
};

typedef struct {
  const char *text;
  const char *names; /* must be in the message */
} Bad;

static const Bad BAD[] = {
    {"x", "\"testx\""},
    {":", "\"\" is no size"},
    {":,barcode", "256x64 to 8192x4320"},
    {":1920", "\"1920\""},
    {":1920x", "\"1920x\""},
    {":x1080", "\"x1080\""},
    {":255x64", "\"255x64\""},
    {":256x63", "\"256x63\""},
    {":8193x4320", "\"8193x4320\""},
    {":8192x4321", "\"8192x4321\""},
    {":99999999999999999999x64", "no size"},
    {":-640x480", "no size"},
    {":+640x480", "no size"},
    {": 640x480", "no size"},
    {":640x480x3", "no size"},
    {":0x280x480", "no size"},
    {":640x480@", "\"@\" is no frame rate"},
    {":640x480@0", "1 to 240"},
    {":640x480@0.999", "1 to 240"},
    {":640x480@241", "\"@241\""},
    {":640x480@240.001", "\"@240.001\""},
    {":640x480@60.", "\"@60.\""},
    {":640x480@.5", "\"@.5\""},
    {":640x480@60.1234", "\"@60.1234\""},
    {":640x480@6e1", "\"@6e1\""},
    {":640x480@60@60", "\"@60@60\""},
    {":640x480@nan", "\"@nan\""},
    {",", "\"\" is unknown"},
    {",scene", "\"scene\" is unknown"},
    {",scene=", "no scene \"\""},
    {",scene=Cube", "idle, cursor, typing, scroll, cube, video, drag"},
    {",barcode=1", "\"barcode=1\""},
    {",scanouts=0", "1 to 4"},
    {",scanouts=5", "scanouts=5"},
    {",scanouts=", "1 to 4"},
    {",640x480", "\"640x480\" is unknown"},
};

static void test_good(void) {
  for (guint i = 0; i < G_N_ELEMENTS(GOOD); i++) {
    g_autoptr(GError) error = NULL;
    TestSettings settings;
    gboolean parsed = test_settings_parse(GOOD[i].text, &settings, &error);
    g_assert_no_error(error);
    g_assert_true(parsed);
    const TestSettings *expected = &GOOD[i].expected;
    g_assert_cmpuint(settings.width, ==, expected->width);
    g_assert_cmpuint(settings.height, ==, expected->height);
    g_assert_cmpuint(settings.refresh_mhz, ==, expected->refresh_mhz);
    g_assert_cmpuint(settings.scene, ==, expected->scene);
    g_assert_cmpint(settings.barcode, ==, expected->barcode);
    g_assert_cmpuint(settings.scanouts, ==, expected->scanouts);
  }
}

static void test_bad(void) {
  for (guint i = 0; i < G_N_ELEMENTS(BAD); i++) {
    g_autoptr(GError) error = NULL;
    TestSettings settings;
    if (test_settings_parse(BAD[i].text, &settings, &error)) g_error("\"%s\" was taken", BAD[i].text);
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    if (!strstr(error->message, BAD[i].names)) g_error("\"%s\": %s", BAD[i].text, error->message);
  }
}

static void test_names(void) {
  for (guint i = TEST_SCENE_IDLE; i <= TEST_SCENE_DRAG; i++) {
    g_autofree char *text = g_strdup_printf(",scene=%s", test_settings_scene_name((TestSceneKind)i));
    TestSettings settings;
    g_assert_true(test_settings_parse(text, &settings, NULL));
    g_assert_cmpuint(settings.scene, ==, i);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/test-settings/good", test_good);
  g_test_add_func("/test-settings/bad", test_bad);
  g_test_add_func("/test-settings/names", test_names);
  return g_test_run();
}
