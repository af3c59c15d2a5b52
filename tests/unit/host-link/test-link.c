/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/link/link-client.h"
#include "host/link/link-server.h"

#include "common/base/stats.h"
#include "host/process/packet.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Both ends in one process, and between them what two processes have: a socket and sealed memory. */

typedef struct {
  Display base;
  guint32 asked; /* the resource that was asked for */
  DisplayReadDone done;
  gpointer done_data;
  guint outputs; /* calls of set_output */
  gboolean connected;
  guint width;
} FakeDisplay;

static void read_resource(Display *base, guint32 resource_id, DisplayReadDone done, gpointer data) {
  FakeDisplay *display = (FakeDisplay *)base;
  display->asked = resource_id;
  display->done = done;
  display->done_data = data;
}

static gboolean set_output(Display *base, guint id, gboolean connected, guint width, guint height, guint refresh_mhz) {
  FakeDisplay *display = (FakeDisplay *)base;
  display->outputs++;
  display->connected = connected;
  display->width = width;
  return TRUE;
}

static const DisplayInterface INTERFACE = {.name = "fake", .read_resource = read_resource, .set_output = set_output};

typedef struct {
  FakeDisplay display;
  LinkServer *server;
  LinkClient *client;
  int server_end; /* of the last pair; borrowed */
  int client_end;

  ScanoutInfo info[DISPLAY_MAX_SCANOUTS];
  Shadow *shadows[DISPLAY_MAX_SCANOUTS];
  guint scanouts;
  guint n_outputs;
  guint shadow_changes;
  guint changes;
  guint32 changed;
  char *state;
  guint closed;

  guint reads;
  LinkRead result;
  Shadow *read; /* borrowed */

  guint32 vsock_port;
  int vsock;
} Fixture;

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  Fixture *f = data;
  f->info[id] = *info;
  f->scanouts++;
}

static void on_outputs(gpointer data, guint count) {
  Fixture *f = data;
  f->n_outputs = count;
}

static void on_shadow(gpointer data, guint id, Shadow *shadow) {
  Fixture *f = data;
  shadow_unref(f->shadows[id]);
  f->shadows[id] = shadow;
  f->shadow_changes++;
}

static void on_changed(gpointer data, guint32 mask) {
  Fixture *f = data;
  f->changes++;
  f->changed |= mask;
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  Fixture *f = data;
  g_free(f->state);
  f->state = g_strdup_printf("%d %s", state, text);
}

static void on_closed(gpointer data) {
  Fixture *f = data;
  f->closed++;
}

static void on_vsock(gpointer data, guint32 port, int fd) {
  Fixture *f = data;
  f->vsock_port = port;
  f->vsock = fd;
}

static const LinkClientEvents EVENTS = {on_scanout, on_outputs, on_shadow, on_changed, on_state, on_vsock, on_closed};

static void on_read(LinkRead result, Shadow *shadow, gpointer data) {
  Fixture *f = data;
  f->reads++;
  f->result = result;
  f->read = shadow;
}

static void turn(void) {
  for (guint i = 0; i < 20; i++) g_main_context_iteration(NULL, FALSE);
}

static void join(Fixture *f) {
  g_autoptr(GError) error = NULL;
  int ends[2];
  g_assert_true(packet_pair(ends, &error));
  f->server_end = ends[0];
  f->client_end = ends[1];
  link_server_connect(f->server, ends[0]);
  link_client_connect(f->client, ends[1]);
  turn();
}

static void set_up(Fixture *f, gconstpointer data) {
  f->display.base.interface = &INTERFACE;
  f->server = link_server_create(&f->display.base, NULL);
  f->client = link_client_create(NULL, &EVENTS, f);
}

static void tear_down(Fixture *f, gconstpointer data) {
  link_client_destroy(f->client);
  link_server_destroy(f->server);
  turn();
  for (guint i = 0; i < DISPLAY_MAX_SCANOUTS; i++) shadow_unref(f->shadows[i]);
  g_free(f->state);
}

static void paint(Shadow *shadow, guint8 value) {
  guint width = shadow_width(shadow), height = shadow_height(shadow);
  g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);
  memset(pixels, value, (gsize)width * height * 4);
  Frame frame = {PIXEL_FORMAT_XRGB8888, width, height, (gsize)width * 4, pixels};
  Rect whole = {0, 0, width, height};
  shadow_write_begin(shadow);
  shadow_write_rect(shadow, &frame, &whole);
  shadow_write_end(shadow, 1000);
}

static Shadow *light(Fixture *f, guint id, guint width, guint height, guint8 value) {
  ScanoutInfo info = {.width = width, .height = height, .refresh_mhz = 60000, .connected = TRUE, .lit = TRUE};
  g_snprintf(info.name, sizeof info.name, "scanout-%u", id);
  Shadow *shadow = shadow_create(width, height, NULL);
  paint(shadow, value);
  link_server_scanout(f->server, id, &info);
  link_server_captured(f->server, id, shadow);
  return shadow;
}

static void check_pixels(Shadow *shadow, guint8 value) {
  Frame frame = shadow_frame(shadow);
  g_assert_cmpuint(frame.data[0], ==, value);
  g_assert_cmpuint(frame.data[frame.stride * (frame.height - 1) + (gsize)frame.width * 4 - 1], ==, value);
}

static void test_told_from_the_start(Fixture *f, gconstpointer data) {
  Shadow *shadow = light(f, 3, 200, 100, 7);
  link_server_state(f->server, DISPLAY_RUNNING, "it runs");
  link_server_outputs(f->server, 5);
  join(f);
  g_assert_cmpuint(f->n_outputs, ==, 5);
  g_assert_cmpuint(f->scanouts, ==, 1);
  g_assert_cmpstr(f->info[3].name, ==, "scanout-3");
  g_assert_cmpstr(f->state, ==, "1 it runs");
  g_assert_cmpuint(shadow_width(f->shadows[3]), ==, 200);
  check_pixels(f->shadows[3], 7);
  g_assert_cmpuint(f->changes, ==, 0); /* it watches nothing yet */

  link_client_watch(f->client, 1u << 3);
  turn();
  g_assert_cmpuint(f->changes, ==, 1); /* once, for what it did not see */
  paint(shadow, 9);
  link_server_captured(f->server, 3, shadow);
  link_server_captured(f->server, 4, NULL);
  turn();
  g_assert_cmpuint(f->changed, ==, 1u << 3);
  check_pixels(f->shadows[3], 9);
  g_assert_cmpuint(f->shadow_changes, ==, 1);

  join(f); /* another process: the same again */
  g_assert_cmpuint(f->scanouts, ==, 2);
  g_assert_cmpuint(f->shadow_changes, ==, 2);
  check_pixels(f->shadows[3], 9);
  link_server_captured(f->server, 3, NULL); /* dark */
  turn();
  g_assert_null(f->shadows[3]);
  shadow_unref(shadow);
}

/* The memory is the writer's alone: no second mapping of it can be written, and it cannot be made smaller. */
static void test_shadow_is_sealed(Fixture *f, gconstpointer data) {
  Shadow *shadow = light(f, 0, 64, 64, 1);
  int fd = dup(shadow_fd(shadow));
  g_assert_true(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  g_assert_cmpint(ftruncate(fd, 0), ==, -1);
  g_assert_cmpint(write(fd, "x", 1), ==, -1);
  g_autoptr(GError) error = NULL;
  g_assert_null(shadow_open(fd, 65, 64, &error) /* takes fd */);
  g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_clear_error(&error);
  int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  g_assert_cmpint(ftruncate(unsealed, 1 << 20), ==, 0);
  g_assert_null(shadow_open(unsealed, 64, 64, &error));
  g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  shadow_unref(shadow);
}

static void answer_read(Fixture *f, guint width, guint height, guint8 value) {
  g_autofree guint8 *pixels = g_malloc((gsize)width * height * 4);
  memset(pixels, value, (gsize)width * height * 4);
  Frame frame = {PIXEL_FORMAT_XRGB8888, width, height, (gsize)width * 4, pixels};
  f->display.done(DISPLAY_READ_OK, &frame, f->display.done_data);
  turn();
}

static void test_reads(Fixture *f, gconstpointer data) {
  join(f);
  link_client_read(f->client, 2, 77, 100, 50, on_read, f);
  turn();
  g_assert_cmpuint(f->display.asked, ==, 77);
  g_assert_cmpuint(f->reads, ==, 0);
  answer_read(f, 120, 60, 5); /* the upper left part of it */
  g_assert_cmpuint(f->reads, ==, 1);
  g_assert_cmpint(f->result, ==, LINK_READ_OK);
  g_assert_cmpuint(shadow_width(f->read), ==, 100);
  check_pixels(f->read, 5);
  Shadow *first = f->read;
  guint64 generation = shadow_generation(first);

  link_client_read(f->client, 2, 78, 100, 50, on_read, f);
  turn();
  answer_read(f, 100, 50, 6);
  g_assert_true(f->read == first); /* the same memory: only what changed is new */
  g_assert_cmpuint(shadow_generation(first), ==, generation + 1);
  check_pixels(f->read, 6);

  link_client_read(f->client, 2, 79, 100, 50, on_read, f);
  turn();
  answer_read(f, 99, 50, 6);
  g_assert_cmpint(f->result, ==, LINK_READ_BAD_SIZE);
  link_client_read(f->client, 2, 80, 100, 50, on_read, f);
  turn();
  f->display.done(DISPLAY_READ_NO_BACKING, NULL, f->display.done_data);
  turn();
  g_assert_cmpint(f->result, ==, LINK_READ_NO_BACKING);
  g_assert_cmpuint(f->reads, ==, 4);
}

/* A read that is under way when its session ends, and the next session's in the same place. */
static void test_reader_ends(Fixture *f, gconstpointer data) {
  join(f);
  link_client_read(f->client, 0, 1, 64, 64, on_read, f);
  turn();
  DisplayReadDone done = f->display.done;
  gpointer done_data = f->display.done_data;
  link_client_end_reader(f->client, 0);
  g_assert_cmpuint(f->reads, ==, 1);
  g_assert_cmpint(f->result, ==, LINK_READ_NOT_FOUND);
  link_client_read(f->client, 0, 2, 64, 64, on_read, f);
  turn();
  g_assert_cmpuint(f->display.asked, ==, 2);
  done(DISPLAY_READ_NOT_FOUND, NULL, done_data); /* the old one's: nobody's */
  turn();
  g_assert_cmpuint(f->reads, ==, 1);
  answer_read(f, 64, 64, 3);
  g_assert_cmpuint(f->reads, ==, 2);
  g_assert_cmpint(f->result, ==, LINK_READ_OK);
}

static void test_link_ends(Fixture *f, gconstpointer data) {
  link_client_read(f->client, 1, 5, 64, 64, on_read, f); /* nobody there */
  g_assert_cmpuint(f->reads, ==, 0);                     /* never within the call */
  turn();
  g_assert_cmpuint(f->reads, ==, 1);
  join(f);
  link_client_set_output(f->client, 2, TRUE, 800, 600, 60000);
  link_client_read(f->client, 1, 5, 64, 64, on_read, f);
  turn();
  g_assert_true(f->display.connected && f->display.width == 800);
  shutdown(f->client_end, SHUT_RDWR);
  turn();
  g_assert_cmpuint(f->closed, ==, 1);
  g_assert_cmpuint(f->reads, ==, 2);
  g_assert_cmpint(f->result, ==, LINK_READ_NOT_FOUND);
  g_assert_cmpuint(f->display.outputs, ==, 2); /* F16: who connected it is gone */
  g_assert_false(f->display.connected);
  f->display.done(DISPLAY_READ_NOT_FOUND, NULL, f->display.done_data); /* later: nobody's */
}

/* The other process is stopped: nothing waits, memory does not grow, and in the end it knows the newest of all. */
static void test_full(Fixture *f, gconstpointer data) {
  join(f);
  Shadow *shadow = light(f, 0, 64, 64, 1);
  turn();
  link_client_watch(f->client, 1);
  turn();
  for (guint i = 0; i < 10000; i++) { /* no turn: nobody reads */
    link_server_captured(f->server, 0, shadow);
    if (i % 100 == 0) link_server_state(f->server, DISPLAY_RUNNING, "old");
  }
  ScanoutInfo info = {.width = 64, .height = 64, .connected = TRUE, .lit = TRUE, .name = "newest"};
  link_server_scanout(f->server, 0, &info);
  link_server_state(f->server, DISPLAY_LOST, "newest");
  for (guint i = 0; i < 2000; i++) turn();
  g_assert_cmpstr(f->info[0].name, ==, "newest");
  g_assert_cmpstr(f->state, ==, "2 newest");
  g_assert_cmpint(stats_get(stats_counter("link.full")), >, 0);
  f->changes = 0;
  link_server_captured(f->server, 0, shadow);
  turn();
  g_assert_cmpuint(f->changes, ==, 1);
  shadow_unref(shadow);
}

/* And the other way: a display process that is stopped. */
static void test_full_client(Fixture *f, gconstpointer data) {
  g_autoptr(GError) error = NULL;
  int ends[2];
  g_assert_true(packet_pair(ends, &error));
  link_client_connect(f->client, ends[1]);
  for (guint i = 0; i < 5000; i++) link_client_watch(f->client, i);
  link_client_end_reader(f->client, 3);
  link_client_read(f->client, 3, 1, 64, 64, on_read, f); /* its END waits: it cannot be asked now */
  turn();
  g_assert_cmpint(f->result, ==, LINK_READ_NOT_FOUND);
  LinkMessage last = {0};
  gboolean ended = FALSE;
  for (guint idle = 0; idle < 50;) {
    static Packet packet;
    if (packet_receive(ends[0], &packet) != PACKET_DONE) {
      turn();
      idle++;
      continue;
    }
    g_assert_true(link_message_parse(packet.bytes, packet.size, packet.n_fds, LINK_FROM_STREAM, &last));
    ended |= last.type == LINK_READ_END && last.id == 3;
  }
  g_assert_true(ended);
  g_assert_cmpint(last.type, ==, LINK_WATCH);
  g_assert_cmpuint(last.mask, ==, 4999);
  close(ends[0]);
  turn();
}

static void send_raw(int fd, const void *bytes, gsize size) {
  g_assert_cmpint(send(fd, bytes, size, MSG_NOSIGNAL), ==, size);
}

/* Neither side believes the other: what is no message ends the link, and nothing else. */
static void test_misbehaviour(Fixture *f, gconstpointer data) {
  LinkMessage cases[] = {
      {.type = 0},
      {.type = 99},
      {.type = LINK_SCANOUT, .id = DISPLAY_MAX_SCANOUTS},
      {.type = LINK_SCANOUT, .scanout = {.shadow = LINK_SHADOW_NEW, .shadow_width = 64, .shadow_height = 64}},
      {.type = LINK_SCANOUT, .scanout = {.shadow = 7}},
      {.type = LINK_SCANOUT, .scanout = {.shadow = LINK_SHADOW_NONE, .info = {.width = FRAME_MAX_WIDTH + 1}}},
      {.type = LINK_OUTPUTS, .count = DISPLAY_MAX_SCANOUTS + 1},
      {.type = LINK_STATE, .state = {.state = 3}},
      {.type = LINK_READ, .id = LINK_MAX_READERS},
      {.type = LINK_READ, .read = {.result = LINK_READ_FAILED + 1}},
      {.type = LINK_READ, .read = {.shadow = LINK_SHADOW_NONE}},
      {.type = LINK_READ_RESOURCE, .id = LINK_MAX_READERS, .read = {.width = 1, .height = 1}},
      {.type = LINK_READ_RESOURCE, .read = {.width = 0, .height = 1}},
      {.type = LINK_READ_RESOURCE, .read = {.width = FRAME_MAX_WIDTH + 1, .height = 1}},
      {.type = LINK_SET_OUTPUT, .id = DISPLAY_MAX_SCANOUTS},
      {.type = LINK_VSOCK, .port = 5000}, /* without its socket */
  };
  for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
    join(f);
    guint closed = f->closed;
    send_raw(f->server_end, &cases[i], sizeof cases[i]); /* arrives at the client */
    turn();
    g_assert_cmpuint(f->closed, ==, closed + 1);
    join(f);
    gint64 before = stats_get(stats_counter("link.misbehaviour"));
    send_raw(f->client_end, &cases[i], sizeof cases[i]); /* arrives at the server */
    turn();
    g_assert_cmpint(stats_get(stats_counter("link.misbehaviour")), ==, before + 1);
    g_assert_cmpuint(f->closed, ==, closed + 2); /* the server closed it */
  }
  join(f);
  send_raw(f->server_end, "short", 5);
  turn();
  guint8 far_too_long[PACKET_MAX_BYTES + 1] = {0};
  join(f);
  send_raw(f->client_end, far_too_long, sizeof far_too_long);
  turn();
  g_assert_cmpuint(f->closed, ==, 2 * G_N_ELEMENTS(cases) + 2);
  /* texts without an end, and no UTF-8: ended and cut */
  join(f);
  LinkMessage text = {.type = LINK_STATE};
  memset(text.state.text, 0xc3, sizeof text.state.text);
  memcpy(text.state.text, "ok", 2);
  send_raw(f->server_end, &text, sizeof text);
  turn();
  g_assert_cmpstr(f->state, ==, "0 ok");
}

static void test_vsock(Fixture *f, gconstpointer data) {
  char bytes[4];
  int ends[2];
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  g_assert_false(link_server_vsock(f->server, 5000, ends[1])); /* no link: closed at once */
  g_assert_cmpint(read(ends[0], bytes, 1), ==, 0);
  close(ends[0]);
  join(f);
  g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  g_assert_true(link_server_vsock(f->server, 5000, ends[1]));
  turn();
  g_assert_cmpuint(f->vsock_port, ==, 5000);
  g_assert_cmpint(write(ends[0], "hi", 2), ==, 2);
  g_assert_cmpint(read(f->vsock, bytes, sizeof bytes), ==, 2);
  close(f->vsock);
  g_assert_cmpint(read(ends[0], bytes, 1), ==, 0); /* no copy is left here */
  close(ends[0]);
}

/* A descriptor that is no stream socket: closed, counted, and the link goes on. */
static void test_vsock_lies(Fixture *f, gconstpointer data) {
  gint64 before = stats_get(stats_counter("link.bad-sockets"));
  int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), pipes[2];
  const struct sockaddr_un any = {.sun_family = AF_UNIX};
  g_assert_cmpint(bind(listening, (const struct sockaddr *)&any, sizeof any.sun_family), ==, 0);
  g_assert_cmpint(listen(listening, 1), ==, 0);
  g_assert_cmpint(pipe(pipes), ==, 0);
  const int fds[] = {memfd_create("no-socket", MFD_CLOEXEC),
                     socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0),
                     socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0),
                     socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                     listening,
                     pipes[0],
                     pipes[1]};
  join(f);
  for (guint i = 0; i < G_N_ELEMENTS(fds); i++) g_assert_true(link_server_vsock(f->server, 1, fds[i]));
  turn();
  g_assert_cmpint(stats_get(stats_counter("link.bad-sockets")), ==, before + (gint64)G_N_ELEMENTS(fds));
  g_assert_cmpuint(f->vsock_port, ==, 0);
  g_assert_cmpuint(f->closed, ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add("/link/" name, Fixture, NULL, set_up, function, tear_down)
  ADD("told-from-the-start", test_told_from_the_start);
  ADD("shadow-is-sealed", test_shadow_is_sealed);
  ADD("reads", test_reads);
  ADD("reader-ends", test_reader_ends);
  ADD("link-ends", test_link_ends);
  ADD("full", test_full);
  ADD("full-client", test_full_client);
  ADD("misbehaviour", test_misbehaviour);
  ADD("vsock", test_vsock);
  ADD("vsock-lies", test_vsock_lies);
  return g_test_run();
}
