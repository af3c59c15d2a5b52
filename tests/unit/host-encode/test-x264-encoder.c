/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/encoder.h"

#include "cli/decoder.h"
#include "common/base/bit-reader.h"
#include "common/media/annexb.h"
#include "common/media/sps.h"

#include <math.h>
#include <string.h>

typedef struct {
  guint width;
  guint height;
  Nv12 picture;
  Damage damage;
  Encoder *encoder;
  Decoder *decoder;
  EncoderOutput output;
} Rig;

static void rig_init(Rig *rig, guint width, guint height) {
  g_autoptr(GError) error = NULL;
  *rig = (Rig){.width = width, .height = height};
  g_assert_true(nv12_init(&rig->picture, width, height));
  damage_init(&rig->damage, width, height);
  EncoderConfig config = {.width = width, .height = height, .fps_num = 60000, .fps_den = 1000};
  rig->encoder = encoder_create(&X264_ENCODER, &config, &error);
  g_assert_no_error(error);
  rig->decoder = decoder_create(&error);
  g_assert_no_error(error);
}

static void rig_finish(Rig *rig) {
  nv12_finish(&rig->picture);
  encoder_destroy(rig->encoder);
  decoder_destroy(rig->decoder);
}

/* Noise over gradients in one rectangle: neither flat nor all noise. */
static void paint(Rig *rig, Rect rect, guint seed) {
  for (guint y = rect.y; y < rect.y + rect.height; y++) {
    for (guint x = rect.x; x < rect.x + rect.width; x++) {
      rig->picture.luma[y * rig->picture.stride + x] =
          (guint8)(16 + (x * 2 + y + seed * 31 + (x * y * 7 + seed) % 13) % 200);
    }
  }
  damage_set_rect(&rig->damage, &rect);
}

static void encode(Rig *rig, gboolean idr, guint qp) {
  g_autoptr(GError) error = NULL;
  EncoderInput input = {.picture = &rig->picture, .damage = &rig->damage, .idr = idr, .qp = qp};
  encoder_encode(rig->encoder, &input, &rig->output, &error);
  g_assert_no_error(error);
  damage_clear(&rig->damage);
}

/* Luma's PSNR of what a decoder makes of the last access unit: it must come out at once (F17). */
static gdouble decode(Rig *rig) {
  g_autoptr(GError) error = NULL;
  DecodedPicture decoded;
  gboolean got;
  decoder_decode(rig->decoder, rig->output.data, rig->output.size, &decoded, &got, &error);
  g_assert_no_error(error);
  g_assert_true(got);
  g_assert_cmpuint(decoded.width, ==, (rig->width + 1) / 2 * 2);
  g_assert_cmpuint(decoded.height, ==, (rig->height + 1) / 2 * 2);
  gdouble squares = 0;
  for (guint y = 0; y < rig->height; y++) {
    for (guint x = 0; x < rig->width; x++) {
      gdouble difference =
          (gdouble)decoded.planes[0][y * decoded.strides[0] + x] - rig->picture.luma[y * rig->picture.stride + x];
      squares += difference * difference;
    }
  }
  gdouble mean = squares / ((gdouble)rig->width * rig->height);
  return mean == 0 ? 99 : 10 * log10(255 * 255 / mean);
}

/* How many NALs of each type; the first SPS in *sps. */
static void look(const EncoderOutput *output, guint counts[32], Nal *sps) {
  AnnexbIterator iterator;
  Nal nal;
  memset(counts, 0, 32 * sizeof counts[0]);
  annexb_init(&iterator, output->data, output->size);
  while (annexb_next(&iterator, &nal)) {
    if (nal_type(&nal) == NAL_SPS && sps) *sps = nal;
    counts[nal_type(&nal)]++;
  }
}

/* F17: one in, one out, from the first; IDRs carry SPS and PPS, others are one slice and nothing else. */
static void test_one_in_one_out(void) {
  Rig rig;
  rig_init(&rig, 640, 360);
  for (guint i = 0; i < 40; i++) {
    guint counts[32];
    gboolean idr = i == 0 || i == 17;
    paint(&rig, (Rect){(i * 37) % 500, (i * 11) % 250, 90, 70}, i);
    encode(&rig, idr, 24);
    look(&rig.output, counts, NULL);
    g_assert_cmpint(rig.output.is_key, ==, idr);
    g_assert_cmpuint(counts[NAL_SPS], ==, idr);
    g_assert_cmpuint(counts[NAL_PPS], ==, idr);
    g_assert_cmpuint(counts[NAL_SLICE_IDR], ==, idr);
    g_assert_cmpuint(counts[NAL_SLICE], ==, !idr);
    g_assert_cmpuint(counts[NAL_AUD], ==, 0);
    g_assert_cmpfloat(decode(&rig), >, 36);
  }
  rig_finish(&rig);
}

static void test_sps(void) {
  static const guint SIZES[][2] = {{640, 360}, {1920, 1080}, {1366, 768}, {641, 361}, {3840, 2160}, {16, 16}, {1, 1}};
  for (gsize i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    Rig rig;
    guint counts[32];
    Nal nal;
    Sps sps;
    rig_init(&rig, SIZES[i][0], SIZES[i][1]);
    encode(&rig, TRUE, 30);
    look(&rig.output, counts, &nal);
    g_assert_cmpuint(counts[NAL_SPS], ==, 1);
    g_assert_true(sps_parse(&nal, &sps));
    g_assert_cmpstr(sps_profile_name(&sps), ==, "constrained baseline");
    g_assert_cmpuint(sps.width, ==, (SIZES[i][0] + 1) / 2 * 2);
    g_assert_cmpuint(sps.height, ==, (SIZES[i][1] + 1) / 2 * 2);
    g_assert_true(sps.has_restriction);
    g_assert_cmpuint(sps.max_num_reorder_frames, ==, 0);
    g_assert_cmpuint(sps.max_dec_frame_buffering, <=, sps.max_num_ref_frames);
    g_assert_cmpuint(sps.max_num_ref_frames, ==, 1);
    g_assert_cmpuint(sps.poc_type, ==, 2); /* output order is decoding order, said a second time */
    g_assert_true(sps.has_colour);
    g_assert_false(sps.full_range);
    g_assert_cmpuint(sps.primaries, ==, 1);
    g_assert_cmpuint(sps.transfer, ==, 1);
    g_assert_cmpuint(sps.matrix, ==, 1);
    rig_finish(&rig);
  }
}

/* slice_qp of the first slice: SliceQPY = 26 + pic_init_qp_minus26 + slice_qp_delta, ITU-T H.264 sections 7.3.3
 * and 7.4.3. What this encoder's slices have is read and no more: CAVLC, poc_type 2, one reference, no weights. */
static gint slice_qp(const EncoderOutput *output, gint *pic_init_qp, guint log2_max_frame_num) {
  AnnexbIterator iterator;
  Nal nal;
  annexb_init(&iterator, output->data, output->size);
  while (annexb_next(&iterator, &nal)) {
    BitReader reader;
    g_autofree guint8 *rbsp = g_malloc(nal.size);
    bit_reader_init(&reader, rbsp, nal_to_rbsp(&nal, rbsp));
    if (nal_type(&nal) == NAL_PPS) {
      bit_reader_ue(&reader);
      bit_reader_ue(&reader);
      bit_reader_bits(&reader, 2);                     /* entropy_coding_mode, bottom_field_pic_order */
      g_assert_cmpuint(bit_reader_ue(&reader), ==, 0); /* num_slice_groups_minus1 */
      bit_reader_ue(&reader);
      bit_reader_ue(&reader);
      bit_reader_bits(&reader, 3); /* weighted_pred_flag, weighted_bipred_idc */
      *pic_init_qp = 26 + bit_reader_se(&reader);
    }
    if (nal_type(&nal) != NAL_SLICE && nal_type(&nal) != NAL_SLICE_IDR) continue;
    bit_reader_ue(&reader); /* first_mb_in_slice */
    guint type = bit_reader_ue(&reader) % 5;
    bit_reader_ue(&reader); /* pic_parameter_set_id */
    bit_reader_bits(&reader, log2_max_frame_num);
    gboolean idr = nal_type(&nal) == NAL_SLICE_IDR;
    if (idr) bit_reader_ue(&reader); /* idr_pic_id */
    if (type == 0) {
      if (bit_reader_bits(&reader, 1)) bit_reader_ue(&reader); /* num_ref_idx_active_override */
      g_assert_cmpuint(bit_reader_bits(&reader, 1), ==, 0);    /* ref_pic_list_modification_flag_l0 */
    }
    if ((nal.data[0] >> 5) & 3) bit_reader_bits(&reader, idr ? 2 : 1); /* dec_ref_pic_marking */
    gint qp = *pic_init_qp + bit_reader_se(&reader);
    g_assert_true(bit_reader_ok(&reader));
    return qp;
  }
  g_assert_not_reached();
}

/* Each quantiser, up and down, as P and as IDR, is the one in the slice header: nothing but us varies it. */
static void test_forced_qp(void) {
  Rig rig;
  gint pic_init_qp = 0;
  rig_init(&rig, 320, 240);
  paint(&rig, (Rect){0, 0, 320, 240}, 1);
  encode(&rig, TRUE, 30);
  slice_qp(&rig.output, &pic_init_qp, 4);
  for (guint round = 0; round < 2; round++) {
    for (guint i = ENCODER_MIN_QP; i <= ENCODER_MAX_QP; i++) {
      guint qp = round ? ENCODER_MIN_QP + ENCODER_MAX_QP - i : i;
      gboolean idr = i % 5 == 0;
      paint(&rig, (Rect){0, 0, 320, 240}, i);
      encode(&rig, idr, qp);
      g_assert_cmpint(slice_qp(&rig.output, &pic_init_qp, 4), ==, (gint)qp);
    }
  }
  rig_finish(&rig);
}

static void test_qp_matters(void) {
  gsize sizes[2];
  gdouble psnr[2];
  for (guint i = 0; i < 2; i++) {
    Rig rig;
    rig_init(&rig, 640, 360);
    paint(&rig, (Rect){0, 0, 640, 360}, 1);
    encode(&rig, TRUE, i ? ENCODER_MAX_QP : ENCODER_MIN_QP);
    sizes[i] = rig.output.size;
    psnr[i] = decode(&rig);
    rig_finish(&rig);
  }
  g_assert_cmpuint(sizes[0], >, 3 * sizes[1]);
  g_assert_cmpfloat(psnr[0], >, psnr[1] + 10);
  g_assert_cmpfloat(psnr[0], >, 44);
}

/* F19: a keep-alive is a picture in which nothing changed: next to nothing on the wire, and still a picture. */
static void test_all_skip(void) {
  Rig rig;
  rig_init(&rig, 1920, 1080);
  paint(&rig, (Rect){0, 0, 1920, 1080}, 1);
  encode(&rig, TRUE, 24);
  decode(&rig);
  for (guint i = 0; i < 5; i++) {
    encode(&rig, FALSE, 24);
    g_assert_cmpuint(rig.output.size, <=, 64);
    g_assert_false(rig.output.is_key);
    g_assert_cmpfloat(decode(&rig), >, 36);
  }
  rig_finish(&rig);
}

/* Damage hints: a change costs what it is and not what the picture is, and is there when it is decoded. */
static void test_damage_hints(void) {
  Rig rig;
  rig_init(&rig, 1920, 1080);
  paint(&rig, (Rect){0, 0, 1920, 1080}, 1);
  encode(&rig, TRUE, 24);
  gsize whole = rig.output.size;
  gdouble before = decode(&rig);
  for (guint i = 0; i < 6; i++) {
    paint(&rig, (Rect){(i * 300) % 1850, (i * 200) % 1000, 64, 64}, i + 5);
    encode(&rig, FALSE, 24);
    g_assert_cmpuint(rig.output.size, <, whole / 50);
    g_assert_cmpfloat(decode(&rig), >, before - 1);
  }
  paint(&rig, (Rect){1910, 1070, 10, 10}, 99); /* the last tile, partly outside */
  encode(&rig, FALSE, 24);
  g_assert_cmpfloat(decode(&rig), >, before - 1);
  rig_finish(&rig);
}

static void test_odd_sizes(void) {
  static const guint SIZES[][2] = {{1, 1}, {3, 5}, {17, 33}, {65, 63}, {641, 481}};
  for (gsize i = 0; i < G_N_ELEMENTS(SIZES); i++) {
    Rig rig;
    rig_init(&rig, SIZES[i][0], SIZES[i][1]);
    paint(&rig, (Rect){0, 0, SIZES[i][0], SIZES[i][1]}, 3);
    encode(&rig, TRUE, 20);
    g_assert_cmpfloat(decode(&rig), >, 36);
    paint(&rig, (Rect){0, 0, 1, 1}, 4);
    encode(&rig, FALSE, 20);
    g_assert_cmpfloat(decode(&rig), >, 36);
    rig_finish(&rig);
  }
}

static void test_names(void) {
  g_assert_true(encoder_by_name("auto") == &X264_ENCODER);
  g_assert_true(encoder_by_name("x264") == &X264_ENCODER);
  g_assert_true(encoder_by_name("null") == &NULL_ENCODER);
  g_assert_null(encoder_by_name(""));
  g_assert_null(encoder_by_name("X264"));
  encoder_destroy(NULL);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/x264-encoder/F17-one-in-one-out", test_one_in_one_out);
  g_test_add_func("/x264-encoder/F17-sps", test_sps);
  g_test_add_func("/x264-encoder/forced-qp", test_forced_qp);
  g_test_add_func("/x264-encoder/qp-matters", test_qp_matters);
  g_test_add_func("/x264-encoder/F19-all-skip", test_all_skip);
  g_test_add_func("/x264-encoder/damage-hints", test_damage_hints);
  g_test_add_func("/x264-encoder/odd-sizes", test_odd_sizes);
  g_test_add_func("/encoder/names", test_names);
  return g_test_run();
}
