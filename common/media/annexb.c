/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "common/media/annexb.h"

#include <string.h>

void annexb_init(AnnexbIterator *iterator, const guint8 *data, gsize size) {
  *iterator = (AnnexbIterator){.data = data, .size = size};
}

/* The place of the next 00 00 01 at or after `from`; size if there is none. */
static gsize find_start_code(const guint8 *data, gsize size, gsize from) {
  while (from + 3 <= size) {
    const guint8 *one = memchr(data + from + 2, 1, size - from - 2);
    if (!one) return size;
    if (one[-1] == 0 && one[-2] == 0) return (gsize)(one - data) - 2;
    from = (gsize)(one - data) - 1;
  }
  return size;
}

gboolean annexb_next(AnnexbIterator *iterator, Nal *nal) {
  while (TRUE) {
    gsize code = find_start_code(iterator->data, iterator->size, iterator->position);
    if (code >= iterator->size) return FALSE;
    gsize begin = code + 3;
    gsize entry = code > iterator->position && iterator->data[code - 1] == 0 ? code - 1 : code;
    gsize next = find_start_code(iterator->data, iterator->size, begin);
    gsize end = next;
    /* zeros before a start code are its own zero_byte or trailing_zero_8bits: never the NAL's */
    while (end > begin && iterator->data[end - 1] == 0) end--;
    iterator->position = MAX(end, begin);
    if (end == begin) continue;
    *nal = (Nal){
        .data = iterator->data + begin,
        .size = end - begin,
        .entry = iterator->data + entry,
        .entry_size = end - entry,
    };
    return TRUE;
  }
}

gsize nal_to_rbsp(const Nal *nal, guint8 *out) {
  gsize written = 0;
  guint zeros = 0;
  for (gsize i = 1; i < nal->size; i++) {
    guint8 byte = nal->data[i];
    if (zeros >= 2 && byte == 3) {
      zeros = 0;
      continue;
    }
    zeros = byte == 0 ? zeros + 1 : 0;
    out[written++] = byte;
  }
  return written;
}
