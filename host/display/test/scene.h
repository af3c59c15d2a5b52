/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/desktop.h"

/*
 * What moves on a test desktop. A scene puts its furniture on the desktop
 * once; then a picture that starts as the desktop's copy is brought from
 * frame to frame. What it shows at frame n depends on n alone.
 */

#define SCENE_MAX_RECTS 4u

/* What a step changed, clipped to the picture; at most SCENE_MAX_RECTS are ever added in one step. */
typedef struct {
  Rect rects[SCENE_MAX_RECTS];
  guint count;
} SceneDamage;

/* `area` may be empty and may stick out of the picture; what is left of it is added. */
void scene_damage_add(SceneDamage *damage, const Image *picture, gint x, gint y, guint width, guint height);

typedef struct {
  /* May draw into the desktop, and keeps it: it outlives the scene. NULL: there is nothing to keep. */
  gpointer (*create)(Desktop *desktop);
  void (*destroy)(gpointer scene);
  /* Brings `picture`, which shows frame n - 1 (or, if `fresh`, the desktop), to frame n. Damage need not be said when
   * fresh. */
  void (*paint)(gpointer scene, Image *picture, guint64 n, gboolean fresh, SceneDamage *damage);
} SceneInterface;

extern const SceneInterface scene_idle;
extern const SceneInterface scene_cursor;
extern const SceneInterface scene_typing;
extern const SceneInterface scene_scroll;
extern const SceneInterface scene_cube;
extern const SceneInterface scene_video;
extern const SceneInterface scene_drag;
