/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/encoder-choice.h"

#include <string.h>

/* No IDR but those that are asked for, no B-frames, no look-ahead: each picture comes out as soon as it went in. Those
 * after vsockenc are in the order of what they cost the CPU. */
static const EncoderCandidate CANDIDATES[] = {
    {"vsockenc", "", NULL, 1000},
    {"vah264enc", "rate-control=cbr b-frames=0 key-int-max=1024 target-usage=7", NULL, 1000},
    {"vaapih264enc", "rate-control=cbr max-bframes=0 keyframe-period=1024", NULL, 1000},
    {"nvh264enc", "rc-mode=cbr-ld-hq bframes=0 gop-size=1024 zerolatency=true", NULL, 1000},
    {"v4l2h264enc", "", NULL, 0},
    {"x264enc",
     "tune=zerolatency speed-preset=veryfast bframes=0 key-int-max=1024 byte-stream=true vbv-buf-capacity=300",
     "video/x-raw,format=I420", 1000},
    {"openh264enc", "complexity=low rate-control=bitrate gop-size=1024 multi-thread=2", "video/x-raw,format=I420", 1},
};

static const EncoderCandidate *find(const char *element) {
  for (guint i = 0; i < G_N_ELEMENTS(CANDIDATES); i++) {
    if (g_str_equal(CANDIDATES[i].element, element)) return &CANDIDATES[i];
  }
  return NULL;
}

guint64 encoder_bitrate_unit(const char *element) {
  const EncoderCandidate *candidate = find(element);
  return candidate ? candidate->bitrate_unit : 1000;
}

static gboolean is_auto(const EncoderChoice *choice) {
  return g_str_equal(choice->wanted, "auto");
}

void encoder_choice_init(EncoderChoice *choice, const char *wanted, EncoderRegistry has, gpointer data) {
  *choice = (EncoderChoice){.has = has, .has_data = data, .rejected = g_string_new(NULL)};
  choice->wanted = g_strstrip(g_strdup(wanted));
}

void encoder_choice_finish(EncoderChoice *choice) {
  g_free(choice->wanted);
  g_string_free(choice->rejected, TRUE);
}

/* With properties of the user's own, ours are left out: they may not go together. */
static char *write_wanted(const EncoderChoice *choice, guint64 bitrate) {
  const char *space = strchr(choice->wanted, ' ');
  g_autofree char *element = space ? g_strndup(choice->wanted, (gsize)(space - choice->wanted)) : NULL;
  const EncoderCandidate *known = find(element ? element : choice->wanted);
  GString *text = g_string_new("videoconvert ! ");
  if (known && known->format) g_string_append_printf(text, "%s ! ", known->format);
  g_string_append_printf(text, "%s name=" ENCODER_ELEMENT_NAME, choice->wanted);
  if (known && !space) g_string_append_printf(text, " %s", known->properties);
  gboolean has_bitrate = strstr(choice->wanted, "bitrate=") != NULL;
  if (known && known->bitrate_unit && !has_bitrate) {
    g_string_append_printf(text, " bitrate=%" G_GUINT64_FORMAT, bitrate / known->bitrate_unit);
  }
  return g_string_free(text, FALSE);
}

static char *write_candidate(const EncoderCandidate *candidate, guint64 bitrate) {
  GString *text = g_string_new("videoconvert ! ");
  if (candidate->format) g_string_append_printf(text, "%s ! ", candidate->format);
  g_string_append_printf(text, "%s name=" ENCODER_ELEMENT_NAME " %s", candidate->element, candidate->properties);
  if (candidate->bitrate_unit) {
    g_string_append_printf(text, " bitrate=%" G_GUINT64_FORMAT, bitrate / candidate->bitrate_unit);
  }
  return g_string_free(text, FALSE);
}

char *encoder_choice_launch(EncoderChoice *choice, guint64 bitrate) {
  if (!is_auto(choice)) return choice->next == 0 ? write_wanted(choice, bitrate) : NULL;
  for (; choice->next < G_N_ELEMENTS(CANDIDATES); encoder_choice_reject(choice, "not installed")) {
    const EncoderCandidate *candidate = &CANDIDATES[choice->next];
    if (choice->has(candidate->element, choice->has_data)) return write_candidate(candidate, bitrate);
  }
  return NULL;
}

const char *encoder_choice_element(const EncoderChoice *choice) {
  return is_auto(choice) ? CANDIDATES[choice->next].element : choice->wanted;
}

void encoder_choice_accept(EncoderChoice *choice) {
  choice->accepted = TRUE;
}

void encoder_choice_reject(EncoderChoice *choice, const char *why) {
  g_string_append_printf(choice->rejected, "%s%s: %s", choice->rejected->len ? "; " : "",
                         encoder_choice_element(choice), why);
  choice->next++;
  choice->accepted = FALSE;
}

void encoder_choice_restart(EncoderChoice *choice) {
  choice->next = 0;
  choice->accepted = FALSE;
  g_string_truncate(choice->rejected, 0);
}

const char *encoder_choice_rejected(const EncoderChoice *choice) {
  return choice->rejected->str;
}
