/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/bridge/encoder-choice.h"

#include <string.h>

/* A registry in which the elements of `data` are, names with spaces around them. */
static gboolean has(const char *element, gpointer data) {
  g_autofree char *word = g_strdup_printf(" %s ", element);
  return strstr(data, word) != NULL;
}

static void expect(EncoderChoice *choice, const char *element) {
  g_autofree char *text = encoder_choice_launch(choice, 4000000);
  g_assert_nonnull(text);
  g_assert_cmpstr(encoder_choice_element(choice), ==, element);
  g_assert_nonnull(strstr(text, element));
  g_assert_nonnull(strstr(text, "name=" ENCODER_ELEMENT_NAME));
}

static void expect_none(EncoderChoice *choice) {
  g_autofree char *text = encoder_choice_launch(choice, 4000000);
  g_assert_null(text);
}

static void test_order(void) {
  static const char *ORDER[] = {"vsockenc",    "vah264enc", "vaapih264enc", "nvh264enc",
                                "v4l2h264enc", "x264enc",   "openh264enc"};
  EncoderChoice choice;
  encoder_choice_init(&choice, "auto", has,
                      (gpointer) " openh264enc x264enc v4l2h264enc nvh264enc vaapih264enc vah264enc vsockenc ");
  for (guint i = 0; i < G_N_ELEMENTS(ORDER); i++) {
    expect(&choice, ORDER[i]);
    expect(&choice, ORDER[i]); /* asking changes nothing */
    encoder_choice_reject(&choice, "no");
  }
  expect_none(&choice);
  encoder_choice_finish(&choice);
}

static void test_says_why(void) {
  EncoderChoice choice;
  encoder_choice_init(&choice, "auto", has, (gpointer) " vsockenc openh264enc ");
  expect(&choice, "vsockenc");
  encoder_choice_reject(&choice, "no answer");
  expect(&choice, "openh264enc");
  encoder_choice_accept(&choice);
  g_assert_true(choice.accepted);
  g_assert_cmpstr(encoder_choice_rejected(&choice), ==,
                  "vsockenc: no answer; vah264enc: not installed; vaapih264enc: not installed; nvh264enc: not "
                  "installed; v4l2h264enc: not installed; x264enc: not installed");
  encoder_choice_finish(&choice);
}

/* One that worked and works no more is not taken again, until all have had their turn. */
static void test_rejected_later(void) {
  EncoderChoice choice;
  encoder_choice_init(&choice, "auto", has, (gpointer) " vah264enc x264enc ");
  expect(&choice, "vah264enc");
  encoder_choice_accept(&choice);
  encoder_choice_reject(&choice, "device lost");
  g_assert_false(choice.accepted);
  expect(&choice, "x264enc");
  encoder_choice_reject(&choice, "no");
  expect_none(&choice);
  encoder_choice_restart(&choice);
  g_assert_cmpstr(encoder_choice_rejected(&choice), ==, "");
  expect(&choice, "vah264enc");
  encoder_choice_finish(&choice);
}

static void test_nothing_installed(void) {
  EncoderChoice choice;
  encoder_choice_init(&choice, "auto", has, (gpointer) " ");
  expect_none(&choice);
  g_assert_nonnull(strstr(encoder_choice_rejected(&choice), "openh264enc: not installed"));
  encoder_choice_finish(&choice);
}

typedef struct {
  const char *wanted;
  const char *text; /* of the pipeline, at 4 Mbit/s */
} NamedCase;

static void test_named(void) {
  static const NamedCase CASES[] = {
      {"openh264enc", "videoconvert ! video/x-raw,format=I420 ! openh264enc name=framelift-encoder complexity=low "
                      "rate-control=bitrate gop-size=1024 multi-thread=2 bitrate=4000000"},
      {" vsockenc cid=2 port=5001 ", "videoconvert ! vsockenc cid=2 port=5001 name=framelift-encoder bitrate=4000"},
      {"vsockenc bitrate=7", "videoconvert ! vsockenc bitrate=7 name=framelift-encoder"},
      {"myenc speed=9", "videoconvert ! myenc speed=9 name=framelift-encoder"},
      {"v4l2h264enc", "videoconvert ! v4l2h264enc name=framelift-encoder "},
  };
  for (guint i = 0; i < G_N_ELEMENTS(CASES); i++) {
    EncoderChoice choice;
    encoder_choice_init(&choice, CASES[i].wanted, has, (gpointer) " ");
    g_autofree char *text = encoder_choice_launch(&choice, 4000000);
    g_assert_cmpstr(text, ==, CASES[i].text);
    encoder_choice_reject(&choice, "no");
    expect_none(&choice); /* nobody asked for another */
    encoder_choice_finish(&choice);
  }
}

static void test_units(void) {
  g_assert_cmpuint(encoder_bitrate_unit("openh264enc"), ==, 1);
  g_assert_cmpuint(encoder_bitrate_unit("x264enc"), ==, 1000);
  g_assert_cmpuint(encoder_bitrate_unit("frameliftsrc"), ==, 1000);
  g_assert_cmpuint(encoder_bitrate_unit("v4l2h264enc"), ==, 0);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/encoder-choice/order", test_order);
  g_test_add_func("/encoder-choice/says-why", test_says_why);
  g_test_add_func("/encoder-choice/rejected-later", test_rejected_later);
  g_test_add_func("/encoder-choice/nothing-installed", test_nothing_installed);
  g_test_add_func("/encoder-choice/named", test_named);
  g_test_add_func("/encoder-choice/units", test_units);
  return g_test_run();
}
