/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/client.h"
#include "cli/command.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* A still screen of a version 2 host is a HEARTBEAT a second; this long without anything, and the host is gone. */
#define RECORD_SILENCE_MS 10000u

typedef struct {
  guint scanout;
  gint64 max_frames; /* 0: no limit */
  gdouble seconds;   /* 0: no limit */
  FILE *file;
  guint64 frames;
  guint64 keys;
  guint64 bytes;
  guint64 missing; /* by sequence number */
  guint64 merged;  /* flushes that the host could not encode one by one */
  guint64 next_sequence;
  gint64 first_us;
  gint64 last_us;
} Recording;

static volatile sig_atomic_t interrupted;

static void on_signal(int number) {
  interrupted = 1;
}

static gboolean write_unit(Recording *recording, const ClientUnit *unit, gboolean has_sequence, GError **error) {
  if (fwrite(unit->data->data, 1, unit->data->len, recording->file) != unit->data->len) {
    g_set_error(error, G_IO_ERROR, (gint)g_io_error_from_errno(errno), "cannot write: %s", g_strerror(errno));
    return FALSE;
  }
  if (has_sequence && recording->frames > 0 && unit->unit.sequence > recording->next_sequence) {
    recording->missing += unit->unit.sequence - recording->next_sequence;
  }
  recording->next_sequence = unit->unit.sequence + 1;
  recording->last_us = g_get_monotonic_time();
  if (recording->frames++ == 0) recording->first_us = recording->last_us;
  recording->keys += unit->is_key ? 1 : 0;
  recording->bytes += unit->data->len;
  recording->merged += unit->unit.frames_merged;
  return TRUE;
}

static gboolean is_over(const Recording *recording, gint64 started_us) {
  if (interrupted) return TRUE;
  if (recording->max_frames > 0 && recording->frames >= (guint64)recording->max_frames) return TRUE;
  gdouble elapsed = (gdouble)(g_get_monotonic_time() - started_us) / G_USEC_PER_SEC;
  return recording->seconds > 0 && elapsed >= recording->seconds;
}

/* Not longer than until the recording is over anyway; a tenth of a second, so that Ctrl-C is heard. */
static gboolean receive(Client *client, Message *message, gint64 *silent_since_us, GError **error) {
  g_autoptr(GError) why = NULL;
  if (client_receive(client, message, 100, &why)) {
    *silent_since_us = g_get_monotonic_time();
    return TRUE;
  }
  gboolean patient = g_error_matches(why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) &&
                     g_get_monotonic_time() - *silent_since_us < (gint64)RECORD_SILENCE_MS * 1000;
  if (!patient) g_propagate_error(error, g_steal_pointer(&why));
  return FALSE;
}

static gboolean run(Client *client, const char *token, Recording *recording, GError **error) {
  if (!client_negotiate(client, token, error) || !client_subscribe(client, recording->scanout, error)) return FALSE;
  gint64 started = g_get_monotonic_time(), heard = started, pinged = started;
  ClientUnit unit = {.data = g_byte_array_new()};
  gboolean good = TRUE;
  while (good && !is_over(recording, started)) {
    Message message;
    g_autoptr(GError) why = NULL;
    gboolean is_unit = FALSE;
    if (receive(client, &message, &heard, &why)) {
      good = client_read_unit(client, &message, &unit, &is_unit, error) &&
             (!is_unit || write_unit(recording, &unit, client->version >= HXFR_VERSION, error));
    } else if (why) {
      g_propagate_error(error, g_steal_pointer(&why));
      good = FALSE;
    }
    if (good && g_get_monotonic_time() - pinged > G_USEC_PER_SEC) {
      pinged = g_get_monotonic_time();
      good = client_send(client, HXFR_PING, 0, NULL, 0, error);
    }
  }
  g_byte_array_unref(unit.data);
  return good;
}

static void print_summary(const Recording *recording) {
  gdouble seconds = (gdouble)(recording->last_us - recording->first_us) / G_USEC_PER_SEC;
  fprintf(stderr, "%" G_GUINT64_FORMAT " access units (%" G_GUINT64_FORMAT " IDR), %.1f KB", recording->frames,
          recording->keys, (gdouble)recording->bytes / 1000);
  if (recording->frames > 1 && seconds > 0) {
    fprintf(stderr, ", %.2f a second, %.0f kbit/s", (gdouble)(recording->frames - 1) / seconds,
            (gdouble)recording->bytes * 8 / 1000 / seconds);
  }
  fprintf(stderr, "; %" G_GUINT64_FORMAT " missing, %" G_GUINT64_FORMAT " merged by a busy encoder\n",
          recording->missing, recording->merged);
}

static int record(const Address *address, const char *token, const char *path, Recording *recording) {
  g_autoptr(GError) error = NULL;
  gboolean to_stdout = g_str_equal(path, "-");
  Client client = {0};
  if (!client_connect(&client, address, &error)) return command_fail("record", "%s", error->message);
  recording->file = to_stdout ? stdout : fopen(path, "wbe");
  if (!recording->file) {
    client_close(&client);
    return command_fail("record", "cannot make %s: %s", path, g_strerror(errno));
  }
  signal(SIGINT, on_signal);
  signal(SIGTERM, on_signal);
  gboolean good = run(&client, token, recording, &error);
  client_close(&client);
  gboolean flushed = to_stdout ? fflush(stdout) == 0 : fclose(recording->file) == 0;
  print_summary(recording);
  if (!good) return command_fail("record", "%s", error->message);
  if (!flushed) return command_fail("record", "cannot write %s: %s", path, g_strerror(errno));
  if (recording->frames > 0) return COMMAND_DONE;
  return command_fail("record", "no picture came: run framelift probe on the same address");
}

int command_record(int argc, char **argv) {
  Recording recording = {0};
  gint scanout = 0;
  g_autofree char *token_file = NULL, *path = NULL, *address_text = NULL;
  const GOptionEntry entries[] = {
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &path, "Where to; - is stdout", "FILE.h264"},
      {"scanout", 0, 0, G_OPTION_ARG_INT, &scanout, "Which scanout (0)", "N"},
      {"frames", 0, 0, G_OPTION_ARG_INT64, &recording.max_frames, "Stop after so many access units", "N"},
      {"seconds", 0, 0, G_OPTION_ARG_DOUBLE, &recording.seconds, "Stop after so long", "S"},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &token_file, "The daemon's token, for tcp addresses", "FILE"},
      {NULL},
  };
  int status;
  const char *summary = "Writes a scanout's H.264 (Annex B) into a file until Ctrl-C, without encoding it again.";
  if (!command_parse("record", summary, entries, argc, argv, &address_text, &status)) return status;
  if (!path) return command_usage("record", "-o FILE.h264 is missing");
  if (scanout < 0 || scanout >= (gint)HXFR_MAX_SCANOUTS) return command_usage("record", "--scanout: 0 to 15");
  if (recording.max_frames < 0 || recording.seconds < 0) return command_usage("record", "a negative limit");
  recording.scanout = (guint)scanout;
  g_autoptr(GError) error = NULL;
  Address address;
  if (!address_parse(address_text, &address, &error)) return command_usage("record", "%s", error->message);
  g_autofree char *token = client_read_token(token_file, &error);
  if (error) return command_fail("record", "%s", error->message);
  return record(&address, token, path, &recording);
}
