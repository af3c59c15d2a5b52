/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stream/outbox.h"

#include "common/base/stats.h"
#include "common/base/thread.h"
#include "stream/unit-message.h"

#include <string.h>

typedef struct {
  gboolean open;
  guint version;
  gint64 opened_us;
  gint64 last_us; /* when something was last queued */
  guint queued;
  gboolean waiting;    /* for an IDR */
  gboolean idr_wanted; /* to be told by the next pop */
} Lane;

typedef struct {
  GBytes *message;
  AccessUnit *unit;
  gboolean is_answer; /* to a request: it counts for no limit of messages */
  guint scanout;
} Entry;

struct Outbox {
  int refs; /* atomic */
  Mutex mutex;
  GQueue entries; /* of Entry */
  guint messages;
  gsize message_bytes;
  Lane lanes[HXFR_MAX_SCANOUTS];
  gboolean drained;   /* the transport came for more and there was none: it is not what holds things up */
  gint64 progress_us; /* when something was last taken, or came for a transport that had taken all */
};

Outbox *outbox_create(void) {
  Outbox *outbox = g_new0(Outbox, 1);
  outbox->refs = 1;
  outbox->drained = TRUE;
  mutex_init(&outbox->mutex);
  g_queue_init(&outbox->entries);
  return outbox;
}

Outbox *outbox_ref(Outbox *outbox) {
  __atomic_add_fetch(&outbox->refs, 1, __ATOMIC_RELAXED);
  return outbox;
}

static void entry_free(gpointer data) {
  Entry *entry = data;
  g_clear_pointer(&entry->message, g_bytes_unref);
  access_unit_unref(entry->unit);
  g_free(entry);
}

void outbox_unref(Outbox *outbox) {
  if (!outbox || __atomic_sub_fetch(&outbox->refs, 1, __ATOMIC_ACQ_REL) > 0) return;
  g_queue_clear_full(&outbox->entries, entry_free);
  mutex_finish(&outbox->mutex);
  g_free(outbox);
}

/* With the lock held. */
static void append(Outbox *outbox, Entry entry) {
  if (outbox->drained) outbox->progress_us = g_get_monotonic_time();
  outbox->drained = FALSE;
  g_queue_push_tail(&outbox->entries, g_memdup2(&entry, sizeof entry));
}

void outbox_push_answer(Outbox *outbox, GBytes *message) {
  mutex_lock(&outbox->mutex);
  append(outbox, (Entry){.message = message, .is_answer = TRUE});
  mutex_unlock(&outbox->mutex);
}

gboolean outbox_push_message(Outbox *outbox, GBytes *message) {
  mutex_lock(&outbox->mutex);
  gsize size = g_bytes_get_size(message);
  gboolean room = outbox->messages < OUTBOX_MAX_MESSAGES && outbox->message_bytes + size <= OUTBOX_MAX_MESSAGE_BYTES;
  if (room) {
    outbox->messages++;
    outbox->message_bytes += size;
    append(outbox, (Entry){.message = message});
  }
  mutex_unlock(&outbox->mutex);
  if (!room) g_bytes_unref(message);
  return room;
}

/* With the lock held: takes the lane's units out of the queue; returns how many. */
static guint drop_units(Outbox *outbox, guint scanout) {
  guint dropped = 0;
  for (GList *link = outbox->entries.head; link;) {
    GList *next = link->next;
    Entry *entry = link->data;
    if (entry->unit && entry->scanout == scanout) {
      entry_free(entry);
      g_queue_delete_link(&outbox->entries, link);
      dropped++;
    }
    link = next;
  }
  outbox->lanes[scanout].queued = 0;
  return dropped;
}

void outbox_open_lane(Outbox *outbox, guint scanout, guint version) {
  g_assert(scanout < HXFR_MAX_SCANOUTS);
  gint64 now = g_get_monotonic_time();
  mutex_lock(&outbox->mutex);
  drop_units(outbox, scanout);
  outbox->lanes[scanout] = (Lane){.open = TRUE, .version = version, .opened_us = now, .last_us = now, .waiting = TRUE};
  mutex_unlock(&outbox->mutex);
}

void outbox_close_lane(Outbox *outbox, guint scanout) {
  mutex_lock(&outbox->mutex);
  drop_units(outbox, scanout);
  outbox->lanes[scanout] = (Lane){0};
  mutex_unlock(&outbox->mutex);
}

/* With the lock held. */
static OutboxPush push_to_lane(Outbox *outbox, guint scanout, AccessUnit *unit, guint *dropped) {
  Lane *lane = &outbox->lanes[scanout];
  if (lane->waiting && !unit->info.is_key) return OUTBOX_WAITING;
  if (lane->queued >= OUTBOX_MAX_UNITS) *dropped = drop_units(outbox, scanout);
  if (*dropped > 0 && !unit->info.is_key) {
    (*dropped)++;
    lane->waiting = lane->idr_wanted = TRUE;
    return OUTBOX_DROPPED;
  }
  lane->waiting = lane->idr_wanted = FALSE;
  lane->queued++;
  lane->last_us = g_get_monotonic_time();
  append(outbox, (Entry){.unit = access_unit_ref(unit), .scanout = scanout});
  return OUTBOX_QUEUED;
}

OutboxPush outbox_push_unit(Outbox *outbox, guint scanout, AccessUnit *unit) {
  g_assert(scanout < HXFR_MAX_SCANOUTS);
  guint dropped = 0;
  mutex_lock(&outbox->mutex);
  OutboxPush result = outbox->lanes[scanout].open ? push_to_lane(outbox, scanout, unit, &dropped) : OUTBOX_WAITING;
  mutex_unlock(&outbox->mutex);
  if (dropped > 0) {
    stats_count("subscriber.lagged");
    stats_add(stats_counter("subscriber.units-dropped"), dropped);
  } else if (result == OUTBOX_WAITING) {
    stats_count("subscriber.units-before-idr");
  }
  return result;
}

gboolean outbox_push_heartbeat(Outbox *outbox, guint scanout, guint64 sequence, gint64 now_us, gint64 idle_us) {
  mutex_lock(&outbox->mutex);
  Lane *lane = &outbox->lanes[scanout];
  gboolean due = lane->open && lane->version >= HXFR_VERSION && now_us - lane->last_us >= idle_us &&
                 outbox->messages < OUTBOX_MAX_MESSAGES / 2;
  if (due) {
    guint8 payload[HXFR_HEARTBEAT_SIZE];
    ByteWriter writer;
    byte_writer_init(&writer, payload, sizeof payload);
    hxfr_heartbeat_write(&writer, &(HxfrHeartbeat){sequence, (now_us - lane->opened_us) * 1000});
    GBytes *message = hxfr_message(HXFR_HEARTBEAT, (guint16)scanout, payload, sizeof payload);
    outbox->messages++;
    outbox->message_bytes += g_bytes_get_size(message);
    lane->last_us = now_us;
    append(outbox, (Entry){.message = message});
  }
  mutex_unlock(&outbox->mutex);
  return due;
}

gboolean outbox_is_behind(Outbox *outbox, guint scanout, guint units) {
  mutex_lock(&outbox->mutex);
  const Lane *lane = &outbox->lanes[scanout];
  gboolean behind = lane->queued >= units || lane->idr_wanted;
  mutex_unlock(&outbox->mutex);
  return behind;
}

gboolean outbox_is_congested(Outbox *outbox) {
  mutex_lock(&outbox->mutex);
  gboolean congested = outbox->messages >= OUTBOX_CONGESTED_MESSAGES || outbox->message_bytes >= OUTBOX_CONGESTED_BYTES;
  mutex_unlock(&outbox->mutex);
  return congested;
}

/* With the lock held: the entry becomes the item; frees the entry. */
static void entry_to_item(Outbox *outbox, Entry *entry, OutboxItem *item, const Lane **lane) {
  *item = (OutboxItem){.message = g_steal_pointer(&entry->message), .unit = g_steal_pointer(&entry->unit)};
  if (entry->is_answer) {
    /* counted where it was asked for */
  } else if (item->message) {
    outbox->messages--;
    outbox->message_bytes -= g_bytes_get_size(item->message);
  } else {
    outbox->lanes[entry->scanout].queued--;
    *lane = &outbox->lanes[entry->scanout];
  }
  outbox->progress_us = g_get_monotonic_time();
}

gboolean outbox_pop(Outbox *outbox, OutboxItem *item, guint32 *idr_wanted) {
  *idr_wanted = 0;
  const Lane *lane = NULL;
  Lane copy = {0};
  mutex_lock(&outbox->mutex);
  for (guint i = 0; i < HXFR_MAX_SCANOUTS; i++) {
    if (outbox->lanes[i].idr_wanted) *idr_wanted |= 1u << i;
    outbox->lanes[i].idr_wanted = FALSE;
  }
  Entry *entry = g_queue_pop_head(&outbox->entries);
  outbox->drained = entry == NULL;
  guint scanout = entry ? entry->scanout : 0;
  if (entry) entry_to_item(outbox, entry, item, &lane);
  if (lane) copy = *lane;
  mutex_unlock(&outbox->mutex);
  if (!entry) return FALSE;
  g_free(entry);
  if (item->unit && copy.version < HXFR_VERSION) {
    item->message = unit_message_v1(item->unit, (guint16)scanout, copy.opened_us);
    g_clear_pointer(&item->unit, access_unit_unref);
  } else if (item->unit) {
    item->head_size = unit_message_head(item->unit, (guint16)scanout, copy.opened_us, item->head);
  }
  return TRUE;
}

void outbox_item_clear(OutboxItem *item) {
  g_clear_pointer(&item->message, g_bytes_unref);
  g_clear_pointer(&item->unit, access_unit_unref);
}

gint64 outbox_stalled_us(Outbox *outbox, gint64 now_us) {
  mutex_lock(&outbox->mutex);
  gint64 stalled = outbox->drained ? 0 : now_us - outbox->progress_us;
  mutex_unlock(&outbox->mutex);
  return stalled;
}
