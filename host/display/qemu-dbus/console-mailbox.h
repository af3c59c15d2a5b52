/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

#include "host/display/qemu-dbus/pixel-block.h"

/*
 * What lies between the thread that GDBus reads on and the display's thread:
 * the calls of one console that have come and are not shown yet.
 *
 * QEMU waits for no answer to a picture, and GDBus queues without a bound, so
 * the bound is here. A whole picture makes everything before it pointless,
 * and so does an update the updates inside its rectangle: those are dropped,
 * and counted as "qemu.superseded". What is left over is limited; whoever
 * would exceed the limit waits ("qemu.waits") until the display's thread has
 * taken what there is, and QEMU's pictures wait in the socket meanwhile.
 *
 * Any thread, but for what says otherwise.
 */

/* A second of a busy text console; more rectangles than this cost more to keep apart than to draw. */
#define CONSOLE_MAILBOX_MAX_UPDATES 128u
/* Two partial updates of 4K that are nearly whole. */
#define CONSOLE_MAILBOX_MAX_BYTES (64u << 20)

typedef struct ConsoleMailbox ConsoleMailbox;

/* Everything that waited, in the order: dark, then whole, then updates. */
typedef struct {
  gboolean dark;       /* the console was switched off */
  gboolean unreadable; /* a picture came as a DMA-BUF */
  PixelBlock whole;    /* bytes NULL: none */
  PixelBlock updates[CONSOLE_MAILBOX_MAX_UPDATES];
  guint n_updates;
} ConsoleBatch;

/* `wake` is called on the posting thread when the first call has come since the last take; it must only signal, because
 * the mailbox is locked. */
ConsoleMailbox *console_mailbox_new(void (*wake)(gpointer data), gpointer data);
ConsoleMailbox *console_mailbox_ref(ConsoleMailbox *mailbox);
void console_mailbox_unref(ConsoleMailbox *mailbox);

/* Posts a whole picture or a part of it. FALSE: the call does not add up, and *why says how. post_update may wait. */
gboolean console_mailbox_post_whole(ConsoleMailbox *mailbox, const PixelBlockCall *call, const char **why);
gboolean console_mailbox_post_update(ConsoleMailbox *mailbox, const PixelBlockCall *call, const char **why);
void console_mailbox_post_dark(ConsoleMailbox *mailbox);
void console_mailbox_post_unreadable(ConsoleMailbox *mailbox);

/* Moves what waited into `batch` (of any content) and lets waiting posts go on. */
void console_mailbox_take(ConsoleMailbox *mailbox, ConsoleBatch *batch);
void console_batch_finish(ConsoleBatch *batch);

/* The size of the newest picture, taken or waiting; 0 by 0 when dark. */
void console_mailbox_size(ConsoleMailbox *mailbox, guint *width, guint *height);

/* From here on nothing is kept, nobody waits, and `wake` is not called. */
void console_mailbox_close(ConsoleMailbox *mailbox);
