/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/decoder.h"

#include <libavcodec/avcodec.h>
#include <libavutil/log.h>
#include <string.h>

struct Decoder {
  AVCodecContext *context;
  AVFrame *frame;
  AVPacket *packet;
  guint8 *padded; /* libavcodec reads past the end, by its own padding */
  gsize padded_size;
};

Decoder *decoder_create(GError **error) {
  av_log_set_level(AV_LOG_QUIET);
  const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_H264);
  Decoder *decoder = g_new0(Decoder, 1);
  decoder->context = codec ? avcodec_alloc_context3(codec) : NULL;
  decoder->frame = av_frame_alloc();
  decoder->packet = av_packet_alloc();
  if (decoder->context) {
    decoder->context->thread_count = 1; /* frame threads would hold pictures back */
    decoder->context->flags |= AV_CODEC_FLAG_LOW_DELAY;
    decoder->context->err_recognition = AV_EF_EXPLODE | AV_EF_BITSTREAM | AV_EF_BUFFER;
  }
  if (decoder->context && decoder->frame && decoder->packet && avcodec_open2(decoder->context, codec, NULL) == 0) {
    return decoder;
  }
  g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "libavcodec has no H.264 decoder here");
  decoder_destroy(decoder);
  return NULL;
}

void decoder_destroy(Decoder *decoder) {
  if (!decoder) return;
  avcodec_free_context(&decoder->context);
  av_frame_free(&decoder->frame);
  av_packet_free(&decoder->packet);
  g_free(decoder->padded);
  g_free(decoder);
}

static gboolean fail(int code, GError **error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = "";
  av_strerror(code, text, sizeof text);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "the decoder refuses the access unit: %s", text);
  return FALSE;
}

static gboolean send_packet(Decoder *decoder, const guint8 *data, gsize size, GError **error) {
  if (size + AV_INPUT_BUFFER_PADDING_SIZE > decoder->padded_size) {
    decoder->padded_size = size + AV_INPUT_BUFFER_PADDING_SIZE;
    decoder->padded = g_realloc(decoder->padded, decoder->padded_size);
  }
  memcpy(decoder->padded, data, size);
  memset(decoder->padded + size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
  decoder->packet->data = decoder->padded;
  decoder->packet->size = (int)size;
  int result = avcodec_send_packet(decoder->context, decoder->packet);
  return result == 0 ? TRUE : fail(result, error);
}

gboolean decoder_decode(Decoder *decoder, const guint8 *data, gsize size, DecodedPicture *picture, gboolean *got,
                        GError **error) {
  *got = FALSE;
  if (!send_packet(decoder, data, size, error)) return FALSE;
  int result = avcodec_receive_frame(decoder->context, decoder->frame);
  if (result == AVERROR(EAGAIN)) return TRUE;
  if (result < 0) return fail(result, error);
  const AVFrame *frame = decoder->frame;
  if (frame->decode_error_flags != 0 || (frame->flags & AV_FRAME_FLAG_CORRUPT)) return fail(AVERROR_INVALIDDATA, error);
  if (frame->format != AV_PIX_FMT_YUV420P && frame->format != AV_PIX_FMT_YUVJ420P) {
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED, "the picture is not 4:2:0");
    return FALSE;
  }
  *picture = (DecodedPicture){.width = (guint)frame->width, .height = (guint)frame->height};
  for (guint i = 0; i < 3; i++) {
    picture->planes[i] = frame->data[i];
    picture->strides[i] = (gsize)frame->linesize[i];
  }
  *got = TRUE;
  return TRUE;
}
