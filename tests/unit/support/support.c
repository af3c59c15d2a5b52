/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Generous: sanitized builds on a busy machine. */
#define SUPPORT_TIMEOUT_MS 20000

GBytes *support_hex(const char *hex) {
  GByteArray *bytes = g_byte_array_new();
  while (*hex) {
    if (g_ascii_isspace(*hex)) {
      hex++;
      continue;
    }
    g_assert_true(g_ascii_isxdigit(hex[0]) && g_ascii_isxdigit(hex[1]));
    guint8 byte = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
    g_byte_array_append(bytes, &byte, 1);
    hex += 2;
  }
  return g_byte_array_free_to_bytes(bytes);
}

char *support_make_folder(void) {
  g_autoptr(GError) error = NULL;
  char *folder = g_dir_make_tmp("framelift-XXXXXX", &error);
  g_assert_no_error(error);
  return folder;
}

static void remove_inside(const char *folder) {
  GDir *dir = g_dir_open(folder, 0, NULL);
  const char *name;
  while (dir && (name = g_dir_read_name(dir))) {
    g_autofree char *path = g_build_filename(folder, name, NULL);
    if (g_file_test(path, G_FILE_TEST_IS_DIR) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) remove_inside(path);
    g_remove(path);
  }
  if (dir) g_dir_close(dir);
}

void support_remove_folder(char *folder) {
  remove_inside(folder);
  g_rmdir(folder);
  g_free(folder);
}

static gboolean on_timeout(gpointer data) {
  *(gboolean *)data = TRUE;
  return G_SOURCE_REMOVE;
}

gboolean support_run_until(gboolean (*done)(gpointer data), gpointer data, guint timeout_ms) {
  gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
  while (!done(data)) {
    if (g_get_monotonic_time() >= end) return done(data);
    g_main_context_iteration(NULL, FALSE);
    g_usleep(200);
  }
  return TRUE;
}

void support_run_for(guint ms) {
  gboolean passed = FALSE;
  g_timeout_add(ms, on_timeout, &passed);
  while (!passed) g_main_context_iteration(NULL, TRUE);
}

AccessUnit *support_unit(gboolean key, guint8 tag, gsize size) {
  static const guint8 KEY[] = {0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x2a, 0, 0, 0, 1, 0x68, 0xce, 0x03, 0, 0, 0, 1, 0x65};
  static const guint8 DELTA[] = {0, 0, 0, 1, 0x41};
  g_assert_cmpuint(size, >=, 32);
  g_autofree guint8 *data = g_malloc(size);
  memset(data, tag | 1, size); /* never a zero: no start code by chance */
  memcpy(data, key ? KEY : DELTA, key ? sizeof KEY : sizeof DELTA);
  gint64 now = g_get_monotonic_time();
  AccessUnitInfo info = {.is_key = key, .width = 640, .height = 480, .flush_us = now, .encoded_us = now, .qp = tag};
  AccessUnit *unit = access_unit_create(&info, NULL, 0, data, size);
  g_assert_nonnull(unit);
  return unit;
}

gboolean support_is_emulated(void) {
  const char *wrapper = g_getenv("MESON_EXE_WRAPPER");
  return wrapper && wrapper[0] != '\0';
}

gboolean support_cannot_start_programs(void) {
  if (!support_is_emulated()) return FALSE;
  g_test_skip("an emulated program cannot start others of its kind");
  return TRUE;
}

gboolean support_is_too_slow(void) {
  if (!support_is_emulated()) return FALSE;
  g_test_skip("takes minutes under an emulator");
  return TRUE;
}

gsize support_resident(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;
#endif
  if (support_is_emulated()) return 0;
  g_autofree char *text = NULL;
  g_assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
  return (gsize)g_ascii_strtoull(strchr(text, ' '), NULL, 10) * (gsize)sysconf(_SC_PAGESIZE);
}

void support_client_init(SupportClient *client, int fd) {
  client->fd = fd;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  framing_init(&client->framing, 0);
}

void support_client_finish(SupportClient *client) {
  framing_finish(&client->framing);
  if (client->fd >= 0) close(client->fd);
  client->fd = -1;
}

/* A turn of the main context, so that the other end, in this same thread, gets on. */
static void turn(gint64 end) {
  g_assert_cmpint(g_get_monotonic_time(), <, end);
  if (!g_main_context_iteration(NULL, FALSE)) g_usleep(100);
}

void support_client_send(SupportClient *client, const void *bytes, gsize size) {
  gint64 end = g_get_monotonic_time() + SUPPORT_TIMEOUT_MS * 1000;
  for (gsize at = 0; at < size;) {
    ssize_t sent = send(client->fd, (const guint8 *)bytes + at, size - at, MSG_NOSIGNAL);
    if (sent > 0)
      at += (gsize)sent;
    else if (errno == EAGAIN)
      turn(end);
    else
      return; /* the other end closed: what it said is what counts */
  }
}

void support_client_message(SupportClient *client, guint8 type, guint16 session, const void *payload, gsize size) {
  g_autofree guint8 *bytes = g_malloc(HXFR_HEADER_SIZE + size);
  ByteWriter writer;
  byte_writer_init(&writer, bytes, HXFR_HEADER_SIZE + size);
  hxfr_header_write(&writer, &(HxfrHeader){.type = type, .session_id = session, .payload_size = (guint32)size});
  byte_writer_bytes(&writer, payload, size);
  support_client_send(client, bytes, HXFR_HEADER_SIZE + size);
}

gboolean support_client_next(SupportClient *client, HxfrHeader *header, const guint8 **payload) {
  gint64 end = g_get_monotonic_time() + SUPPORT_TIMEOUT_MS * 1000;
  FramingResult result;
  while ((result = framing_next(&client->framing, header, payload)) == FRAMING_NEED_MORE) {
    gsize room;
    guint8 *space = framing_space(&client->framing, &room);
    ssize_t got = read(client->fd, space, room);
    if (got > 0)
      framing_commit(&client->framing, (gsize)got);
    else if (got < 0 && errno == EAGAIN)
      turn(end);
    else
      return FALSE;
  }
  g_assert_cmpint(result, ==, FRAMING_MESSAGE);
  return TRUE;
}

void support_client_expect(SupportClient *client, guint8 type, HxfrHeader *header, const guint8 **payload) {
  g_assert_true(support_client_next(client, header, payload));
  g_assert_cmpstr(hxfr_type_name(header->type), ==, hxfr_type_name(type));
}

void support_client_expect_error(SupportClient *client, gint32 code) {
  HxfrHeader header;
  const guint8 *payload;
  support_client_expect(client, HXFR_ERROR, &header, &payload);
  ByteReader reader;
  byte_reader_init(&reader, payload, header.payload_size);
  HxfrError error;
  g_assert_true(hxfr_error_parse(&reader, &error));
  g_assert_cmpint(error.code, ==, code);
  g_assert_cmpuint(strlen(error.text), >, 10);
}

void support_client_expect_end(SupportClient *client) {
  HxfrHeader header;
  const guint8 *payload;
  g_assert_false(support_client_next(client, &header, &payload));
}
