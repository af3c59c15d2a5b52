/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/annexb.h"
#include "common/media/sps.h"
#include "stream/unit-message.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

/*
 * A byte stream, as an encoder or a host might send it: its NALs, their RBSP,
 * what an SPS says, and the FRAME_RESPONSE made of it, whose entries must be
 * the same NALs again.
 */

static guint check_nals(const guint8 *data, gsize size) {
  AnnexbIterator iterator;
  Nal nal;
  guint count = 0;
  const guint8 *before = data;
  annexb_init(&iterator, data, size);
  while (annexb_next(&iterator, &nal)) {
    g_assert(nal.size >= 1 && nal.data >= before && nal.data + nal.size <= data + size);
    g_assert(nal.entry >= before && nal.entry + nal.entry_size == nal.data + nal.size);
    g_assert(nal.data[-1] == 1 && nal.data[-2] == 0 && nal.data[-3] == 0);
    g_assert(nal.data[nal.size - 1] != 0);
    before = nal.data + nal.size;
    count++;
    guint8 *rbsp = g_malloc(nal.size);
    g_assert(nal_to_rbsp(&nal, rbsp) < nal.size);
    g_free(rbsp);
    Sps sps;
    if (!sps_parse(&nal, &sps)) continue;
    g_assert(nal_type(&nal) == NAL_SPS && sps.width > 0 && sps.height > 0);
    g_assert(sps.width <= 16384 && sps.height <= 32768 && sps.chroma_format_idc <= 3);
    g_assert(sps_profile_name(&sps));
  }
  return count;
}

static void check_response(const guint8 *data, gsize size, guint expected) {
  AccessUnitInfo info = {0};
  AccessUnit *unit = access_unit_create(&info, NULL, 0, data, size);
  GBytes *message = unit_message_v1(unit, 1, 0);
  gsize message_size;
  const guint8 *bytes = g_bytes_get_data(message, &message_size);
  ByteReader reader;
  HxfrFrameResponse response;
  byte_reader_init(&reader, bytes + HXFR_HEADER_SIZE, message_size - HXFR_HEADER_SIZE);
  gboolean parsed = hxfr_frame_response_parse(&reader, &response);
  g_assert(parsed == (expected <= HXFR_MAX_NALS) && response.nal_count == expected);
  for (guint i = 0; i < expected; i++) {
    const guint8 *nal;
    guint32 nal_size;
    gboolean there = hxfr_nal_entry_parse(&reader, &nal, &nal_size);
    g_assert(there && check_nals(nal, nal_size) == 1);
  }
  g_assert(byte_reader_left(&reader) == 0);
  g_bytes_unref(message);
  access_unit_unref(unit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  check_response(data, size, check_nals(data, size));
  return 0;
}
