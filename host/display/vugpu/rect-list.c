/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/rect-list.h"

gboolean rect_list_contains(const Rect *outer, const Rect *inner) {
  return inner->x >= outer->x && inner->y >= outer->y && inner->x + inner->width <= outer->x + outer->width &&
         inner->y + inner->height <= outer->y + outer->height;
}

gboolean rect_list_intersect(const Rect *a, const Rect *b, Rect *out) {
  guint left = MAX(a->x, b->x), top = MAX(a->y, b->y);
  guint right = MIN(a->x + a->width, b->x + b->width), bottom = MIN(a->y + a->height, b->y + b->height);
  if (left >= right || top >= bottom) return FALSE;
  *out = (Rect){left, top, right - left, bottom - top};
  return TRUE;
}

static Rect around(const Rect *a, const Rect *b) {
  guint left = MIN(a->x, b->x), top = MIN(a->y, b->y);
  guint right = MAX(a->x + a->width, b->x + b->width), bottom = MAX(a->y + a->height, b->y + b->height);
  return (Rect){left, top, right - left, bottom - top};
}

void rect_list_add(RectList *list, const Rect *rect) {
  if (rect->width == 0 || rect->height == 0) return;
  guint kept = 0;
  for (guint i = 0; i < list->count; i++) {
    if (rect_list_contains(&list->rects[i], rect)) return; /* then it holds none of the others either */
    if (!rect_list_contains(rect, &list->rects[i])) list->rects[kept++] = list->rects[i];
  }
  list->count = kept;
  Rect all = *rect;
  if (list->count == RECT_LIST_MAX) {
    for (guint i = 0; i < list->count; i++) all = around(&all, &list->rects[i]);
    list->count = 0;
  }
  list->rects[list->count++] = all;
}

void rect_list_clear(RectList *list) {
  list->count = 0;
}
