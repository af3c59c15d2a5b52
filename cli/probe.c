/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/client.h"
#include "cli/command.h"
#include "cli/decoder.h"
#include "cli/probe-remedy.h"
#include "cli/probe-report.h"
#include "common/media/annexb.h"
#include "common/media/sps.h"

#include <string.h>

/* How long the first picture may take: an IDR of an 8K scanout on a slow machine is a second. */
#define PROBE_FIRST_ANSWER_MS 5000u

typedef struct {
  Address address;
  char *token;
  guint scanout;
  gboolean request; /* FRAME_REQUEST instead of SUBSCRIBE */
  guint32 resource_id;
  guint width;
  guint height;
  ProbeReport report;
  Client client;
  ClientUnit unit;
} Probe;

static gboolean hop_connect(Probe *probe, GError **error) {
  g_autofree char *name = address_to_string(&probe->address, -1);
  probe_report_detail(&probe->report, "%s", name);
  return client_connect(&probe->client, &probe->address, error);
}

static gboolean hop_ping(Probe *probe, GError **error) {
  return client_ping(&probe->client, error);
}

static gboolean hop_version(Probe *probe, GError **error) {
  Client *client = &probe->client;
  if (!client_negotiate(client, probe->token, error)) return FALSE;
  if (client->version < HXFR_VERSION) {
    probe_report_detail(&probe->report, "1 (no HELLO: an older host)");
    return TRUE;
  }
  const HxfrScanout *scanout = NULL;
  for (guint i = 0; i < client->scanouts.count; i++) {
    if (client->scanouts.entries[i].id == probe->scanout) scanout = &client->scanouts.entries[i];
  }
  probe_report_detail(&probe->report, "2, VM \"%s\", %u scanouts", client->welcome.name, client->scanouts.count);
  if (client->state != HXFR_STATE_RUNNING) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "the daemon has no display: %s", client->state_text);
    return FALSE;
  }
  probe_report_add(&probe->report, "%s", client->state_text);
  if (!probe->request && scanout && !(scanout->flags & HXFR_SCANOUT_LIT)) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED, "scanout %u is dark: the guest shows nothing on it",
                probe->scanout);
    return FALSE;
  }
  return TRUE;
}

static gboolean hop_subscribe(Probe *probe, GError **error) {
  probe_report_detail(&probe->report, "scanout %u", probe->scanout);
  return client_subscribe(&probe->client, probe->scanout, error);
}

static gboolean hop_request(Probe *probe, GError **error) {
  HxfrFrameRequest request = {
      .resource_id = probe->resource_id,
      .width = probe->width,
      .height = probe->height,
      .format = PIXEL_FORMAT_ARGB8888,
      .stride = probe->width * 4,
      .pts_ns = 1,
      .force_keyframe = TRUE,
  };
  guint8 payload[HXFR_FRAME_REQUEST_SIZE];
  ByteWriter writer;
  byte_writer_init(&writer, payload, sizeof payload);
  hxfr_frame_request_write(&writer, &request);
  probe_report_detail(&probe->report, "resource %u", probe->resource_id);
  return client_send(&probe->client, HXFR_FRAME_REQUEST, (guint16)probe->scanout, payload, sizeof payload, error);
}

/* Of a host that is silent where a picture should come: is it there at all? */
static void say_whether_alive(Probe *probe, GError **error) {
  if (!error || !g_error_matches(*error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) return;
  g_autoptr(GError) why = NULL;
  gboolean alive = client_ping(&probe->client, &why);
  g_clear_error(error);
  g_set_error(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in %u s; %s", PROBE_FIRST_ANSWER_MS / 1000,
              alive ? "the host answers PING" : "the host does not even answer PING any longer");
}

static gboolean wait_for_unit(Probe *probe, GError **error) {
  gint64 deadline = g_get_monotonic_time() + (gint64)PROBE_FIRST_ANSWER_MS * 1000;
  gboolean is_unit = FALSE;
  while (!is_unit) {
    Message message;
    gint64 left = (deadline - g_get_monotonic_time()) / 1000;
    if (!client_receive(&probe->client, &message, (guint)MAX(left, 0), error) ||
        !client_read_unit(&probe->client, &message, &probe->unit, &is_unit, error)) {
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean hop_first_answer(Probe *probe, GError **error) {
  if (!wait_for_unit(probe, error)) {
    say_whether_alive(probe, error);
    return FALSE;
  }
  const HxfrUnit *unit = &probe->unit.unit;
  probe_report_detail(&probe->report, "%u bytes, %s", probe->unit.data->len, probe->unit.is_key ? "IDR" : "not an IDR");
  if (probe->client.version >= HXFR_VERSION) {
    probe_report_add(&probe->report, "%ux%u, encoded in %.1f ms at QP %u", unit->width, unit->height,
                     (double)(unit->convert_us + unit->encode_us) / 1000, unit->qp);
  }
  return TRUE;
}

static gboolean hop_stream(Probe *probe, GError **error) {
  AnnexbIterator iterator;
  Nal nal;
  Sps sps = {0};
  gboolean has_sps = FALSE, has_idr = FALSE;
  g_autoptr(GString) types = g_string_new("NAL types");
  annexb_init(&iterator, probe->unit.data->data, probe->unit.data->len);
  while (annexb_next(&iterator, &nal)) {
    g_string_append_printf(types, " %u", nal_type(&nal));
    if (nal_type(&nal) == NAL_SPS) has_sps = sps_parse(&nal, &sps);
    if (nal_type(&nal) == NAL_SLICE_IDR) has_idr = TRUE;
  }
  probe_report_detail(&probe->report, "%s", types->str);
  if (!has_sps || !has_idr) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "the stream does not begin with SPS, PPS and an IDR, so no decoder can begin with it");
    return FALSE;
  }
  probe_report_add(&probe->report, "%ux%u, %s, level %u.%u, reorder %s", sps.width, sps.height, sps_profile_name(&sps),
                   sps.level_idc / 10, sps.level_idc % 10,
                   !sps.has_restriction             ? "not forbidden: decoders may hold frames back"
                   : sps.max_num_reorder_frames > 0 ? "allowed: decoders hold frames back"
                                                    : "0");
  return TRUE;
}

static gboolean hop_decode(Probe *probe, GError **error) {
  Decoder *decoder = decoder_create(error);
  if (!decoder) return FALSE;
  DecodedPicture picture;
  gboolean got = FALSE;
  gboolean taken = decoder_decode(decoder, probe->unit.data->data, probe->unit.data->len, &picture, &got, error);
  if (got) probe_report_detail(&probe->report, "%ux%u", picture.width, picture.height);
  decoder_destroy(decoder);
  if (taken && !got) {
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                "the decoder took it and gave no picture: it waits for more");
  }
  return taken && got;
}

static const struct {
  const char *name;
  gboolean (*go)(Probe *probe, GError **error);
} HOPS[] = {
    [PROBE_CONNECT] = {"connect", hop_connect},       [PROBE_PING] = {"PING", hop_ping},
    [PROBE_VERSION] = {"version", hop_version},       [PROBE_SUBSCRIBE] = {"SUBSCRIBE", hop_subscribe},
    [PROBE_REQUEST] = {"FRAME_REQUEST", hop_request}, [PROBE_FIRST_ANSWER] = {"first answer", hop_first_answer},
    [PROBE_STREAM] = {"stream", hop_stream},          [PROBE_DECODE] = {"decode", hop_decode},
};

static gboolean run_hop(Probe *probe, ProbeHop hop) {
  g_autoptr(GError) error = NULL;
  probe_report_begin(&probe->report, HOPS[hop].name);
  gboolean good = HOPS[hop].go(probe, &error);
  const ProbeFacts facts = {
      .client = &probe->client,
      .has_token = probe->token != NULL,
      .request = probe->request,
      .resource_id = probe->resource_id,
  };
  g_autofree char *remedy = good ? NULL : probe_remedy(hop, &facts, error);
  probe_report_end(&probe->report, good, error ? error->message : NULL, remedy);
  return good;
}

static gboolean run_hops(Probe *probe) {
  for (ProbeHop hop = PROBE_CONNECT; hop <= PROBE_DECODE; hop++) {
    if (hop == (probe->request ? PROBE_SUBSCRIBE : PROBE_REQUEST)) continue;
    if (!run_hop(probe, hop)) return FALSE;
  }
  return TRUE;
}

static gboolean parse_size(Probe *probe, const char *size) {
  if (!size) return TRUE;
  g_auto(GStrv) parts = g_strsplit(size, "x", 2);
  guint64 width = 0, height = 0;
  if (g_strv_length(parts) != 2 || !g_ascii_string_to_unsigned(parts[0], 10, 1, FRAME_MAX_WIDTH, &width, NULL) ||
      !g_ascii_string_to_unsigned(parts[1], 10, 1, FRAME_MAX_HEIGHT, &height, NULL)) {
    return FALSE;
  }
  probe->width = (guint)width;
  probe->height = (guint)height;
  return TRUE;
}

int command_probe(int argc, char **argv) {
  Probe probe = {.width = 1920, .height = 1080};
  gint scanout = 0;
  gint64 resource = 0;
  gboolean as_json = FALSE;
  g_autofree char *size = NULL, *token_file = NULL, *address_text = NULL;
  const GOptionEntry entries[] = {
      {"scanout", 0, 0, G_OPTION_ARG_INT, &scanout, "Which scanout (0)", "N"},
      {"request", 0, 0, G_OPTION_ARG_NONE, &probe.request, "Ask by FRAME_REQUEST instead of SUBSCRIBE", NULL},
      {"resource", 0, 0, G_OPTION_ARG_INT64, &resource, "Resource id of the request (0: the scanout's)", "ID"},
      {"size", 0, 0, G_OPTION_ARG_STRING, &size, "Size in the request (1920x1080)", "WxH"},
      {"json", 0, 0, G_OPTION_ARG_NONE, &as_json, "As JSON", NULL},
      {"token-file", 0, 0, G_OPTION_ARG_FILENAME, &token_file, "The daemon's token, for tcp addresses", "FILE"},
      {NULL},
  };
  int status;
  const char *summary =
      "Goes the way of a picture hop by hop, with the time of each, and names the one that is silent.";
  if (!command_parse("probe", summary, entries, argc, argv, &address_text, &status)) return status;
  if (scanout < 0 || scanout >= (gint)HXFR_MAX_SCANOUTS) return command_usage("probe", "--scanout: 0 to 15");
  if (resource < 0 || resource > G_MAXUINT32) return command_usage("probe", "--resource: 0 to 4294967295");
  if (!parse_size(&probe, size)) return command_usage("probe", "--size %s: write WxH, up to 8192x4320", size);
  probe.scanout = (guint)scanout;
  probe.resource_id = (guint32)resource;
  g_autoptr(GError) error = NULL;
  if (!address_parse(address_text, &probe.address, &error)) return command_usage("probe", "%s", error->message);
  g_autofree char *token = client_read_token(token_file, &error);
  if (error) return command_fail("probe", "%s", error->message);
  probe.token = token;

  probe_report_init(&probe.report, as_json);
  gboolean good = run_hops(&probe);
  client_close(&probe.client);
  if (probe.unit.data) g_byte_array_unref(probe.unit.data);
  probe_report_finish(&probe.report, good);
  return good ? COMMAND_DONE : COMMAND_FAILED;
}
