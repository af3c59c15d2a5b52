/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/test/scene.h"

void scene_damage_add(SceneDamage *damage, const Image *picture, gint x, gint y, guint width, guint height) {
  Rect rect;
  if (!rect_clip(x, y, width, height, picture->width, picture->height, &rect)) return;
  g_assert(damage->count < SCENE_MAX_RECTS);
  damage->rects[damage->count++] = rect;
}
