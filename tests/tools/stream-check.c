/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream-check FILE.h264 [--scene SETTINGS] [--corners] [--point X,Y]…
 *
 * Decodes a recording one access unit in, one picture out, and prints what it finds as JSON lines for a test to judge:
 * first {"sps":…}, then one object an access unit. --scene: the test display it was made with (barcode on); each
 * picture is compared with the scene painted anew. --corners: barcodes in all four corners. --point: the colour of a
 * pixel.
 */
#include "cli/decoder.h"
#include "common/media/annexb.h"
#include "common/media/sps.h"
#include "host/display/test/barcode.h"
#include "host/display/test/test-scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_POINTS 2048

typedef struct {
  guint x;
  guint y;
} Point;

typedef struct {
  TestScene *scene;
  gboolean corners;
  Point points[MAX_POINTS];
  guint n_points;
} Wishes;

static void die(const char *what, const char *why) {
  fprintf(stderr, "stream-check: %s: %s\n", what, why);
  exit(1);
}

static void print_sps(const Sps *sps) {
  printf(
      "{\"sps\":{\"profile\":\"%s\",\"level\":%u,\"width\":%u,\"height\":%u,\"restriction\":%s,\"reorder\":%u,"
      "\"buffering\":%u,\"references\":%u,\"pocType\":%u,\"colour\":[%u,%u,%u],\"hasColour\":%s,\"fullRange\":%s}}\n",
      sps_profile_name(sps), sps->level_idc, sps->width, sps->height, sps->has_restriction ? "true" : "false",
      sps->max_num_reorder_frames, sps->max_dec_frame_buffering, sps->max_num_ref_frames, sps->poc_type, sps->primaries,
      sps->transfer, sps->matrix, sps->has_colour ? "true" : "false", sps->full_range ? "true" : "false");
}

/* Luma of the source by the definition, in floating point: independent of the conversion under test. */
static double source_luma(const Frame *frame, guint x, guint y) {
  const guint8 *pixel = frame->data + y * frame->stride + (gsize)x * 4;
  return 16 + 219.0 / 255 * (0.0722 * pixel[0] + 0.7152 * pixel[1] + 0.2126 * pixel[2]);
}

static double psnr_of(const DecodedPicture *picture, const Frame *frame) {
  double sum = 0;
  for (guint y = 0; y < frame->height; y++) {
    for (guint x = 0; x < frame->width; x++) {
      double apart = picture->planes[0][y * picture->strides[0] + x] - source_luma(frame, x, y);
      sum += apart * apart;
    }
  }
  double mse = sum / ((double)frame->width * frame->height);
  return mse > 0 ? 10 * log10(255.0 * 255.0 / mse) : 99;
}

static void print_number(const DecodedPicture *picture, guint x, guint y) {
  guint32 number;
  gboolean fits = x + BARCODE_WIDTH <= picture->width && y + BARCODE_HEIGHT <= picture->height;
  if (fits && barcode_read_luma(picture->planes[0], picture->strides[0], x, y, &number)) {
    printf("%u", number);
  } else {
    printf("null");
  }
}

static int clamp(double value) {
  return value < 0 ? 0 : value > 255 ? 255 : (int)(value + 0.5);
}

/* BT.709 limited back to RGB, by the definition. */
static void print_colour(const DecodedPicture *picture, const Point *point) {
  if (point->x >= picture->width || point->y >= picture->height) {
    printf("null");
    return;
  }
  double y = (picture->planes[0][point->y * picture->strides[0] + point->x] - 16) / 219.0;
  double cb = (picture->planes[1][point->y / 2 * picture->strides[1] + point->x / 2] - 128) / 224.0;
  double cr = (picture->planes[2][point->y / 2 * picture->strides[2] + point->x / 2] - 128) / 224.0;
  double red = y + 1.5748 * cr, blue = y + 1.8556 * cb, green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152;
  printf("[%d,%d,%d]", clamp(red * 255), clamp(green * 255), clamp(blue * 255));
}

static void print_scene(const DecodedPicture *picture, TestScene *scene) {
  guint32 number;
  if (!barcode_read_luma(picture->planes[0], picture->strides[0], 0, 0, &number)) {
    printf(",\"psnr\":null");
    return;
  }
  Rect rects[TEST_SCENE_MAX_RECTS];
  test_scene_paint(scene, number, rects, TEST_SCENE_MAX_RECTS);
  Frame frame = test_scene_frame(scene);
  if (frame.width != picture->width || frame.height != picture->height) {
    printf(",\"psnr\":0");
  } else {
    printf(",\"psnr\":%.2f", psnr_of(picture, &frame));
  }
}

static void print_picture(const DecodedPicture *picture, const Wishes *wishes) {
  printf(",\"width\":%u,\"height\":%u,\"number\":", picture->width, picture->height);
  print_number(picture, 0, 0);
  if (wishes->corners && picture->width >= BARCODE_WIDTH && picture->height >= BARCODE_HEIGHT) {
    guint right = picture->width - BARCODE_WIDTH, bottom = picture->height - BARCODE_HEIGHT;
    printf(",\"corners\":[");
    print_number(picture, right, 0);
    printf(",");
    print_number(picture, 0, bottom);
    printf(",");
    print_number(picture, right, bottom);
    printf("]");
  }
  if (wishes->n_points > 0) printf(",\"points\":[");
  for (guint i = 0; i < wishes->n_points; i++) {
    if (i > 0) printf(",");
    print_colour(picture, &wishes->points[i]);
  }
  if (wishes->n_points > 0) printf("]");
  if (wishes->scene) print_scene(picture, wishes->scene);
}

static void check_unit(Decoder *decoder, const guint8 *data, gsize size, gboolean is_key, const Wishes *wishes) {
  g_autoptr(GError) error = NULL;
  DecodedPicture picture;
  gboolean got = FALSE;
  printf("{\"size\":%" G_GSIZE_FORMAT ",\"key\":%s", size, is_key ? "true" : "false");
  if (!decoder_decode(decoder, data, size, &picture, &got, &error)) {
    printf(",\"error\":\"%s\"", error->message);
  } else if (got) {
    print_picture(&picture, wishes);
  }
  printf("}\n");
}

/* An access unit ends with its one slice. */
static void check_file(const guint8 *data, gsize size, const Wishes *wishes) {
  g_autoptr(GError) error = NULL;
  Decoder *decoder = decoder_create(&error);
  if (!decoder) die("libavcodec", error->message);
  AnnexbIterator iterator;
  Nal nal;
  const guint8 *begin = NULL;
  annexb_init(&iterator, data, size);
  while (annexb_next(&iterator, &nal)) {
    if (!begin) begin = nal.entry;
    Sps sps;
    if (nal_type(&nal) == NAL_SPS) {
      if (!sps_parse(&nal, &sps)) die("SPS", "malformed");
      print_sps(&sps);
    }
    if (nal_type(&nal) != NAL_SLICE && nal_type(&nal) != NAL_SLICE_IDR) continue;
    check_unit(decoder, begin, (gsize)(nal.entry + nal.entry_size - begin), nal_type(&nal) == NAL_SLICE_IDR, wishes);
    begin = NULL;
  }
  decoder_destroy(decoder);
}

static TestScene *open_scene(const char *text) {
  g_autoptr(GError) error = NULL;
  TestSettings settings;
  if (!test_settings_parse(text, &settings, &error)) die(text, error->message);
  return test_scene_create(&settings, 0);
}

static void add_point(Wishes *wishes, const char *text) {
  Point *point = &wishes->points[wishes->n_points];
  if (wishes->n_points == MAX_POINTS || sscanf(text, "%u,%u", &point->x, &point->y) != 2) die(text, "no point");
  wishes->n_points++;
}

int main(int argc, char **argv) {
  Wishes wishes = {0};
  g_autoptr(GError) error = NULL;
  if (argc < 2) die("usage", "stream-check FILE.h264 [--scene SETTINGS] [--corners] [--point X,Y]...");
  for (int i = 2; i < argc; i++) {
    if (g_str_equal(argv[i], "--corners")) {
      wishes.corners = TRUE;
    } else if (g_str_equal(argv[i], "--scene") && i + 1 < argc) {
      wishes.scene = open_scene(argv[++i]);
    } else if (g_str_equal(argv[i], "--point") && i + 1 < argc) {
      add_point(&wishes, argv[++i]);
    } else {
      die(argv[i], "unknown");
    }
  }
  g_autofree char *contents = NULL;
  gsize size;
  if (!g_file_get_contents(argv[1], &contents, &size, &error)) die(argv[1], error->message);
  check_file((const guint8 *)contents, size, &wishes);
  test_scene_destroy(wishes.scene);
  return 0;
}
