/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/unit/guest-gst/fake-unit.h"

/* Bits of an RBSP, most significant first. */
typedef struct {
  GByteArray *bytes;
  guint bit;
} BitWriter;

static void put_bits(BitWriter *writer, guint value, guint count) {
  while (count-- > 0) {
    if (writer->bit % 8 == 0) g_byte_array_append(writer->bytes, (const guint8 *)"", 1);
    if (value >> count & 1) writer->bytes->data[writer->bit / 8] |= (guint8)(0x80 >> writer->bit % 8);
    writer->bit++;
  }
}

static void put_ue(BitWriter *writer, guint value) {
  guint bits = g_bit_storage(value + 1);
  put_bits(writer, 0, bits - 1);
  put_bits(writer, value + 1, bits);
}

/* ITU-T H.264 section 7.3.2.1.1: constrained baseline, level 4.0, cropped to the size. */
static void append_sps(GByteArray *unit, guint width, guint height) {
  static const guint8 HEAD[] = {0, 0, 0, 1, 0x67, 66, 0xc0, 40};
  g_autoptr(GByteArray) body = g_byte_array_new();
  BitWriter writer = {.bytes = body};
  guint columns = (width + 15) / 16, rows = (height + 15) / 16;
  put_ue(&writer, 0); /* seq_parameter_set_id */
  put_ue(&writer, 0); /* log2_max_frame_num_minus4 */
  put_ue(&writer, 2); /* pic_order_cnt_type */
  put_ue(&writer, 1); /* max_num_ref_frames */
  put_bits(&writer, 0, 1);
  put_ue(&writer, columns - 1);
  put_ue(&writer, rows - 1);
  put_bits(&writer, 3, 2); /* frame_mbs_only_flag, direct_8x8_inference_flag */
  put_bits(&writer, 1, 1);
  put_ue(&writer, 0);
  put_ue(&writer, (columns * 16 - width) / 2);
  put_ue(&writer, 0);
  put_ue(&writer, (rows * 16 - height) / 2);
  put_bits(&writer, 0, 1); /* no VUI */
  put_bits(&writer, 1, 1); /* the stop bit */
  g_byte_array_append(unit, HEAD, sizeof HEAD);
  g_byte_array_append(unit, body->data, body->len);
}

GByteArray *fake_unit_make(gboolean key, guint width, guint height, guint8 tag) {
  static const guint8 PPS[] = {0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80};
  static const guint8 IDR[] = {0, 0, 0, 1, 0x65, 0x88, 0x84};
  static const guint8 SLICE[] = {0, 0, 0, 1, 0x41, 0x9a, 0x02};
  GByteArray *unit = g_byte_array_new();
  if (key) {
    append_sps(unit, width, height);
    g_byte_array_append(unit, PPS, sizeof PPS);
    g_byte_array_append(unit, IDR, sizeof IDR);
  } else {
    g_byte_array_append(unit, SLICE, sizeof SLICE);
  }
  tag |= 1; /* a zero at the end is no part of a NAL unit */
  g_byte_array_append(unit, &tag, 1);
  return unit;
}
