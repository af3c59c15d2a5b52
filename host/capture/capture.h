/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/capture/shadow.h"

/*
 * Capture: what the display shows, into shadows. Called by the display's
 * thread; encode threads take the shadow of the moment from it. It never waits
 * for an encoder: what they share is a pointer behind a short lock, and the
 * shadow itself.
 */

#define CAPTURE_MAX_SCANOUTS 16u

typedef struct Capture Capture;

/* A scanout has something new: another picture in its shadow, or another shadow (or none: it went dark). Called on the
 * display's thread; must not wait. */
typedef void (*CaptureChanged)(guint scanout, gpointer data);

Capture *capture_create(CaptureChanged changed, gpointer data);
void capture_destroy(Capture *capture); /* NULL is legal */

/* The scanout has this size from here on; 0, 0: it is dark. The display's thread. */
void capture_set_size(Capture *capture, guint scanout, guint width, guint height);
/* `frame` is the whole picture as it is, of the size last set; only inside the rectangles may it differ from the last
 * call's (n_rects 0: anywhere). Compares, copies, tells. The display's thread. */
void capture_update(Capture *capture, guint scanout, const Frame *frame, const Rect *rects, guint n_rects,
                    gint64 flush_us);

/* The shadow of the moment, with a reference for the caller; NULL while dark. Any thread. */
Shadow *capture_get_shadow(Capture *capture, guint scanout);
