/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both elements with frameliftd itself, where this build has one. */
#include "common/net/connector.h"
#include "guest/gst/framelift-src.h"
#include "guest/gst/vsock-enc.h"

#include "tests/unit/support/support.h"

#include <gio/gio.h>
#include <gst/check/gstharness.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Generous: sanitized builds on a busy machine. */
#define LIMIT_US (20 * (gint64)G_USEC_PER_SEC)

typedef struct {
  char *folder;
  char *path;
  char *program;
  GSubprocess *daemon;
} Rig;

static gboolean rig_init(Rig *rig) {
  const char *build = g_getenv("FRAMELIFT_BUILD_DIR");
  if (support_cannot_start_programs()) return FALSE;
  *rig = (Rig){.program = g_build_filename(build ? build : ".", "host", "frameliftd", NULL)};
  if (!g_file_test(rig->program, G_FILE_TEST_IS_EXECUTABLE)) {
    g_test_skip("this build has no frameliftd");
    g_free(rig->program);
    return FALSE;
  }
  rig->folder = support_make_folder();
  rig->path = g_build_filename(rig->folder, "s", NULL);
  return TRUE;
}

/* A test that aborts leaves no daemon behind. */
static void die_with_parent(gpointer data) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void start_daemon(Rig *rig) {
  g_autoptr(GError) error = NULL;
  g_autoptr(GSubprocessLauncher) launcher =
      g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_subprocess_launcher_set_child_setup(launcher, die_with_parent, NULL, NULL);
  g_autofree char *listen = g_strdup_printf("unix:%s", rig->path);
  rig->daemon = g_subprocess_launcher_spawn(launcher, &error, rig->program, "--display", "test:640x480@60,scene=cube",
                                            "--listen", listen, NULL);
  g_assert_no_error(error);
  gint64 end = g_get_monotonic_time() + LIMIT_US;
  Address address;
  int fd;
  g_assert_true(address_parse(listen, &address, NULL));
  while ((fd = connector_connect(&address, 1000, NULL)) < 0) { /* the file is there before somebody listens on it */
    g_assert_cmpint(g_get_monotonic_time(), <, end);
    g_usleep(1000);
  }
  close(fd);
}

static void kill_daemon(Rig *rig) {
  g_subprocess_force_exit(rig->daemon);
  g_subprocess_wait(rig->daemon, NULL, NULL);
  g_clear_object(&rig->daemon);
  unlink(rig->path);
}

static void rig_finish(Rig *rig) {
  kill_daemon(rig);
  g_free(rig->program);
  g_free(rig->path);
  support_remove_folder(rig->folder);
}

static GstElement *make(Rig *rig, GType type) {
  return gst_object_ref_sink(g_object_new(type, "socket-path", rig->path, "timeout", 10000, NULL));
}

static gboolean pull_key(GstHarness *harness) {
  GstBuffer *buffer = gst_harness_pull(harness);
  g_assert_nonnull(buffer);
  gboolean key = !GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_DELTA_UNIT);
  gst_buffer_unref(buffer);
  return key;
}

static void assert_size(GstHarness *harness) {
  g_autoptr(GstCaps) caps = gst_pad_get_current_caps(harness->sinkpad);
  g_autoptr(GstCaps) expected = gst_caps_from_string(
      "video/x-h264, stream-format=byte-stream, alignment=au, width=640, height=480, profile=constrained-baseline");
  g_assert_true(gst_caps_can_intersect(caps, expected));
}

/* Killed under load, the host is back with an IDR; nobody here has to do anything. */
static void test_source(void) {
  Rig rig;
  if (!rig_init(&rig)) return;
  start_daemon(&rig);
  GstElement *element = make(&rig, FRAMELIFT_SRC_TYPE);
  GstHarness *harness = gst_harness_new_with_element(element, NULL, "src");
  gst_harness_use_systemclock(harness);
  gst_harness_play(harness);
  for (guint round = 0; round < 4; round++) {
    guint waited = 0;
    while (!pull_key(harness)) g_assert_cmpuint(++waited, <, 1000);
    for (guint i = 0; i < 60; i++) pull_key(harness);
    assert_size(harness);
    kill_daemon(&rig);
    start_daemon(&rig);
  }
  gst_harness_teardown(harness);
  gst_object_unref(element);
  rig_finish(&rig);
}

static void test_encoder(void) {
  Rig rig;
  if (!rig_init(&rig)) return;
  start_daemon(&rig);
  GstElement *element = make(&rig, VSOCK_ENC_TYPE);
  g_object_set(element, "upload", VSOCK_ENC_UPLOAD_NEVER, NULL); /* the scanout's picture, whatever comes in */
  GstHarness *harness = gst_harness_new_with_element(element, "sink", "src");
  gst_harness_set_src_caps_str(harness, "video/x-raw, format=BGRx, width=64, height=48, framerate=60/1");
  guint pushed = 0;
  for (guint round = 0; round < 4; round++) {
    for (guint i = 0; i < 30; i++) {
      GstBuffer *buffer = gst_buffer_new_allocate(NULL, 64 * 48 * 4, NULL);
      gst_buffer_memset(buffer, 0, 0, 64 * 48 * 4);
      GST_BUFFER_PTS(buffer) = pushed++ * (GST_SECOND / 60);
      g_assert_cmpint(gst_harness_push(harness, buffer), ==, GST_FLOW_OK);
      g_usleep(5000);
    }
    kill_daemon(&rig);
    start_daemon(&rig);
  }
  g_assert_true(gst_harness_push_event(harness, gst_event_new_eos()));
  guint pulled = gst_harness_buffers_in_queue(harness), keys = 0;
  for (guint i = 0; i < pulled; i++) keys += pull_key(harness);
  /* what a host was asked in the moment before its first picture is the only thing that may be missing */
  g_test_message("%u frames in, %u out, %u of them IDRs", pushed, pulled, keys);
  g_assert_cmpuint(pulled, >, pushed * 3 / 4);
  g_assert_cmpuint(keys, >=, 4);
  assert_size(harness);
  gst_harness_teardown(harness);
  gst_object_unref(element);
  rig_finish(&rig);
}

int main(int argc, char **argv) {
  gst_init(&argc, &argv);
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/daemon/source", test_source);
  g_test_add_func("/daemon/encoder", test_encoder);
  int status = g_test_run();
  gst_deinit(); /* where GST_TRACERS=leaks looks */
  return status;
}
