/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/damage.h"
#include "host/encode/nv12.h"

#include <gio/gio.h>

/*
 * An H.264 encoder: pictures in, access units out, one in and one out, no
 * reordering and no delay. Used by one thread at a time (the stream's encode
 * thread). The quantiser is decided outside (rate-control.h), damage is handed
 * in, and nothing else varies.
 */

/* The quantisers that an encoder takes. Below 16 nobody sees a difference; above 40 nobody wants to look. */
#define ENCODER_MIN_QP 16u
#define ENCODER_MAX_QP 40u

typedef struct {
  guint width; /* true size, pixels; odd sizes are padded, and cropped as far as 4:2:0 can */
  guint height;
  guint fps_num; /* for the VUI and the level; nothing depends on keeping it */
  guint fps_den;
} EncoderConfig;

typedef struct {
  const Nv12 *picture;
  const Damage *damage; /* what differs from the previous picture that was encoded; ignored for an IDR */
  gboolean idr;
  guint qp;
} EncoderInput;

typedef struct {
  const guint8 *data; /* Annex B; SPS and PPS first where it is an IDR; borrowed until the next call */
  gsize size;
  gboolean is_key;
} EncoderOutput;

typedef struct Encoder Encoder;

typedef struct {
  const char *name;
  Encoder *(*create)(const EncoderConfig *config, GError **error);
  gboolean (*encode)(Encoder *encoder, const EncoderInput *input, EncoderOutput *output, GError **error);
  void (*destroy)(Encoder *encoder);
} EncoderInterface;

/* The head of each implementation's own struct. */
struct Encoder {
  const EncoderInterface *interface;
};

/* libx264: constrained baseline with damage hints. */
extern const EncoderInterface X264_ENCODER;
/* Units of a few bytes that no decoder takes: the rig for tests of everything around an encoder. */
extern const EncoderInterface NULL_ENCODER;

/* "auto", "x264", "null"; NULL for another name. Static storage. */
const EncoderInterface *encoder_by_name(const char *name);

Encoder *encoder_create(const EncoderInterface *interface, const EncoderConfig *config, GError **error);
gboolean encoder_encode(Encoder *encoder, const EncoderInput *input, EncoderOutput *output, GError **error);
void encoder_destroy(Encoder *encoder); /* NULL is legal */
