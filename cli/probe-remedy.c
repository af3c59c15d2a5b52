/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli/probe-remedy.h"

static gboolean is(const GError *error, gint code) {
  return g_error_matches(error, G_IO_ERROR, code);
}

/* The command that shows who owns the socket. */
static const char *who_listens(const ProbeFacts *facts) {
  return facts->client->address.kind == ADDRESS_UNIX ? "ss -xlp" : "ss -tlp";
}

/* "this VM has scanout 0 (lit), 1 (dark)" */
static char *list_scanouts(const Client *client) {
  if (client->version < HXFR_VERSION) return g_strdup("0 is the one that it boots with");
  if (client->scanouts.count == 0) return g_strdup("this VM has none yet");
  g_autoptr(GString) text = g_string_new("this VM has scanout");
  for (guint i = 0; i < client->scanouts.count; i++) {
    const HxfrScanout *scanout = &client->scanouts.entries[i];
    g_string_append_printf(text, "%s %u (%s)", i > 0 ? "," : "", scanout->id,
                           scanout->flags & HXFR_SCANOUT_LIT ? "lit" : "dark");
  }
  return g_string_free(g_steal_pointer(&text), FALSE);
}

static char *remedy_hung_up(const ProbeFacts *facts) {
  return g_strdup_printf(
      "it is accepted and hung up on: a proxy in front of a dead daemon, or another program; look at "
      "what owns the address (%s), and start the daemon behind it",
      who_listens(facts));
}

static char *remedy_connect(const ProbeFacts *facts, const GError *error) {
  if (is(error, G_IO_ERROR_PERMISSION_DENIED)) return g_strdup("run probe as the user that started the daemon");
  if (is(error, G_IO_ERROR_TIMED_OUT)) {
    return g_strdup_printf("the listener takes no connection, or something drops it: look whether its program is "
                           "stopped (%s), and at any firewall or proxy between",
                           who_listens(facts));
  }
  /* such a proxy may be faster than the connect itself */
  if (is(error, G_IO_ERROR_CONNECTION_CLOSED)) return remedy_hung_up(facts);
  g_autofree char *address = address_to_string(&facts->client->address, -1);
  return g_strdup_printf("start the daemon with --listen %s, or give the address that it was started with (%s)",
                         address, who_listens(facts));
}

static char *remedy_ping(const ProbeFacts *facts, const GError *error) {
  const char *who = who_listens(facts);
  if (is(error, G_IO_ERROR_TIMED_OUT)) {
    return g_strdup_printf("it is accepted and nobody answers: a proxy in front of a dead daemon, a stopped daemon, or "
                           "a program that does not speak HXFR; look at what owns the address (%s), and start the "
                           "daemon behind it",
                           who);
  }
  if (is(error, G_IO_ERROR_CLOSED)) return remedy_hung_up(facts);
  if (is(error, G_IO_ERROR_INVALID_DATA)) {
    return g_strdup_printf("another program has this address, or it is the daemon's --http: give that of --listen (%s "
                           "shows who listens)",
                           who);
  }
  return g_strdup("the daemon turns this connection away; its log says more");
}

static char *remedy_denied(const ProbeFacts *facts) {
  if (!facts->has_token) {
    return g_strdup("--token-file FILE: the daemon's own --token-file, or ~/.local/state/framelift/NAME.token");
  }
  return g_strdup("the daemon has another token: give the file that it was started with (its own --token-file, or "
                  "~/.local/state/framelift/NAME.token with its --name)");
}

static char *remedy_no_display(const Client *client) {
  if (client->state == HXFR_STATE_LOST) {
    return g_strdup("the daemon waits for its VM to come back, and goes on by itself: start QEMU again");
  }
  if (client->state == HXFR_STATE_STARTING) {
    return g_strdup("the daemon waits for its VM, and goes on by itself: start QEMU with what docs/attach.md says");
  }
  g_autofree char *list = list_scanouts(client);
  return g_strdup_printf("wake the guest, or see whether it has booted; %s: --scanout N takes another", list);
}

static char *remedy_version(const ProbeFacts *facts, const GError *error) {
  if (is(error, G_IO_ERROR_PERMISSION_DENIED)) return remedy_denied(facts);
  if (is(error, G_IO_ERROR_NOT_CONNECTED)) return remedy_no_display(facts->client);
  if (is(error, G_IO_ERROR_TIMED_OUT)) {
    return g_strdup("the host answers PING and not HELLO: is it frameliftd, or is it stuck? Its log says more");
  }
  return g_strdup("it is no frameliftd, or one of a version that this program does not know: compare --version");
}

static char *remedy_subscribe(const ProbeFacts *facts, const GError *error) {
  if (is(error, G_IO_ERROR_NOT_FOUND)) {
    g_autofree char *list = list_scanouts(facts->client);
    return g_strdup_printf("--scanout N: %s", list);
  }
  if (is(error, G_IO_ERROR_PERMISSION_DENIED)) return remedy_denied(facts);
  return g_strdup("the host does not serve SUBSCRIBE: it may only take FRAME_REQUEST, try --request");
}

/* ERROR -2. */
static char *remedy_not_found(const ProbeFacts *facts) {
  const Client *client = facts->client;
  if (facts->resource_id == 0) {
    g_autofree char *list = list_scanouts(client);
    return g_strdup_printf("the scanout is dark: wake the guest, or see whether it has booted; %s", list);
  }
  if (client->version >= HXFR_VERSION && !(client->welcome.features & HXFR_FEATURE_RESOURCES)) {
    return g_strdup("this display has no table of resources, only vugpu: has: ask for the scanout's, --resource 0");
  }
  return g_strdup_printf(
      "the guest never had resource %u, has freed it, or it is smaller than --size: give the id of a "
      "buffer that it holds now (they change with its modes), or --resource 0",
      facts->resource_id);
}

static char *remedy_first_answer(const ProbeFacts *facts, const GError *error) {
  gboolean old = facts->client->version < HXFR_VERSION;
  if (is(error, G_IO_ERROR_NOT_FOUND)) return remedy_not_found(facts);
  if (is(error, G_IO_ERROR_PERMISSION_DENIED)) return remedy_denied(facts);
  if (!is(error, G_IO_ERROR_TIMED_OUT)) return g_strdup("the host's log says more");
  if (facts->request && old) {
    return g_strdup("older hosts are silent where a submit fails: a scanout that is dark, a resource that is gone; "
                    "wake the guest, try --resource 0, and read the host's log");
  }
  if (old) {
    return g_strdup("the host accepted and sends no picture: the scanout is dark, or its encoder is stuck; wake the "
                    "guest, and read the host's log");
  }
  return g_strdup("the host accepted and sends no picture: its encoder is stuck; see framelift stats (encode.total, "
                  "encode.failures), and the daemon's log");
}

char *probe_remedy(ProbeHop hop, const ProbeFacts *facts, const GError *error) {
  if (hop > PROBE_PING && is(error, G_IO_ERROR_CLOSED)) {
    return g_strdup("the host ended, or cut this connection off: its log says why");
  }
  switch (hop) {
  case PROBE_CONNECT:
    return remedy_connect(facts, error);
  case PROBE_PING:
    return remedy_ping(facts, error);
  case PROBE_VERSION:
    return remedy_version(facts, error);
  case PROBE_SUBSCRIBE:
    return remedy_subscribe(facts, error);
  case PROBE_REQUEST:
    return g_strdup("the host takes no data: it is stopped or stuck; its log says more");
  case PROBE_FIRST_ANSWER:
    return remedy_first_answer(facts, error);
  case PROBE_STREAM:
  case PROBE_DECODE:
    break;
  }
  return g_strdup("with --encoder null this is meant; else the encoder is at fault: keep what framelift record writes");
}
