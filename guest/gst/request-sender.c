/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/request-sender.h"

static void say(const RequestSender *sender, LogLevel level, const char *format, ...) G_GNUC_PRINTF(3, 4);

static void say(const RequestSender *sender, LogLevel level, const char *format, ...) {
  va_list args;
  va_start(args, format);
  g_autofree char *text = g_strdup_vprintf(format, args);
  va_end(args);
  sender->events->log(level, text, sender->data);
}

void request_sender_init(RequestSender *sender, const LinkSettings *settings, const LinkEvents *events, gpointer data,
                         Channel *channel, LinkCounters *counters) {
  *sender =
      (RequestSender){.settings = settings, .events = events, .data = data, .channel = channel, .counters = counters};
  request_window_init(&sender->window);
  upload_way_init(&sender->upload);
  tile_base_init(&sender->base);
  sender->random = settings->seed;
  while (sender->random == 0) sender->random = (guint64)g_random_int() << 32 | g_random_int();
}

void request_sender_finish(RequestSender *sender) {
  request_window_finish(&sender->window);
  tile_base_finish(&sender->base);
}

static gboolean has_feature(const RequestSender *sender, HxfrFeature feature) {
  return sender->host.version >= HXFR_VERSION && (sender->host.features & (guint32)feature) != 0;
}

/* Version 2 has no other way to name it; ENABLE_SCANOUT would connect an output. */
static void send_scanout(RequestSender *sender) {
  guint8 payload[HXFR_REQUEST_SCANOUT_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  byte_writer_u32(&writer, sender->settings->scanout);
  channel_queue(sender->channel,
                hxfr_message(HXFR_REQUEST_SCANOUT, (guint16)sender->settings->scanout, payload, sizeof payload));
}

void request_sender_begin(RequestSender *sender, const LinkHost *host) {
  sender->host = *host;
  sender->fresh = TRUE;
  upload_way_init(&sender->upload);
  tile_base_forget(&sender->base);
  for (guint i = 0; i < sender->window.count; i++) {
    sender->window.slots[i].way = REQUEST_WAITS;
    sender->window.slots[i].refused = FALSE;
  }
  gboolean asks = sender->settings->mode == LINK_REQUESTS; /* the session of a subscription has none */
  if (asks && sender->settings->scanout != 0 && has_feature(sender, HXFR_FEATURE_TILES)) send_scanout(sender);
}

static Frame frame_of(const Request *request) {
  return (Frame){request->format, request->width, request->height, request->stride,
                 g_bytes_get_data(request->pixels, NULL)};
}

static RequestWay choose_way(const RequestSender *sender, const RequestSlot *slot, gint64 now, guint *side) {
  const Request *request = &slot->request;
  gboolean tiles = has_feature(sender, HXFR_FEATURE_TILES);
  gboolean planar = request->format == PIXEL_FORMAT_NV12;
  if (!request->pixels) return REQUEST_AS_IT_IS;
  if (request->ask_first && !slot->refused) {
    /* pixels go to nobody who did not say that he takes them; version 1 hosts never did */
    if (!tiles && !has_feature(sender, HXFR_FEATURE_PIXELS)) return REQUEST_AS_IT_IS;
    *side = tiles && !planar ? upload_way_side(&sender->upload, request->width, request->height, now) : 0;
    if (*side > 0) return REQUEST_BY_FINGERPRINT;
  }
  gboolean odd = planar && (request->width % 2 || request->height % 2); /* the host's to refuse */
  return tiles && !odd ? REQUEST_BY_TILES : REQUEST_WITH_PIXELS;
}

/* What is on its way in front of a request. */
typedef struct {
  gboolean doubtful; /* something that may yet be refused */
  gboolean tiles;
} Ahead;

static gboolean must_wait(const RequestSender *sender, const RequestSlot *slot, RequestWay way, const Ahead *ahead) {
  if (way == REQUEST_BY_FINGERPRINT) return FALSE; /* is refused where those before it are */
  if (ahead->doubtful) return TRUE;
  if (!ahead->tiles) return FALSE;
  /* tiles on tiles share their fate; whatever does not build on them must not overtake one that is refused */
  if (way != REQUEST_BY_TILES) return TRUE;
  Frame frame = frame_of(&slot->request);
  return !tile_base_fits(&sender->base, &frame);
}

static void look(const RequestSender *sender, const RequestSlot *slot, Ahead *ahead) {
  gboolean tiles = slot->way == REQUEST_BY_TILES;
  ahead->tiles |= tiles;
  ahead->doubtful |= slot->way == REQUEST_BY_FINGERPRINT || (tiles && slot->epoch != sender->base.epoch);
}

static HxfrFrameRequest wire_request(const RequestSlot *slot) {
  const Request *request = &slot->request;
  return (HxfrFrameRequest){
      .resource_id = request->resource_id,
      .width = request->width,
      .height = request->height,
      .format = request->format,
      .stride = request->stride,
      .pts_ns = slot->wire_pts_ns,
      .duration_ns = request->duration_ns,
      .force_keyframe = request->force_keyframe,
  };
}

static void log_sent(const RequestSender *sender, const RequestSlot *slot, const char *how) {
  say(sender, LOG_DEBUG, "Sent frame request pts=%" G_GINT64_FORMAT " resource=%u %ux%u%s%s", slot->wire_pts_ns,
      slot->request.resource_id, slot->request.width, slot->request.height, slot->request.force_keyframe ? " key" : "",
      how);
}

static gboolean send_frame_request(RequestSender *sender, const RequestSlot *slot, gboolean with_pixels,
                                   GError **error) {
  gsize size = with_pixels ? g_bytes_get_size(slot->request.pixels) : 0;
  if (size > HXFR_MAX_PIXELS) {
    g_set_error_literal(error, LINK_ERROR, LINK_ERROR_REQUEST,
                        "settings: upload: more than 64 MiB of pixels in a frame");
    return FALSE;
  }
  HxfrHeader header = {
      .type = HXFR_FRAME_REQUEST,
      .flags = with_pixels ? HXFR_FLAG_PIXELS : 0,
      .session_id = (guint16)sender->settings->scanout,
      .payload_size = (guint32)(HXFR_FRAME_REQUEST_SIZE + size),
  };
  HxfrFrameRequest wire = wire_request(slot);
  guint8 bytes[HXFR_HEADER_SIZE + HXFR_FRAME_REQUEST_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, bytes, sizeof bytes);
  hxfr_header_write(&writer, &header);
  hxfr_frame_request_write(&writer, &wire);
  channel_queue(sender->channel, g_bytes_new(bytes, sizeof bytes));
  if (with_pixels) channel_queue(sender->channel, g_bytes_ref(slot->request.pixels));
  sender->counters->pixel_bytes += size;
  log_sent(sender, slot, with_pixels ? " pixels" : "");
  return TRUE;
}

static void send_fingerprint(RequestSender *sender, const RequestSlot *slot, guint side) {
  HxfrRequestFingerprint request = {.request = wire_request(slot), .scanout = (guint16)sender->settings->scanout};
  Frame frame = frame_of(&slot->request);
  request.request.stride = 0;
  fingerprint_take(&request.fingerprint, &frame, side, &sender->random);
  guint8 payload[HXFR_FINGERPRINT_FIXED_SIZE + FINGERPRINT_MAX_PLACES * HXFR_PLACE_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_request_fingerprint_write(&writer, &request);
  channel_queue(sender->channel,
                hxfr_message(HXFR_REQUEST_FINGERPRINT, (guint16)sender->settings->scanout, payload, writer.position));
  upload_way_asked(&sender->upload, frame.width, frame.height);
  sender->counters->fingerprints++;
  g_autofree char *how = g_strdup_printf(" fingerprint of %u places", request.fingerprint.count);
  log_sent(sender, slot, how);
}

static gboolean send_tiles(RequestSender *sender, RequestSlot *slot, GError **error) {
  HxfrFrameRequest wire = wire_request(slot);
  Frame frame = frame_of(&slot->request);
  TileBaseSent sent;
  g_autoptr(GError) cause = NULL;
  wire.stride = 0;
  GBytes *message = tile_base_message(&sender->base, (guint16)sender->settings->scanout, &wire, &frame, &sent, &cause);
  if (!message) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_REQUEST, "settings: upload: %s", cause->message);
    return FALSE;
  }
  channel_queue(sender->channel, message);
  slot->epoch = sender->base.epoch;
  slot->whole = sent.base == 0;
  sender->counters->tiles_sent += sent.tiles;
  sender->counters->pixel_bytes += sent.pixel_bytes;
  g_autofree char *how =
      g_strdup_printf(" tiles: picture %u on %u, %u tiles in %u rectangles, %" G_GSIZE_FORMAT " bytes", sent.number,
                      sent.base, sent.tiles, sent.rects, sent.pixel_bytes);
  log_sent(sender, slot, how);
  return TRUE;
}

static gboolean send_slot(RequestSender *sender, RequestSlot *slot, RequestWay way, guint side, GError **error) {
  slot->request.force_keyframe |= sender->fresh;
  if (way == REQUEST_BY_FINGERPRINT) {
    send_fingerprint(sender, slot, side);
  } else if (way == REQUEST_BY_TILES) {
    if (!send_tiles(sender, slot, error)) return FALSE;
  } else if (!send_frame_request(sender, slot, way == REQUEST_WITH_PIXELS, error)) {
    return FALSE;
  }
  sender->fresh = FALSE;
  slot->way = way;
  slot->end = sender->channel->queued;
  slot->sent_us = g_get_monotonic_time();
  sender->counters->requests++;
  return TRUE;
}

gboolean request_sender_send(RequestSender *sender, GError **error) {
  Ahead ahead = {0};
  for (guint i = 0; i < sender->window.count; i++) {
    RequestSlot *slot = &sender->window.slots[i];
    if (slot->way == REQUEST_WAITS) {
      guint side = 0;
      g_autoptr(GError) cause = NULL;
      RequestWay way = choose_way(sender, slot, g_get_monotonic_time(), &side);
      if (must_wait(sender, slot, way, &ahead)) return TRUE;
      if (!send_slot(sender, slot, way, side, &cause)) {
        if (i > 0) return TRUE; /* it ends when those before it have */
        g_propagate_error(error, g_steal_pointer(&cause));
        return FALSE;
      }
    }
    look(sender, slot, &ahead);
  }
  return TRUE;
}

static void learn(RequestSender *sender, const RequestSlot *slot, gboolean answered) {
  gint64 now = g_get_monotonic_time();
  if (slot->way == REQUEST_BY_TILES && !answered && slot->epoch == sender->base.epoch) tile_base_forget(&sender->base);
  if (slot->way != REQUEST_BY_FINGERPRINT) return;
  if (!answered) {
    upload_way_failed(&sender->upload, now);
  } else if (upload_way_agreed(&sender->upload, slot->request.width, slot->request.height, now)) {
    say(sender, LOG_INFO, "The host's scanout %u shows these frames: no pixels are sent", sender->settings->scanout);
  }
}

void request_sender_end(RequestSender *sender, gboolean answered, Request *request) {
  learn(sender, &sender->window.slots[0], answered);
  request_window_pop(&sender->window, request);
}

/* A host that has not got what it was just sent would be sent it for ever. */
static gboolean may_refuse(const RequestSlot *slot) {
  return slot->way == REQUEST_BY_FINGERPRINT || (slot->way == REQUEST_BY_TILES && !slot->whole);
}

gboolean request_sender_refused(RequestSender *sender, const HxfrPixelsWanted *wanted, GError **error) {
  gint index = request_window_find(&sender->window, wanted->pts_ns);
  RequestSlot *slot = index >= 0 ? &sender->window.slots[index] : NULL;
  if (!slot || !may_refuse(slot)) {
    g_set_error(error, LINK_ERROR, LINK_ERROR_STREAM,
                "stream: the host wants pixels of pts=%" G_GINT64_FORMAT ", which has sent them, or is none",
                wanted->pts_ns);
    return FALSE;
  }
  sender->counters->pixels_wanted++;
  say(sender, LOG_DEBUG, "Pixels wanted pts=%" G_GINT64_FORMAT ": %s", wanted->pts_ns,
      hxfr_wanted_reason_text(wanted->reason));
  if (slot->way == REQUEST_BY_TILES) {
    if (slot->epoch == sender->base.epoch) tile_base_forget(&sender->base);
  } else if (wanted->reason != HXFR_WANTED_IN_ORDER &&
             upload_way_refused(&sender->upload, slot->request.width, slot->request.height, g_get_monotonic_time())) {
    say(sender, LOG_INFO, "Pixels are sent from here on: %s; asked again in %u s",
        hxfr_wanted_reason_text(wanted->reason), sender->upload.pause_ms / 1000);
  }
  slot->way = REQUEST_WAITS;
  slot->refused = TRUE;
  return TRUE;
}
