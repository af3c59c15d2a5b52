/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/vugpu-settings.h"

#include <gio/gio.h>
#include <string.h>

typedef struct {
  const char *text;
  VugpuSettings expected;
} Good;

static const Good GOOD[] = {
    {"/run/vm1.sock", {"/run/vm1.sock", -1, 1, 1280, 720, NULL}},
    {"s,outputs=16,size=1920x1080", {"s", -1, 16, 1920, 1080, NULL}},
    {"s,size=64x64", {"s", -1, 1, 64, 64, NULL}},
    {"s,size=8192x4320,outputs=2", {"s", -1, 2, 8192, 4320, NULL}},
    {"s,qmp=/run/q.sock", {"s", -1, 1, 1280, 720, "/run/q.sock"}},
    {"s,qmp=a,qmp=b", {"s", -1, 1, 1280, 720, "b"}},
    {"a,,b,outputs=2,qmp=c,,d", {"a,b", -1, 2, 1280, 720, "c,d"}},
    {"a,,", {"a,", -1, 1, 1280, 720, NULL}},
};

typedef struct {
  const char *text;
  const char *names; /* must be in the message */
} Bad;

static const Bad BAD[] = {
    {"", "socket is missing"},
    {",outputs=1", "socket is missing"},
    {"s,", "\"\" is unknown"},
    {"s,outputs", "\"outputs\" is unknown"},
    {"s,outputs=", "outputs=:"},
    {"s,outputs=0", "1 to 16"},
    {"s,outputs=17", "1 to 16"},
    {"s,outputs=-1", "1 to 16"},
    {"s,outputs=99999999999999999999", "1 to 16"},
    {"s,size=1920", "size=1920"},
    {"s,size=63x64", "64x64 to 8192x4320"},
    {"s,size=8193x4320", "64x64 to 8192x4320"},
    {"s,size=8192x4321", "64x64 to 8192x4320"},
    {"s,size=640x480x1", "is no size"},
    {"s,size=x480", "is no size"},
    {"s,qmp=", "qmp= is empty"},
    {"s,scale=2", "\"scale=2\" is unknown"},
};

static void test_good(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(GOOD); i++) {
    g_autoptr(GError) error = NULL;
    const VugpuSettings *expected = &GOOD[i].expected;
    VugpuSettings settings;
    g_assert_true(vugpu_settings_parse(GOOD[i].text, &settings, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(settings.path, ==, expected->path);
    g_assert_cmpstr(settings.qmp_path, ==, expected->qmp_path);
    g_assert_cmpint(settings.fd, ==, -1);
    g_assert_cmpuint(settings.outputs, ==, expected->outputs);
    g_assert_cmpuint(settings.width, ==, expected->width);
    g_assert_cmpuint(settings.height, ==, expected->height);
    vugpu_settings_finish(&settings);
  }
}

static void test_bad(void) {
  for (gsize i = 0; i < G_N_ELEMENTS(BAD); i++) {
    g_autoptr(GError) error = NULL;
    VugpuSettings settings;
    g_assert_false(vugpu_settings_parse(BAD[i].text, &settings, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, BAD[i].names));
    vugpu_settings_finish(&settings);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/vugpu-settings/good", test_good);
  g_test_add_func("/vugpu-settings/bad", test_bad);
  return g_test_run();
}
