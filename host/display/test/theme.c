/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/theme.h"

static const Theme THEMES[] = {
    {"amber", 0xe0803a, PHOTO_DUSK},
    {"teal", 0x1f9b96, PHOTO_MORNING},
    {"violet", 0x8b62d8, PHOTO_NIGHTFALL},
    {"blue", 0x3b7dd8, PHOTO_DAY},
};

const Theme *theme_of(guint scanout) {
  return &THEMES[scanout % G_N_ELEMENTS(THEMES)];
}
