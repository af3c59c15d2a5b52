/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/base/byte-reader.h"
#include "common/base/byte-writer.h"

#include <gio/gio.h>

/*
 * HXFR, the frame-export protocol: the header and the messages of version 1,
 * as docs/protocol.md describes them. Bytes in, structs out: no I/O, no state,
 * any thread. All integers little-endian, no padding.
 *
 * Version 1 is fixed byte for byte, because its peers are in the field.
 * Version 2's messages are in hxfr-v2.h.
 */

#define HXFR_MAGIC 0x52465848u /* the bytes H X F R */
#define HXFR_HEADER_SIZE 12u

typedef enum {
  HXFR_FRAME_REQUEST = 0x01,
  HXFR_FRAME_RESPONSE = 0x02,
  HXFR_KEYFRAME_REQ = 0x03,
  HXFR_CONFIG_REQ = 0x04,
  HXFR_CONFIG_RESP = 0x05,
  HXFR_PING = 0x10,
  HXFR_PONG = 0x11,
  HXFR_ENABLE_SCANOUT = 0x20,
  HXFR_DISABLE_SCANOUT = 0x21,
  HXFR_SCANOUT_RESP = 0x22,
  HXFR_SUBSCRIBE = 0x30,
  HXFR_SUBSCRIBE_RESP = 0x31,
  /* version 2, hxfr-v2.h */
  HXFR_HELLO = 0x80,
  HXFR_WELCOME = 0x81,
  HXFR_SCANOUTS = 0x82,
  HXFR_STATE = 0x83,
  HXFR_UNIT = 0x84,
  HXFR_HEARTBEAT = 0x85,
  HXFR_UNSUBSCRIBE = 0x86,
  HXFR_STATS_REQ = 0x88,
  HXFR_STATS = 0x89,
  HXFR_REQUEST_FINGERPRINT = 0x98,
  HXFR_REQUEST_TILES = 0x99,
  HXFR_PIXELS_WANTED = 0x9a,
  HXFR_REQUEST_SCANOUT = 0x9b,
  HXFR_ERROR = 0xff,
} HxfrType;

/* FRAME_REQUEST: raw pixels follow the fixed part. */
#define HXFR_FLAG_PIXELS 0x01u

/* Payload sizes of the fixed parts. */
#define HXFR_FRAME_REQUEST_SIZE 44u
#define HXFR_FRAME_RESPONSE_SIZE 24u
#define HXFR_CONFIG_SIZE 28u
#define HXFR_ENABLE_SCANOUT_SIZE 16u
#define HXFR_DISABLE_SCANOUT_SIZE 4u
#define HXFR_SCANOUT_RESP_SIZE 72u
#define HXFR_SUBSCRIBE_SIZE 4u
#define HXFR_SUBSCRIBE_RESP_SIZE 8u
#define HXFR_ERROR_SIZE 260u
#define HXFR_CONNECTOR_SIZE 64u
#define HXFR_ERROR_TEXT_SIZE 256u

/* Limits, each met before anything is multiplied or allocated. */
#define HXFR_MAX_PING 64u             /* version 1's own limit */
#define HXFR_MAX_REQUEST 4096u        /* every request without pixels: the largest is HELLO with a token and a name */
#define HXFR_MAX_PIXELS (64u << 20)   /* 4096 × 4096 × 4: more than any 4K or 5K frame */
#define HXFR_MAX_RESPONSE (64u << 20) /* an access unit: an IDR of 8192 × 4320 in I_PCM is 53 MB */
#define HXFR_MAX_NALS 4096u           /* slices of one access unit: one a macroblock row at 8K is 270 */
#define HXFR_MAX_TEXT (256u << 10)    /* STATS: some hundred counters are 20 KB of JSON */
#define HXFR_MAX_SCANOUTS 16u         /* virtio-gpu's own limit */

typedef enum {
  HXFR_OK = 0,
  HXFR_ERR_INVALID_MESSAGE = -1,
  HXFR_ERR_RESOURCE_NOT_FOUND = -2,
  HXFR_ERR_NOT_A_TEXTURE = -3,
  HXFR_ERR_NO_SURFACE = -4,
  HXFR_ERR_ENCODE_FAILED = -5,
  HXFR_ERR_NOT_CONFIGURED = -6,
  HXFR_ERR_DENIED = -7, /* version 2: token missing, wrong, or not enough for this */
  HXFR_ERR_INTERNAL = -99,
} HxfrErrorCode;

typedef struct {
  guint8 type; /* HxfrType, or anything else a peer sent */
  guint8 flags;
  guint16 session_id; /* the scanout id in SUBSCRIBE traffic */
  guint32 payload_size;
} HxfrHeader;

typedef struct {
  guint32 resource_id; /* 0: the scanout's, or the pixels that follow */
  guint32 width;
  guint32 height;
  guint32 format; /* DRM fourcc */
  guint32 stride;
  gint64 pts_ns;
  gint64 duration_ns;
  gboolean force_keyframe;
} HxfrFrameRequest;

typedef struct {
  gint64 pts_ns; /* the request's, untouched */
  gint64 dts_ns;
  gboolean is_keyframe;
  guint32 nal_count;
} HxfrFrameResponse;

typedef struct {
  guint32 width; /* 0, 0: keep */
  guint32 height;
  guint32 bitrate; /* bit/s */
  guint32 framerate_num;
  guint32 framerate_den;
  guint8 profile; /* profile_idc: 66, 77, 100 */
  guint8 level;   /* 40 is 4.0 */
  guint8 realtime;
} HxfrConfig;

typedef struct {
  guint32 scanout_id;
  guint32 width;
  guint32 height;
  guint32 refresh_rate; /* Hz */
} HxfrEnableScanout;

typedef struct {
  guint32 scanout_id;
  gboolean success;
  char connector[HXFR_CONNECTOR_SIZE];
} HxfrScanoutResp;

typedef struct {
  gint32 code; /* HxfrErrorCode */
  char text[HXFR_ERROR_TEXT_SIZE];
} HxfrError;

/* The name of a message type for people and logs; "unknown" for others. Static storage. */
const char *hxfr_type_name(guint8 type);
/* Likewise for an error code. */
const char *hxfr_error_name(gint32 code);

/* The most payload bytes that a message of this type may have; 4 KiB for unknown types, which are then skipped. */
guint32 hxfr_max_payload(guint8 type);

/* FALSE: the magic is wrong. `bytes` holds HXFR_HEADER_SIZE bytes. */
gboolean hxfr_header_parse(const guint8 *bytes, HxfrHeader *header);
void hxfr_header_write(ByteWriter *writer, const HxfrHeader *header);

/*
 * Each parser takes one whole payload and returns FALSE if it is malformed: too short, or, for messages of a fixed
 * size, too long. Numbers are handed on as they came; their meaning is checked where it is known.
 */
gboolean hxfr_frame_request_parse(ByteReader *reader, HxfrFrameRequest *request);
gboolean hxfr_frame_response_parse(ByteReader *reader, HxfrFrameResponse *response);
/* The next NAL entry of a FRAME_RESPONSE, borrowed from the reader's buffer; call nal_count times. */
gboolean hxfr_nal_entry_parse(ByteReader *reader, const guint8 **nal, guint32 *size);
gboolean hxfr_config_parse(ByteReader *reader, HxfrConfig *config);
gboolean hxfr_enable_scanout_parse(ByteReader *reader, HxfrEnableScanout *enable);
gboolean hxfr_disable_scanout_parse(ByteReader *reader, guint32 *scanout_id);
gboolean hxfr_scanout_resp_parse(ByteReader *reader, HxfrScanoutResp *response);
gboolean hxfr_subscribe_parse(ByteReader *reader, guint32 *scanout_id);
gboolean hxfr_subscribe_resp_parse(ByteReader *reader, guint32 *scanout_id, gboolean *success);
gboolean hxfr_error_parse(ByteReader *reader, HxfrError *error);

void hxfr_frame_request_write(ByteWriter *writer, const HxfrFrameRequest *request);
void hxfr_frame_response_write(ByteWriter *writer, const HxfrFrameResponse *response);
void hxfr_config_write(ByteWriter *writer, const HxfrConfig *config);
void hxfr_enable_scanout_write(ByteWriter *writer, const HxfrEnableScanout *enable);
void hxfr_scanout_resp_write(ByteWriter *writer, const HxfrScanoutResp *response);
void hxfr_subscribe_resp_write(ByteWriter *writer, guint32 scanout_id, gboolean success);
void hxfr_error_write(ByteWriter *writer, gint32 code, const char *text);

/* A whole message, header included, ready to send. */
GBytes *hxfr_message(guint8 type, guint16 session_id, const void *payload, gsize size);
GBytes *hxfr_error_message(guint16 session_id, gint32 code, const char *text);
