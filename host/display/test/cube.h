/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/image.h"

/* A turning cube with photographs on its faces, in perspective, edges and texture smoothed. */

typedef struct Cube Cube;

/* `size`: the side, in pixels, of the square it never leaves. Its memory is its own; any one thread. */
Cube *cube_create(guint size);
void cube_destroy(Cube *cube); /* NULL is legal */

/* Where it is at frame n, relative to its square; covers every pixel that cube_paint() writes. */
Rect cube_bounds(const Cube *cube, guint64 n);
/* Paints frame n over what is there; (x, y) is the square's corner, which may stick out of the picture. */
void cube_paint(const Cube *cube, Image *picture, gint x, gint y, guint64 n);
