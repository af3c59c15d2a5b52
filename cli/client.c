/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/client.h"

#include "common/net/connector.h"
#include "common/net/socket.h"
#include "framelift-config.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

gboolean client_connect(Client *client, const Address *address, GError **error) {
  *client = (Client){.address = *address, .version = 1, .fd = -1};
  client->fd = connector_connect(address, CLIENT_TIMEOUT_MS, error);
  if (client->fd < 0) return FALSE;
  framing_init(&client->framing, 0);
  return TRUE;
}

void client_close(Client *client) {
  if (client->fd > 0) socket_close(&client->fd);
  framing_finish(&client->framing);
}

/* FALSE and error when the time is over. */
static gboolean wait_for(Client *client, short events, gint64 deadline_us, GError **error) {
  while (TRUE) {
    gint64 left_ms = (deadline_us - g_get_monotonic_time() + 999) / 1000;
    struct pollfd poll_fd = {.fd = client->fd, .events = events};
    int ready = poll(&poll_fd, 1, (int)MAX(left_ms, 0));
    if (ready > 0) return TRUE;
    if (ready < 0 && errno == EINTR) continue;
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, events & POLLIN ? "no answer" : "the peer takes no data");
    return FALSE;
  }
}

static gboolean fail_errno(const char *what, GError **error) {
  int code = errno;
  gboolean gone = code == EPIPE || code == ECONNRESET;
  g_set_error(error, G_IO_ERROR, gone ? G_IO_ERROR_CLOSED : (gint)g_io_error_from_errno(code), "%s: %s", what,
              g_strerror(code));
  return FALSE;
}

gboolean client_send(Client *client, guint8 type, guint16 session_id, const void *payload, gsize size, GError **error) {
  g_autoptr(GBytes) message = hxfr_message(type, session_id, payload, size);
  gsize length, sent = 0;
  const guint8 *bytes = g_bytes_get_data(message, &length);
  gint64 deadline = g_get_monotonic_time() + (gint64)CLIENT_TIMEOUT_MS * 1000;
  while (sent < length) {
    if (!wait_for(client, POLLOUT, deadline, error)) return FALSE;
    ssize_t count = socket_send(client->fd, bytes + sent, length - sent);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    /* who hangs up has said why before, as a host does to a wrong token: the next receive has it, or the end */
    if (count < 0 && (errno == EPIPE || errno == ECONNRESET)) return TRUE;
    if (count < 0) return fail_errno("sending", error);
    sent += (gsize)count;
  }
  return TRUE;
}

static gboolean read_more(Client *client, gint64 deadline_us, GError **error) {
  gsize room = 0;
  guint8 *space = framing_space(&client->framing, &room);
  if (!space) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NO_SPACE, "no memory for what the peer sends");
    return FALSE;
  }
  while (TRUE) {
    if (!wait_for(client, POLLIN, deadline_us, error)) return FALSE;
    ssize_t count = read(client->fd, space, room);
    if (count > 0) {
      framing_commit(&client->framing, (gsize)count);
      return TRUE;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) return fail_errno("reading", error);
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CLOSED, "the peer closed the connection");
    return FALSE;
  }
}

gboolean client_receive(Client *client, Message *message, guint timeout_ms, GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  while (TRUE) {
    FramingResult result = framing_next(&client->framing, &message->header, &message->payload);
    if (result == FRAMING_MESSAGE) return TRUE;
    if (result != FRAMING_NEED_MORE) {
      g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                  "Invalid message magic or size: %s; is this an HXFR port?", framing_result_text(result));
      return FALSE;
    }
    if (!read_more(client, deadline, error)) return FALSE;
  }
}

static void reader_of(const Message *message, ByteReader *reader) {
  byte_reader_init(reader, message->payload, message->header.payload_size);
}

/* ERROR as a GError; FALSE always. */
static gboolean fail_with(const Message *message, GError **error) {
  ByteReader reader;
  HxfrError said;
  reader_of(message, &reader);
  if (!hxfr_error_parse(&reader, &said)) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a malformed ERROR");
    return FALSE;
  }
  int code = said.code == HXFR_ERR_DENIED               ? G_IO_ERROR_PERMISSION_DENIED
             : said.code == HXFR_ERR_RESOURCE_NOT_FOUND ? G_IO_ERROR_NOT_FOUND
                                                        : G_IO_ERROR_FAILED;
  g_set_error(error, G_IO_ERROR, code, "ERROR %d (%s): %s", said.code, hxfr_error_name(said.code), said.text);
  return FALSE;
}

/* What a version 2 host says by itself is kept, whenever it comes. */
static void take_note(Client *client, const Message *message) {
  ByteReader reader;
  reader_of(message, &reader);
  if (message->header.type == HXFR_SCANOUTS) {
    HxfrScanouts scanouts;
    if (hxfr_scanouts_parse(&reader, &scanouts)) client->scanouts = scanouts;
  } else if (message->header.type == HXFR_STATE) {
    hxfr_state_parse(&reader, &client->state, client->state_text, sizeof client->state_text);
  }
}

/* A version 1 host may say that it does not know HELLO, and answers the PING behind it all the same. */
static gboolean is_unknown_type(const Client *client, const Message *message) {
  ByteReader reader;
  HxfrError said;
  reader_of(message, &reader);
  return client->negotiating && hxfr_error_parse(&reader, &said) && said.code == HXFR_ERR_INVALID_MESSAGE;
}

/* Receives until `type` comes; ERROR on the way is the answer. */
static gboolean wait_for_type(Client *client, guint8 type, guint8 or_type, Message *message, GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)CLIENT_TIMEOUT_MS * 1000;
  while (TRUE) {
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    if (!client_receive(client, message, (guint)MAX(left, 0), error)) return FALSE;
    if (message->header.type == type || message->header.type == or_type) return TRUE;
    if (message->header.type == HXFR_ERROR && !is_unknown_type(client, message)) return fail_with(message, error);
    take_note(client, message);
  }
}

gboolean client_ping(Client *client, GError **error) {
  Message message;
  return client_send(client, HXFR_PING, 0, NULL, 0, error) &&
         wait_for_type(client, HXFR_PONG, HXFR_PONG, &message, error);
}

gboolean client_negotiate(Client *client, const char *token, GError **error) {
  HxfrHello hello = {.version = HXFR_VERSION, .name = "framelift " FRAMELIFT_VERSION};
  g_strlcpy(hello.token, token ? token : "", sizeof hello.token);
  guint8 payload[HXFR_HELLO_FIXED_SIZE + HXFR_MAX_TOKEN + HXFR_MAX_NAME];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_hello_write(&writer, &hello);
  Message message;
  client->negotiating = TRUE;
  gboolean answered = client_send(client, HXFR_HELLO, 0, payload, writer.position, error) &&
                      client_send(client, HXFR_PING, 0, NULL, 0, error) &&
                      wait_for_type(client, HXFR_WELCOME, HXFR_PONG, &message, error);
  client->negotiating = FALSE;
  if (!answered) return FALSE;
  if (message.header.type == HXFR_PONG) return TRUE;
  ByteReader reader;
  reader_of(&message, &reader);
  if (!hxfr_welcome_parse(&reader, &client->welcome)) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a malformed WELCOME");
    return FALSE;
  }
  client->version = HXFR_VERSION;
  /* the scanouts and the state come between WELCOME and the PONG */
  return wait_for_type(client, HXFR_PONG, HXFR_PONG, &message, error);
}

gboolean client_subscribe(Client *client, guint scanout, GError **error) {
  guint8 payload[HXFR_SUBSCRIBE_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  byte_writer_u32(&writer, scanout);
  Message message;
  if (!client_send(client, HXFR_SUBSCRIBE, (guint16)scanout, payload, sizeof payload, error) ||
      !wait_for_type(client, HXFR_SUBSCRIBE_RESP, HXFR_SUBSCRIBE_RESP, &message, error)) {
    return FALSE;
  }
  ByteReader reader;
  guint32 id;
  gboolean success;
  reader_of(&message, &reader);
  if (!hxfr_subscribe_resp_parse(&reader, &id, &success)) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a malformed SUBSCRIBE_RESP");
    return FALSE;
  }
  if (success) return TRUE;
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "the VM has no scanout %u", scanout);
  return FALSE;
}

static gboolean read_response(ByteReader *reader, ClientUnit *unit, GError **error) {
  HxfrFrameResponse response;
  gboolean good = hxfr_frame_response_parse(reader, &response);
  for (guint32 i = 0; good && i < response.nal_count; i++) {
    const guint8 *nal;
    guint32 size;
    good = hxfr_nal_entry_parse(reader, &nal, &size);
    if (good) g_byte_array_append(unit->data, nal, size);
  }
  if (!good) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a malformed FRAME_RESPONSE");
    return FALSE;
  }
  unit->unit = (HxfrUnit){.pts_ns = response.pts_ns};
  unit->is_key = response.is_keyframe;
  return TRUE;
}

static gboolean read_unit(ByteReader *reader, ClientUnit *unit, GError **error) {
  gboolean good = hxfr_unit_parse(reader, &unit->unit);
  for (guint i = 0; good && i < unit->unit.rect_count; i++) {
    Rect rect;
    good = hxfr_rect_parse(reader, &rect);
  }
  if (!good) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a malformed UNIT");
    return FALSE;
  }
  gsize size = byte_reader_left(reader);
  g_byte_array_append(unit->data, byte_reader_bytes(reader, size), (guint)size);
  unit->is_key = (unit->unit.flags & HXFR_UNIT_KEY) != 0;
  return TRUE;
}

gboolean client_read_unit(Client *client, const Message *message, ClientUnit *unit, gboolean *is_unit, GError **error) {
  ByteReader reader;
  reader_of(message, &reader);
  *is_unit = message->header.type == HXFR_UNIT || message->header.type == HXFR_FRAME_RESPONSE;
  if (message->header.type == HXFR_ERROR) return fail_with(message, error);
  if (!*is_unit) {
    take_note(client, message);
    return TRUE;
  }
  if (!unit->data) unit->data = g_byte_array_new();
  g_byte_array_set_size(unit->data, 0);
  return message->header.type == HXFR_UNIT ? read_unit(&reader, unit, error) : read_response(&reader, unit, error);
}

char *client_read_token(const char *path, GError **error) {
  if (!path) return NULL;
  g_autofree char *text = NULL;
  if (!g_file_get_contents(path, &text, NULL, error)) return NULL;
  text[strcspn(text, "\r\n")] = '\0';
  if (strlen(text) > HXFR_MAX_TOKEN || text[0] == '\0') {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "%s has no token in its first line", path);
    return NULL;
  }
  return g_steal_pointer(&text);
}
