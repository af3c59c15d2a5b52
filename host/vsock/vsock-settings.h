/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include <glib.h>

/* `--vsock-device SOCKET,cid=N[,port=P]`. Any thread. */

/* What the GStreamer elements connect to by themselves. */
#define VSOCK_SETTINGS_PORT 5000u

typedef struct {
  char *path;   /* where QEMU connects; NULL: no device */
  guint32 cid;  /* the guest's */
  guint32 port; /* that serves HXFR */
} VsockSettings;

/* Fills *settings from `text`. A comma inside the path is written twice, as QEMU has it. FALSE with a
 * G_IO_ERROR_INVALID_ARGUMENT that says what is wrong and what is allowed; *settings has to be finished all the same.
 */
gboolean vsock_settings_parse(const char *text, VsockSettings *settings, GError **error);
void vsock_settings_finish(VsockSettings *settings);
/* A guest's CID in decimal digits. */
gboolean vsock_settings_cid(const char *text, guint32 *cid);
