/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/scene.h"

static gpointer create(Desktop *desktop) {
  desktop_add_monitor(desktop, 0.74, 0.36);
  desktop_add_files(desktop, 0.36, 0.47, TRUE);
  return NULL;
}

static void destroy(gpointer scene) {
}

static void paint(gpointer scene, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage) {
}

const SceneInterface scene_idle = {.create = create, .destroy = destroy, .paint = paint};
