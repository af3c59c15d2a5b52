/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/vugpu-display.h"

#include "common/base/log.h"
#include "common/base/stats.h"
#include "tests/unit/host-display/vugpu-guest.h"

#include <gio/gio.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static gint64 count_of(const char *name) {
  return stats_get(stats_counter(name));
}

static void test_socket(VugpuGuest *f, gconstpointer data) {
  struct stat info;
  g_assert_no_errno(stat(f->path, &info));
  g_assert_cmpuint(info.st_mode & 0777, ==, 0600);
  VUGPU_GUEST_WAIT(f, f->state == DISPLAY_STARTING && strstr(f->text, "vhost-user-gpu-pci"));
  fake_vhost_greet(&f->fake);
  VUGPU_GUEST_WAIT(f, f->state == DISPLAY_RUNNING && strstr(f->text, "not started"));
  fake_vhost_start(&f->fake);
  VUGPU_GUEST_WAIT(f, strstr(f->text, "driver runs"));
  VUGPU_GUEST_WAIT(f, f->seen[0].info.connected && f->seen[1].info.connected && !f->seen[2].info.connected);
  close(f->fake.fd);
  f->fake.fd = -1;
  VUGPU_GUEST_WAIT(f, f->state == DISPLAY_LOST && strstr(f->text, "has left"));
  g_assert_false(f->seen[0].info.connected);
  /* and the next one */
  FakeVhost next;
  fake_vhost_init_path(&next, f->path);
  fake_vhost_greet(&next);
  fake_vhost_start(&next);
  VUGPU_GUEST_WAIT(f, f->state == DISPLAY_RUNNING && strstr(f->text, "driver runs"));
  fake_vhost_finish(&next);
}

/* What QEMU 7.2 does without KVM. */
static void test_left_without_a_word(VugpuGuest *f, gconstpointer data) {
  close(f->fake.fd);
  f->fake.fd = -1;
  VUGPU_GUEST_WAIT(f, strstr(f->text, "requires kvm"));
  g_assert_cmpint(f->state, ==, DISPLAY_STARTING);
}

static void test_second_front_end(VugpuGuest *f, gconstpointer data) {
  FakeVhost second;
  fake_vhost_greet(&f->fake);
  fake_vhost_init_path(&second, f->path);
  g_assert_true(fake_vhost_is_closed(&second));
  fake_vhost_finish(&second);
  fake_vhost_start(&f->fake);
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
}

static void test_split_messages(VugpuGuest *f, gconstpointer data) {
  f->fake.split = TRUE;
  fake_vhost_greet(&f->fake);
  fake_vhost_start(&f->fake);
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
}

static void test_config(VugpuGuest *f, gconstpointer data) {
  guint8 config[268], request[12 + 16] = {0};
  request[4] = 16;
  fake_vhost_send(&f->fake, 24, request, sizeof request, NULL, 0);
  g_assert_cmpuint(fake_vhost_receive(&f->fake, 24, config, sizeof config), ==, 28);
  g_assert_cmpmem(config + 12, 16, "\0\0\0\0\0\0\0\0\20\0\0\0\0\0\0\0", 16);
  request[0] = 255;
  fake_vhost_send(&f->fake, 24, request, sizeof request, NULL, 0);
  g_assert_cmpuint(fake_vhost_receive(&f->fake, 24, config, sizeof config), ==, 0);
}

static void test_lying_requests(VugpuGuest *f, gconstpointer data) {
  const guint32 bad_ring[] = {2, 1}, bad_size[] = {0, 7}, bad_enable[] = {0, 2};
  const guint64 too_many[] = {9}, no_fds[] = {1, 0, 4096, 0, 0};
  fake_vhost_greet(&f->fake);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 18, bad_ring, 8, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 18, bad_enable, 8, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 18, bad_ring, 3, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 8, bad_size, 8, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 5, too_many, 8, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 5, no_fds, sizeof no_fds, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 33, NULL, 0, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 12, no_fds, 8, NULL, 0), ==, 1);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 4711, NULL, 0, NULL, 0), ==, 1);
  fake_vhost_start(&f->fake);
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
}

static void test_lying_frames(VugpuGuest *f, gconstpointer data) {
  static const guint32 HEADERS[][3] = {{1, 2, 0}, {1, 0, 0}, {1, 1, 513}, {1, 1, 0xffffffff}};
  for (guint i = 0; i < G_N_ELEMENTS(HEADERS); i++) {
    g_assert_cmpint(send(f->fake.fd, HEADERS[i], 12, 0), ==, 12);
    g_assert_true(fake_vhost_is_closed(&f->fake));
    fake_vhost_finish(&f->fake);
    VUGPU_GUEST_WAIT(f, strstr(f->text, "given up"));
    fake_vhost_init_path(&f->fake, f->path);
    vugpu_guest_sink()->state(f, DISPLAY_STARTING, "");
  }
  g_assert_cmpint(send(f->fake.fd, HEADERS[0], 5, 0), ==, 5);
  shutdown(f->fake.fd, SHUT_WR);
  VUGPU_GUEST_WAIT(f, strstr(f->text, "middle of a message"));
}

/* ---- resets, pauses, lost kicks ---- */

static void test_reset(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_flip(f, 1);
  g_assert_true(f->display->interface->set_output(f->display, 5, TRUE, 640, 480, 60000));
  const guint32 ask[6] = {GPU_GET_DISPLAY_INFO};
  g_assert_cmpint(vugpu_guest_read(f, 9), ==, DISPLAY_READ_NOT_FOUND); /* then it has taken that, too */
  vugpu_guest_run(f, ask, sizeof ask);
  VUGPU_GUEST_WAIT(f, f->seen[5].info.connected);
  fake_vhost_reset(&f->fake);
  VUGPU_GUEST_WAIT(f, !f->seen[0].info.lit && f->seen[0].info.connected && !f->seen[5].info.connected); /* F11 */
  fake_vhost_start(&f->fake);
  g_assert_cmphex(vugpu_guest_flush(f, 1, 0, 0, 1, 1), ==, GPU_ERR_INVALID_RESOURCE_ID);
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_flip(f, 1);
}

/* QEMU stops the rings of a paused VM as well, and its guest knows nothing of that. */
static void test_pause(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  vugpu_guest_flip(f, 1);
  fake_vhost_pause(&f->fake);
  fake_vhost_start(&f->fake);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_A, 3);
  vugpu_guest_flip(f, 1);
  vugpu_guest_transfer(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  g_assert_cmphex(vugpu_guest_flush(f, 1, 0, 0, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT), ==, GPU_OK_NODATA);
  g_assert_cmpuint(f->seen[0].pixels[0], ==, 3);
  g_assert_true(f->seen[0].info.lit);
}

/* An older QEMU, without RESET_DEVICE: a driver that starts from the beginning is a new one. */
static void test_reset_without_request(VugpuGuest *f, gconstpointer data) {
  fake_vhost_greet(&f->fake);
  guint64 without = f->fake.protocol & ~(G_GUINT64_CONSTANT(1) << 13);
  fake_vhost_send(&f->fake, 16, &without, 8, NULL, 0);
  fake_vhost_start(&f->fake);
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  fake_vhost_pause(&f->fake);
  fake_vhost_start(&f->fake);
  g_assert_cmphex(vugpu_guest_flush(f, 1, 0, 0, 1, 1), ==, GPU_OK_NODATA);
  fake_vhost_pause(&f->fake);
  f->fake.offered[0] = f->fake.taken[0] = 0;
  memset(fake_vhost_at(&f->fake, 0x10000), 0, 0x4000);
  fake_vhost_start(&f->fake);
  g_assert_cmphex(vugpu_guest_flush(f, 1, 0, 0, 1, 1), ==, GPU_ERR_INVALID_RESOURCE_ID);
}

static void test_lost_kicks(VugpuGuest *f, gconstpointer data) {
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  gint64 before = count_of("vugpu.lost-kicks");
  f->fake.no_kicks = TRUE;
  guint late = 0;
  for (guint i = 0; i < 5; i++) {
    g_usleep(10000); /* its last look at the ring is over */
    gint64 start = g_get_monotonic_time();
    g_assert_cmphex(vugpu_guest_flush(f, 1, 0, 0, 1, 1), ==, GPU_OK_NODATA);
    late += g_get_monotonic_time() - start >= 100000; /* F14 */
  }
  g_assert_cmpuint(late, <=, 1); /* it looks every 50 ms; a busy machine may not let it once */
  g_assert_cmpint(count_of("vugpu.lost-kicks"), >=, before + 3);
}

/* The kick came before the ring was enabled, or never: the ring is looked at all the same. */
static void test_enabled_late(VugpuGuest *f, gconstpointer data) {
  const guint32 disable[] = {0, 0}, enable[] = {0, 1}, words[6] = {GPU_GET_DISPLAY_INFO};
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 18, disable, 8, NULL, 0), ==, 0);
  fake_vhost_offer(&f->fake, 0, words, sizeof words);
  fake_vhost_kick(&f->fake, 0);
  g_usleep(120000);
  g_assert_cmpuint(fake_vhost_at(&f->fake, 0x12002)[0], ==, 0);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 18, enable, 8, NULL, 0), ==, 0);
  fake_vhost_wait(&f->fake, 0);
}

static void test_repeated_interrupt(VugpuGuest *f, gconstpointer data) {
  const guint32 words[6] = {GPU_GET_DISPLAY_INFO};
  gint64 before = count_of("vugpu.repeated-interrupts");
  guint64 count;
  fake_vhost_offer(&f->fake, 0, words, sizeof words);
  fake_vhost_kick(&f->fake, 0);
  g_usleep(30000);
  g_assert_cmpint(read(f->fake.call[0], &count, 8), ==, 8); /* the interrupt gets lost here */
  g_usleep(120000);
  g_assert_cmpint(read(f->fake.call[0], &count, 8), ==, 8); /* and so does its repetition */
  g_usleep(120000);
  g_assert_cmpint(count_of("vugpu.repeated-interrupts"), >=, before + 2);
  fake_vhost_wait(&f->fake, 0); /* there is another */
  g_usleep(1300000);
  g_assert_cmpint(count_of("vugpu.repeated-interrupts"), <=, before + 20); /* not for ever */
}

static void test_broken_ring(VugpuGuest *f, gconstpointer data) {
  const guint64 queue = 0;
  int error = eventfd(0, EFD_CLOEXEC);
  g_assert_cmpuint(fake_vhost_ask(&f->fake, 14, &queue, 8, &error, 1), ==, 0);
  guint16 *index = (guint16 *)(void *)fake_vhost_at(&f->fake, 0x10000 + 0x1000 + 2);
  *index = 1000;
  fake_vhost_kick(&f->fake, 0);
  struct pollfd poller = {.fd = error, .events = POLLIN};
  g_assert_cmpint(poll(&poller, 1, FAKE_VHOST_LIMIT_MS), ==, 1);
  fake_vhost_reset(&f->fake);
  fake_vhost_start(&f->fake);
  vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
  close(error);
}

/* ---- what the other threads ask ---- */

static void test_read_resource(VugpuGuest *f, gconstpointer data) {
  g_assert_cmpint(vugpu_guest_read(f, 1), ==, DISPLAY_READ_NOT_FOUND);
  vugpu_guest_create(f, 1, VUGPU_GUEST_WIDTH, VUGPU_GUEST_HEIGHT);
  g_assert_cmpint(vugpu_guest_read(f, 1), ==, DISPLAY_READ_NO_BACKING);
  vugpu_guest_attach(f, 1, VUGPU_GUEST_PICTURE_A, VUGPU_GUEST_BYTES);
  vugpu_guest_paint(f, VUGPU_GUEST_PICTURE_A, 0x123456);
  g_assert_cmpint(vugpu_guest_read(f, 1), ==, DISPLAY_READ_OK); /* on no scanout, and never transferred */
  g_assert_cmphex(f->first_pixel, ==, 0x123456);
  vugpu_guest_create(f, 2, 16384, 1);
  vugpu_guest_attach(f, 2, VUGPU_GUEST_PICTURE_A, VUGPU_GUEST_BYTES);
  g_assert_cmpint(vugpu_guest_read(f, 2), ==, DISPLAY_READ_NO_BACKING); /* larger than any picture */
  vugpu_guest_by_id(f, GPU_RESOURCE_UNREF, 1);
  g_assert_cmpint(vugpu_guest_read(f, 1), ==, DISPLAY_READ_NOT_FOUND);
}

/* F04: the guest frees what is being read, thousands of times. */
static void test_read_races_with_unref(VugpuGuest *f, gconstpointer data) {
  guint before = f->reads;
  for (guint i = 0; i < 1000; i++) {
    vugpu_guest_picture(f, 1, VUGPU_GUEST_PICTURE_A);
    for (guint k = 0; k < 3; k++) f->display->interface->read_resource(f->display, 1, vugpu_guest_on_read, f);
    vugpu_guest_by_id(f, GPU_RESOURCE_UNREF, 1);
  }
  VUGPU_GUEST_WAIT(f, f->reads == before + 3000);
}

static void test_read_when_stopped(VugpuGuest *f, gconstpointer data) {
  for (guint i = 0; i < 100; i++) f->display->interface->read_resource(f->display, 1, vugpu_guest_on_read, f);
  display_stop(f->display);
  g_assert_cmpuint(f->reads, ==, 100);
  f->display->interface->read_resource(f->display, 1, vugpu_guest_on_read, f);
  g_assert_cmpuint(f->reads, ==, 101);
}

static void test_set_output(VugpuGuest *f, gconstpointer data) {
  const DisplayInterface *interface = f->display->interface;
  const guint32 ask[6] = {GPU_GET_DISPLAY_INFO};
  guint32 size, words[24];
  g_assert_false(interface->set_output(f->display, 0, TRUE, 640, 480, 60000));
  g_assert_false(interface->set_output(f->display, 16, TRUE, 640, 480, 60000));
  g_assert_false(interface->set_output(f->display, 1, TRUE, 0, 480, 60000));
  g_assert_false(interface->set_output(f->display, 1, TRUE, 8193, 480, 60000));
  g_assert_false(interface->set_output(f->display, 1, TRUE, 640, 480, 0));
  g_assert_true(interface->set_output(f->display, 1, FALSE, 0, 0, 0));
  g_assert_true(interface->set_output(f->display, 2, TRUE, 640, 480, 75000));
  g_assert_cmpint(vugpu_guest_read(f, 1), ==, DISPLAY_READ_NOT_FOUND);          /* it has taken them, in order */
  VUGPU_GUEST_WAIT(f, f->seen[1].info.connected && !f->seen[2].info.connected); /* the guest has not followed */
  vugpu_guest_run(f, ask, sizeof ask);
  memcpy(words, fake_vhost_answer(&f->fake, 0, 0, &size) + 24, sizeof words);
  const guint32 expected[] = {0, 0, 800, 600, 1, 0, 0, 0, 0, 0, 0, 0, 800, 0, 640, 480, 1, 0};
  g_assert_cmpmem(words, sizeof expected, expected, sizeof expected);
  VUGPU_GUEST_WAIT(f, !f->seen[1].info.connected && f->seen[2].info.connected && f->seen[2].info.refresh_mhz == 75000);
}

/* ---- a given socket ---- */

static void test_given_socket(void) {
  VugpuGuest f = {0};
  VugpuSettings settings;
  int ends[2];
  mutex_init(&f.mutex);
  cond_init(&f.changed);
  g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
  vugpu_settings_init(&settings);
  settings.fd = ends[0];
  f.display = vugpu_display_create(&settings);
  g_assert_true(display_start(f.display, vugpu_guest_sink(), &f, NULL));
  fake_vhost_init(&f.fake, ends[1]);
  fake_vhost_greet(&f.fake);
  fake_vhost_start(&f.fake);
  vugpu_guest_picture(&f, 1, VUGPU_GUEST_PICTURE_A);
  fake_vhost_finish(&f.fake);
  VUGPU_GUEST_WAIT(&f, f.state == DISPLAY_LOST);
  display_stop(f.display);
  display_destroy(f.display);
  g_free(f.text);
}

static void test_wrong_socket(void) {
  g_autoptr(GError) error = NULL;
  VugpuSettings settings;
  vugpu_settings_init(&settings);
  settings.fd = eventfd(0, EFD_CLOEXEC);
  Display *display = vugpu_display_create(&settings);
  g_assert_false(display_start(display, vugpu_guest_sink(), NULL, &error));
  g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
  display_destroy(display);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  log_set_level(LOG_ERROR);
#define ADD(name, up, function)                                                                                        \
  g_test_add("/vugpu-display/" name, VugpuGuest, NULL, up, function, vugpu_guest_tear_down)
  ADD("socket", vugpu_guest_set_up, test_socket);
  ADD("left-without-a-word", vugpu_guest_set_up, test_left_without_a_word);
  ADD("second-front-end", vugpu_guest_set_up, test_second_front_end);
  ADD("split-messages", vugpu_guest_set_up, test_split_messages);
  ADD("lying-requests", vugpu_guest_set_up, test_lying_requests);
  ADD("lying-frames", vugpu_guest_set_up, test_lying_frames);
  ADD("reset-without-request", vugpu_guest_set_up, test_reset_without_request);
  ADD("config", vugpu_guest_set_up_started, test_config);
  ADD("reset-F11", vugpu_guest_set_up_started, test_reset);
  ADD("pause", vugpu_guest_set_up_started, test_pause);
  ADD("lost-kicks-F14", vugpu_guest_set_up_started, test_lost_kicks);
  ADD("enabled-late", vugpu_guest_set_up_started, test_enabled_late);
  ADD("repeated-interrupt-F14", vugpu_guest_set_up_started, test_repeated_interrupt);
  ADD("broken-ring", vugpu_guest_set_up_started, test_broken_ring);
  ADD("read-resource", vugpu_guest_set_up_started, test_read_resource);
  ADD("read-races-with-unref-F04", vugpu_guest_set_up_started, test_read_races_with_unref);
  ADD("read-when-stopped", vugpu_guest_set_up_started, test_read_when_stopped);
  ADD("set-output", vugpu_guest_set_up_started, test_set_output);
  g_test_add_func("/vugpu-display/given-socket", test_given_socket);
  g_test_add_func("/vugpu-display/wrong-socket", test_wrong_socket);
  return g_test_run();
}
