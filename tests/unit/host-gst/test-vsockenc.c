/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vsockenc, upload=auto, with frameliftd itself: what comes out is the element's own picture, and what crosses the link
 * is what it has to be. */
#include "guest/gst/vsock-enc.h"

#include "cli/decoder.h"
#include "host/display/test/test-scene.h"
#include "tests/unit/support/support.h"

#include <gio/gunixsocketaddress.h>
#include <gst/check/gstharness.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Generous: sanitized builds on a busy machine. */
#define LIMIT_US (20 * (gint64)G_USEC_PER_SEC)
#define WIDTH 640u
#define HEIGHT 360u
#define SIZE ((gsize)WIDTH * HEIGHT * 4)
#define DISPLAY ":640x360@30,scene=idle,scanouts=2"

typedef struct {
  char *folder;
  char *path;
  GSubprocess *daemon;
  GstElement *element;
  GstHarness *harness;
  GstBus *bus;
  Decoder *decoder;
  DecodedPicture decoded;
  guint8 *pixels; /* the next frame, BGRx */
  guint pushed;
} Rig;

/* A test that aborts leaves no daemon behind. */
static void die_with_parent(gpointer data) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* The file is there before anybody listens on it. */
static gboolean is_listening(const char *path) {
  g_autoptr(GSocketClient) client = g_socket_client_new();
  g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
  g_autoptr(GSocketConnection) connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, NULL);
  return connection != NULL;
}

static void start_daemon(Rig *rig) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocessLauncher) launcher =
      g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
  g_autofree char *listen = g_strdup_printf("unix:%s", rig->path);
  g_autofree char *token = g_build_filename(rig->folder, "token", NULL);
  const char *build = g_getenv("FRAMELIFT_BUILD_DIR");
  g_autofree char *program = g_build_filename(build ? build : ".", "host", "frameliftd", NULL);
  rig->daemon = g_subprocess_launcher_spawn(launcher, &error, program, "--display", "test" DISPLAY, "--listen", listen,
                                            "--token-file", token, NULL);
  g_assert_no_error(error);
  gint64 end = g_get_monotonic_time() + LIMIT_US;
  while (!is_listening(rig->path)) {
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_usleep(1000);
  }
}

static void kill_daemon(Rig *rig) {
  g_subprocess_force_exit(rig->daemon);
  g_subprocess_wait(rig->daemon, NULL, NULL);
  g_clear_object(&rig->daemon);
  unlink(rig->path);
}

/* What the display shows on that scanout, pixel by pixel. */
static void copy_scanout(Rig *rig, guint scanout) {
  g_autoptr(GError) error = NULL;
  TestSettings settings;
  Rect rects[TEST_SCENE_MAX_RECTS];
  g_assert_true(test_settings_parse(DISPLAY, &settings, &error));
  TestScene *scene = test_scene_create(&settings, scanout);
  test_scene_paint(scene, 0, rects, G_N_ELEMENTS(rects));
  Frame frame = test_scene_frame(scene);
  for (guint y = 0; y < HEIGHT; y++)
    memcpy(rig->pixels + (gsize)y * WIDTH * 4, frame.data + y * frame.stride, WIDTH * 4);
  test_scene_destroy(scene);
}

static void start(Rig *rig) {
  rig->harness = gst_harness_new_with_element(rig->element, "sink", "src");
  g_autofree char *caps =
      g_strdup_printf("video/x-raw, format=BGRx, width=%u, height=%u, framerate=60/1", WIDTH, HEIGHT);
  gst_harness_set_src_caps_str(rig->harness, caps);
}

static void set_up(Rig *rig, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  rig->folder = support_make_folder();
  rig->path = g_build_filename(rig->folder, "s", NULL);
  rig->pixels = g_malloc0(SIZE);
  rig->decoder = decoder_create(&error);
  g_assert_no_error(error);
  start_daemon(rig);
  rig->bus = gst_bus_new();
  rig->element = gst_object_ref_sink(g_object_new(VSOCK_ENC_TYPE, "socket-path", rig->path, "timeout", 10000, NULL));
  gst_element_set_bus(rig->element, rig->bus);
}

static void tear_down(Rig *rig, gconstpointer data) {
  gst_harness_teardown(rig->harness);
  gst_element_set_bus(rig->element, NULL);
  gst_object_unref(rig->bus);
  gst_object_unref(rig->element);
  kill_daemon(rig);
  decoder_destroy(rig->decoder);
  g_free(rig->pixels);
  g_free(rig->path);
  support_remove_folder(rig->folder);
}

static guint64 stat_of(Rig *rig, const char *name) {
  g_autoptr(GstStructure) stats = NULL;
  guint64 value = 0;
  g_object_get(rig->element, "stats", &stats, NULL);
  g_assert_true(gst_structure_get_uint64(stats, name, &value));
  return value;
}

static void push_buffer(Rig *rig, GstBuffer *buffer) {
  GST_BUFFER_PTS(buffer) = rig->pushed++ * (GST_SECOND / 60);
  if (gst_harness_push(rig->harness, buffer) == GST_FLOW_OK) return;
  g_autoptr(GstMessage) message = gst_bus_timed_pop_filtered(rig->bus, GST_SECOND, GST_MESSAGE_ERROR);
  g_autoptr(GError) error = NULL;
  if (message) gst_message_parse_error(message, &error, NULL);
  g_error("a frame was not taken: %s", error ? error->message : "no error on the bus");
}

static void push(Rig *rig) {
  GstBuffer *buffer = gst_buffer_new_memdup(rig->pixels, SIZE);
  push_buffer(rig, buffer);
}

/* Decodes the next access unit out, which must be that frame's; returns its size. */
static gsize pull(Rig *rig, guint number) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GstBuffer) buffer = gst_harness_pull(rig->harness);
  g_assert_nonnull(buffer);
  g_assert_cmpuint((guint)((GST_BUFFER_PTS(buffer) + GST_SECOND / 120) / (GST_SECOND / 60)), ==, number);
  GstMapInfo map;
  gboolean got;
  gst_buffer_map(buffer, &map, GST_MAP_READ);
  g_assert_true(decoder_decode(rig->decoder, map.data, map.size, &rig->decoded, &got, &error));
  g_assert_true(got);
  gsize size = map.size;
  gst_buffer_unmap(buffer, &map);
  return size;
}

/* BT.709, limited range. */
static gint luma_of(const guint8 *pixel) {
  return 16 + (pixel[2] * 2126 + pixel[1] * 7152 + pixel[0] * 722) * 219 / 2550000;
}

/* How far what came out last is from the rig's picture: the mean of luma, in hundredths. */
static guint distance(const Rig *rig) {
  guint64 sum = 0;
  g_assert_cmpuint(rig->decoded.width, ==, WIDTH);
  g_assert_cmpuint(rig->decoded.height, ==, HEIGHT);
  for (gsize i = 0; i < (gsize)WIDTH * HEIGHT; i++) {
    gint luma = rig->decoded.planes[0][i / WIDTH * rig->decoded.strides[0] + i % WIDTH];
    sum += (guint)ABS(luma - luma_of(rig->pixels + i * 4));
  }
  return (guint)(sum * 100 / ((guint64)WIDTH * HEIGHT));
}

/* Pushes until the daemon's display, which paints its first picture while we are there already, shows ours. */
static void push_until_shown(Rig *rig) {
  gint64 end = g_get_monotonic_time() + LIMIT_US;
  do {
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    push(rig);
    pull(rig, rig->pushed - 1);
    g_usleep(10000);
  } while (stat_of(rig, "fingerprints") == stat_of(rig, "pixels-wanted"));
}

/* The scanout shows the frames: no pixel crosses the link, every frame is answered, and a still one costs next to
 * nothing. */
static void test_shown(Rig *rig, gconstpointer data) {
  guint scanout = (guint)GPOINTER_TO_INT(data);
  g_object_set(rig->element, "scanout", scanout, NULL);
  copy_scanout(rig, scanout);
  start(rig);
  push_until_shown(rig);
  guint64 bytes = stat_of(rig, "pixel-bytes");
  for (guint i = 0; i < 60; i++) {
    push(rig);
    gsize size = pull(rig, rig->pushed - 1);
    if (i >= 30) g_assert_cmpuint(size, <=, 64);
  }
  g_assert_cmpuint(distance(rig), <, 200);
  g_assert_cmpuint(stat_of(rig, "pixel-bytes"), ==, bytes);
  g_assert_cmpuint(stat_of(rig, "answers"), ==, rig->pushed);
}

/* F27: the same size, and another picture than the scanout's: the other screen's. Its own comes out. */
static void test_not_shown(Rig *rig, gconstpointer data) {
  copy_scanout(rig, 1);
  start(rig);
  for (guint i = 0; i < 30; i++) {
    push(rig);
    gsize size = pull(rig, i);
    g_assert_cmpuint(distance(rig), <, 400);
    if (i >= 25) g_assert_cmpuint(size, <=, 64);
  }
  g_assert_cmpuint(distance(rig), <, 200);
  g_assert_cmpuint(stat_of(rig, "fingerprints"), >=, 1);
  g_assert_cmpuint(stat_of(rig, "pixel-bytes"), ==, SIZE); /* once; it was still */
  g_assert_cmpuint(stat_of(rig, "tiles-sent"), ==, 10 * 6);
  g_assert_cmpuint(stat_of(rig, "errors"), ==, 0);
}

static void paint_square(Rig *rig, guint x, guint y, guint8 grey) {
  for (guint row = y; row < y + 32; row++) memset(rig->pixels + ((gsize)row * WIDTH + x) * 4, grey, 32 * 4);
}

/* F18: a square that moves over a still picture: some tiles a frame, and the host has them right. */
static void test_moving(Rig *rig, gconstpointer data) {
  copy_scanout(rig, 1);
  start(rig);
  for (guint i = 0; i < 60; i++) {
    if (i > 0) paint_square(rig, 8 * (i - 1), 3 * (i - 1), 40);
    paint_square(rig, 8 * i, 3 * i, 220);
    push(rig);
    if (i >= 3) {
      pull(rig, i - 3); /* with several on their way */
    }
  }
  for (guint i = 57; i < 60; i++) pull(rig, i);
  for (guint i = 0; i < 20; i++) { /* until it is fine */
    push(rig);
    pull(rig, 60 + i);
  }
  g_assert_cmpuint(distance(rig), <, 200);
  /* two squares of 32 × 32 side by side are in four tiles at the most, two by two */
  g_assert_cmpuint(stat_of(rig, "pixel-bytes"), <=, SIZE + 59 * 6 * 64 * 64 * 4);
  g_assert_cmpuint(stat_of(rig, "errors") + stat_of(rig, "lost") + stat_of(rig, "strays"), ==, 0);
}

/* F27, the other way about: the scanout's picture, then another program's on the same pipeline, then the scanout's
 * again. In order, with four on their way, and each its own. */
static void test_turns(Rig *rig, gconstpointer data) {
  copy_scanout(rig, 0);
  g_autofree guint8 *shown = g_memdup2(rig->pixels, SIZE);
  start(rig);
  push_until_shown(rig);
  guint first = rig->pushed;
  for (guint i = 0; i < 40; i++) {
    if (i % 20 < 10)
      memcpy(rig->pixels, shown, SIZE);
    else
      memset(rig->pixels, 100 + (gint)i, SIZE);
    push(rig);
  }
  for (guint i = 0; i < 40; i++) {
    pull(rig, first + i);
    if (i % 20 < 10)
      memcpy(rig->pixels, shown, SIZE);
    else
      memset(rig->pixels, 100 + (gint)i, SIZE);
    g_assert_cmpuint(distance(rig), <, 500);
  }
  g_assert_cmpuint(stat_of(rig, "pixels-wanted"), >, 0);
  g_assert_cmpuint(stat_of(rig, "errors") + stat_of(rig, "lost") + stat_of(rig, "strays"), ==, 0);
}

/* Killed under way, the host is back without a picture of ours, and gets it. */
static void test_restart(Rig *rig, gconstpointer data) {
  copy_scanout(rig, 1);
  start(rig);
  guint pulled = 0;
  for (guint round = 0; round < 3; round++) {
    for (guint i = 0; i < 20; i++) {
      paint_square(rig, 20 * i, 10 * round, (guint8)(100 + round * 50));
      push(rig);
      if (gst_harness_buffers_in_queue(rig->harness) > 0) pull(rig, pulled++);
    }
    kill_daemon(rig);
    start_daemon(rig);
  }
  for (guint i = 0; i < 20; i++) push(rig);
  while (pulled < rig->pushed) pull(rig, pulled++);
  g_assert_cmpuint(distance(rig), <, 200);
  g_assert_cmpuint(stat_of(rig, "connects"), >=, 3);
  g_assert_cmpuint(stat_of(rig, "errors") + stat_of(rig, "lost"), ==, 0);
}

/* NV12 goes as tiles at once. */
static void test_nv12(Rig *rig, gconstpointer data) {
  rig->harness = gst_harness_new_with_element(rig->element, "sink", "src");
  gst_harness_set_src_caps_str(rig->harness, "video/x-raw, format=NV12, width=640, height=360, framerate=60/1");
  for (guint i = 0; i < 10; i++) {
    GstBuffer *buffer = gst_buffer_new_allocate(NULL, SIZE * 3 / 8, NULL);
    gst_buffer_memset(buffer, 0, 120, SIZE / 4);
    gst_buffer_memset(buffer, 0, (guint8)(120 + i * 8), 64 * 640);
    gst_buffer_memset(buffer, SIZE / 4, 128, SIZE / 8);
    push_buffer(rig, buffer);
    pull(rig, i);
    g_assert_cmpint(ABS(rig->decoded.planes[0][20 * rig->decoded.strides[0] + 300] - (gint)(120 + i * 8)), <=, 4);
    g_assert_cmpint(ABS(rig->decoded.planes[0][300 * rig->decoded.strides[0] + 300] - 120), <=, 4);
  }
  g_assert_cmpuint(stat_of(rig, "fingerprints"), ==, 0);
  g_assert_cmpuint(stat_of(rig, "pixel-bytes"), ==, SIZE * 3 / 8 + 9 * (64 * 640 * 3 / 2));
}

static void test_nothing(void) {
  g_assert_true(support_cannot_start_programs());
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  if (support_is_emulated()) {
    g_test_add_func("/vsockenc-daemon", test_nothing);
    return g_test_run();
  }
#define ADD(name, run, data) g_test_add("/vsockenc-daemon/" name, Rig, GINT_TO_POINTER(data), set_up, run, tear_down)
  ADD("shown", test_shown, 0);
  ADD("shown-on-another-scanout", test_shown, 1);
  ADD("not-shown-F27", test_not_shown, 0);
  ADD("moving-F18", test_moving, 0);
  ADD("turns-F27", test_turns, 0);
  ADD("restart", test_restart, 0);
  ADD("nv12", test_nv12, 0);
  int status = g_test_run();
  gst_deinit();
  return status;
}
