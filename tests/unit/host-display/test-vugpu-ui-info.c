/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/ui-info.h"

#include "common/base/stats.h"
#include "tests/unit/host-display/fake-qemu.h"

#include <glib/gstdio.h>
#include <unistd.h>

#define WAIT_US (10 * G_USEC_PER_SEC)
/* The fake QEMU's consoles begin with this id. */
#define FIRST 3u

static char *socket_path;

/* Runs the loop until the condition holds. */
#define WAIT(condition)                                                                                                \
  do {                                                                                                                 \
    gint64 end = g_get_monotonic_time() + WAIT_US;                                                                     \
    while (!(condition)) {                                                                                             \
      if (g_get_monotonic_time() > end) g_error("%s: never", #condition);                                              \
      if (!g_main_context_iteration(NULL, FALSE)) g_usleep(500);                                                       \
    }                                                                                                                  \
  } while (0)

/* Changes that nobody could be told of. */
static gint64 count_lost(void) {
  return stats_get(stats_counter("vugpu.output-hints-lost"));
}

static void run_for_ms(guint ms) {
  gint64 end = g_get_monotonic_time() + (gint64)ms * 1000;
  while (g_get_monotonic_time() < end) {
    if (!g_main_context_iteration(NULL, FALSE)) g_usleep(500);
  }
}

static void assert_told(FakeQemu *qemu, guint console, guint width, guint height, guint more_mm) {
  FakeQemuUiInfo info;
  WAIT(fake_qemu_ui_info(qemu, console, &info));
  g_assert_cmpuint(info.width, ==, width);
  g_assert_cmpuint(info.height, ==, height);
  g_assert_cmpuint(info.width_mm, ==, width / 4 + more_mm);
}

static void test_sizes(void) {
  FakeQemu *qemu = fake_qemu_start(socket_path, 3);
  gint64 lost = count_lost();
  UiInfo *ui_info = ui_info_create(socket_path);
  ui_info_set(ui_info, FIRST, 800, 600);
  ui_info_set(ui_info, FIRST + 2, 0, 0);
  ui_info_set(ui_info, FIRST, 1280, 720); /* the newest wins, and is the only one that is said */
  assert_told(qemu, 0, 1280, 720, 1);
  assert_told(qemu, 2, 0, 0, 1);
  run_for_ms(50);
  FakeQemuUiInfo info;
  for (guint i = 0; i < 3; i++) g_assert_false(fake_qemu_ui_info(qemu, i, &info));
  g_assert_cmpint(count_lost(), ==, lost);
  ui_info_destroy(ui_info);
  fake_qemu_kill(qemu);
}

/* It hangs up when all is said, and connects anew; the millimetres differ, or QEMU would not pass the same size on. */
static void test_again(void) {
  FakeQemu *qemu = fake_qemu_start(socket_path, 1);
  UiInfo *ui_info = ui_info_create(socket_path);
  for (guint round = 0; round < 4; round++) {
    ui_info_set(ui_info, FIRST, 1024, 768);
    assert_told(qemu, 0, 1024, 768, round % 2 ? 0 : 1);
    run_for_ms(20); /* it has heard the answer */
    fake_qemu_kill(qemu);
    run_for_ms(20);
    qemu = fake_qemu_start(socket_path, 1);
  }
  fake_qemu_kill(qemu);
  ui_info_destroy(ui_info);
}

/* A change is counted as lost, and the next one is tried anew: here there is a QEMU by then. */
static void assert_lost_then_told(UiInfo *ui_info, gint64 before) {
  WAIT(count_lost() > before);
  run_for_ms(20);
  FakeQemu *qemu = fake_qemu_start(socket_path, 1);
  ui_info_set(ui_info, FIRST, 1600, 900);
  FakeQemuUiInfo info = {0};
  WAIT(fake_qemu_ui_info(qemu, 0, &info));
  g_assert_cmpuint(info.width, ==, 1600);
  ui_info_destroy(ui_info);
  fake_qemu_kill(qemu);
}

static void test_no_qemu(void) {
  UiInfo *ui_info = ui_info_create(socket_path);
  gint64 lost = count_lost();
  ui_info_set(ui_info, FIRST, 640, 480);
  assert_lost_then_told(ui_info, lost);
}

static void refused(const char *command, gboolean hang_up) {
  FakeQemu *qemu = fake_qemu_start(socket_path, 1);
  fake_qemu_refuse(qemu, command, hang_up);
  UiInfo *ui_info = ui_info_create(socket_path);
  gint64 lost = count_lost();
  ui_info_set(ui_info, FIRST, 640, 480);
  WAIT(count_lost() > lost);
  FakeQemuUiInfo info;
  g_assert_false(fake_qemu_ui_info(qemu, 0, &info));
  fake_qemu_kill(qemu);
  assert_lost_then_told(ui_info, lost);
}

/* A QEMU without that display, one that takes no descriptor, and one that ends in the middle. */
static void test_refused(void) {
  refused("add_client", FALSE);
  refused("getfd", FALSE);
  refused("qmp_capabilities", FALSE);
}

static void test_hangs_up(void) {
  refused("qmp_capabilities", TRUE);
  refused("getfd", TRUE);
  refused("add_client", TRUE);
}

/* One console is not there: that one is lost, and the others are told. */
static void test_no_such_console(void) {
  FakeQemu *qemu = fake_qemu_start(socket_path, 1);
  UiInfo *ui_info = ui_info_create(socket_path);
  gint64 lost = count_lost();
  ui_info_set(ui_info, 0, 640, 480);
  ui_info_set(ui_info, FIRST, 1280, 720);
  assert_told(qemu, 0, 1280, 720, 1);
  WAIT(count_lost() == lost + 1);
  ui_info_destroy(ui_info);
  fake_qemu_kill(qemu);
}

static guint count_descriptors(void) {
  g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
  guint count = 0;
  while (g_dir_read_name(folder)) count++;
  return count;
}

/* Destroyed after any number of steps, with QEMU there or not: nothing is left, and nothing comes back. */
static void test_destroyed_at_any_step(void) {
  ui_info_destroy(NULL);
  ui_info_destroy(ui_info_create(socket_path));
  guint descriptors = 0;
  for (guint steps = 0; steps < 60; steps++) {
    FakeQemu *qemu = fake_qemu_start(socket_path, 1);
    if (steps % 3 == 2) fake_qemu_refuse(qemu, "add_client", steps % 2);
    UiInfo *ui_info = ui_info_create(socket_path);
    ui_info_set(ui_info, FIRST, 640, 480);
    for (guint i = 0; i < steps; i++) {
      if (!g_main_context_iteration(NULL, FALSE)) g_usleep(300);
    }
    ui_info_destroy(ui_info);
    while (g_main_context_iteration(NULL, FALSE)) continue;
    fake_qemu_kill(qemu);
    if (steps == 10) descriptors = count_descriptors();
  }
  run_for_ms(50);
  g_assert_cmpuint(count_descriptors(), <=, descriptors + 2);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_autofree char *folder = g_dir_make_tmp("framelift-test-XXXXXX", NULL);
  g_assert_nonnull(folder);
  socket_path = g_build_filename(folder, "qmp", NULL);
  g_test_add_func("/ui-info/sizes", test_sizes);
  g_test_add_func("/ui-info/again", test_again);
  g_test_add_func("/ui-info/no-qemu", test_no_qemu);
  g_test_add_func("/ui-info/refused", test_refused);
  g_test_add_func("/ui-info/hangs-up", test_hangs_up);
  g_test_add_func("/ui-info/no-such-console", test_no_such_console);
  g_test_add_func("/ui-info/destroyed-at-any-step", test_destroyed_at_any_step);
  int status = g_test_run();
  g_unlink(socket_path);
  g_rmdir(folder);
  g_free(socket_path);
  return status;
}
