/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * What follows "test" in `--display test[:WxH[@FPS]][,scene=NAME][,barcode]
 * [,scanouts=N]`: plain values, no ownership, any thread.
 */

/* The barcode needs 256 columns; half as many rows again as it covers leave something to see. */
#define TEST_SETTINGS_MIN_WIDTH 256u
#define TEST_SETTINGS_MIN_HEIGHT 64u
#define TEST_SETTINGS_MAX_WIDTH FRAME_MAX_WIDTH
#define TEST_SETTINGS_MAX_HEIGHT FRAME_MAX_HEIGHT
/* Thousandths of a frame a second: slower than one is no moving picture, faster than 240 no screen. */
#define TEST_SETTINGS_MIN_REFRESH_MHZ 1000u
#define TEST_SETTINGS_MAX_REFRESH_MHZ 240000u
/* Enough to test several scanouts; each one paints on the same thread. */
#define TEST_SETTINGS_MAX_SCANOUTS 4u

typedef enum {
  TEST_SCENE_IDLE,   /* a desktop; nothing changes after frame 0 */
  TEST_SCENE_CURSOR, /* a text cursor, on at even frames, off at odd ones */
  TEST_SCENE_TYPING, /* one character a frame in a terminal */
  TEST_SCENE_SCROLL, /* dense text, scrolling */
  TEST_SCENE_CUBE,   /* a textured cube that turns */
  TEST_SCENE_VIDEO,  /* the whole picture: a panning photo with grain */
  TEST_SCENE_DRAG,   /* a window dragged over others */
} TestSceneKind;

typedef struct {
  guint width; /* pixels */
  guint height;
  guint refresh_mhz; /* thousandths of a frame a second */
  TestSceneKind scene;
  gboolean barcode; /* the frame number in machine-readable form, top left: barcode.h */
  guint scanouts;
} TestSettings;

/* Fills *settings from `text` (what follows "test": "", ":1920x1080@59.9,scene=cube,barcode"), defaults where it is
 * silent: 1280x720@60, scene drag, one scanout. FALSE with a G_IO_ERROR_INVALID_ARGUMENT that names what is wrong and
 * what is allowed; *settings is then unspecified. */
gboolean test_settings_parse(const char *text, TestSettings *settings, GError **error);

/* The word of scene=NAME; static storage. */
const char *test_settings_scene_name(TestSceneKind scene);
