/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/vhost/virtqueue.h"

#include "common/base/byte-reader.h"

#include <string.h>

/* virtio 1.2 section 2.7.5 */
#define DESCRIPTOR_SIZE 16u
#define DESCRIPTOR_NEXT 1u
#define DESCRIPTOR_WRITE 2u
#define DESCRIPTOR_INDIRECT 4u
/* 2.7.6 and 2.7.8: le16 flags, le16 index, then the ring, then le16 of the other side's event index. */
#define RING_INDEX 2u
#define RING_ENTRIES 4u
#define AVAILABLE_ENTRY 2u
#define USED_ENTRY 8u
#define AVAILABLE_NO_INTERRUPT 1u

typedef struct {
  guint64 address;
  guint32 length;
  guint16 flags;
  guint16 next;
} Descriptor;

/* The table that a chain is in: the queue's own or an indirect one. */
typedef struct {
  guint8 *own;
  guint64 indirect; /* guest address, where `own` is NULL */
  guint size;       /* descriptors */
} Table;

static guint16 load16(const guint8 *at) {
  return GUINT16_FROM_LE(__atomic_load_n((const guint16 *)(const void *)at, __ATOMIC_ACQUIRE));
}

static void store16(guint8 *at, guint16 value) {
  __atomic_store_n((guint16 *)(void *)at, GUINT16_TO_LE(value), __ATOMIC_RELEASE);
}

static guint8 *used_event(const Virtqueue *queue) {
  return queue->available + RING_ENTRIES + (gsize)AVAILABLE_ENTRY * queue->size;
}

static guint8 *available_event(const Virtqueue *queue) {
  return queue->used + RING_ENTRIES + (gsize)USED_ENTRY * queue->size;
}

/* ---- life ---- */

gboolean virtqueue_set_size(Virtqueue *queue, guint32 size) {
  if (size == 0 || size > VIRTQUEUE_MAX_SIZE || (size & (size - 1)) != 0) return FALSE;
  queue->size = size;
  return TRUE;
}

static guint8 *find(const Virtqueue *queue, guint64 user, gsize size, guint alignment) {
  return user % alignment == 0 ? guest_memory_user(queue->memory, user, size) : NULL;
}

gboolean virtqueue_start(Virtqueue *queue, const GuestMemory *memory, GError **error) {
  gsize size = queue->size;
  queue->memory = memory;
  queue->descriptors = find(queue, queue->user_descriptors, DESCRIPTOR_SIZE * size, 16);
  queue->available = find(queue, queue->user_available, RING_ENTRIES + AVAILABLE_ENTRY * size + 2, 2);
  queue->used = find(queue, queue->user_used, RING_ENTRIES + USED_ENTRY * size + 2, 4);
  if (size == 0 || !queue->descriptors || !queue->available || !queue->used) {
    virtqueue_stop(queue);
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "a virtqueue is not in the guest's memory");
    return FALSE;
  }
  queue->next_used = load16(queue->used + RING_INDEX);
  queue->notified_used = queue->next_used;
  queue->broken = FALSE;
  return TRUE;
}

void virtqueue_stop(Virtqueue *queue) {
  queue->descriptors = queue->available = queue->used = NULL;
}

gboolean virtqueue_is_started(const Virtqueue *queue) {
  return queue->descriptors != NULL;
}

/* ---- taking ---- */

static gboolean read_descriptor(const Virtqueue *queue, const Table *table, guint index, Descriptor *out) {
  guint8 bytes[DESCRIPTOR_SIZE];
  if (index >= table->size) return FALSE;
  if (table->own) {
    memcpy(bytes, table->own + (gsize)index * DESCRIPTOR_SIZE, sizeof bytes);
  } else if (!guest_memory_read(queue->memory, table->indirect + (guint64)index * DESCRIPTOR_SIZE, bytes,
                                sizeof bytes)) {
    return FALSE;
  }
  ByteReader reader;
  byte_reader_init(&reader, bytes, sizeof bytes);
  out->address = byte_reader_u64(&reader);
  out->length = byte_reader_u32(&reader);
  out->flags = byte_reader_u16(&reader);
  out->next = byte_reader_u16(&reader);
  return TRUE;
}

/* The table that an indirect descriptor leads to; its descriptors must not be indirect (2.7.5.3.1). */
static gboolean enter_indirect(const Virtqueue *queue, Table *table, Descriptor *first) {
  if ((first->flags & DESCRIPTOR_NEXT) || first->length % DESCRIPTOR_SIZE != 0 ||
      first->length / DESCRIPTOR_SIZE > VIRTQUEUE_MAX_CHAIN || first->address > G_MAXUINT64 - first->length) {
    return FALSE;
  }
  *table = (Table){.indirect = first->address, .size = first->length / DESCRIPTOR_SIZE};
  return read_descriptor(queue, table, 0, first);
}

static gboolean add_buffer(const Virtqueue *queue, VirtqueueElement *element, const Descriptor *descriptor) {
  gboolean in = (descriptor->flags & DESCRIPTOR_WRITE) != 0;
  if (!in && element->n_in > 0) return FALSE; /* 2.7.4.2: all readable ones come first */
  guint64 address = descriptor->address;
  for (guint64 left = descriptor->length; left > 0;) {
    gsize size;
    guint8 *data = guest_memory_span(queue->memory, address, left, &size);
    guint used = element->n_out + element->n_in;
    if (!data || used == VIRTQUEUE_MAX_SPANS) return FALSE;
    element->spans[used] = (VirtqueueSpan){data, size};
    *(in ? &element->n_in : &element->n_out) += 1;
    *(in ? &element->in_size : &element->out_size) += size;
    address += size;
    left -= size;
  }
  return TRUE;
}

static gboolean collect(const Virtqueue *queue, VirtqueueElement *element) {
  Table table = {.own = queue->descriptors, .size = queue->size};
  Descriptor descriptor;
  if (!read_descriptor(queue, &table, element->head, &descriptor)) return FALSE;
  if ((descriptor.flags & DESCRIPTOR_INDIRECT) && !enter_indirect(queue, &table, &descriptor)) return FALSE;
  /* A loop is a chain that is longer than its table. */
  for (guint count = 1;; count++) {
    if ((descriptor.flags & DESCRIPTOR_INDIRECT) || !add_buffer(queue, element, &descriptor)) return FALSE;
    if (!(descriptor.flags & DESCRIPTOR_NEXT)) return TRUE;
    if (count == table.size || !read_descriptor(queue, &table, descriptor.next, &descriptor)) return FALSE;
  }
}

gboolean virtqueue_has_more(const Virtqueue *queue) {
  return queue->available && !queue->broken && load16(queue->available + RING_INDEX) != queue->next_available;
}

VirtqueueTake virtqueue_take(Virtqueue *queue, VirtqueueElement *element) {
  if (!virtqueue_has_more(queue)) return VIRTQUEUE_EMPTY;
  guint16 waiting = (guint16)(load16(queue->available + RING_INDEX) - queue->next_available);
  guint slot = queue->next_available & (queue->size - 1);
  guint16 head = load16(queue->available + RING_ENTRIES + (gsize)slot * AVAILABLE_ENTRY);
  if (waiting > queue->size || head >= queue->size) {
    queue->broken = TRUE;
    return VIRTQUEUE_BROKEN;
  }
  queue->next_available++;
  element->head = head;
  element->n_out = element->n_in = 0;
  element->out_size = element->in_size = 0;
  return collect(queue, element) ? VIRTQUEUE_CHAIN : VIRTQUEUE_MALFORMED;
}

/* ---- giving back ---- */

void virtqueue_push(Virtqueue *queue, guint16 head, guint32 written) {
  guint8 *entry = queue->used + RING_ENTRIES + (gsize)(queue->next_used & (queue->size - 1)) * USED_ENTRY;
  guint32 id = GUINT32_TO_LE((guint32)head), length = GUINT32_TO_LE(written);
  memcpy(entry, &id, sizeof id);
  memcpy(entry + 4, &length, sizeof length);
  store16(queue->used + RING_INDEX, ++queue->next_used);
}

gboolean virtqueue_wants_interrupt(Virtqueue *queue) {
  if (queue->next_used == queue->notified_used) return FALSE;
  /* The used index must be out before the driver's wish is read, or both may wait for each other. */
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  guint16 before = queue->notified_used;
  queue->notified_used = queue->next_used;
  if (!queue->event_index) return !(load16(queue->available) & AVAILABLE_NO_INTERRUPT);
  guint16 event = load16(used_event(queue));
  return (guint16)(queue->next_used - event - 1) < (guint16)(queue->next_used - before);
}

gboolean virtqueue_rearm(Virtqueue *queue) {
  if (queue->event_index) {
    store16(available_event(queue), queue->next_available);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
  }
  return virtqueue_has_more(queue);
}

gboolean virtqueue_is_unseen(const Virtqueue *queue) {
  return queue->used && queue->event_index && !queue->broken && load16(used_event(queue)) != queue->next_used;
}

/* ---- an element's bytes ---- */

gsize virtqueue_element_read(const VirtqueueElement *element, gsize offset, void *to, gsize size) {
  guint8 *out = to;
  gsize done = 0;
  for (guint i = 0; i < element->n_out && done < size; i++) {
    const VirtqueueSpan *span = &element->spans[i];
    if (offset >= span->size) {
      offset -= span->size;
      continue;
    }
    gsize part = MIN(span->size - offset, size - done);
    memcpy(out + done, span->data + offset, part);
    done += part;
    offset = 0;
  }
  return done;
}

gsize virtqueue_element_write(const VirtqueueElement *element, const void *from, gsize size) {
  const guint8 *in = from;
  gsize done = 0;
  for (guint i = 0; i < element->n_in && done < size; i++) {
    const VirtqueueSpan *span = &element->spans[element->n_out + i];
    gsize part = MIN(span->size, size - done);
    memcpy(span->data, in + done, part);
    done += part;
  }
  return done;
}
