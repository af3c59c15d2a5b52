/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/gst/link-report.h"

static gint resource_code(const GError *why) {
  switch ((LinkErrorCode)why->code) {
  case LINK_ERROR_SETTINGS:
    return GST_RESOURCE_ERROR_SETTINGS;
  case LINK_ERROR_CONNECT:
  case LINK_ERROR_PING:
    return GST_RESOURCE_ERROR_OPEN_READ_WRITE;
  case LINK_ERROR_DENIED:
    return GST_RESOURCE_ERROR_NOT_AUTHORIZED;
  case LINK_ERROR_SUBSCRIBE:
    return GST_RESOURCE_ERROR_NOT_FOUND;
  case LINK_ERROR_STREAM:
  case LINK_ERROR_REQUEST:
  case LINK_ERROR_UNANSWERED:
  case LINK_ERROR_CLOSED:
  case LINK_ERROR_GONE:
    return GST_RESOURCE_ERROR_READ;
  }
  return GST_RESOURCE_ERROR_FAILED;
}

static void report(GstElement *element, GstMessageType type, const GError *why) {
  gst_element_message_full(element, type, GST_RESOURCE_ERROR, resource_code(why), g_strdup(why->message), NULL,
                           __FILE__, G_STRFUNC, __LINE__);
}

void link_report_error(GstElement *element, const GError *why) {
  report(element, GST_MESSAGE_ERROR, why);
}

void link_report_warning(GstElement *element, const GError *why) {
  report(element, GST_MESSAGE_WARNING, why);
}

void link_report_log(GstDebugCategory *category, GstElement *element, LogLevel level, const char *text) {
  static const GstDebugLevel LEVELS[] = {
      [LOG_ERROR] = GST_LEVEL_ERROR,
      [LOG_WARN] = GST_LEVEL_WARNING,
      [LOG_INFO] = GST_LEVEL_INFO,
      [LOG_DEBUG] = GST_LEVEL_DEBUG,
  };
  GST_CAT_LEVEL_LOG(category, LEVELS[level], element, "%s", text);
}

GstStructure *link_report_stats(const LinkCounters *counters) {
  return gst_structure_new("framelift-stats",                                       /**/
                           "connects", G_TYPE_UINT64, counters->connects,           /**/
                           "bytes", G_TYPE_UINT64, counters->bytes,                 /**/
                           "requests", G_TYPE_UINT64, counters->requests,           /**/
                           "answers", G_TYPE_UINT64, counters->answers,             /**/
                           "errors", G_TYPE_UINT64, counters->errors,               /**/
                           "lost", G_TYPE_UINT64, counters->lost,                   /**/
                           "strays", G_TYPE_UINT64, counters->strays,               /**/
                           "malformed", G_TYPE_UINT64, counters->malformed,         /**/
                           "units", G_TYPE_UINT64, counters->units,                 /**/
                           "key-requests", G_TYPE_UINT64, counters->key_requests,   /**/
                           "pings", G_TYPE_UINT64, counters->pings,                 /**/
                           "pongs", G_TYPE_UINT64, counters->pongs,                 /**/
                           "unknown", G_TYPE_UINT64, counters->unknown,             /**/
                           "fingerprints", G_TYPE_UINT64, counters->fingerprints,   /**/
                           "pixels-wanted", G_TYPE_UINT64, counters->pixels_wanted, /**/
                           "tiles-sent", G_TYPE_UINT64, counters->tiles_sent,       /**/
                           "pixel-bytes", G_TYPE_UINT64, counters->pixel_bytes,     /**/
                           NULL);
}
