/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/dialog.h"

#include <string.h>

G_DEFINE_QUARK(framelift - link - error, link_error)

static void say(Dialog *dialog, LogLevel level, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void say(Dialog *dialog, LogLevel level, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  dialog->events->log(level, text, dialog->data);
}

void dialog_init(Dialog *dialog, const LinkSettings *settings, const LinkEvents *events, gpointer data) {
  *dialog = (Dialog){.settings = settings, .events = events, .data = data, .channel = {.fd = -1}};
  dialog->where = address_to_string(&settings->address, -1);
  request_sender_init(&dialog->sender, settings, events, data, &dialog->channel, &dialog->counters);
}

void dialog_finish(Dialog *dialog) {
  dialog_close(dialog);
  request_sender_finish(&dialog->sender);
  g_clear_pointer(&dialog->where, g_free);
}

void dialog_close(Dialog *dialog) {
  channel_close(&dialog->channel);
  dialog->phase = DIALOG_CLOSED;
}

static void enter(Dialog *dialog, DialogPhase phase) {
  dialog->phase = phase;
  dialog->phase_us = g_get_monotonic_time();
}

static void send_message(Dialog *dialog, guint8 type, const void *payload, gsize size) {
  channel_queue(&dialog->channel, hxfr_message(type, (guint16)dialog->settings->scanout, payload, size));
}

static void send_ping(Dialog *dialog) {
  /* never with a payload: hosts in the field do not read it, and would take it for a header */
  send_message(dialog, HXFR_PING, NULL, 0);
  dialog->ping_us = g_get_monotonic_time();
  dialog->ping_end = dialog->channel.queued;
  dialog->counters.pings++;
}

static gboolean read_token(const char *path, HxfrHello *hello, GError **error) {
  if (!path || path[0] == '\0') return TRUE;
  g_autofree char *text = NULL;
  g_autoptr(GError) cause = NULL;
  if (!g_file_get_contents(path, &text, NULL, &cause)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_SETTINGS, "settings: token-file: %s", cause->message);
    return FALSE;
  }
  text[strcspn(text, "\r\n")] = '\0';
  if (text[0] != '\0' && g_strlcpy(hello->token, text, sizeof hello->token) < sizeof hello->token) return TRUE;
  g_set_error(error, LINK_ERROR, LINK_ERROR_SETTINGS, "settings: token-file: %s has no token in its first line", path);
  return FALSE;
}

gboolean dialog_open(Dialog *dialog, GError **error) {
  const LinkSettings *settings = dialog->settings;
  g_autoptr(GError) cause = NULL;
  HxfrHello hello = {.version = HXFR_VERSION};
  g_strlcpy(hello.name, settings->program, sizeof hello.name);
  if (!read_token(settings->token_file, &hello, error)) return FALSE;
  if (!channel_open(&dialog->channel, &settings->address, settings->timeout_ms, &cause)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_CONNECT, "connect: %s", cause->message);
    return FALSE;
  }
  dialog->host = (LinkHost){.version = 1};
  dialog->said[0] = dialog->state[0] = '\0';
  dialog->pong_us = dialog->answer_us = 0;
  dialog->config_asked = dialog->starting = dialog->dark = FALSE;
  enter(dialog, DIALOG_GREETING);
  guint8 payload[HXFR_HELLO_FIXED_SIZE + HXFR_MAX_TOKEN + HXFR_MAX_NAME];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_hello_write(&writer, &hello);
  send_message(dialog, HXFR_HELLO, payload, writer.position);
  send_ping(dialog);
  return TRUE;
}

/* The oldest request ends without a picture. */
static void end_oldest(Dialog *dialog, const GError *why) {
  Request request;
  request_sender_end(&dialog->sender, FALSE, &request);
  dialog->events->answered(request.id, NULL, why, dialog->data);
}

static void send_requests(Dialog *dialog) {
  g_autoptr(GError) why = NULL;
  while (dialog->phase == DIALOG_UP && !request_sender_send(&dialog->sender, &why)) {
    dialog->counters.errors++;
    end_oldest(dialog, why);
    g_clear_error(&why);
  }
}

void dialog_request(Dialog *dialog, const Request *request) {
  request_window_add(&dialog->sender.window, request);
  send_requests(dialog);
}

void dialog_configure(Dialog *dialog, const HxfrConfig *config) {
  guint8 payload[HXFR_CONFIG_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_config_write(&writer, config);
  send_message(dialog, HXFR_CONFIG_REQ, payload, sizeof payload);
  dialog->config_asked = dialog->host.version >= HXFR_VERSION;
}

void dialog_want_key(Dialog *dialog) {
  send_message(dialog, HXFR_KEYFRAME_REQ, NULL, 0);
  dialog->counters.key_requests++;
}

static void go_up(Dialog *dialog) {
  enter(dialog, DIALOG_UP);
  dialog->counters.connects++;
  say(dialog, LOG_INFO, "Connected to %s: protocol version %u%s%s", dialog->where, dialog->host.version,
      dialog->host.name[0] ? ", VM " : "", dialog->host.name);
  dialog->events->up(&dialog->host, dialog->data);
  request_sender_begin(&dialog->sender, &dialog->host);
  send_requests(dialog);
}

/* Whether requests have a chance. Where the guest's own resources can be asked for, a dark scanout is in nobody's way.
 */
static gboolean is_ready(const Dialog *dialog) {
  return !dialog->starting && (!dialog->dark || (dialog->host.features & HXFR_FEATURE_RESOURCES));
}

static gboolean on_greeted(Dialog *dialog, GError **error) {
  if (dialog->settings->mode == LINK_SUBSCRIPTION) {
    guint8 payload[HXFR_SUBSCRIBE_SIZE];
    ByteWriter writer;
    byte_writer_init(&writer, payload, sizeof payload);
    byte_writer_u32(&writer, dialog->settings->scanout);
    send_message(dialog, HXFR_SUBSCRIBE, payload, sizeof payload);
    enter(dialog, DIALOG_SUBSCRIBING);
    return TRUE;
  }
  if (dialog->host.version >= HXFR_VERSION && !(dialog->host.features & HXFR_FEATURE_REQUESTS)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_REQUEST,
                "FRAME_REQUEST: the host at %s takes no requests; frameliftsrc gets its scanouts", dialog->where);
    return FALSE;
  }
  if (dialog->starting)
    enter(dialog, DIALOG_STARTING);
  else
    go_up(dialog);
  return TRUE;
}

static gboolean on_pong(Dialog *dialog, GError **error) {
  dialog->pong_us = g_get_monotonic_time();
  dialog->counters.pongs++;
  return dialog->phase != DIALOG_GREETING || on_greeted(dialog, error);
}

static gboolean on_welcome(Dialog *dialog, ByteReader *reader, GError **error) {
  HxfrWelcome welcome;
  if (!hxfr_welcome_parse(reader, &welcome)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_STREAM, "version: a malformed WELCOME from %s", dialog->where);
    return FALSE;
  }
  dialog->host.version = HXFR_VERSION;
  dialog->host.features = welcome.features;
  g_strlcpy(dialog->host.name, welcome.name, sizeof dialog->host.name);
  return TRUE;
}

static gboolean on_subscribe_resp(Dialog *dialog, ByteReader *reader, GError **error) {
  guint32 scanout;
  gboolean success;
  if (dialog->phase != DIALOG_SUBSCRIBING) return TRUE;
  if (hxfr_subscribe_resp_parse(reader, &scanout, &success) && success) {
    go_up(dialog);
    return TRUE;
  }
  g_set_error(error, LINK_ERROR, LINK_ERROR_SUBSCRIBE, "SUBSCRIBE: the VM at %s has no scanout %u", dialog->where,
              dialog->settings->scanout);
  return FALSE;
}

static void end_lost(Dialog *dialog, gint count) {
  if (count == 0) return;
  g_autoptr(GError) why =
      g_error_new(LINK_ERROR, LINK_ERROR_REQUEST, "FRAME_REQUEST: never answered, while a later one was");
  for (gint i = 0; i < count; i++) {
    say(dialog, LOG_WARN, "Request pts=%" G_GINT64_FORMAT " is lost: the host answered a later one",
        dialog->sender.window.slots[0].wire_pts_ns);
    dialog->counters.lost++;
    end_oldest(dialog, why);
  }
}

static void on_answer(Dialog *dialog, LinkUnit *unit, gint64 pts_ns, const GError *why) {
  gint index = request_window_find(&dialog->sender.window, pts_ns);
  if (index < 0) {
    say(dialog, LOG_WARN, "No pending frame for pts=%" G_GINT64_FORMAT, pts_ns);
    dialog->counters.strays++;
    link_unit_destroy(unit);
    dialog->events->dropped(dialog->data);
    return;
  }
  end_lost(dialog, index);
  dialog->answer_us = g_get_monotonic_time();
  if (!unit) {
    end_oldest(dialog, why);
    dialog->events->dropped(dialog->data);
    return;
  }
  Request request;
  request_sender_end(&dialog->sender, TRUE, &request);
  dialog->counters.answers++;
  dialog->events->answered(request.id, unit, NULL, dialog->data);
}

/* A malformed access unit is a dropped one: its frame ends, and an IDR has to come. The stream around it is whole. */
static void on_unit(Dialog *dialog, const HxfrHeader *header, const guint8 *payload) {
  g_autoptr(GError) error = NULL;
  gboolean pushed = header->type == HXFR_UNIT;
  LinkUnit *unit = pushed ? link_unit_from_push(payload, header->payload_size, &error)
                          : link_unit_from_response(payload, header->payload_size, &error);
  if (!unit) {
    say(dialog, LOG_WARN, "Failed to read frame response: %s", error->message);
    dialog->counters.malformed++;
  }
  if (dialog->settings->mode == LINK_REQUESTS) {
    HxfrFrameResponse response = {.pts_ns = -1};
    ByteReader reader;
    byte_reader_init(&reader, payload, header->payload_size);
    hxfr_frame_response_parse(&reader, &response);
    if (pushed)
      link_unit_destroy(unit);
    else
      on_answer(dialog, unit, response.pts_ns, error);
  } else if (unit) {
    dialog->counters.units++;
    dialog->events->unit(unit, dialog->data);
  } else {
    dialog->events->dropped(dialog->data);
  }
}

static gboolean on_error(Dialog *dialog, ByteReader *reader, GError **error) {
  HxfrError said;
  if (!hxfr_error_parse(reader, &said)) said = (HxfrError){.code = HXFR_ERR_INTERNAL, .text = "a malformed ERROR"};
  if (said.code == HXFR_ERR_DENIED) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_DENIED, "version: the host at %s denies access: %s (token-file)",
                dialog->where, said.text);
    return FALSE;
  }
  if (dialog->phase == DIALOG_SUBSCRIBING) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_SUBSCRIBE, "SUBSCRIBE: the host at %s answers ERROR %d: %s",
                dialog->where, said.code, said.text);
    return FALSE;
  }
  /* ERROR does not say what it answers; only a CONFIG_REQ that nobody refused yet is refused like this */
  gboolean to_config = dialog->config_asked && said.code == HXFR_ERR_NOT_CONFIGURED;
  if (dialog->phase == DIALOG_UP && dialog->sender.window.count > 0 && !to_config) {
    g_autoptr(GError) why =
        g_error_new(LINK_ERROR, LINK_ERROR_REQUEST, "FRAME_REQUEST: the host answers ERROR %d (%s): %s", said.code,
                    hxfr_error_name(said.code), said.text);
    dialog->counters.errors++;
    dialog->answer_us = g_get_monotonic_time();
    end_oldest(dialog, why);
    return TRUE;
  }
  if (to_config) dialog->config_asked = FALSE;
  g_strlcpy(dialog->said, said.text, sizeof dialog->said);
  /* version 1 hosts may answer HELLO so, and that is all right */
  say(dialog, dialog->phase == DIALOG_GREETING ? LOG_DEBUG : LOG_WARN, "The host says ERROR %d (%s): %s", said.code,
      hxfr_error_name(said.code), said.text);
  return TRUE;
}

static gboolean on_pixels_wanted(Dialog *dialog, ByteReader *reader, GError **error) {
  HxfrPixelsWanted wanted;
  if (dialog->phase != DIALOG_UP || dialog->settings->mode != LINK_REQUESTS) return TRUE;
  if (!hxfr_pixels_wanted_parse(reader, &wanted)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_STREAM, "stream: a malformed PIXELS_WANTED from %s", dialog->where);
    return FALSE;
  }
  dialog->answer_us = g_get_monotonic_time();
  return request_sender_refused(&dialog->sender, &wanted, error);
}

static void on_state(Dialog *dialog, ByteReader *reader) {
  guint32 state;
  if (!hxfr_state_parse(reader, &state, dialog->state, sizeof dialog->state)) return;
  say(dialog, LOG_INFO, "The host's display: %s", dialog->state);
  dialog->starting = state == HXFR_STATE_STARTING;
  if (dialog->phase == DIALOG_STARTING && is_ready(dialog)) go_up(dialog);
}

static void on_scanouts(Dialog *dialog, ByteReader *reader) {
  HxfrScanouts scanouts;
  if (!hxfr_scanouts_parse(reader, &scanouts)) return;
  dialog->dark = TRUE;
  for (guint i = 0; i < scanouts.count; i++) {
    const HxfrScanout *scanout = &scanouts.entries[i];
    if (scanout->id == dialog->settings->scanout && (scanout->flags & HXFR_SCANOUT_LIT)) dialog->dark = FALSE;
  }
  if (dialog->phase == DIALOG_STARTING && is_ready(dialog)) go_up(dialog);
}

static gboolean dispatch(Dialog *dialog, const HxfrHeader *header, const guint8 *payload, GError **error) {
  ByteReader reader;
  byte_reader_init(&reader, payload, header->payload_size);
  switch (header->type) {
  case HXFR_PONG:
    return on_pong(dialog, error);
  case HXFR_PING:
    send_message(dialog, HXFR_PONG, payload, header->payload_size);
    return TRUE;
  case HXFR_WELCOME:
    return on_welcome(dialog, &reader, error);
  case HXFR_SUBSCRIBE_RESP:
    return on_subscribe_resp(dialog, &reader, error);
  case HXFR_FRAME_RESPONSE:
  case HXFR_UNIT:
    if (dialog->phase == DIALOG_UP) on_unit(dialog, header, payload);
    return TRUE;
  case HXFR_ERROR:
    return on_error(dialog, &reader, error);
  case HXFR_PIXELS_WANTED:
    return on_pixels_wanted(dialog, &reader, error);
  case HXFR_STATE:
    on_state(dialog, &reader);
    return TRUE;
  case HXFR_CONFIG_RESP:
    dialog->config_asked = FALSE;
    return TRUE;
  case HXFR_SCANOUTS:
    on_scanouts(dialog, &reader);
    return TRUE;
  case HXFR_SCANOUT_RESP:
  case HXFR_HEARTBEAT:
    return TRUE;
  default:
    dialog->counters.unknown++;
    return TRUE;
  }
}

static gboolean dispatch_all(Dialog *dialog, GError **error) {
  HxfrHeader header;
  const guint8 *payload;
  FramingResult result;
  while ((result = channel_next(&dialog->channel, &header, &payload)) == FRAMING_MESSAGE) {
    dialog->counters.bytes += HXFR_HEADER_SIZE + header.payload_size;
    if (!dispatch(dialog, &header, payload, error)) return FALSE;
  }
  if (result == FRAMING_NEED_MORE) return TRUE;
  g_set_error(error, LINK_ERROR, LINK_ERROR_STREAM,
              "stream: Invalid message magic or size from %s: %s; is it an HXFR port?", dialog->where,
              framing_result_text(result));
  return FALSE;
}

static gboolean fail_unanswered(Dialog *dialog, const RequestSlot *slot, gint64 since_us, GError **error) {
  double seconds = (double)(g_get_monotonic_time() - since_us) / G_USEC_PER_SEC;
  gboolean alive = dialog->pong_us > since_us;
  g_set_error(error, LINK_ERROR, LINK_ERROR_UNANSWERED,
              "first answer: FRAME_REQUEST pts=%" G_GINT64_FORMAT " is unanswered after %.1f s: %s%s%s",
              slot->wire_pts_ns, seconds,
              alive ? "the host answers PING, so its encoder or its display is stuck, or it dropped the request"
                    : "nothing comes from the host, not even PONG: it has stopped, or what leads to it has",
              dialog->state[0] ? "; its display: " : "", dialog->state);
  return FALSE;
}

static gboolean check_requests(Dialog *dialog, gint64 now, GError **error) {
  if (dialog->sender.window.count == 0) return TRUE;
  RequestSlot *slot = &dialog->sender.window.slots[0];
  if (dialog->channel.sent < slot->end) slot->sent_us = now; /* pixels on a slow way: not yet the host's turn */
  gint64 since = MAX(slot->sent_us, dialog->answer_us);
  return now - since < (gint64)dialog->settings->timeout_ms * 1000 || fail_unanswered(dialog, slot, since, error);
}

static guint ping_ms(const Dialog *dialog) {
  return MIN(DIALOG_PING_MS, MAX(dialog->settings->timeout_ms / 2, 1));
}

static gboolean check_silence(Dialog *dialog, gint64 now, GError **error) {
  gint64 limit = (gint64)dialog->settings->timeout_ms * 1000;
  const Channel *channel = &dialog->channel;
  if (!g_queue_is_empty((GQueue *)&channel->outgoing) && now - channel->progress_us > limit) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_CLOSED, "stream: the host at %s takes no data", dialog->where);
    return FALSE;
  }
  if (channel->sent < dialog->ping_end) dialog->ping_us = now;
  if (dialog->ping_us <= channel->received_us) {
    if (now - dialog->ping_us >= (gint64)ping_ms(dialog) * 1000) send_ping(dialog);
    return TRUE;
  }
  if (now - dialog->ping_us < limit) return TRUE;
  g_set_error(error, LINK_ERROR, LINK_ERROR_CLOSED, "PING: nothing comes from %s any more, not even PONG",
              dialog->where);
  return FALSE;
}

static gboolean check_time(Dialog *dialog, GError **error) {
  gint64 now = g_get_monotonic_time();
  if (dialog->phase == DIALOG_UP) return check_requests(dialog, now, error) && check_silence(dialog, now, error);
  if (now - dialog->phase_us < (gint64)dialog->settings->timeout_ms * 1000) return TRUE;
  double seconds = dialog->settings->timeout_ms / 1000.0;
  if (dialog->phase == DIALOG_STARTING) {
    go_up(dialog); /* requests that do not need its display may do all the same */
    return TRUE;
  }
  if (dialog->phase == DIALOG_SUBSCRIBING) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_SUBSCRIBE,
                "SUBSCRIBE: the host at %s answers PING, but not this within %.1f s", dialog->where, seconds);
  } else {
    g_set_error(error, LINK_ERROR, LINK_ERROR_PING,
                "PING: %s takes the connection and answers nothing within %.1f s: a proxy in front of a dead host, "
                "a stopped host, or not HXFR",
                dialog->where, seconds);
  }
  return FALSE;
}

/* The end of a connection, in the words of the hop at which it came. */
static gboolean fail_closed(Dialog *dialog, const GError *cause, GError **error) {
  if (dialog->phase == DIALOG_GREETING) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_PING,
                "PING: %s took the connection, then: %s%s%s: is there a host behind it?", dialog->where, cause->message,
                dialog->said[0] ? "; it said: " : "", dialog->said);
  } else if (channel_in_message(&dialog->channel)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_CLOSED,
                "stream: Failed to read frame response: %s in the middle of a message", cause->message);
  } else {
    g_set_error(error, LINK_ERROR, LINK_ERROR_CLOSED, "stream: Connection lost reading header: %s%s%s", cause->message,
                dialog->said[0] ? "; it said: " : "", dialog->said);
  }
  return FALSE;
}

gboolean dialog_turn(Dialog *dialog, int wake_fd, GError **error) {
  /* time limits are looked at every quarter of one: late by so much at most */
  gint64 tick_us = (gint64)CLAMP(dialog->settings->timeout_ms / 4, 1, 250) * 1000;
  g_autoptr(GError) cause = NULL;
  if (!channel_turn(&dialog->channel, wake_fd, g_get_monotonic_time() + tick_us, &cause)) {
    return fail_closed(dialog, cause, error);
  }
  if (!dispatch_all(dialog, error)) return FALSE;
  send_requests(dialog); /* what waited for the answers */
  return check_time(dialog, error);
}
