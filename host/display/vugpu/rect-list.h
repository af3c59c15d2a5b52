/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * A few rectangles that together cover what changed. Where there would be
 * more than fit, the one rectangle around all of them takes their place: it
 * covers more, never less. Zero-initialised is empty.
 */

#define RECT_LIST_MAX 16u

typedef struct {
  Rect rects[RECT_LIST_MAX];
  guint count;
} RectList;

/* An empty rectangle adds nothing. */
void rect_list_add(RectList *list, const Rect *rect);
void rect_list_clear(RectList *list);
/* FALSE if they have nothing in common; *out is then unspecified. */
gboolean rect_list_intersect(const Rect *a, const Rect *b, Rect *out);
gboolean rect_list_contains(const Rect *outer, const Rect *inner);
