/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "guest/gst/link-events.h"

#include <gst/gst.h>

/*
 * What a link says, in GStreamer's terms. Any thread.
 */

/* A link's end as an error message on the bus: its text names the hop. */
void link_report_error(GstElement *element, const GError *why);
/* Something that people should see and the pipeline survives. */
void link_report_warning(GstElement *element, const GError *why);

void link_report_log(GstDebugCategory *category, GstElement *element, LogLevel level, const char *text);

/* The counters as "framelift-stats". */
GstStructure *link_report_stats(const LinkCounters *counters);
