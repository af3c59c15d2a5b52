/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/damage.h"
#include "host/capture/shadow.h"
#include "host/encode/nv12.h"

/*
 * The encoder's end of a shadow: an NV12 picture that follows it, converting
 * only the tiles that changed since the last time. One thread.
 */

typedef struct {
  Shadow *shadow; /* NULL while dark */
  guint width;
  guint height;
  Nv12 nv12;
  Damage damage;      /* of the last take, against the one before */
  ShadowState state;  /* of what nv12 holds */
  guint64 generation; /* nv12 holds the shadow up to here; 0: nothing yet */
  guint merged;       /* generations between the last two takes that were never encoded by themselves */
} PictureSource;

typedef enum {
  PICTURE_SOURCE_SAME,
  PICTURE_SOURCE_REPLACED, /* another size, or after dark: encoders begin anew */
  PICTURE_SOURCE_DARK,
} PictureSourceChange;

/* Takes the reference over. */
PictureSourceChange picture_source_set_shadow(PictureSource *source, Shadow *shadow);
void picture_source_finish(PictureSource *source);

gboolean picture_source_has_picture(const PictureSource *source); /* something was written to the shadow at all */
gboolean picture_source_is_new(const PictureSource *source);

/* Instead of a shadow: a picture that is NV12 already, of even size. What differs from the one before is the damage;
 * *is_new: anything does. REPLACED after another size or a shadow. */
PictureSourceChange picture_source_load_nv12(PictureSource *source, const Frame *frame, gboolean *is_new);

/* Brings nv12 up to the shadow's newest and says in `damage` what that changed. FALSE: the writer is at it again and
 * again; nv12 may be half new, `generation` is unchanged, so that the next take repairs it. */
gboolean picture_source_take(PictureSource *source);
