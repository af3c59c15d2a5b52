/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/edid.h"

#include "common/base/byte-writer.h"

#include <stdio.h>
#include <string.h>

#define MANUFACTURER "FLF"
#define PRODUCT 1u
#define YEAR 2026u
/* The size that a desktop takes for an ordinary screen's. */
#define DOTS_PER_INCH 96u

/* VESA CVT 1.1, reduced blanking: pixels and lines. */
#define H_BLANK 160u
#define H_FRONT 48u
#define H_SYNC 32u
#define V_FRONT 3u
#define V_BACK_MIN 6u
#define V_BLANK_MIN_NS 460000u

#define DETAILED_MAX_SIDE 4095u
#define DETAILED_MAX_CLOCK 65535u
/* Digital separate sync; horizontal positive, vertical negative, as reduced blanking wants it. */
#define DETAILED_FLAGS 0x1au

#define TAG_NAME 0xfcu
#define TAG_RANGE 0xfdu
#define TAG_SERIAL 0xffu
#define TAG_DUMMY 0x10u
#define DESCRIPTOR_TEXT 13u

#define EXTENSION_DISPLAYID 0x70u
#define DISPLAYID_VERSION 0x12u
#define DISPLAYID_DETAILED 0x03u
#define DISPLAYID_TIMING 20u
/* Everything between the section's header and its checksum, in one EDID block. */
#define DISPLAYID_PAYLOAD 121u
#define DISPLAYID_PREFERRED 0x80u

typedef struct {
  guint32 clock; /* 10 kHz */
  guint v_blank;
  guint v_sync;
  guint width_mm;
  guint height_mm;
} Timing;

static const struct {
  guint16 width;
  guint8 aspect; /* 0 16:10, 1 4:3, 2 5:4, 3 16:9 */
} STANDARD[] = {{1920, 3}, {1680, 0}, {1600, 3}, {1440, 0}, {1280, 2}, {1280, 0}, {1280, 3}, {1152, 1}};

/* CVT tells the aspect by the number of lines of the vertical sync. */
static guint v_sync_of(guint width, guint height) {
  if (width * 3 == height * 4) return 4;
  if (width * 9 == height * 16) return 5;
  if (width * 10 == height * 16) return 6;
  if (width * 4 == height * 5 || width * 9 == height * 15) return 7;
  return 10;
}

static Timing timing_of(const EdidMode *mode) {
  guint64 frame_ns = G_GUINT64_CONSTANT(1000000000000) / mode->refresh_mhz;
  Timing timing = {.v_sync = v_sync_of(mode->width, mode->height)};
  guint64 lines = (guint64)V_BLANK_MIN_NS * mode->height / (frame_ns - V_BLANK_MIN_NS) + 1;
  timing.v_blank = (guint)MAX(lines, V_FRONT + timing.v_sync + V_BACK_MIN);
  guint64 pixels = (guint64)(mode->width + H_BLANK) * (mode->height + timing.v_blank);
  timing.clock = (guint32)((pixels * mode->refresh_mhz + 5000000) / 10000000);
  timing.width_mm = mode->width * 254 / (DOTS_PER_INCH * 10);
  timing.height_mm = mode->height * 254 / (DOTS_PER_INCH * 10);
  return timing;
}

static gboolean fits_detailed(const EdidMode *mode, const Timing *timing) {
  return mode->width <= DETAILED_MAX_SIDE && mode->height <= DETAILED_MAX_SIDE && timing->clock <= DETAILED_MAX_CLOCK &&
         timing->v_blank <= DETAILED_MAX_SIDE;
}

/* The last byte makes the sum of all 0 (mod 256). */
static void write_checksum(guint8 *bytes, gsize size) {
  guint8 sum = 0;
  for (gsize i = 0; i + 1 < size; i++) sum = (guint8)(sum + bytes[i]);
  bytes[size - 1] = (guint8)-sum;
}

/* ---- the base block ---- */

static void write_identity(ByteWriter *out, const EdidMode *mode) {
  static const guint8 HEADER[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  guint letters = 0;
  for (const char *c = MANUFACTURER; *c; c++) letters = letters << 5 | (guint)(*c - 'A' + 1);
  byte_writer_bytes(out, HEADER, sizeof HEADER);
  byte_writer_u8(out, (guint8)(letters >> 8)); /* big endian, alone among all fields */
  byte_writer_u8(out, (guint8)letters);
  byte_writer_u16(out, PRODUCT);
  byte_writer_u32(out, mode->output + 1);
  byte_writer_u8(out, 1); /* week */
  byte_writer_u8(out, YEAR - 1990);
  byte_writer_u8(out, 1); /* EDID 1.4 */
  byte_writer_u8(out, 4);
}

static void write_basics(ByteWriter *out, const Timing *timing) {
  byte_writer_u8(out, 0xa0); /* digital, 8 bits a colour, no interface named */
  byte_writer_u8(out, (guint8)CLAMP((timing->width_mm + 5) / 10, 1, 255));
  byte_writer_u8(out, (guint8)CLAMP((timing->height_mm + 5) / 10, 1, 255));
  byte_writer_u8(out, 220 - 100); /* gamma 2.2 */
  byte_writer_u8(out, 0x06);      /* sRGB; the preferred mode is the native one */
}

/* sRGB's primaries and white, x then y, in 1/1024. */
static void write_colours(ByteWriter *out) {
  static const guint16 POINTS[] = {655, 338, 307, 614, 154, 61, 320, 337};
  for (guint half = 0; half < 2; half++) {
    guint low = 0;
    for (guint i = 0; i < 4; i++) low = low << 2 | (POINTS[half * 4 + i] & 3u);
    byte_writer_u8(out, (guint8)low);
  }
  for (guint i = 0; i < G_N_ELEMENTS(POINTS); i++) byte_writer_u8(out, (guint8)(POINTS[i] >> 2));
}

static void write_other_modes(ByteWriter *out) {
  byte_writer_u8(out, 0x21); /* 640x480 and 800x600 at 60 Hz */
  byte_writer_u8(out, 0x08); /* 1024x768 at 60 Hz */
  byte_writer_u8(out, 0);
  for (guint i = 0; i < G_N_ELEMENTS(STANDARD); i++) {
    byte_writer_u8(out, (guint8)(STANDARD[i].width / 8 - 31));
    byte_writer_u8(out, (guint8)(STANDARD[i].aspect << 6)); /* + 60 Hz, which is 0 */
  }
}

static void write_detailed(ByteWriter *out, const EdidMode *mode, const Timing *timing) {
  byte_writer_u16(out, (guint16)timing->clock);
  byte_writer_u8(out, (guint8)mode->width);
  byte_writer_u8(out, H_BLANK & 0xff);
  byte_writer_u8(out, (guint8)(mode->width >> 8 << 4 | H_BLANK >> 8));
  byte_writer_u8(out, (guint8)mode->height);
  byte_writer_u8(out, (guint8)timing->v_blank);
  byte_writer_u8(out, (guint8)(mode->height >> 8 << 4 | timing->v_blank >> 8));
  byte_writer_u8(out, H_FRONT);
  byte_writer_u8(out, H_SYNC);
  byte_writer_u8(out, (guint8)(V_FRONT << 4 | timing->v_sync));
  byte_writer_u8(out, 0); /* the upper bits of the four before */
  byte_writer_u8(out, (guint8)timing->width_mm);
  byte_writer_u8(out, (guint8)timing->height_mm);
  byte_writer_u8(out, (guint8)(timing->width_mm >> 8 << 4 | timing->height_mm >> 8));
  byte_writer_u16(out, 0); /* no border */
  byte_writer_u8(out, DETAILED_FLAGS);
}

static void write_tag(ByteWriter *out, guint8 tag) {
  byte_writer_zeros(out, 3);
  byte_writer_u8(out, tag);
  byte_writer_u8(out, 0);
}

/* Ends with a line feed and blanks, where there is room for them. */
static void write_text(ByteWriter *out, guint8 tag, const char *text) {
  char padded[DESCRIPTOR_TEXT];
  gsize length = MIN(strlen(text), sizeof padded);
  memset(padded, ' ', sizeof padded);
  memcpy(padded, text, length);
  if (length < sizeof padded) padded[length] = '\n';
  write_tag(out, tag);
  byte_writer_bytes(out, padded, sizeof padded);
}

static void write_range(ByteWriter *out, const EdidMode *mode, const Timing *timing) {
  guint lines_khz = (guint)(((guint64)(mode->height + timing->v_blank) * mode->refresh_mhz + 999999) / 1000000);
  guint highest_khz = MAX(lines_khz, 80);
  byte_writer_zeros(out, 3);
  byte_writer_u8(out, TAG_RANGE);
  byte_writer_u8(out, highest_khz > 255 ? 0x08 : 0); /* 255 kHz more than its byte says */
  byte_writer_u8(out, (guint8)MIN(mode->refresh_mhz / 1000, 50));
  byte_writer_u8(out, (guint8)MAX((mode->refresh_mhz + 999) / 1000, 75));
  byte_writer_u8(out, 15);
  byte_writer_u8(out, (guint8)(highest_khz > 255 ? MIN(highest_khz - 255, 255) : highest_khz));
  byte_writer_u8(out, (guint8)CLAMP((timing->clock + 999) / 1000, 17, 255));
  byte_writer_u8(out, 1); /* limits alone, no formula */
  byte_writer_bytes(out, "\n      ", 7);
}

static void write_descriptors(ByteWriter *out, const EdidMode *mode, const Timing *timing) {
  char name[DESCRIPTOR_TEXT + 1], serial[DESCRIPTOR_TEXT + 1];
  snprintf(name, sizeof name, "framelift %u", mode->output % 100);
  snprintf(serial, sizeof serial, "%u", mode->output + 1);
  if (fits_detailed(mode, timing)) {
    write_detailed(out, mode, timing);
  } else { /* another mode here would be taken for the preferred one */
    write_tag(out, TAG_DUMMY);
    byte_writer_zeros(out, DESCRIPTOR_TEXT);
  }
  write_text(out, TAG_NAME, name);
  write_range(out, mode, timing);
  write_text(out, TAG_SERIAL, serial);
}

/* ---- the extension ---- */

static void write_sync(ByteWriter *out, guint front, guint width, gboolean positive) {
  byte_writer_u16(out, (guint16)((front - 1) | (positive ? 0x8000u : 0u)));
  byte_writer_u16(out, (guint16)(width - 1));
}

static void write_extension(guint8 block[EDID_BLOCK], const EdidMode *mode, const Timing *timing) {
  ByteWriter out;
  guint32 clock = timing->clock - 1;
  byte_writer_init(&out, block, EDID_BLOCK);
  byte_writer_u8(&out, EXTENSION_DISPLAYID);
  byte_writer_u8(&out, DISPLAYID_VERSION);
  byte_writer_u8(&out, DISPLAYID_PAYLOAD);
  byte_writer_u16(&out, 0); /* an extension; none follows */
  byte_writer_u8(&out, DISPLAYID_DETAILED);
  byte_writer_u8(&out, 0);
  byte_writer_u8(&out, DISPLAYID_TIMING);
  byte_writer_u16(&out, (guint16)clock);
  byte_writer_u8(&out, (guint8)(clock >> 16));
  byte_writer_u8(&out, DISPLAYID_PREFERRED);
  byte_writer_u16(&out, (guint16)(mode->width - 1));
  byte_writer_u16(&out, H_BLANK - 1);
  write_sync(&out, H_FRONT, H_SYNC, TRUE);
  byte_writer_u16(&out, (guint16)(mode->height - 1));
  byte_writer_u16(&out, (guint16)(timing->v_blank - 1));
  write_sync(&out, V_FRONT, timing->v_sync, FALSE);
  byte_writer_zeros(&out, EDID_BLOCK - out.position);
  write_checksum(block + 1, 4 + DISPLAYID_PAYLOAD + 1);
  write_checksum(block, EDID_BLOCK);
}

gsize edid_write(const EdidMode *mode, guint8 out[EDID_MAX_SIZE]) {
  Timing timing = timing_of(mode);
  gboolean extended = !fits_detailed(mode, &timing);
  ByteWriter writer;
  byte_writer_init(&writer, out, EDID_BLOCK);
  write_identity(&writer, mode);
  write_basics(&writer, &timing);
  write_colours(&writer);
  write_other_modes(&writer);
  write_descriptors(&writer, mode, &timing);
  byte_writer_u8(&writer, extended ? 1 : 0);
  byte_writer_u8(&writer, 0); /* the checksum's place */
  g_assert(byte_writer_ok(&writer) && writer.position == EDID_BLOCK);
  write_checksum(out, EDID_BLOCK);
  if (extended) write_extension(out + EDID_BLOCK, mode, &timing);
  return extended ? EDID_MAX_SIZE : EDID_BLOCK;
}
