/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/encode/encoder.h"

const EncoderInterface *encoder_by_name(const char *name) {
  if (g_str_equal(name, "auto") || g_str_equal(name, "x264")) return &X264_ENCODER;
  if (g_str_equal(name, "null")) return &NULL_ENCODER;
  return NULL;
}

Encoder *encoder_create(const EncoderInterface *interface, const EncoderConfig *config, GError **error) {
  return interface->create(config, error);
}

gboolean encoder_encode(Encoder *encoder, const EncoderInput *input, EncoderOutput *output, GError **error) {
  g_assert(input->qp >= ENCODER_MIN_QP && input->qp <= ENCODER_MAX_QP);
  return encoder->interface->encode(encoder, input, output, error);
}

void encoder_destroy(Encoder *encoder) {
  if (encoder) encoder->interface->destroy(encoder);
}
