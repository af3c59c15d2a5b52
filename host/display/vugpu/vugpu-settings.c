/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/vugpu-settings.h"

#include <gio/gio.h>
#include <string.h>

#define OUTPUT_MIN_REFRESH_MHZ 1000u
#define OUTPUT_MAX_REFRESH_MHZ 240000u

void vugpu_settings_init(VugpuSettings *settings) {
  *settings = (VugpuSettings){.fd = -1, .outputs = 1, .width = 1280, .height = 720};
}

void vugpu_settings_finish(VugpuSettings *settings) {
  g_clear_pointer(&settings->path, g_free);
  g_clear_pointer(&settings->qmp_path, g_free);
}

gboolean vugpu_settings_size_ok(guint width, guint height) {
  return width >= VUGPU_SETTINGS_MIN_SIDE && height >= VUGPU_SETTINGS_MIN_SIDE && width <= FRAME_MAX_WIDTH &&
         height <= FRAME_MAX_HEIGHT;
}

gboolean vugpu_settings_output_ok(guint id, guint width, guint height, guint refresh_mhz) {
  return id > 0 && id < VUGPU_SETTINGS_MAX_OUTPUTS && vugpu_settings_size_ok(width, height) &&
         refresh_mhz >= OUTPUT_MIN_REFRESH_MHZ && refresh_mhz <= OUTPUT_MAX_REFRESH_MHZ;
}

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean refuse(GError **error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  g_autofree char *text = g_strdup_vprintf(format, arguments);
  va_end(arguments);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, "--display vugpu: %s", text);
  return FALSE;
}

/* Digits alone: what g_ascii_string_to_unsigned refuses is refused with it. */
static gboolean number(const char *text, guint minimum, guint maximum, guint *out) {
  guint64 value;
  if (!g_ascii_string_to_unsigned(text, 10, minimum, maximum, &value, NULL)) return FALSE;
  *out = (guint)value;
  return TRUE;
}

static gboolean size(const char *text, VugpuSettings *settings, GError **error) {
  g_auto(GStrv) sides = g_strsplit(text, "x", 2);
  if (sides[0] && sides[1] && number(sides[0], 0, G_MAXINT, &settings->width) &&
      number(sides[1], 0, G_MAXINT, &settings->height) && vugpu_settings_size_ok(settings->width, settings->height)) {
    return TRUE;
  }
  return refuse(error, "size=%s is no size; it is WIDTHxHEIGHT, %ux%u to %ux%u, such as 1920x1080", text,
                VUGPU_SETTINGS_MIN_SIDE, VUGPU_SETTINGS_MIN_SIDE, FRAME_MAX_WIDTH, FRAME_MAX_HEIGHT);
}

static gboolean option(const char *word, VugpuSettings *settings, GError **error) {
  const char *value = strchr(word, '=');
  value = value ? value + 1 : "";
  if (g_str_has_prefix(word, "size=")) return size(value, settings, error);
  if (g_str_has_prefix(word, "outputs=")) {
    if (number(value, 1, VUGPU_SETTINGS_MAX_OUTPUTS, &settings->outputs)) return TRUE;
    return refuse(error, "outputs=%s: there can be 1 to %u outputs", value, VUGPU_SETTINGS_MAX_OUTPUTS);
  }
  if (g_str_has_prefix(word, "qmp=")) {
    g_free(settings->qmp_path);
    settings->qmp_path = g_strdup(value);
    return *value || refuse(error, "qmp= is empty; it is the path of a QMP socket of the same QEMU");
  }
  return refuse(error, "\"%s\" is unknown; after the socket come outputs=N, size=WxH and qmp=PATH", word);
}

/* The text up to the next single comma, with double ones made single; *text is moved past it, NULL at the end. */
static char *next_word(const char **text) {
  GString *word = g_string_new(NULL);
  const char *c = *text;
  while (*c && (*c != ',' || c[1] == ',')) {
    if (*c == ',') c++;
    g_string_append_c(word, *c++);
  }
  *text = *c ? c + 1 : NULL;
  return g_string_free(word, FALSE);
}

gboolean vugpu_settings_parse(const char *text, VugpuSettings *settings, GError **error) {
  vugpu_settings_init(settings);
  settings->path = next_word(&text);
  if (g_str_has_prefix(settings->path, "fd=")) {
    guint fd;
    if (!number(settings->path + 3, 0, G_MAXINT, &fd)) return refuse(error, "%s is no descriptor", settings->path);
    g_clear_pointer(&settings->path, g_free);
    settings->fd = (int)fd;
  } else if (!*settings->path) return refuse(error, "the socket is missing: vugpu:SOCKET[,outputs=N][,size=WxH][,qmp=PATH]");
  while (text) {
    g_autofree char *word = next_word(&text);
    if (!option(word, settings, error)) return FALSE;
  }
  return TRUE;
}
