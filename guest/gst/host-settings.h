/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/net/address.h"

/*
 * The properties that every element of this plugin has: where the host is,
 * which scanout, how long to wait, which token. Values only; the element
 * guards them with its object lock.
 *
 * Places can be given in four ways. `address` names one whole; tcp-host with
 * tcp-port, cid with port, and socket-path name one each. Naming the same
 * place twice is fine, naming two is an error. Naming none is vsock to the
 * host (CID 2), port 5000.
 */

#define HOST_SETTINGS_TCP_PORT 5900u
#define HOST_SETTINGS_CID 2u /* VMADDR_CID_HOST */
#define HOST_SETTINGS_PORT 5000u
#define HOST_SETTINGS_TIMEOUT_MS 2000u

/* Property ids; an element's own begin with HOST_SETTINGS_N. */
enum {
  HOST_SETTINGS_ADDRESS_ID = 1,
  HOST_SETTINGS_TCP_HOST_ID,
  HOST_SETTINGS_TCP_PORT_ID,
  HOST_SETTINGS_CID_ID,
  HOST_SETTINGS_PORT_ID,
  HOST_SETTINGS_SOCKET_PATH_ID,
  HOST_SETTINGS_SCANOUT_ID,
  HOST_SETTINGS_TIMEOUT_ID,
  HOST_SETTINGS_TOKEN_FILE_ID,
  HOST_SETTINGS_N,
};

typedef struct {
  char *address; /* nullable, as all text here; an empty one counts as none */
  char *tcp_host;
  guint tcp_port;
  gboolean has_tcp_port; /* somebody set it */
  guint cid;
  gboolean has_cid;
  guint port;
  gboolean has_port;
  char *socket_path;
  guint scanout;
  guint timeout_ms;
  char *token_file;
} HostSettings;

void host_settings_init(HostSettings *settings);
void host_settings_finish(HostSettings *settings);

void host_settings_install(GObjectClass *object_class);
/* FALSE: the id is not one of these. */
gboolean host_settings_set(HostSettings *settings, guint id, const GValue *value);
gboolean host_settings_get(const HostSettings *settings, guint id, GValue *value);

/* The one place that is named. FALSE and error if it makes no sense, or there are two. */
gboolean host_settings_address(const HostSettings *settings, Address *address, GError **error);
