/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "common/media/access-unit.h"
#include "common/wire/framing.h"

#include <gio/gio.h>

/* What several unit tests need. Everything here aborts the test on failure. */

/* Bytes of a hexadecimal string; blanks are passed over. */
GBytes *support_hex(const char *hex);

/* A folder of its own under the temporary folder, and its end with everything in it. */
char *support_make_folder(void);
void support_remove_folder(char *folder); /* frees the name, too */

/* Runs the default main context until `done` says TRUE or the time has passed; returns what it said last. */
gboolean support_run_until(gboolean (*done)(gpointer data), gpointer data, guint timeout_ms);
void support_run_for(guint ms);

/* An access unit that looks like one: SPS, PPS and IDR slice, or a slice; `size` bytes at least 32, `tag` in all of its
 * slice's. */
AccessUnit *support_unit(gboolean key, guint8 tag, gsize size);

/* Whether an emulator of user programs (qemu-aarch64) runs this one: its memory is the emulator's as well, and it
 * cannot start programs of its own kind. Meson says so to a test that it runs by a cross file's exe_wrapper. */
gboolean support_is_emulated(void);
/* The same, and the test is skipped for that reason: for tests that start a program of this build. */
gboolean support_cannot_start_programs(void);
/* Likewise, for tests that would take minutes there. */
gboolean support_is_too_slow(void);

/* The memory that this process has in RAM now, bytes. Always 0 under a sanitizer, which keeps what was freed for a
 * while, and under an emulator, which keeps what it translated. */
gsize support_resident(void);

/* An end of a stream that a peer in the field would hold: blocking, with a time limit that aborts the test. */
typedef struct {
  int fd;
  Framing framing;
} SupportClient;

void support_client_init(SupportClient *client, int fd); /* takes fd over */
void support_client_finish(SupportClient *client);
void support_client_send(SupportClient *client, const void *bytes, gsize size);
void support_client_message(SupportClient *client, guint8 type, guint16 session, const void *payload, gsize size);
/* The next message while the default main context runs; FALSE when the other end closed. *payload borrowed until the
 * next. */
gboolean support_client_next(SupportClient *client, HxfrHeader *header, const guint8 **payload);
/* The next message must be there and be of this type. */
void support_client_expect(SupportClient *client, guint8 type, HxfrHeader *header, const guint8 **payload);
/* The next message must be an ERROR with this code; a text must be in it. */
void support_client_expect_error(SupportClient *client, gint32 code);
void support_client_expect_end(SupportClient *client);
