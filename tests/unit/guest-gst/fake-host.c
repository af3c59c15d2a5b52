/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-gst/fake-host.h"

#include "common/base/thread.h"
#include "common/media/annexb.h"
#include "common/wire/framing.h"
#include "tests/unit/guest-gst/fake-canvas.h"
#include "tests/unit/guest-gst/fake-unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct {
  gint64 due_us;
  GBytes *message;
  gboolean is_answer;
} Outgoing;

struct FakeHost {
  char *path;
  guint version;
  guint32 features;
  GThread *thread;
  int listener;

  Mutex mutex; /* for all below */
  gboolean stopping;
  gboolean hang_up;
  gboolean nonsense;
  guint flags;
  guint delay_ms;
  guint width;
  guint height;
  guint skip;
  guint fail;
  gint32 fail_code;
  guint mangle;
  guint push_ms;
  guint gap;
  gboolean force_key;
  GPtrArray *stream; /* of GByteArray; NULL: made up */
  guint stream_next;
  guint32 wanted; /* HxfrWantedReason of fingerprints; 0: they agree */
  gboolean owed;  /* pixels, of an earlier request */
  gboolean never_content;
  FakeCanvas canvas;
  FakeHostRecord record;
  GArray *requests;

  /* the thread's */
  int fd;
  Framing framing;
  GQueue outgoing; /* of Outgoing */
  guint waiting;
  guint units;
  gint subscribed; /* -1: no */
  gboolean peer_v2;
  gint64 subscribed_us;
  gint64 pushed_us;
  guint64 sequence;
  guint8 tag;
};

static gboolean is_key(const GByteArray *unit) {
  AnnexbIterator iterator;
  Nal nal;
  annexb_init(&iterator, unit->data, unit->len);
  return annexb_next(&iterator, &nal) && nal_type(&nal) == NAL_SPS;
}

/* With the mutex held. */
static GByteArray *next_unit(FakeHost *host, gboolean key) {
  if (!host->stream) return fake_unit_make(key, host->width, host->height, host->tag++);
  while (key && !is_key(host->stream->pdata[host->stream_next])) {
    host->stream_next = (host->stream_next + 1) % host->stream->len;
  }
  GByteArray *unit = host->stream->pdata[host->stream_next];
  host->stream_next = (host->stream_next + 1) % host->stream->len;
  return g_byte_array_ref(unit);
}

static void queue_message(FakeHost *host, GBytes *message, guint delay_ms, gboolean is_answer) {
  Outgoing *outgoing = g_new(Outgoing, 1);
  *outgoing = (Outgoing){g_get_monotonic_time() + (gint64)delay_ms * 1000, message, is_answer};
  g_queue_push_tail(&host->outgoing, outgoing);
}

static GBytes *response(guint16 session, gint64 pts, gboolean key, const GByteArray *unit, gboolean mangled) {
  gsize size = HXFR_FRAME_RESPONSE_SIZE + 4 + unit->len;
  g_autofree guint8 *payload = g_malloc(size);
  ByteWriter writer;
  byte_writer_init(&writer, payload, size);
  hxfr_frame_response_write(&writer, &(HxfrFrameResponse){pts, pts, key, 1});
  byte_writer_u32(&writer, mangled ? unit->len + 1 : unit->len);
  byte_writer_bytes(&writer, unit->data, unit->len);
  return hxfr_message(HXFR_FRAME_RESPONSE, session, payload, size);
}

static GBytes *push_message(FakeHost *host, gint64 pts, gboolean key, const GByteArray *unit) {
  if (!host->peer_v2) return response((guint16)host->subscribed, pts, key, unit, FALSE);
  gsize size = HXFR_UNIT_FIXED_SIZE + unit->len;
  g_autofree guint8 *payload = g_malloc(size);
  ByteWriter writer;
  byte_writer_init(&writer, payload, size);
  hxfr_unit_write(&writer, &(HxfrUnit){.sequence = host->sequence, .pts_ns = pts, .flags = key ? HXFR_UNIT_KEY : 0});
  byte_writer_bytes(&writer, unit->data, unit->len);
  return hxfr_message(HXFR_UNIT, (guint16)host->subscribed, payload, size);
}

/* With the mutex held. */
static void push(FakeHost *host, gint64 now) {
  gboolean key = host->units == 0 || host->gap > 0 || host->force_key;
  g_autoptr(GByteArray) unit = next_unit(host, key);
  host->sequence += 1 + host->gap;
  host->gap = 0;
  host->force_key = FALSE;
  host->units++;
  queue_message(host, push_message(host, (now - host->subscribed_us) * 1000, key, unit), 0, FALSE);
}

/* What the request is, and in `wanted` whether its pixels are. With the mutex held. */
static FakeHostRequest read_request(FakeHost *host, const HxfrHeader *header, ByteReader *reader) {
  FakeHostRequest got = {
      .type = header->type,
      .session_id = header->session_id,
      .has_pixels = (header->flags & HXFR_FLAG_PIXELS) != 0,
      .connection = host->record.connections,
  };
  HxfrRequestFingerprint fingerprint;
  HxfrRequestTiles tiles;
  gboolean good;
  if (header->type == HXFR_REQUEST_FINGERPRINT) {
    good = hxfr_request_fingerprint_parse(reader, &fingerprint);
    got.request = fingerprint.request;
    got.places = fingerprint.fingerprint.count;
    got.scanout = fingerprint.scanout;
    got.wanted = host->owed ? HXFR_WANTED_IN_ORDER : host->wanted;
  } else if (header->type == HXFR_REQUEST_TILES) {
    good = hxfr_request_tiles_parse(reader, &tiles);
    got.request = tiles.request;
    got.picture = tiles.picture;
    got.base = tiles.base;
    got.rects = tiles.rect_count;
    got.pixels_size = byte_reader_left(reader) - (gsize)tiles.rect_count * HXFR_RECT_SIZE;
    got.wanted = fake_canvas_apply(&host->canvas, &tiles, reader) && !host->never_content ? 0 : HXFR_WANTED_NO_BASE;
  } else {
    good = hxfr_frame_request_parse(reader, &got.request);
    got.pixels_size = byte_reader_left(reader);
    if (got.pixels_size >= 4) memcpy(got.first_pixel, byte_reader_bytes(reader, 4), 4);
  }
  if (!good) g_error("fake host: a malformed %s", hxfr_type_name(header->type));
  if (header->type == HXFR_REQUEST_TILES || got.has_pixels) host->owed = FALSE;
  if (got.wanted) host->owed = TRUE;
  return got;
}

static GBytes *pixels_wanted(const FakeHostRequest *got) {
  guint8 payload[HXFR_PIXELS_WANTED_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_pixels_wanted_write(&writer, &(HxfrPixelsWanted){got->request.pts_ns, got->wanted});
  return hxfr_message(HXFR_PIXELS_WANTED, got->session_id, payload, sizeof payload);
}

/* NULL: none. With the mutex held. */
static GBytes *make_answer(FakeHost *host, const FakeHostRequest *got) {
  if (got->wanted) return pixels_wanted(got);
  if (host->skip > 0) {
    host->skip--;
    return NULL;
  }
  if (host->fail > 0) {
    host->fail--;
    /* hosts in the field give it a session of their own */
    guint16 session = host->version == 1 ? 0x77 : got->session_id;
    return hxfr_error_message(session, host->fail_code, "the fake host fails");
  }
  gboolean key = got->request.force_keyframe || host->units == 0;
  g_autoptr(GByteArray) unit = next_unit(host, key);
  gboolean mangled = host->mangle > 0;
  if (mangled) host->mangle--;
  host->units++;
  return response(got->session_id, got->request.pts_ns, key, unit, mangled);
}

static void on_request(FakeHost *host, const HxfrHeader *header, ByteReader *reader) {
  FakeHostRequest got = read_request(host, header, reader);
  g_array_append_val(host->requests, got);
  if (host->flags & FAKE_HOST_NO_ANSWERS) return;
  host->waiting++;
  host->record.most_waiting = MAX(host->record.most_waiting, host->waiting);
  GBytes *answer = make_answer(host, &got);
  if (answer)
    queue_message(host, answer, host->delay_ms, TRUE);
  else
    host->waiting--;
}

static void queue_state(FakeHost *host, HxfrDisplayState state, guint delay_ms) {
  guint8 payload[64];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_state_write(&writer, state, state == HXFR_STATE_RUNNING ? "all is well" : "not yet");
  queue_message(host, hxfr_message(HXFR_STATE, 0, payload, writer.position), delay_ms, FALSE);
}

static void on_hello(FakeHost *host, ByteReader *reader) {
  HxfrHello hello;
  host->record.hellos++;
  if (host->version == 1) return;
  if (!hxfr_hello_parse(reader, &hello)) g_error("fake host: a malformed HELLO");
  g_strlcpy(host->record.token, hello.token, sizeof host->record.token);
  if (host->flags & FAKE_HOST_DENY) {
    queue_message(host, hxfr_error_message(0, HXFR_ERR_DENIED, "the token is wrong"), 0, FALSE);
    host->hang_up = TRUE;
    return;
  }
  host->peer_v2 = TRUE;
  guint8 payload[HXFR_WELCOME_FIXED_SIZE + HXFR_MAX_NAME];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_welcome_write(&writer, &(HxfrWelcome){.version = 2, .rights = 3, .features = host->features, .name = "fake"});
  queue_message(host, hxfr_message(HXFR_WELCOME, 0, payload, writer.position), 0, FALSE);
  queue_state(host, host->flags & FAKE_HOST_STARTING ? HXFR_STATE_STARTING : HXFR_STATE_RUNNING, 0);
}

static void on_subscribe(FakeHost *host, const HxfrHeader *header, ByteReader *reader) {
  guint32 scanout;
  host->record.subscribes++;
  if (!hxfr_subscribe_parse(reader, &scanout)) g_error("fake host: a malformed SUBSCRIBE");
  if (host->flags & FAKE_HOST_NO_SUBSCRIBE) return;
  gboolean success = !(host->flags & FAKE_HOST_ABSENT);
  guint8 payload[HXFR_SUBSCRIBE_RESP_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_subscribe_resp_write(&writer, scanout, success);
  queue_message(host, hxfr_message(HXFR_SUBSCRIBE_RESP, header->session_id, payload, sizeof payload), 0, FALSE);
  if (!success) return;
  host->subscribed = (gint)scanout;
  host->subscribed_us = g_get_monotonic_time();
}

static void on_config(FakeHost *host, const HxfrHeader *header, const guint8 *payload, ByteReader *reader) {
  host->record.configs++;
  if (!hxfr_config_parse(reader, &host->record.config)) g_error("fake host: a malformed CONFIG_REQ");
  if (!host->peer_v2) return;
  queue_message(host,
                host->flags & FAKE_HOST_REFUSE_CONFIG
                    ? hxfr_error_message(header->session_id, HXFR_ERR_NOT_CONFIGURED, "no CONFIG_REQ here")
                    : hxfr_message(HXFR_CONFIG_RESP, header->session_id, payload, HXFR_CONFIG_SIZE),
                0, FALSE);
}

/* With the mutex held. */
static void on_message(FakeHost *host, const HxfrHeader *header, const guint8 *payload) {
  ByteReader reader;
  byte_reader_init(&reader, payload, header->payload_size);
  switch (header->type) {
  case HXFR_HELLO:
    on_hello(host, &reader);
    break;
  case HXFR_PING:
    host->record.pings++;
    host->record.ping_bytes += header->payload_size;
    if (!(host->flags & FAKE_HOST_NO_PONG))
      queue_message(host, hxfr_message(HXFR_PONG, header->session_id, NULL, 0), 0, FALSE);
    if (host->peer_v2 && host->flags & FAKE_HOST_STARTING) {
      host->flags &= ~(guint)FAKE_HOST_STARTING;
      queue_state(host, HXFR_STATE_RUNNING, 100);
    }
    break;
  case HXFR_REQUEST_FINGERPRINT:
  case HXFR_REQUEST_TILES:
    if (!host->peer_v2 || !(host->features & HXFR_FEATURE_TILES)) g_error("fake host: nobody asked for that");
    on_request(host, header, &reader);
    break;
  case HXFR_FRAME_REQUEST:
    on_request(host, header, &reader);
    break;
  case HXFR_REQUEST_SCANOUT:
    if (!host->peer_v2 || !(host->features & HXFR_FEATURE_TILES)) g_error("fake host: nobody asked for that");
    host->record.scanouts++;
    host->record.scanout = byte_reader_u32(&reader);
    break;
  case HXFR_CONFIG_REQ:
    on_config(host, header, payload, &reader);
    break;
  case HXFR_KEYFRAME_REQ:
    host->record.key_requests++;
    host->force_key = host->version > 1;
    break;
  case HXFR_SUBSCRIBE:
    on_subscribe(host, header, &reader);
    break;
  default:
    break;
  }
}

/* FALSE at the end of the connection. */
static gboolean receive(FakeHost *host) {
  gsize room;
  guint8 *space = framing_space(&host->framing, &room);
  ssize_t got = read(host->fd, space, room);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return TRUE;
  if (got <= 0) return FALSE;
  framing_commit(&host->framing, (gsize)got);
  HxfrHeader header;
  const guint8 *payload;
  mutex_lock(&host->mutex);
  while (framing_next(&host->framing, &header, &payload) == FRAMING_MESSAGE) on_message(host, &header, payload);
  mutex_unlock(&host->mutex);
  return TRUE;
}

static gboolean write_all(int fd, const guint8 *bytes, gsize size) {
  for (gsize at = 0; at < size;) {
    ssize_t sent = send(fd, bytes + at, size - at, MSG_NOSIGNAL);
    if (sent > 0) {
      at += (gsize)sent;
    } else if (sent < 0 && errno == EAGAIN) {
      struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
      if (poll(&poll_fd, 1, 1000) <= 0) return FALSE;
    } else {
      return FALSE;
    }
  }
  return TRUE;
}

/* What is due, in order; FALSE at the end of the connection. */
static gboolean send_due(FakeHost *host) {
  Outgoing *first;
  while ((first = g_queue_peek_head(&host->outgoing)) != NULL && first->due_us <= g_get_monotonic_time()) {
    g_queue_pop_head(&host->outgoing);
    gsize size;
    const guint8 *bytes = g_bytes_get_data(first->message, &size);
    gboolean good = write_all(host->fd, bytes, size);
    mutex_lock(&host->mutex);
    if (first->is_answer) {
      host->waiting--;
      host->record.answers++;
    }
    mutex_unlock(&host->mutex);
    g_bytes_unref(first->message);
    g_free(first);
    if (!good) return FALSE;
  }
  return TRUE;
}

/* FALSE when the connection is to end. */
static gboolean turn(FakeHost *host) {
  static const char NONSENSE[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
  mutex_lock(&host->mutex);
  gint64 now = g_get_monotonic_time();
  if (host->subscribed >= 0 && host->push_ms > 0 && now - host->pushed_us >= (gint64)host->push_ms * 1000) {
    host->pushed_us = now;
    push(host, now);
  }
  gboolean hang_up = host->hang_up || host->stopping, nonsense = host->nonsense;
  host->nonsense = FALSE;
  mutex_unlock(&host->mutex);
  if (nonsense) write_all(host->fd, (const guint8 *)NONSENSE, sizeof NONSENSE - 1);
  return send_due(host) && !hang_up;
}

static void free_outgoing(gpointer data) {
  Outgoing *outgoing = data;
  g_bytes_unref(outgoing->message);
  g_free(outgoing);
}

static void serve(FakeHost *host) {
  framing_init(&host->framing, 0);
  host->units = host->waiting = 0;
  host->owed = FALSE;
  host->canvas.number = 0;
  host->subscribed = -1;
  host->peer_v2 = FALSE;
  gboolean good = TRUE;
  while (good) {
    struct pollfd poll_fd = {.fd = host->fd, .events = POLLIN};
    if (poll(&poll_fd, 1, 1) > 0) good = receive(host);
    good = good && turn(host);
  }
  g_queue_clear_full(&host->outgoing, free_outgoing);
  framing_finish(&host->framing);
  close(host->fd);
}

static gpointer run(gpointer data) {
  FakeHost *host = data;
  while (TRUE) {
    struct pollfd poll_fd = {.fd = host->listener, .events = POLLIN};
    int ready = poll(&poll_fd, 1, 5);
    mutex_lock(&host->mutex);
    gboolean stopping = host->stopping;
    mutex_unlock(&host->mutex);
    if (stopping) return NULL;
    if (ready <= 0) continue;
    host->fd = accept(host->listener, NULL, NULL);
    if (host->fd < 0) continue;
    fcntl(host->fd, F_SETFL, fcntl(host->fd, F_GETFL) | O_NONBLOCK);
    mutex_lock(&host->mutex);
    host->hang_up = FALSE;
    host->nonsense = (host->flags & FAKE_HOST_GARBAGE) != 0;
    host->record.connections++;
    mutex_unlock(&host->mutex);
    serve(host);
  }
}

FakeHost *fake_host_start(const char *path, guint version, guint32 features) {
  FakeHost *host = g_new0(FakeHost, 1);
  host->path = g_strdup(path);
  host->version = version;
  host->features = features;
  host->width = 640;
  host->height = 480;
  host->requests = g_array_new(FALSE, TRUE, sizeof(FakeHostRequest));
  mutex_init(&host->mutex);
  g_queue_init(&host->outgoing);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  g_strlcpy(name.sun_path, path, sizeof name.sun_path);
  unlink(path);
  host->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(host->listener, (struct sockaddr *)&name, sizeof name), ==, 0);
  g_assert_cmpint(listen(host->listener, 4), ==, 0);
  host->thread = g_thread_new("fake-host", run, host);
  return host;
}

void fake_host_stop(FakeHost *host) {
  mutex_lock(&host->mutex);
  host->stopping = TRUE;
  mutex_unlock(&host->mutex);
  g_thread_join(host->thread);
  close(host->listener);
  unlink(host->path);
  if (host->stream) g_ptr_array_unref(host->stream);
  fake_canvas_finish(&host->canvas);
  g_array_unref(host->requests);
  mutex_finish(&host->mutex);
  g_free(host->path);
  g_free(host);
}

#define SET(what, value)                                                                                               \
  do {                                                                                                                 \
    mutex_lock(&host->mutex);                                                                                          \
    host->what = value;                                                                                                \
    mutex_unlock(&host->mutex);                                                                                        \
  } while (0)

void fake_host_set_flags(FakeHost *host, guint flags) {
  SET(flags, flags);
}

void fake_host_set_delay(FakeHost *host, guint ms) {
  SET(delay_ms, ms);
}

void fake_host_set_size(FakeHost *host, guint width, guint height) {
  SET(width, width);
  SET(height, height);
}

void fake_host_skip(FakeHost *host, guint requests) {
  SET(skip, requests);
}

void fake_host_fail(FakeHost *host, guint requests, gint32 code) {
  SET(fail_code, code);
  SET(fail, requests);
}

void fake_host_mangle(FakeHost *host, guint requests) {
  SET(mangle, requests);
}

void fake_host_want_pixels(FakeHost *host, HxfrWantedReason reason) {
  SET(wanted, reason);
}

void fake_host_lose_base(FakeHost *host) {
  SET(canvas.number, 0);
}

void fake_host_never_content(FakeHost *host) {
  SET(never_content, TRUE);
}

GBytes *fake_host_canvas(FakeHost *host) {
  mutex_lock(&host->mutex);
  const FakeCanvas *canvas = &host->canvas;
  gsize size = (gsize)canvas->width * canvas->height * (canvas->format == PIXEL_FORMAT_NV12 ? 3 : 8) / 2;
  GBytes *copy = canvas->pixels ? g_bytes_new(canvas->pixels, size) : NULL;
  mutex_unlock(&host->mutex);
  return copy;
}

void fake_host_set_push(FakeHost *host, guint ms) {
  SET(push_ms, ms);
}

void fake_host_gap(FakeHost *host, guint units) {
  SET(gap, units);
}

void fake_host_hang_up(FakeHost *host) {
  SET(hang_up, TRUE);
}

void fake_host_talk_nonsense(FakeHost *host) {
  SET(nonsense, TRUE);
}

/* One slice a picture: the next access unit begins at an SPS, or at a slice after a slice. */
void fake_host_use_stream(FakeHost *host, const char *path) {
  g_autofree char *text = NULL;
  gsize size;
  g_assert_true(g_file_get_contents(path, &text, &size, NULL));
  GPtrArray *stream = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
  AnnexbIterator iterator;
  Nal nal;
  gboolean after_slice = TRUE;
  annexb_init(&iterator, (const guint8 *)text, size);
  while (annexb_next(&iterator, &nal)) {
    if (after_slice) g_ptr_array_add(stream, g_byte_array_new());
    g_byte_array_append(stream->pdata[stream->len - 1], nal.entry, (guint)nal.entry_size);
    after_slice = nal_type(&nal) == NAL_SLICE || nal_type(&nal) == NAL_SLICE_IDR;
  }
  SET(stream, stream);
}

FakeHostRecord fake_host_record(FakeHost *host) {
  mutex_lock(&host->mutex);
  FakeHostRecord record = host->record;
  mutex_unlock(&host->mutex);
  return record;
}

guint fake_host_n_requests(FakeHost *host) {
  mutex_lock(&host->mutex);
  guint count = host->requests->len;
  mutex_unlock(&host->mutex);
  return count;
}

FakeHostRequest fake_host_request(FakeHost *host, guint index) {
  mutex_lock(&host->mutex);
  g_assert_cmpuint(index, <, host->requests->len);
  FakeHostRequest request = g_array_index(host->requests, FakeHostRequest, index);
  mutex_unlock(&host->mutex);
  return request;
}
