/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/test-settings.h"

#include <gio/gio.h>
#include <string.h>

#define SCENE_NAMES "idle, cursor, typing, scroll, cube, video, drag"

static const char *const NAMES[] = {
    [TEST_SCENE_IDLE] = "idle",     [TEST_SCENE_CURSOR] = "cursor", [TEST_SCENE_TYPING] = "typing",
    [TEST_SCENE_SCROLL] = "scroll", [TEST_SCENE_CUBE] = "cube",     [TEST_SCENE_VIDEO] = "video",
    [TEST_SCENE_DRAG] = "drag",
};

const char *test_settings_scene_name(TestSceneKind scene) {
  return NAMES[scene];
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean refuse(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "test display: %s", text);
  return FALSE;
}

/* Digits alone, no sign and no space: what g_ascii_string_to_unsigned refuses is refused with it. */
static gboolean number(const char *text, guint minimum, guint maximum, guint *out) {
  guint64 value;
  if (!g_ascii_string_to_unsigned(text, 10, minimum, maximum, &value, NULL)) return FALSE;
  *out = (guint)value;
  return TRUE;
}

/* "60" or "59.94", at most three places, as thousandths. */
static gboolean rate(const char *text, guint *out_mhz) {
  g_auto(GStrv) parts = g_strsplit(text, ".", 2);
  guint whole, thousandths = 0;
  if (!parts[0] || !number(parts[0], 0, TEST_SETTINGS_MAX_REFRESH_MHZ / 1000, &whole)) return FALSE;
  if (parts[1]) {
    gsize places = strlen(parts[1]);
    if (places > 3 || !number(parts[1], 0, 999, &thousandths)) return FALSE;
    for (; places < 3; places++) thousandths *= 10;
  }
  *out_mhz = whole * 1000 + thousandths;
  return *out_mhz >= TEST_SETTINGS_MIN_REFRESH_MHZ && *out_mhz <= TEST_SETTINGS_MAX_REFRESH_MHZ;
}

/* ":WxH" or ":WxH@FPS" */
static gboolean mode(const char *text, TestSettings *settings, GError **error) {
  g_auto(GStrv) at = g_strsplit(text + 1, "@", 2);
  g_auto(GStrv) size = g_strsplit(at[0] ? at[0] : "", "x", 2);
  if (!size[0] || !size[1] || !number(size[0], TEST_SETTINGS_MIN_WIDTH, TEST_SETTINGS_MAX_WIDTH, &settings->width) ||
      !number(size[1], TEST_SETTINGS_MIN_HEIGHT, TEST_SETTINGS_MAX_HEIGHT, &settings->height)) {
    return refuse(error, "\"%s\" is no size; it is WIDTHxHEIGHT, %ux%u to %ux%u, such as 1920x1080", at[0] ? at[0] : "",
                  TEST_SETTINGS_MIN_WIDTH, TEST_SETTINGS_MIN_HEIGHT, TEST_SETTINGS_MAX_WIDTH, TEST_SETTINGS_MAX_HEIGHT);
  }
  if (at[0] && at[1] && !rate(at[1], &settings->refresh_mhz)) {
    return refuse(error, "\"@%s\" is no frame rate; it is %u to %u a second, such as @60 or @59.94", at[1],
                  TEST_SETTINGS_MIN_REFRESH_MHZ / 1000, TEST_SETTINGS_MAX_REFRESH_MHZ / 1000);
  }
  return TRUE;
}

static gboolean scene(const char *name, TestSettings *settings, GError **error) {
  for (guint i = 0; i < G_N_ELEMENTS(NAMES); i++) {
    if (strcmp(NAMES[i], name) != 0) continue;
    settings->scene = (TestSceneKind)i;
    return TRUE;
  }
  return refuse(error, "there is no scene \"%s\"; scenes are " SCENE_NAMES, name);
}

static gboolean option(const char *word, TestSettings *settings, GError **error) {
  if (strcmp(word, "barcode") == 0) return settings->barcode = TRUE;
  if (g_str_has_prefix(word, "scene=")) return scene(word + strlen("scene="), settings, error);
  if (g_str_has_prefix(word, "scanouts=")) {
    const char *count = word + strlen("scanouts=");
    if (number(count, 1, TEST_SETTINGS_MAX_SCANOUTS, &settings->scanouts)) return TRUE;
    return refuse(error, "scanouts=%s: there can be 1 to %u scanouts", count, TEST_SETTINGS_MAX_SCANOUTS);
  }
  return refuse(error, "\"%s\" is unknown; after the size come scene=NAME, barcode and scanouts=N", word);
}

gboolean test_settings_parse(const char *text, TestSettings *settings, GError **error) {
  *settings =
      (TestSettings){.width = 1280, .height = 720, .refresh_mhz = 60000, .scene = TEST_SCENE_DRAG, .scanouts = 1};
  if (*text == '\0') return TRUE;
  if (*text != ':' && *text != ',') {
    return refuse(error, "\"test%s\": after \"test\" comes :WIDTHxHEIGHT[@FPS] or ,scene=NAME", text);
  }
  g_auto(GStrv) words = g_strsplit(text, ",", -1);
  if (*words[0] && !mode(words[0], settings, error)) return FALSE;
  for (guint i = 1; words[i]; i++) {
    if (!option(words[i], settings, error)) return FALSE;
  }
  return TRUE;
}
