/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/damage.h"

/*
 * The shadow: a scanout's picture in packed pixels with a generation per tile,
 * in sealed memory (common/base/sealed-memory.h), so that it can be read by a process that the writer does
 * not trust and does not wait for.
 *
 * One writer (capture), any number of readers (encode threads). The writer
 * never waits. A reader takes what it needs and asks afterwards whether the
 * writer was at it meanwhile: a sequence lock. Memory of one size for life: a
 * scanout that changes its size gets a new shadow.
 *
 *   memory: [ShadowHeader][tile generations, u64 each][pixels, rows of `stride` bytes]
 */

typedef struct Shadow Shadow;

/* What a reader learns about the newest picture. */
typedef struct {
  guint64 generation; /* of the newest change; 0: never written */
  gint64 flush_us;    /* monotonic: when the VM showed it */
  gint64 captured_us; /* monotonic: when it was in the shadow */
} ShadowState;

/* NULL and error where there is no memory for it. Size 1…FRAME_MAX_*; pixels are black. */
Shadow *shadow_create(guint width, guint height, GError **error);
Shadow *shadow_ref(Shadow *shadow); /* any thread */
void shadow_unref(Shadow *shadow);  /* NULL is legal */

/* A shadow that another process writes, for reading; takes `fd` over. NULL and error if it is too small for that size,
 * or could be made smaller while it is read. Whatever the writer does, reads stay inside. */
Shadow *shadow_open(int fd, guint width, guint height, GError **error);
/* What to give to the process that reads it: sealed, so that it cannot be written there. Borrowed; the writer's. */
int shadow_fd(const Shadow *shadow);

guint shadow_width(const Shadow *shadow);
guint shadow_height(const Shadow *shadow);

/*
 * The writer. Between begin and end the picture is in motion for readers.
 */
void shadow_write_begin(Shadow *shadow);
/* Compares the rectangle with `frame` tile by tile and copies what differs; frame is of the shadow's size, in a packed
 * format that is kept for all of it. Returns how many tiles differed. */
guint shadow_write_rect(Shadow *shadow, const Frame *frame, const Rect *rect);
/* Likewise, where `block` is not the whole picture but what goes to (x, y) of it. */
guint shadow_write_block(Shadow *shadow, const Frame *block, guint x, guint y);
/* Returns the new generation; the old one if nothing was different. */
guint64 shadow_write_end(Shadow *shadow, gint64 flush_us);

/*
 * Readers. shadow_read_begin() gives a ticket, or 0 while the writer is at it: come back when it has said that it is
 * done. What was read since is good if shadow_read_end() says so; if not, read it again.
 */
guint64 shadow_read_begin(const Shadow *shadow, ShadowState *state);
gboolean shadow_read_end(const Shadow *shadow, guint64 ticket);
/* The tiles changed after that generation (0: all that were ever written), added to `damage`. Within a read. */
void shadow_damage_since(const Shadow *shadow, guint64 generation, Damage *damage);
/* The whole picture; its pixels are valid within a read. */
Frame shadow_frame(const Shadow *shadow);

/* The newest generation, without a read. */
guint64 shadow_generation(const Shadow *shadow);
