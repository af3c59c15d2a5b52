/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/qmp.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 4096
/* json-glib's parser recurses; QEMU's answers nest a few levels. */
#define JSON_DEPTH_MAX 64

typedef struct {
  char *name;
  char *line; /* with the newline */
  int fd;
  QmpAnswer answer;
  gpointer data;
} Command;

struct Qmp {
  char *path;
  const QmpEvents *events;
  gpointer data;

  int socket;       /* -1: not open yet, or no more */
  gpointer opening; /* set while somebody opens it */
  GSource *readable;
  GSource *limit; /* set while something is awaited */
  GByteArray *input;

  gboolean greeted;
  guint64 last_id;
  Command *current; /* sent, unanswered */
  GQueue waiting;   /* of Command */

  guint depth; /* of calls into here that a callback may destroy it in */
  gboolean destroyed;
};

static void send_next(Qmp *qmp);

/* ---- life ---- */

static void command_free(Command *command) {
  if (!command) return;
  if (command->fd >= 0) close(command->fd);
  g_free(command->name);
  g_free(command->line);
  g_free(command);
}

static void stop_limit(Qmp *qmp) {
  if (!qmp->limit) return;
  g_source_destroy(qmp->limit);
  g_clear_pointer(&qmp->limit, g_source_unref);
}

static void hang_up(Qmp *qmp) {
  stop_limit(qmp);
  if (qmp->opening) qmp_socket_opener()->cancel(qmp->opening);
  qmp->opening = NULL;
  if (qmp->readable) {
    g_source_destroy(qmp->readable);
    g_clear_pointer(&qmp->readable, g_source_unref);
  }
  if (qmp->socket >= 0) close(qmp->socket);
  qmp->socket = -1;
}

static void qmp_free(Qmp *qmp) {
  hang_up(qmp);
  command_free(qmp->current);
  while (!g_queue_is_empty(&qmp->waiting)) command_free(g_queue_pop_head(&qmp->waiting));
  g_byte_array_unref(qmp->input);
  g_free(qmp->path);
  g_free(qmp);
}

static void enter(Qmp *qmp) {
  qmp->depth++;
}

static void leave(Qmp *qmp) {
  if (--qmp->depth == 0 && qmp->destroyed) qmp_free(qmp);
}

void qmp_destroy(Qmp *qmp) {
  if (!qmp) return;
  qmp->destroyed = TRUE;
  hang_up(qmp);
  enter(qmp);
  leave(qmp);
}

/* The connection is of no use any more. Takes the error. */
static void give_up(Qmp *qmp, GError *error) {
  if ((qmp->socket >= 0 || qmp->opening) && !qmp->destroyed) {
    hang_up(qmp);
    qmp->events->closed(qmp->data, error);
  }
  g_error_free(error);
}

/* ---- time limits ---- */

static gboolean on_limit(gpointer data) {
  Qmp *qmp = data;
  GError *error;
  if (!qmp->greeted) {
    error =
        g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                    "the QMP socket \"%s\" is open and says nothing for %d s: another program holds this monitor, or "
                    "QEMU is stopped; QEMU serves one client a socket, so give it a second -qmp socket for framelift",
                    qmp->path, QMP_LIMIT_MS / 1000);
  } else {
    error = g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                        "QEMU on the QMP socket \"%s\" did not answer \"%s\" within %d s: is the process stopped?",
                        qmp->path, qmp->current ? qmp->current->name : "", QMP_LIMIT_MS / 1000);
  }
  enter(qmp);
  give_up(qmp, error);
  leave(qmp);
  return G_SOURCE_REMOVE;
}

static void start_limit(Qmp *qmp) {
  stop_limit(qmp);
  qmp->limit = g_timeout_source_new(QMP_LIMIT_MS);
  g_source_set_callback(qmp->limit, on_limit, qmp, NULL);
  g_source_attach(qmp->limit, g_main_context_get_thread_default());
}

/* ---- what comes in ---- */

/* json-glib complains aloud about members of another type than it is asked for; a peer may send any. */
static const char *member_text(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return node && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

static JsonObject *member_object(JsonObject *object, const char *name) {
  JsonNode *node = json_object_get_member(object, name);
  return node && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static void protocol_error(Qmp *qmp, const char *what) {
  give_up(qmp, g_error_new(G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                           "the socket \"%s\" does not speak QMP: %s; it has to be one that QEMU was given with -qmp "
                           "(not -monitor, which is for people)",
                           qmp->path, what));
}

static void finish_command(Qmp *qmp, JsonNode *result, const GError *error) {
  Command *command = g_steal_pointer(&qmp->current);
  stop_limit(qmp);
  command->answer(command->data, result, error);
  command_free(command);
  if (!qmp->destroyed && qmp->socket >= 0) send_next(qmp);
}

/* An answer is to the command whose id it repeats; we have one under way at most. */
static gboolean answers_current(Qmp *qmp, JsonObject *message) {
  JsonNode *id = json_object_get_member(message, "id");
  return qmp->current && id && json_node_get_value_type(id) == G_TYPE_INT64 &&
         (guint64)json_node_get_int(id) == qmp->last_id;
}

static void handle_error(Qmp *qmp, JsonObject *details) {
  const char *text = member_text(details, "desc");
  g_autoptr(GError) error = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "QEMU refused \"%s\": %s", qmp->current->name,
                                        text ? text : "it gives no reason");
  finish_command(qmp, NULL, error);
}

static void handle_message(Qmp *qmp, JsonObject *message) {
  const char *event = member_text(message, "event");
  if (event) {
    qmp->events->event(qmp->data, event, member_object(message, "data"));
    return;
  }
  if (!answers_current(qmp, message)) return; /* not ours, or of a newer QMP */
  JsonObject *error = member_object(message, "error");
  JsonNode *result = json_object_get_member(message, "return");
  if (error) {
    handle_error(qmp, error);
  } else if (result) {
    finish_command(qmp, result, NULL);
  } else {
    protocol_error(qmp, "an answer has neither result nor error");
  }
}

static gboolean is_greeting(JsonObject *message) {
  return member_object(message, "QMP") != NULL;
}

/* Brackets inside texts count too: that errs on the safe side. */
static gboolean nests_too_deep(const char *line, gsize size) {
  guint depth = 0;
  for (gsize i = 0; i < size; i++) {
    if (line[i] == '{' || line[i] == '[') depth++;
    if ((line[i] == '}' || line[i] == ']') && depth > 0) depth--;
    if (depth > JSON_DEPTH_MAX) return TRUE;
  }
  return FALSE;
}

static void handle_line(Qmp *qmp, const char *line, gsize size) {
  g_autoptr(JsonParser) parser = json_parser_new();
  if (nests_too_deep(line, size) || !json_parser_load_from_data(parser, line, (gssize)size, NULL)) {
    protocol_error(qmp, "a line is not JSON");
    return;
  }
  JsonNode *root = json_parser_get_root(parser);
  if (!root) return; /* an empty line */
  if (!JSON_NODE_HOLDS_OBJECT(root)) {
    protocol_error(qmp, "a line is not a JSON object");
    return;
  }
  JsonObject *message = json_node_get_object(root);
  if (qmp->greeted) {
    handle_message(qmp, message);
  } else if (is_greeting(message)) {
    qmp->greeted = TRUE;
    stop_limit(qmp);
    send_next(qmp);
  } else {
    protocol_error(qmp, "its first line is not QMP's greeting");
  }
}

/* Takes complete lines out of the input; a callback may have hung up after each. */
static void handle_input(Qmp *qmp) {
  gsize begin = 0;
  while (qmp->socket >= 0) {
    const guint8 *start = qmp->input->data + begin;
    const guint8 *end = memchr(start, '\n', qmp->input->len - begin);
    if (!end) break;
    handle_line(qmp, (const char *)start, (gsize)(end - start));
    begin += (gsize)(end - start) + 1;
  }
  if (begin > 0) g_byte_array_remove_range(qmp->input, 0, (guint)begin);
  if (qmp->input->len > QMP_LINE_MAX) protocol_error(qmp, "a line is longer than 64 KiB");
}

/* `why` is empty for an orderly end. */
static void handle_end(Qmp *qmp, const char *why) {
  const char *what =
      qmp->greeted ? "QEMU has left: its QMP socket was closed" : "the QMP socket was closed before a greeting";
  give_up(qmp, g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "%s (\"%s\"%s%s)", what, qmp->path, *why ? ": " : "", why));
}

static gboolean on_readable(int socket, GIOCondition condition, gpointer data) {
  Qmp *qmp = data;
  guint8 bytes[READ_SIZE];
  gssize size = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
  enter(qmp);
  if (size > 0) {
    g_byte_array_append(qmp->input, bytes, (guint)size);
    handle_input(qmp);
  } else if (size == 0) {
    handle_end(qmp, "");
  } else if (errno != EAGAIN && errno != EINTR) {
    handle_end(qmp, g_strerror(errno));
  }
  leave(qmp);
  return G_SOURCE_CONTINUE; /* hang_up() has destroyed the source where need be */
}

/* ---- what goes out ---- */

/* TRUE if all went out. A command is shorter than any socket's buffer, and the one before it was answered: so what does
 * not go at once never will. */
static gboolean send_line(int socket, const char *line, int fd) {
  struct iovec part = {.iov_base = (char *)line, .iov_len = strlen(line)};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
  } control = {0};
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  gssize sent;
  do {
    sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent == (gssize)part.iov_len;
}

static void send_next(Qmp *qmp) {
  if (!qmp->greeted || qmp->current || qmp->socket < 0) return;
  qmp->current = g_queue_pop_head(&qmp->waiting);
  if (!qmp->current) return;
  qmp->last_id++; /* commands are numbered in the order in which they wait */
  start_limit(qmp);
  /* A failure is left to the time limit or to the end of the connection, which comes first where QEMU has gone. */
  (void)send_line(qmp->socket, qmp->current->line, qmp->current->fd);
  if (qmp->current->fd >= 0) close(qmp->current->fd); /* QEMU's own by now */
  qmp->current->fd = -1;
}

static char *command_line(const char *name, JsonObject *arguments, guint64 id) {
  g_autoptr(JsonObject) object = json_object_new();
  json_object_set_string_member(object, "execute", name);
  if (arguments) json_object_set_object_member(object, "arguments", arguments);
  json_object_set_int_member(object, "id", (gint64)id);
  g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
  g_autofree char *text = json_to_string(root, FALSE);
  return g_strconcat(text, "\n", NULL);
}

void qmp_command(Qmp *qmp, const char *name, JsonObject *arguments, int fd, QmpAnswer answer, gpointer data) {
  guint64 ahead = g_queue_get_length(&qmp->waiting);
  Command *command = g_new0(Command, 1);
  command->name = g_strdup(name);
  command->line = command_line(name, arguments, qmp->last_id + ahead + 1);
  command->fd = fd;
  command->answer = answer;
  command->data = data;
  g_queue_push_tail(&qmp->waiting, command);
  send_next(qmp);
}

/* ---- connecting ---- */

/* QMP starts in negotiation; until this is answered it takes no other command. */
static void on_capabilities(gpointer data, JsonNode *result, const GError *error) {
  Qmp *qmp = data;
  if (error) protocol_error(qmp, error->message);
}

static void begin(Qmp *qmp, int fd) {
  qmp->socket = fd;
  qmp->readable = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
  g_source_set_callback(qmp->readable, G_SOURCE_FUNC(on_readable), qmp, NULL);
  g_source_attach(qmp->readable, g_main_context_get_thread_default());
}

static void on_opened(gpointer data, int fd, int code) {
  Qmp *qmp = data;
  qmp->opening = NULL;
  enter(qmp);
  if (fd >= 0) {
    begin(qmp, fd);
  } else {
    stop_limit(qmp);
    g_autoptr(GError) error = qmp_socket_error(qmp->path, code);
    qmp->events->closed(qmp->data, error);
  }
  leave(qmp);
}

static gboolean open_socket(Qmp *qmp, GError **error) {
  const QmpOpener *opener = qmp_socket_opener();
  int code;
  if (opener) {
    qmp->opening = opener->open(qmp->path, on_opened, qmp);
    return TRUE;
  }
  int fd = qmp_socket_connect(qmp->path, &code);
  if (fd >= 0) {
    begin(qmp, fd);
  } else {
    g_propagate_error(error, qmp_socket_error(qmp->path, code));
  }
  return fd >= 0;
}

Qmp *qmp_create(const char *path, const QmpEvents *events, gpointer data, GError **error) {
  if (!qmp_path_check(path, error)) return NULL;
  Qmp *qmp = g_new0(Qmp, 1);
  qmp->path = g_strdup(path);
  qmp->events = events;
  qmp->data = data;
  qmp->socket = -1;
  qmp->input = g_byte_array_new();
  g_queue_init(&qmp->waiting);
  qmp_command(qmp, "qmp_capabilities", NULL, -1, on_capabilities, qmp);
  start_limit(qmp);
  if (open_socket(qmp, error)) return qmp;
  qmp_destroy(qmp);
  return NULL;
}
