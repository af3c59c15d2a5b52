/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/qemu-display.h"

#include "common/base/stats.h"
#include "common/base/thread.h"
#include "common/media/pixel-format.h"
#include "host/display/qemu-dbus/pixman-format.h"
#include "tests/unit/host-display/fake-qemu.h"

#include <glib/gstdio.h>
#include <string.h>

#define WAIT_US (10 * G_USEC_PER_SEC)

/* ---- a sink that keeps what it is told ---- */

typedef struct {
  ScanoutInfo info;
  guint updates;
  guint n_rects; /* of the last update */
  Rect rects[256];
  guint32 *pixels; /* of the last update, X cleared */
} Kept;

typedef struct {
  Mutex mutex;
  Cond changed;
  gboolean blocked; /* update() waits while it is */
  DisplayState state;
  char *text;
  guint highest_id;
  Kept scanouts[DISPLAY_MAX_SCANOUTS];
} Recorder;

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  Recorder *recorder = data;
  mutex_lock(&recorder->mutex);
  g_assert_true(g_utf8_validate(info->name, -1, NULL));
  recorder->scanouts[id].info = *info;
  recorder->highest_id = MAX(recorder->highest_id, id);
  cond_signal(&recorder->changed);
  mutex_unlock(&recorder->mutex);
}

/* The size was told before, the rects are inside, and every byte of the frame can be read. */
static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  Recorder *recorder = data;
  mutex_lock(&recorder->mutex);
  while (recorder->blocked) cond_wait(&recorder->changed, &recorder->mutex);
  Kept *kept = &recorder->scanouts[id];
  g_assert_cmpuint(frame->format, ==, PIXEL_FORMAT_XRGB8888);
  g_assert_true(kept->info.lit);
  g_assert_cmpuint(kept->info.width, ==, frame->width);
  g_assert_cmpuint(kept->info.height, ==, frame->height);
  g_assert_cmpuint(n_rects, <=, G_N_ELEMENTS(kept->rects));
  g_free(kept->pixels);
  kept->pixels = g_new(guint32, (gsize)frame->width * frame->height);
  for (guint y = 0; y < frame->height; y++) {
    memcpy(kept->pixels + y * frame->width, frame->data + y * frame->stride, (gsize)frame->width * 4);
  }
  for (guint i = 0; i < n_rects; i++) {
    g_assert_cmpuint(rects[i].x + rects[i].width, <=, frame->width);
    g_assert_cmpuint(rects[i].y + rects[i].height, <=, frame->height);
    kept->rects[i] = rects[i];
  }
  kept->n_rects = n_rects;
  kept->updates++;
  cond_signal(&recorder->changed);
  mutex_unlock(&recorder->mutex);
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  Recorder *recorder = data;
  mutex_lock(&recorder->mutex);
  recorder->state = state;
  g_free(recorder->text);
  recorder->text = g_strdup(text);
  cond_signal(&recorder->changed);
  mutex_unlock(&recorder->mutex);
}

static const DisplaySink SINK = {.scanout = on_scanout, .update = on_update, .state = on_state};

/* Waits until `condition`, which may use r, the recorder. */
#define WAIT_FOR(recorder, condition)                                                                                  \
  do {                                                                                                                 \
    Recorder *r = (recorder);                                                                                          \
    gint64 deadline = g_get_monotonic_time() + WAIT_US;                                                                \
    mutex_lock(&r->mutex);                                                                                             \
    while (!(condition)) {                                                                                             \
      if (!cond_wait_until(&r->changed, &r->mutex, deadline))                                                          \
        g_error("waited in vain for %s; state: %s", #condition, r->text);                                              \
    }                                                                                                                  \
    mutex_unlock(&r->mutex);                                                                                           \
  } while (0)

static guint32 pixel(Recorder *recorder, guint id, guint x, guint y) {
  mutex_lock(&recorder->mutex);
  Kept *kept = &recorder->scanouts[id];
  guint32 value = kept->pixels[y * kept->info.width + x] & 0xffffff;
  mutex_unlock(&recorder->mutex);
  return value;
}

static guint updates(Recorder *recorder, guint id) {
  mutex_lock(&recorder->mutex);
  guint count = recorder->scanouts[id].updates;
  mutex_unlock(&recorder->mutex);
  return count;
}

static void block(Recorder *recorder, gboolean blocked) {
  mutex_lock(&recorder->mutex);
  recorder->blocked = blocked;
  cond_signal(&recorder->changed);
  mutex_unlock(&recorder->mutex);
}

/* ---- a display on a fake QEMU ---- */

typedef struct {
  char *folder;
  char *path;
  FakeQemu *qemu; /* NULL after its end */
  Display *display;
  Recorder recorder;
  GDBusConnection *listener; /* of console 0 */
} Rig;

static void rig_init(Rig *rig, guint n_consoles) {
  g_autoptr(GError) error = NULL;
  *rig = (Rig){.folder = g_dir_make_tmp("framelift-qemu-XXXXXX", NULL)};
  rig->path = g_build_filename(rig->folder, "qmp.sock", NULL);
  mutex_init(&rig->recorder.mutex);
  cond_init(&rig->recorder.changed);
  if (n_consoles > 0) rig->qemu = fake_qemu_start(rig->path, n_consoles);
  rig->display = qemu_display_create(rig->path);
  g_assert_true(display_start(rig->display, &SINK, &rig->recorder, &error));
  g_assert_no_error(error);
  if (n_consoles > 0) rig->listener = fake_qemu_listener(rig->qemu, 0);
  if (n_consoles == 1) WAIT_FOR(&rig->recorder, r->state == DISPLAY_RUNNING);
}

static void rig_kill_qemu(Rig *rig) {
  if (rig->listener) g_dbus_connection_close_sync(rig->listener, NULL, NULL);
  g_clear_object(&rig->listener);
  g_clear_pointer(&rig->qemu, fake_qemu_kill);
}

static void rig_finish(Rig *rig) {
  display_stop(rig->display);
  display_destroy(rig->display);
  rig_kill_qemu(rig);
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) g_free(rig->recorder.scanouts[i].pixels);
  g_free(rig->recorder.text);
  mutex_finish(&rig->recorder.mutex);
  cond_finish(&rig->recorder.changed);
  g_rmdir(rig->folder);
  g_free(rig->folder);
  g_free(rig->path);
}

/* "ay" of rows of 32-bit pixels of one value, `padding` pixels wider than needed. */
static GVariant *filled(guint width, guint height, guint padding, guint32 value) {
  gsize count = (gsize)(width + padding) * height;
  guint32 *pixels = g_new(guint32, count);
  for (gsize i = 0; i < count; i++) pixels[i] = value;
  return g_variant_new_from_data(G_VARIANT_TYPE("ay"), pixels, count * 4, TRUE, g_free, pixels);
}

static GVariant *scanout(guint width, guint height, guint32 value) {
  return g_variant_new("(uuuu@ay)", width, height, (width + 3) * 4, PIXMAN_FORMAT_XRGB8888,
                       filled(width, height, 3, value));
}

static GVariant *update(int x, int y, guint width, guint height, guint32 value) {
  return g_variant_new("(iiiiuu@ay)", x, y, width, height, width * 4, PIXMAN_FORMAT_XRGB8888,
                       filled(width, height, 0, value));
}

static void call(Rig *rig, const char *method, GVariant *arguments) {
  g_autoptr(GError) error = NULL;
  fake_qemu_call(rig->listener, method, arguments, &error);
  g_assert_no_error(error);
}

static void call_badly(Rig *rig, const char *method, GVariant *arguments) {
  g_autoptr(GError) error = NULL;
  gint64 before = stats_get(stats_counter("qemu.bad-call"));
  g_assert_false(fake_qemu_call(rig->listener, method, arguments, &error));
  g_assert_true(g_dbus_error_is_remote_error(error)); /* an answer, not a broken connection */
  g_assert_cmpint(stats_get(stats_counter("qemu.bad-call")), ==, before + 1);
}

/* ---- tests ---- */

static void test_pictures(void) {
  Rig rig;
  rig_init(&rig, 1);
  g_assert_cmpstr(rig.recorder.scanouts[0].info.name, ==, "fake.0");
  call(&rig, "Scanout", scanout(64, 48, 0x112233));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 1);
  g_assert_cmpuint(rig.recorder.scanouts[0].n_rects, ==, 0);
  g_assert_cmphex(pixel(&rig.recorder, 0, 63, 47), ==, 0x112233);

  call(&rig, "Update", update(10, 20, 5, 6, 0xaabbcc));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 2);
  Rect *rect = &rig.recorder.scanouts[0].rects[0];
  g_assert_cmpuint(rig.recorder.scanouts[0].n_rects, ==, 1);
  g_assert_true(rect->x == 10 && rect->y == 20 && rect->width == 5 && rect->height == 6);
  g_assert_cmphex(pixel(&rig.recorder, 0, 10, 20), ==, 0xaabbcc);
  g_assert_cmphex(pixel(&rig.recorder, 0, 14, 25), ==, 0xaabbcc);
  g_assert_cmphex(pixel(&rig.recorder, 0, 15, 25), ==, 0x112233);
  g_assert_cmphex(pixel(&rig.recorder, 0, 9, 20), ==, 0x112233);

  call(&rig, "Update", update(-3, -2, 5, 6, 0x010203)); /* hangs over the corner */
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 3);
  g_assert_cmphex(pixel(&rig.recorder, 0, 1, 3), ==, 0x010203);
  g_assert_cmphex(pixel(&rig.recorder, 0, 2, 3), ==, 0x112233);
  call(&rig, "Update", update(64, 0, 5, 6, 0x010203)); /* all outside: nothing to see, nothing wrong */
  call(&rig, "Scanout", scanout(32, 32, 0x445566));    /* mode change */
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 4);
  g_assert_cmpuint(rig.recorder.scanouts[0].info.width, ==, 32);

  call(&rig, "Disable", NULL);
  WAIT_FOR(&rig.recorder, !r->scanouts[0].info.lit);
  call_badly(&rig, "Update", update(0, 0, 1, 1, 0));
  call(&rig, "Scanout", scanout(32, 32, 0x778899));
  WAIT_FOR(&rig.recorder, r->scanouts[0].info.lit && r->scanouts[0].updates == 5);
  rig_finish(&rig);
}

static void test_lies(void) {
  Rig rig;
  rig_init(&rig, 1);
  call_badly(&rig, "Update", update(0, 0, 1, 1, 0));
  guint32 x = PIXMAN_FORMAT_XRGB8888;
  const struct {
    guint32 width, height, stride, format;
  } scanouts[] = {{0, 4, 16, x},          {4, 0, 16, x},   {4, 4, 15, x},         {4, 5, 16, x},
                  {8193, 1, 32772, x},    {1, 4321, 4, x}, {4, 4, G_MAXUINT, x},  {G_MAXUINT, G_MAXUINT, 4, x},
                  {4, 4, 16, 0x01020888}, {4, 4, 16, 0},   {4, 4, 16, G_MAXUINT}, {G_MAXUINT, 1, G_MAXUINT, x}};
  for (gsize i = 0; i < G_N_ELEMENTS(scanouts); i++) {
    call_badly(&rig, "Scanout",
               g_variant_new("(uuuu@ay)", scanouts[i].width, scanouts[i].height, scanouts[i].stride, scanouts[i].format,
                             filled(4, 4, 0, 0)));
  }
  call(&rig, "Scanout", scanout(16, 16, 0x123456));
  const struct {
    gint32 x, y, width, height;
    guint32 stride;
  } lies[] = {{0, 0, -1, 4, 16},
              {0, 0, 4, G_MININT32, 16},
              {0, 0, 4, 5, 16},
              {0, 0, 4, 4, 12},
              {0, 0, G_MAXINT32, G_MAXINT32, G_MAXUINT},
              {0, 0, 4, 4, G_MAXUINT}};
  for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
    call_badly(&rig, "Update",
               g_variant_new("(iiiiuu@ay)", lies[i].x, lies[i].y, lies[i].width, lies[i].height, lies[i].stride, x,
                             filled(4, 4, 0, 0)));
  }
  call(&rig, "Update", g_variant_new("(iiiiuu@ay)", G_MAXINT32, G_MININT32, 4, 4, 16, x, filled(4, 4, 0, 0)));
  call_badly(&rig, "Scanout", g_variant_new("(uu)", 1, 1));
  call_badly(&rig, "Disable", g_variant_new("(u)", 1));
  call_badly(&rig, "Dance", NULL);
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates >= 1);
  g_assert_cmphex(pixel(&rig.recorder, 0, 15, 15), ==, 0x123456);
  g_assert_cmpint(rig.recorder.state, ==, DISPLAY_RUNNING);
  rig_finish(&rig);
}

static void test_formats(void) {
  static const struct {
    guint32 code;
    guint bytes;
    guint8 pixel[4]; /* as it lies in memory */
    guint32 rgb;
  } formats[] = {
      {0x20020888, 4, {0x33, 0x22, 0x11, 0x00}, 0x112233}, /* x8r8g8b8 */
      {0x20028888, 4, {0x33, 0x22, 0x11, 0x7f}, 0x112233}, /* a8r8g8b8 */
      {0x20030888, 4, {0x11, 0x22, 0x33, 0x00}, 0x112233}, /* x8b8g8r8 */
      {0x20080888, 4, {0x00, 0x11, 0x22, 0x33}, 0x112233}, /* b8g8r8x8 */
      {0x20090888, 4, {0x00, 0x33, 0x22, 0x11}, 0x112233}, /* r8g8b8x8 */
      {0x18020888, 3, {0x33, 0x22, 0x11}, 0x112233},       /* r8g8b8 */
      {0x18030888, 3, {0x11, 0x22, 0x33}, 0x112233},       /* b8g8r8 */
      {0x10020565, 2, {0x1f, 0xf8}, 0xff00ff},             /* r5g6b5 */
      {0x10020565, 2, {0xe0, 0x07}, 0x00ff00},
      {0x10020555, 2, {0x10, 0x42}, 0x848484},             /* x1r5g5b5 */
      {0x2002aaaa, 0, {0}, 0},                             /* ten bits of everything do not fit */
      {0x20020aaa, 4, {0xff, 0x03, 0x00, 0x00}, 0x0000ff}, /* x2r10g10b10 */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
    PixmanFormat format;
    guint8 out[12] = {0};
    guint8 in[9] = {0};
    gboolean known = pixman_format_parse(formats[i].code, &format);
    g_assert_cmpint(known, ==, formats[i].bytes != 0);
    if (!known) continue;
    g_assert_cmpuint(format.bytes_per_pixel, ==, formats[i].bytes);
    memcpy(in + formats[i].bytes, formats[i].pixel, formats[i].bytes); /* the second of two pixels */
    pixman_format_convert_row(&format, in, out, 2);
    g_assert_cmphex(out[4] | (guint32)out[5] << 8 | (guint32)out[6] << 16, ==, formats[i].rgb);
    g_assert_cmphex(out[7], ==, 0xff);
    g_assert_cmphex(out[8], ==, 0);
  }
}

/* A picture of 16 bits a pixel, then an update of 32 into it. */
static void test_converted(void) {
  Rig rig;
  rig_init(&rig, 1);
  guint16 pixels[4 * 3];
  for (gsize i = 0; i < G_N_ELEMENTS(pixels); i++) pixels[i] = 0xf800;
  GVariant *bytes = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, pixels, sizeof pixels, 1);
  call(&rig, "Scanout", g_variant_new("(uuuu@ay)", 4, 3, 8, 0x10020565u, bytes));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 1);
  g_assert_cmphex(pixel(&rig.recorder, 0, 3, 2), ==, 0xff0000);
  call(&rig, "Update", update(1, 1, 1, 1, 0x00ff00));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 2);
  g_assert_cmphex(pixel(&rig.recorder, 0, 1, 1), ==, 0x00ff00);
  g_assert_cmphex(pixel(&rig.recorder, 0, 2, 1), ==, 0xff0000);
  rig_finish(&rig);
}

/* F07, on the display's side: while the sink is busy, QEMU is answered and what is outdated is dropped. */
static void test_backlog(void) {
  Rig rig;
  rig_init(&rig, 1);
  call(&rig, "Scanout", scanout(64, 64, 1));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 1);
  block(&rig.recorder, TRUE);
  gint64 superseded = stats_get(stats_counter("qemu.superseded"));
  for (guint i = 0; i < 100; i++) call(&rig, "Scanout", scanout(64, 64, i));
  for (guint i = 0; i < 1000; i++) call(&rig, "Update", update(8, 8, 8, 8, i));
  g_assert_cmpint(stats_get(stats_counter("qemu.superseded")), >=, superseded + 98 + 999);
  block(&rig.recorder, FALSE);
  call(&rig, "Update", update(0, 0, 1, 1, 0xffffff));
  WAIT_FOR(&rig.recorder, r->scanouts[0].pixels[0] == 0xffffff);
  g_assert_cmphex(pixel(&rig.recorder, 0, 8, 8), ==, 999);
  g_assert_cmphex(pixel(&rig.recorder, 0, 20, 20), ==, 99);
  g_assert_cmpuint(updates(&rig.recorder, 0), <=, 4);
  rig_finish(&rig);
}

static void *release_later(void *data) {
  g_usleep(300 * 1000);
  block(data, FALSE);
  return NULL;
}

/* However long it takes until somebody waits for room; the test says so if nobody ever does. */
static void *release_when_full(void *data) {
  gint64 deadline = g_get_monotonic_time() + WAIT_US;
  while (stats_get(stats_counter("qemu.waits")) == 0 && g_get_monotonic_time() < deadline) g_usleep(1000);
  block(data, FALSE);
  return NULL;
}

/* Updates that do not cover each other cannot be dropped: QEMU's side waits, and none is lost. */
static void test_full_mailbox(void) {
  Rig rig;
  pthread_t thread;
  rig_init(&rig, 1);
  call(&rig, "Scanout", scanout(64, 64, 1));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 1);
  block(&rig.recorder, TRUE);
  stats_set(stats_counter("qemu.waits"), 0);
  g_assert_cmpint(pthread_create(&thread, NULL, release_when_full, &rig.recorder), ==, 0);
  for (int i = 0; i < 64 * 64; i++) fake_qemu_send(rig.listener, "Update", update(i % 64, i / 64, 1, 1, 0x10000 + i));
  pthread_join(thread, NULL);
  WAIT_FOR(&rig.recorder, (r->scanouts[0].pixels[64 * 64 - 1] & 0xffffff) == 0x10000 + 64 * 64 - 1);
  for (guint i = 0; i < 64 * 64; i++) g_assert_cmphex(pixel(&rig.recorder, 0, i % 64, i / 64), ==, 0x10000 + i);
  g_assert_cmpint(stats_get(stats_counter("qemu.waits")), >, 0);
  rig_finish(&rig);
}

/* Stopping while QEMU's side waits for room. */
static void test_stop_when_full(void) {
  Rig rig;
  pthread_t thread;
  rig_init(&rig, 1);
  call(&rig, "Scanout", scanout(64, 64, 1));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 1);
  block(&rig.recorder, TRUE);
  for (int i = 0; i < 200; i++) fake_qemu_send(rig.listener, "Update", update(i % 64, i / 64, 1, 1, 2));
  g_assert_cmpint(pthread_create(&thread, NULL, release_later, &rig.recorder), ==, 0);
  rig_finish(&rig);
  pthread_join(thread, NULL);
}

/* A mode change of which no whole picture comes (VGA text): it is asked for by a new listener. */
static void test_resize_without_picture(void) {
  Rig rig;
  rig_init(&rig, 1);
  call(&rig, "Scanout", scanout(64, 48, 1));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 1);
  fake_qemu_resize(rig.qemu, 0, 72, 40);
  GDBusConnection *again = fake_qemu_listener(rig.qemu, 0);
  g_object_unref(rig.listener);
  rig.listener = again;
  call(&rig, "Scanout", scanout(72, 40, 7));
  WAIT_FOR(&rig.recorder, r->scanouts[0].info.width == 72 && r->scanouts[0].updates == 2);
  g_assert_cmphex(pixel(&rig.recorder, 0, 71, 39), ==, 7);
  fake_qemu_resize(rig.qemu, 0, 72, 40); /* as it is: nothing is asked for */
  call(&rig, "Update", update(0, 0, 1, 1, 9));
  WAIT_FOR(&rig.recorder, r->scanouts[0].updates == 3);
  g_assert_cmpint(rig.recorder.state, ==, DISPLAY_RUNNING);
  rig_finish(&rig);
}

static void test_qemu_leaves_and_returns(void) {
  Rig rig;
  rig_init(&rig, 0);
  WAIT_FOR(&rig.recorder, r->text && r->state == DISPLAY_STARTING);
  g_assert_nonnull(strstr(rig.recorder.text, rig.path));
  for (guint round = 0; round < 3; round++) {
    rig.qemu = fake_qemu_start(rig.path, 1);
    rig.listener = fake_qemu_listener(rig.qemu, 0);
    WAIT_FOR(&rig.recorder, r->state == DISPLAY_RUNNING);
    call(&rig, "Scanout", scanout(16, 16, round));
    WAIT_FOR(&rig.recorder, r->scanouts[0].info.lit && r->scanouts[0].info.connected);
    rig_kill_qemu(&rig);
    WAIT_FOR(&rig.recorder, r->state == DISPLAY_LOST && !r->scanouts[0].info.lit && !r->scanouts[0].info.connected);
  }
  rig_finish(&rig);
}

static void test_displaced(void) {
  Rig rig;
  rig_init(&rig, 1);
  g_dbus_connection_close_sync(rig.listener, NULL, NULL);
  WAIT_FOR(&rig.recorder, r->state == DISPLAY_LOST);
  g_assert_nonnull(strstr(rig.recorder.text, "another program"));
  rig_finish(&rig);
}

static void test_notes(void) {
  Rig rig;
  rig_init(&rig, 1);
  fake_qemu_say(rig.qemu, "{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1}}");
  WAIT_FOR(&rig.recorder, strstr(r->text, "the VM is paused"));
  fake_qemu_say(rig.qemu, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}");
  WAIT_FOR(&rig.recorder, strstr(r->text, "the VM was reset"));
  call(&rig, "UpdateDMABUF", g_variant_new("(iiii)", 0, 0, 1, 1));
  WAIT_FOR(&rig.recorder, strstr(r->text, "gl=off"));
  call(&rig, "MouseSet", g_variant_new("(iii)", 1, 2, 3));
  rig_finish(&rig);
}

static void test_too_many_consoles(void) {
  Rig rig;
  rig_init(&rig, FAKE_QEMU_MAX_CONSOLES);
  GDBusConnection *listeners[DISPLAY_MAX_SCANOUTS] = {NULL};
  for (guint i = 1; i < DISPLAY_MAX_SCANOUTS; i++) listeners[i] = fake_qemu_listener(rig.qemu, i);
  WAIT_FOR(&rig.recorder, r->state == DISPLAY_RUNNING);
  g_assert_cmpuint(rig.recorder.highest_id, ==, DISPLAY_MAX_SCANOUTS - 1);
  g_assert_cmpstr(rig.recorder.scanouts[DISPLAY_MAX_SCANOUTS - 1].info.name, ==, "fake.15");
  for (guint i = 1; i < DISPLAY_MAX_SCANOUTS; i++) g_object_unref(listeners[i]);
  rig_finish(&rig);
}

static void test_bad_paths(void) {
  Recorder recorder = {0};
  g_autofree char *endless = g_strnfill(200, 'x');
  const char *paths[] = {"", endless};
  for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
    g_autoptr(GError) error = NULL;
    Display *display = qemu_display_create(paths[i]);
    g_assert_false(display_start(display, &SINK, &recorder, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    display_destroy(display);
  }
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/qemu-display/pictures", test_pictures);
  g_test_add_func("/qemu-display/lies", test_lies);
  g_test_add_func("/qemu-display/formats", test_formats);
  g_test_add_func("/qemu-display/converted", test_converted);
  g_test_add_func("/qemu-display/backlog", test_backlog);
  g_test_add_func("/qemu-display/full-mailbox", test_full_mailbox);
  g_test_add_func("/qemu-display/stop-when-full", test_stop_when_full);
  g_test_add_func("/qemu-display/resize-without-picture", test_resize_without_picture);
  g_test_add_func("/qemu-display/leaves-and-returns", test_qemu_leaves_and_returns);
  g_test_add_func("/qemu-display/displaced", test_displaced);
  g_test_add_func("/qemu-display/notes", test_notes);
  g_test_add_func("/qemu-display/too-many-consoles", test_too_many_consoles);
  g_test_add_func("/qemu-display/bad-paths", test_bad_paths);
  return g_test_run();
}
