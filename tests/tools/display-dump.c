/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * display-dump qemu:PATH|vugpu:SOCKET[,…] SECONDS [PREFIX]: shows what a display tells its
 * sink, once a second how many updates came, and writes each scanout's last
 * picture to PREFIX-ID.ppm. FRAMELIFT_DUMP_SLOW_MS: each update takes that
 * long, to see what becomes of the backlog. A line "output N WxH" or "output
 * N off" on stdin plugs an output of the VM.
 */

#include "common/base/log.h"
#include "common/base/stats.h"
#include "common/base/thread.h"
#include "host/display/qemu-dbus/qemu-display.h"
#include "host/display/vugpu/vugpu-display.h"

#include <gio/gio.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct {
  guint updates, rects, whole;
  gint64 delay_us;
  guint width, height;
  guint8 *rgb;
} Scanout;

typedef struct {
  Mutex mutex;
  gulong slow_us;
  gint64 start_us;
  Scanout scanouts[DISPLAY_MAX_SCANOUTS];
} Dump;

static double seconds(Dump *dump) {
  return (double)(g_get_monotonic_time() - dump->start_us) / 1e6;
}

static void on_scanout(gpointer data, guint id, const ScanoutInfo *info) {
  printf("%7.3f scanout %u \"%s\" %ux%u%s%s\n", seconds(data), id, info->name, info->width, info->height,
         info->connected ? " connected" : "", info->lit ? " lit" : "");
}

static void keep_picture(Scanout *scanout, const Frame *frame, const Rect *rect) {
  for (guint y = rect->y; y < rect->y + rect->height; y++) {
    const guint8 *from = frame->data + y * frame->stride + (gsize)rect->x * 4;
    guint8 *to = scanout->rgb + ((gsize)y * frame->width + rect->x) * 3;
    for (guint x = 0; x < rect->width; x++, from += 4, to += 3) {
      to[0] = from[2];
      to[1] = from[1];
      to[2] = from[0];
    }
  }
}

static void on_update(gpointer data, guint id, const Frame *frame, const Rect *rects, guint n_rects, gint64 flush_us) {
  Dump *dump = data;
  Scanout *scanout = &dump->scanouts[id];
  if (dump->slow_us) g_usleep(dump->slow_us);
  mutex_lock(&dump->mutex);
  if (scanout->width != frame->width || scanout->height != frame->height) {
    g_free(scanout->rgb);
    scanout->rgb = g_malloc0((gsize)frame->width * frame->height * 3);
    scanout->width = frame->width;
    scanout->height = frame->height;
  }
  if (n_rects == 0) keep_picture(scanout, frame, &(Rect){0, 0, frame->width, frame->height});
  for (guint i = 0; i < n_rects; i++) keep_picture(scanout, frame, &rects[i]);
  scanout->updates++;
  scanout->rects += n_rects;
  scanout->whole += n_rects == 0;
  scanout->delay_us += g_get_monotonic_time() - flush_us;
  mutex_unlock(&dump->mutex);
}

static void on_state(gpointer data, DisplayState state, const char *text) {
  static const char *const NAMES[] = {"STARTING", "RUNNING", "LOST"};
  printf("%7.3f state %s: %s\n", seconds(data), NAMES[state], text);
}

static void report(Dump *dump) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  double cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
  mutex_lock(&dump->mutex);
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    Scanout *scanout = &dump->scanouts[id];
    if (scanout->updates == 0) continue;
    printf("%7.3f %u: %u updates (%u whole, %u rects), delay %" G_GINT64_FORMAT " us; cpu %.2f s, maxrss %ld MB\n",
           seconds(dump), id, scanout->updates, scanout->whole, scanout->rects, scanout->delay_us / scanout->updates,
           cpu, usage.ru_maxrss / 1024);
    scanout->updates = scanout->rects = scanout->whole = 0;
    scanout->delay_us = 0;
  }
  mutex_unlock(&dump->mutex);
}

static void write_pictures(Dump *dump, const char *prefix) {
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    Scanout *scanout = &dump->scanouts[id];
    if (!scanout->rgb) continue;
    g_autofree char *path = g_strdup_printf("%s-%u.ppm", prefix, id);
    FILE *file = fopen(path, "wb");
    if (!file) continue;
    fprintf(file, "P6\n%u %u\n255\n", scanout->width, scanout->height);
    fwrite(scanout->rgb, 3, (gsize)scanout->width * scanout->height, file);
    fclose(file);
    g_free(scanout->rgb);
  }
}

static void print_counter(const char *name, gint64 value, gpointer data) {
  printf("  %-24s %" G_GINT64_FORMAT "\n", name, value);
}

static Display *open_display(const char *text, GError **error) {
  if (g_str_has_prefix(text, "qemu:")) return qemu_display_create(text + strlen("qemu:"));
  if (!g_str_has_prefix(text, "vugpu:")) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "%s: write qemu:PATH or vugpu:SOCKET", text);
    return NULL;
  }
  VugpuSettings settings;
  gboolean ok = vugpu_settings_parse(text + strlen("vugpu:"), &settings, error);
  Display *display = ok ? vugpu_display_create(&settings) : NULL;
  vugpu_settings_finish(&settings);
  return display;
}

static void obey(Display *display, const char *line) {
  guint id, width = 0, height = 0;
  if (!display->interface->set_output || sscanf(line, "output %u", &id) != 1) return;
  gboolean connected = sscanf(line, "output %*u %ux%u", &width, &height) == 2;
  gboolean ok = display->interface->set_output(display, id, connected, width, height, DISPLAY_DEFAULT_REFRESH_MHZ);
  printf("output %u: %s\n", id, ok ? "told" : "refused");
}

/* For a second. */
static void wait_and_obey(Display *display, gboolean *at_end) {
  gint64 until = g_get_monotonic_time() + G_USEC_PER_SEC;
  for (gint64 left; (left = until - g_get_monotonic_time()) > 0;) {
    struct pollfd input = {.fd = *at_end ? -1 : 0, .events = POLLIN};
    char line[80];
    if (poll(&input, 1, (int)(left / 1000) + 1) <= 0) continue;
    *at_end = fgets(line, sizeof line, stdin) == NULL;
    if (!*at_end) obey(display, line);
  }
}

int main(int argc, char **argv) {
  static const DisplaySink SINK = {.scanout = on_scanout, .update = on_update, .state = on_state};
  static Dump dump;
  if (argc < 3) {
    fprintf(stderr, "usage: display-dump qemu:PATH|vugpu:SOCKET SECONDS [PREFIX]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, 0);
  setvbuf(stdin, NULL, _IONBF, 0); /* poll() looks at the descriptor */
  if (g_getenv("FRAMELIFT_DUMP_VERBOSE")) log_set_level(LOG_DEBUG);
  mutex_init(&dump.mutex);
  const char *slow = g_getenv("FRAMELIFT_DUMP_SLOW_MS");
  dump.slow_us = slow ? strtoul(slow, NULL, 10) * 1000 : 0;
  dump.start_us = g_get_monotonic_time();
  g_autoptr(GError) error = NULL;
  Display *display = open_display(argv[1], &error);
  if (!display || !display_start(display, &SINK, &dump, &error)) {
    fprintf(stderr, "display-dump: %s\n", error->message);
    display_destroy(display); /* NULL: not opened */
    return 1;
  }
  gboolean at_end = FALSE;
  for (int second = atoi(argv[2]); second > 0; second--) {
    wait_and_obey(display, &at_end);
    report(&dump);
  }
  display_stop(display);
  display_destroy(display);
  write_pictures(&dump, argc > 3 ? argv[3] : "display-dump");
  stats_each(print_counter, NULL);
  return 0;
}
