/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "common/media/frame.h"

/*
 * What follows "vugpu:" in `--display vugpu:SOCKET[,outputs=N][,size=WxH]
 * [,qmp=PATH]`; "fd=N" instead of the path is a descriptor. Any thread.
 */

/* virtio-gpu's own limit: VIRTIO_GPU_MAX_SCANOUTS, virtio 1.2 section 5.7.4. */
#define VUGPU_SETTINGS_MAX_OUTPUTS 16u
/* Smaller ones no guest's desktop fits into, and Linux's driver is not tried with them. */
#define VUGPU_SETTINGS_MIN_SIDE 64u

typedef struct {
  char *path;    /* where QEMU connects: listened on, unless there is `fd`; NULL: only that */
  int fd;        /* a socket that somebody opened, connected to QEMU or listening; -1: none */
  guint outputs; /* connected at boot and after each reset of the device; 1 to VUGPU_SETTINGS_MAX_OUTPUTS */
  guint width;   /* of each at boot, pixels */
  guint height;
  char *qmp_path; /* QEMU's monitor, for telling the guest of changed outputs; NULL: it is not told */
} VugpuSettings;

/* One output of 1280x720, neither path nor fd. */
void vugpu_settings_init(VugpuSettings *settings);
void vugpu_settings_finish(VugpuSettings *settings); /* the strings; not the fd */

/* Fills *settings from `text`. A comma inside a path is written twice, as QEMU has it. FALSE with a
 * G_IO_ERROR_INVALID_ARGUMENT that says what is wrong and what is allowed; *settings has to be finished all the same.
 */
gboolean vugpu_settings_parse(const char *text, VugpuSettings *settings, GError **error);

/* Whether an output can have this size. */
gboolean vugpu_settings_size_ok(guint width, guint height);
/* Whether an output can be connected like that: not 0, the boot display. */
gboolean vugpu_settings_output_ok(guint id, guint width, guint height, guint refresh_mhz);
