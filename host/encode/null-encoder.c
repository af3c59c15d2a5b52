/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/encoder.h"

typedef struct {
  Encoder base;
  guint8 unit[16];
} NullEncoder;

static Encoder *null_create(const EncoderConfig *config, GError **error) {
  NullEncoder *encoder = g_new0(NullEncoder, 1);
  encoder->base.interface = &NULL_ENCODER;
  return &encoder->base;
}

/* A slice NAL, or an IDR slice NAL, whose payload is the first luma sample: Annex B all the same. */
static gboolean null_encode(Encoder *base, const EncoderInput *input, EncoderOutput *output, GError **error) {
  NullEncoder *encoder = (NullEncoder *)base;
  guint8 unit[] = {0, 0, 0, 1, input->idr ? 0x65 : 0x41, 0x80, (guint8)(input->picture->luma[0] | 1), 0x80};
  for (guint i = 0; i < sizeof unit; i++) encoder->unit[i] = unit[i];
  *output = (EncoderOutput){.data = encoder->unit, .size = sizeof unit, .is_key = input->idr};
  return TRUE;
}

static void null_destroy(Encoder *base) {
  g_free(base);
}

const EncoderInterface NULL_ENCODER = {"null", null_create, null_encode, null_destroy};
