/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/qemu-dbus/console-mailbox.h"

#include "common/base/stats.h"
#include "common/base/thread.h"

#include <string.h>

struct ConsoleMailbox {
  gatomicrefcount references;
  void (*wake)(gpointer data);
  gpointer wake_data;

  Mutex mutex; /* guards the rest */
  Cond taken;
  gboolean closed;
  gboolean pending;
  guint width; /* of the newest picture, shown or waiting; 0 when dark */
  guint height;
  gsize update_bytes;
  ConsoleBatch batch;
};

ConsoleMailbox *console_mailbox_new(void (*wake)(gpointer data), gpointer data) {
  ConsoleMailbox *mailbox = g_new0(ConsoleMailbox, 1);
  g_atomic_ref_count_init(&mailbox->references);
  mailbox->wake = wake;
  mailbox->wake_data = data;
  mutex_init(&mailbox->mutex);
  cond_init(&mailbox->taken);
  return mailbox;
}

ConsoleMailbox *console_mailbox_ref(ConsoleMailbox *mailbox) {
  g_atomic_ref_count_inc(&mailbox->references);
  return mailbox;
}

void console_mailbox_unref(ConsoleMailbox *mailbox) {
  if (!g_atomic_ref_count_dec(&mailbox->references)) return;
  console_batch_finish(&mailbox->batch);
  mutex_finish(&mailbox->mutex);
  cond_finish(&mailbox->taken);
  g_free(mailbox);
}

void console_batch_finish(ConsoleBatch *batch) {
  pixel_block_finish(&batch->whole);
  for (guint i = 0; i < batch->n_updates; i++) pixel_block_finish(&batch->updates[i]);
  batch->n_updates = 0;
  batch->dark = FALSE;
  batch->unreadable = FALSE;
}

/* Call with the mutex held. */
static void announce(ConsoleMailbox *mailbox) {
  if (mailbox->pending || mailbox->closed) return;
  mailbox->pending = TRUE;
  mailbox->wake(mailbox->wake_data);
}

/* A whole picture, or none at all, is coming: what waited will never be seen. */
static void drop_pixels(ConsoleMailbox *mailbox) {
  guint dropped = mailbox->batch.n_updates + (mailbox->batch.whole.bytes ? 1 : 0);
  if (dropped > 0) stats_add(stats_counter("qemu.superseded"), dropped);
  pixel_block_finish(&mailbox->batch.whole);
  for (guint i = 0; i < mailbox->batch.n_updates; i++) pixel_block_finish(&mailbox->batch.updates[i]);
  mailbox->batch.n_updates = 0;
  mailbox->update_bytes = 0;
}

gboolean console_mailbox_post_whole(ConsoleMailbox *mailbox, const PixelBlockCall *call, const char **why) {
  PixelBlock block;
  if (!pixel_block_init(&block, call, FRAME_MAX_WIDTH, FRAME_MAX_HEIGHT, why)) return FALSE;
  mutex_lock(&mailbox->mutex);
  if (mailbox->closed) {
    pixel_block_finish(&block);
  } else {
    drop_pixels(mailbox);
    mailbox->batch.dark = FALSE;
    mailbox->batch.unreadable = FALSE;
    mailbox->batch.whole = block;
    mailbox->width = block.rect.width;
    mailbox->height = block.rect.height;
    announce(mailbox);
  }
  mutex_unlock(&mailbox->mutex);
  return TRUE;
}

/* Later pixels replace earlier ones, so an update inside the new one need not be drawn first. */
static void drop_updates_inside(ConsoleMailbox *mailbox, const Rect *rect) {
  ConsoleBatch *batch = &mailbox->batch;
  guint kept = 0;
  for (guint i = 0; i < batch->n_updates; i++) {
    if (pixel_block_inside(&batch->updates[i], rect)) {
      mailbox->update_bytes -= pixel_block_bytes(&batch->updates[i]);
      pixel_block_finish(&batch->updates[i]);
    } else {
      batch->updates[kept++] = batch->updates[i];
    }
  }
  if (kept < batch->n_updates) stats_add(stats_counter("qemu.superseded"), batch->n_updates - kept);
  batch->n_updates = kept;
}

static gboolean has_room(const ConsoleMailbox *mailbox, gsize bytes) {
  if (mailbox->closed || mailbox->batch.n_updates == 0) return TRUE;
  return mailbox->batch.n_updates < CONSOLE_MAILBOX_MAX_UPDATES &&
         mailbox->update_bytes + bytes <= CONSOLE_MAILBOX_MAX_BYTES;
}

static void keep_update(ConsoleMailbox *mailbox, PixelBlock *block) {
  drop_updates_inside(mailbox, &block->rect);
  if (!has_room(mailbox, pixel_block_bytes(block))) stats_count("qemu.waits");
  while (!has_room(mailbox, pixel_block_bytes(block))) cond_wait(&mailbox->taken, &mailbox->mutex);
  if (mailbox->closed) {
    pixel_block_finish(block);
    return;
  }
  mailbox->update_bytes += pixel_block_bytes(block);
  mailbox->batch.updates[mailbox->batch.n_updates++] = *block;
  announce(mailbox);
}

gboolean console_mailbox_post_update(ConsoleMailbox *mailbox, const PixelBlockCall *call, const char **why) {
  PixelBlock block;
  gboolean ok = FALSE;
  mutex_lock(&mailbox->mutex);
  if (mailbox->width == 0) {
    *why = "no Scanout came before it";
  } else if (pixel_block_init(&block, call, mailbox->width, mailbox->height, why)) {
    ok = TRUE;
    if (block.bytes) keep_update(mailbox, &block);
  }
  mutex_unlock(&mailbox->mutex);
  return ok;
}

void console_mailbox_post_dark(ConsoleMailbox *mailbox) {
  mutex_lock(&mailbox->mutex);
  if (!mailbox->closed) {
    drop_pixels(mailbox);
    mailbox->width = mailbox->height = 0;
    mailbox->batch.dark = TRUE;
    announce(mailbox);
  }
  mutex_unlock(&mailbox->mutex);
}

void console_mailbox_post_unreadable(ConsoleMailbox *mailbox) {
  mutex_lock(&mailbox->mutex);
  mailbox->batch.unreadable = TRUE;
  announce(mailbox);
  mutex_unlock(&mailbox->mutex);
}

void console_mailbox_take(ConsoleMailbox *mailbox, ConsoleBatch *batch) {
  mutex_lock(&mailbox->mutex);
  *batch = mailbox->batch;
  mailbox->batch = (ConsoleBatch){0};
  mailbox->update_bytes = 0;
  mailbox->pending = FALSE;
  cond_signal(&mailbox->taken);
  mutex_unlock(&mailbox->mutex);
}

void console_mailbox_size(ConsoleMailbox *mailbox, guint *width, guint *height) {
  mutex_lock(&mailbox->mutex);
  *width = mailbox->width;
  *height = mailbox->height;
  mutex_unlock(&mailbox->mutex);
}

void console_mailbox_close(ConsoleMailbox *mailbox) {
  mutex_lock(&mailbox->mutex);
  mailbox->closed = TRUE;
  console_batch_finish(&mailbox->batch);
  mailbox->update_bytes = 0;
  cond_signal(&mailbox->taken);
  mutex_unlock(&mailbox->mutex);
}
