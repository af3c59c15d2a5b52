/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/test/test-settings.h"

/*
 * One scanout of the test display: a picture that is a function of a frame
 * number. Whatever way frame n is reached, it has the same pixels, so a test
 * can make again any frame that it finds in a stream. One thread at a time.
 */

/* What a step can change: a scene's places, and the barcode. */
#define TEST_SCENE_MAX_RECTS 5u

typedef struct TestScene TestScene;

/* Draws what stands still, which takes a while (half a second at 1080p); the picture is black until the first paint.
 * `scanout` picks colours and wallpaper. Aborts without memory: sizes come from the operator. */
TestScene *test_scene_create(const TestSettings *settings, guint scanout);
void test_scene_destroy(TestScene *scene); /* NULL is legal */

/* Brings the picture to frame n and returns how many rects it filled in: outside them it is as before. From n - 1 they
 * bound what the step changed (none: nothing did); after any other frame they are the whole picture. Rects may overlap.
 * With room for fewer than TEST_SCENE_MAX_RECTS they are joined; max_rects is at least 1. */
guint test_scene_paint(TestScene *scene, guint64 n, Rect *rects, guint max_rects);

/* The picture as last painted, XRGB8888, stride a multiple of 64; borrowed, valid until the next paint. */
Frame test_scene_frame(const TestScene *scene);

/* "test cube amber"; the scene's own. */
const char *test_scene_name(const TestScene *scene);
