/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/qmp.h"

#include "common/base/thread.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * A monitor that follows a script, in a thread of its own: it says its
 * greeting, and after each line that it gets the script's next one; then it
 * hangs up, or stays silent if the script says so.
 */

#define GREETING "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n"
#define CAPABLE "{\"return\": {}, \"id\": 1}\r\n"
#define SILENCE "" /* as a reply: nothing more, and no hanging up */

typedef struct {
  const char *greeting;
  const char *replies[4];
  gboolean byte_at_a_time;
  int listener;
  int got_fd; /* came with a line; -1: none */
  char got[4096];
} Script;

typedef struct {
  GMainLoop *loop;
  GString *events;
  guint answers;
  char *result;
  GError *error;  /* of the last answer */
  GError *closed; /* set: the client has given up */
} Client;

static char *socket_path;

static void say(const Script *script, int fd, const char *text) {
  gsize step = script->byte_at_a_time ? 1 : strlen(text);
  for (gsize at = 0; text[at]; at += step) {
    if (send(fd, text + at, step, MSG_NOSIGNAL) < 0) return;
    if (script->byte_at_a_time) g_usleep(100);
  }
}

static gboolean read_line(Script *script, int fd) {
  char control[CMSG_SPACE(sizeof(int))];
  gsize used = strlen(script->got);
  gsize before = used;
  while (used == before || script->got[used - 1] != '\n') {
    struct iovec part = {script->got + used, sizeof script->got - 1 - used};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    gssize size = recvmsg(fd, &message, 0);
    if (size <= 0) return FALSE;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&script->got_fd, CMSG_DATA(header), sizeof(int));
    used += (gsize)size;
    script->got[used] = 0;
  }
  return TRUE;
}

static void *run_script(void *data) {
  Script *script = data;
  int fd = accept(script->listener, NULL, NULL);
  say(script, fd, script->greeting);
  for (guint i = 0; i < G_N_ELEMENTS(script->replies) && script->replies[i]; i++) {
    if (!read_line(script, fd)) break;
    say(script, fd, script->replies[i]);
    if (!*script->replies[i]) read_line(script, fd); /* until the client hangs up */
  }
  close(fd);
  return NULL;
}

static pthread_t start_script(Script *script) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  pthread_t thread;
  g_strlcpy(address.sun_path, socket_path, sizeof address.sun_path);
  g_unlink(socket_path);
  script->got_fd = -1;
  script->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_no_errno(bind(script->listener, (struct sockaddr *)&address, sizeof address));
  g_assert_no_errno(listen(script->listener, 1));
  g_assert_cmpint(pthread_create(&thread, NULL, run_script, script), ==, 0);
  return thread;
}

static void on_event(gpointer data, const char *name, JsonObject *details) {
  Client *client = data;
  g_string_append_printf(client->events, "%s%s;", name, details ? "+" : "");
}

static void on_closed(gpointer data, const GError *error) {
  Client *client = data;
  g_assert_null(client->closed);
  client->closed = g_error_copy(error);
  g_main_loop_quit(client->loop);
}

static void on_answer(gpointer data, JsonNode *result, const GError *error) {
  Client *client = data;
  client->answers++;
  g_clear_error(&client->error);
  g_clear_pointer(&client->result, g_free);
  if (result) client->result = json_to_string(result, FALSE);
  if (error) client->error = g_error_copy(error);
}

static const QmpEvents EVENTS = {.event = on_event, .closed = on_closed};

/* Runs the script against a client with one command, until the client gives up; every script ends in that. */
static void run_client(Script *script, Client *client, int fd) {
  g_autoptr(GMainContext) context = g_main_context_new();
  g_autoptr(GError) error = NULL;
  *client = (Client){.loop = g_main_loop_new(context, FALSE), .events = g_string_new(NULL)};
  pthread_t thread = start_script(script);
  g_main_context_push_thread_default(context);
  Qmp *qmp = qmp_create(socket_path, &EVENTS, client, &error);
  g_assert_no_error(error);
  JsonObject *arguments = json_object_new();
  json_object_set_string_member(arguments, "fdname", "x");
  qmp_command(qmp, "getfd", arguments, fd, on_answer, client);
  g_main_loop_run(client->loop);
  g_assert_nonnull(client->closed);
  qmp_destroy(qmp);
  g_main_context_pop_thread_default(context);
  pthread_join(thread, NULL);
  close(script->listener);
}

static void client_finish(Client *client) {
  g_main_loop_unref(client->loop);
  g_string_free(client->events, TRUE);
  g_free(client->result);
  g_clear_error(&client->error);
  g_clear_error(&client->closed);
}

static void good(gboolean byte_at_a_time) {
  Script script = {.greeting = GREETING,
                   .replies = {"{\"event\": \"STOP\"}\r\n" CAPABLE,
                               "{\"event\": \"RESET\", \"data\": {\"guest\": true}}\r\n"
                               "{\"return\": 1, \"id\": 77}\n\n{\"return\": {\"a\": 5}, \"id\": 2}\r\n"},
                   .byte_at_a_time = byte_at_a_time};
  Client client;
  int ends[2];
  g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  run_client(&script, &client, ends[1]);
  g_assert_cmpuint(client.answers, ==, 1);
  g_assert_no_error(client.error);
  g_assert_cmpstr(client.result, ==, "{\"a\":5}");
  g_assert_cmpstr(client.events->str, ==, "STOP;RESET+;");
  g_assert_nonnull(strstr(script.got, "\"qmp_capabilities\""));
  g_assert_nonnull(strstr(script.got, "\"fdname\":\"x\""));
  g_assert_error(client.closed, G_IO_ERROR, G_IO_ERROR_CLOSED);
  /* The descriptor that came is the other end of ours, and the client has kept no copy. */
  char byte;
  g_assert_cmpint(script.got_fd, >=, 0);
  g_assert_cmpint(write(script.got_fd, "y", 1), ==, 1);
  g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
  close(script.got_fd);
  g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
  close(ends[0]);
  client_finish(&client);
}

static void test_good(void) {
  good(FALSE);
}

static void test_byte_at_a_time(void) {
  good(TRUE);
}

static void test_refusal(void) {
  Script script = {
      .greeting = GREETING,
      .replies = {CAPABLE, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}, \"id\": 2}\n"}};
  Client client;
  run_client(&script, &client, -1);
  g_assert_cmpuint(client.answers, ==, 1);
  g_assert_nonnull(client.error);
  g_assert_nonnull(strstr(client.error->message, "getfd"));
  g_assert_nonnull(strstr(client.error->message, "no such thing"));
  client_finish(&client);
}

static void test_hangs_up_midway(void) {
  Script script = {.greeting = GREETING, .replies = {CAPABLE, "{\"return\""}};
  Client client;
  run_client(&script, &client, -1);
  g_assert_cmpuint(client.answers, ==, 0);
  g_assert_error(client.closed, G_IO_ERROR, G_IO_ERROR_CLOSED);
  client_finish(&client);
}

/* What says these is no QMP; the words have to say what to do. */
static void expect_protocol_error(const char *greeting, const char *reply) {
  Script script = {.greeting = greeting, .replies = {reply}};
  Client client;
  run_client(&script, &client, -1);
  g_assert_cmpuint(client.answers, ==, 0);
  g_assert_error(client.closed, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
  g_assert_nonnull(strstr(client.closed->message, socket_path));
  g_assert_nonnull(strstr(client.closed->message, "-qmp"));
  client_finish(&client);
}

static void test_garbage(void) {
  expect_protocol_error("QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) \r\n", NULL);
  expect_protocol_error("{\"QMP\": {\n", SILENCE);
  expect_protocol_error("\xff\xfe{}\n", NULL);
  expect_protocol_error("[1, 2]\n", NULL);
  expect_protocol_error("{\"QMP\": 5}\n", NULL);
  expect_protocol_error("{\"hello\": {}}\n", NULL);
  expect_protocol_error(GREETING, "{\"id\": 1}\n");
  expect_protocol_error(GREETING, "{\"error\": 5, \"id\": 1}\n");
  expect_protocol_error(GREETING, "{\"error\": {\"desc\": 7}, \"id\": 1}\n");
}

static void test_endless_line(void) {
  g_autofree char *line = g_strnfill(QMP_LINE_MAX + 8192, ' ');
  expect_protocol_error(line, SILENCE);
}

static void test_deep_nesting(void) {
  g_autofree char *brackets = g_strnfill(QMP_LINE_MAX - 100, '[');
  g_autofree char *line = g_strconcat(brackets, "\n", NULL);
  expect_protocol_error(line, SILENCE);
}

static void test_no_greeting(void) {
  Script script = {.greeting = "", .replies = {SILENCE}};
  Client client;
  gint64 start = g_get_monotonic_time();
  run_client(&script, &client, -1);
  gint64 took_ms = (g_get_monotonic_time() - start) / 1000;
  g_assert_error(client.closed, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_nonnull(strstr(client.closed->message, "another program holds this monitor"));
  g_assert_cmpint(took_ms, >=, QMP_LIMIT_MS - 100);
  g_assert_cmpint(took_ms, <, QMP_LIMIT_MS + 3000);
  client_finish(&client);
}

static void test_no_answer(void) {
  Script script = {.greeting = GREETING, .replies = {CAPABLE, SILENCE}};
  Client client;
  run_client(&script, &client, -1);
  g_assert_error(client.closed, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_nonnull(strstr(client.closed->message, "getfd"));
  client_finish(&client);
}

static void expect_no_connection(const char *path, GIOErrorEnum code, const char *words) {
  Client client = {0};
  g_autoptr(GError) error = NULL;
  g_assert_null(qmp_create(path, &EVENTS, &client, &error));
  g_assert_error(error, G_IO_ERROR, (gint)code);
  g_assert_nonnull(strstr(error->message, words));
}

static void test_no_socket(void) {
  g_autofree char *missing = g_strconcat(socket_path, ".missing", NULL);
  g_autofree char *file = g_strconcat(socket_path, ".file", NULL);
  g_autofree char *endless = g_strnfill(200, 'x');
  g_assert_true(g_file_set_contents(file, "", 0, NULL));
  expect_no_connection(missing, G_IO_ERROR_NOT_FOUND, missing);
  expect_no_connection(file, G_IO_ERROR_CONNECTION_REFUSED, "left over");
  expect_no_connection("", G_IO_ERROR_INVALID_ARGUMENT, "needs the path");
  expect_no_connection(endless, G_IO_ERROR_INVALID_ARGUMENT, "too long");
  g_unlink(file);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_autofree char *folder = g_dir_make_tmp("framelift-qmp-XXXXXX", NULL);
  socket_path = g_build_filename(folder, "qmp.sock", NULL);
  g_test_add_func("/qmp/good", test_good);
  g_test_add_func("/qmp/byte-at-a-time", test_byte_at_a_time);
  g_test_add_func("/qmp/refusal", test_refusal);
  g_test_add_func("/qmp/hangs-up-midway", test_hangs_up_midway);
  g_test_add_func("/qmp/garbage", test_garbage);
  g_test_add_func("/qmp/endless-line", test_endless_line);
  g_test_add_func("/qmp/deep-nesting", test_deep_nesting);
  g_test_add_func("/qmp/no-greeting", test_no_greeting);
  g_test_add_func("/qmp/no-answer", test_no_answer);
  g_test_add_func("/qmp/no-socket", test_no_socket);
  int result = g_test_run();
  g_unlink(socket_path);
  g_rmdir(folder);
  g_free(socket_path);
  return result;
}
