/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/host-display/vugpu-guest.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  VugpuGuest *f = data;
  mutex_lock(&f->mutex);
  f->seen[id].info = *info;
  cond_signal(&f->changed);
  mutex_unlock(&f->mutex);
}

static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  VugpuGuest *f = data;
  VugpuGuestSeen *seen = &f->seen[id];
  mutex_lock(&f->mutex);
  g_assert_cmpuint(frame->width, ==, seen->info.width);
  g_assert_cmpuint(frame->height, ==, seen->info.height);
  g_assert_cmpint(ABS(g_get_monotonic_time() - flush_us), <, 5 * G_USEC_PER_SEC);
  seen->updates++;
  seen->n_rects = n_rects;
  seen->frame = *frame;
  memcpy(seen->rects, rects, n_rects * sizeof *rects);
  for (guint y = 0; y < MIN(frame->height, VUGPU_GUEST_HEIGHT); y++) {
    memcpy(seen->pixels + y * VUGPU_GUEST_WIDTH, frame->data + y * frame->stride,
           MIN(frame->width, VUGPU_GUEST_WIDTH) * 4);
  }
  cond_signal(&f->changed);
  mutex_unlock(&f->mutex);
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  VugpuGuest *f = data;
  mutex_lock(&f->mutex);
  f->state = state;
  g_free(f->text);
  f->text = g_strdup(text);
  cond_signal(&f->changed);
  mutex_unlock(&f->mutex);
}

static const DisplaySink SINK = {.scanout = on_scanout, .update = on_update, .state = on_state};

const DisplaySink *vugpu_guest_sink(void) {
  return &SINK;
}

void vugpu_guest_set_up(VugpuGuest *f, gconstpointer data) {
  VugpuSettings settings;
  g_autoptr(GError) error = NULL;
  mutex_init(&f->mutex);
  cond_init(&f->changed);
  f->text = g_strdup("");
  f->folder = g_dir_make_tmp("vugpu-XXXXXX", &error);
  f->path = g_build_filename(f->folder, "gpu.sock", NULL);
  vugpu_settings_init(&settings);
  settings.path = f->path;
  settings.outputs = 2;
  settings.width = 800;
  settings.height = 600;
  f->display = vugpu_display_create(&settings);
  g_assert_true(display_start(f->display, &SINK, f, &error));
  fake_vhost_init_path(&f->fake, f->path);
}

void vugpu_guest_set_up_started(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_set_up(f, data);
  fake_vhost_greet(&f->fake);
  fake_vhost_start(&f->fake);
}

void vugpu_guest_tear_down(VugpuGuest *f, gconstpointer data) {
  display_stop(f->display);
  display_destroy(f->display);
  fake_vhost_finish(&f->fake);
  g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
  g_rmdir(f->folder);
  g_free(f->folder);
  g_free(f->path);
  g_free(f->text);
  mutex_finish(&f->mutex);
  cond_finish(&f->changed);
}

/* ---- commands in short ---- */

/* The guest's memory orders what both threads do, and ThreadSanitizer cannot see that: a lock is something it sees. */
static void meet(VugpuGuest *f) {
  mutex_lock(&f->mutex);
  mutex_unlock(&f->mutex);
}

static guint32 run_words(VugpuGuest *f, guint32 type, const guint32 *words, guint count) {
  meet(f);
  guint32 answer = fake_vhost_words(&f->fake, type, words, count);
  meet(f);
  return answer;
}

#define RUN(f, type, ...)                                                                                              \
  run_words(f, type, (const guint32[]){__VA_ARGS__}, G_N_ELEMENTS(((const guint32[]){__VA_ARGS__})))

guint32 vugpu_guest_create(VugpuGuest *f, guint32 id, guint32 width, guint32 height) {
  return RUN(f, GPU_RESOURCE_CREATE_2D, id, VUGPU_GUEST_BGRX, width, height);
}

guint32 vugpu_guest_attach(VugpuGuest *f, guint32 id, guint64 address, guint32 size) {
  return RUN(f, GPU_RESOURCE_ATTACH_BACKING, id, 1, (guint32)address, (guint32)(address >> 32), size, 0);
}

guint32 vugpu_guest_show(VugpuGuest *f, guint32 scanout, guint32 id, guint32 x, guint32 y, guint32 width,
                         guint32 height) {
  return RUN(f, GPU_SET_SCANOUT, x, y, width, height, scanout, id);
}

guint32 vugpu_guest_transfer(VugpuGuest *f, guint32 id, guint32 x, guint32 y, guint32 width, guint32 height) {
  return RUN(f, GPU_TRANSFER_TO_HOST_2D, x, y, width, height, (y * VUGPU_GUEST_WIDTH + x) * 4, 0, id, 0);
}

guint32 vugpu_guest_flush(VugpuGuest *f, guint32 id, guint32 x, guint32 y, guint32 width, guint32 height) {
  return RUN(f, GPU_RESOURCE_FLUSH, x, y, width, height, id, 0);
}

guint32 vugpu_guest_by_id(VugpuGuest *f, guint32 type, guint32 id) {
  return RUN(f, type, id, 0);
}

guint32 vugpu_guest_run(VugpuGuest *f, const void *command, guint32 size) {
  meet(f);
  guint32 answer = fake_vhost_run(&f->fake, command, size);
  meet(f);
  return answer;
}

void vugpu_guest_paint(VugpuGuest *f, guint64 address, guint32 pixel) {
  guint32 *pixels = (guint32 *)(void *)fake_vhost_at(&f->fake, address);
  for (guint i = 0; i < VUGPU_GUEST_WIDTH * VUGPU_GUEST_HEIGHT; i++) pixels[i] = pixel + i;
}

void vugpu_guest_picture(VugpuGuest *f, guint32 id, guint64 address) {
  g_assert_cmphex(vugpu_guest_create(f, id, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_OK_NODATA);
  g_assert_cmphex(vugpu_guest_attach(f, id, address, VUGPU_GUEST_BYTES), ==, GPU_OK_NODATA);
}

void vugpu_guest_flip(VugpuGuest *f, guint32 id) {
  g_assert_cmphex(vugpu_guest_transfer(f, id, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_OK_NODATA);
  g_assert_cmphex(vugpu_guest_show(f, 0, id, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_OK_NODATA);
  g_assert_cmphex(vugpu_guest_flush(f, id, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_OK_NODATA);
}

void vugpu_guest_on_read(DisplayRead result, const Frame *frame, gpointer data) {
  VugpuGuest *f = data;
  mutex_lock(&f->mutex);
  f->reads++;
  f->read = result;
  g_assert_true((frame != NULL) == (result == DISPLAY_READ_OK));
  if (frame) memcpy(&f->first_pixel, frame->data, 4);
  cond_signal(&f->changed);
  mutex_unlock(&f->mutex);
}

DisplayRead vugpu_guest_read(VugpuGuest *f, guint32 id) {
  guint before = f->reads;
  f->display->interface->read_resource(f->display, id, vugpu_guest_on_read, f);
  VUGPU_GUEST_WAIT(f, f->reads > before);
  return f->read;
}
