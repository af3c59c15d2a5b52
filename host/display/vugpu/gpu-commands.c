/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/display/vugpu/gpu-commands.h"

#include "common/base/byte-reader.h"
#include "common/base/log.h"
#include "common/base/stats.h"

/* Everything that a command has but a backing's entries; the longest is UPDATE_CURSOR with 56 bytes. */
#define COMMAND_MAX 64u
#define ANSWER_MAX (GPU_COMMANDS_HEADER + 8u + GPU_COMMANDS_EDID)
/* Entries that are read at a time. */
#define ENTRIES_CHUNK 256u

G_STATIC_ASSERT(GPU_GET_EDID == 0x010a);
G_STATIC_ASSERT(GPU_RESOURCE_DETACH_BACKING == 0x0107);
G_STATIC_ASSERT(GPU_MOVE_CURSOR == 0x0301);
G_STATIC_ASSERT(GPU_OK_DISPLAY_INFO == 0x1101);
G_STATIC_ASSERT(GPU_ERR_INVALID_PARAMETER == 0x1205);
G_STATIC_ASSERT(GPU_OUTPUTS_INFO_SIZE == 384); /* F12: 16 outputs, however many there are */
G_STATIC_ASSERT(EDID_MAX_SIZE <= GPU_COMMANDS_EDID);

typedef struct {
  Gpu *gpu;
  const VirtqueueElement *element;
  ByteReader arguments; /* behind the header */
  ByteWriter answer;    /* likewise */
} Command;

/* ---- pieces of commands ---- */

/* struct virtio_gpu_rect: any numbers. */
typedef struct {
  guint32 x;
  guint32 y;
  guint32 width;
  guint32 height;
} WireRect;

static WireRect read_rect(ByteReader *reader) {
  WireRect rect;
  rect.x = byte_reader_u32(reader);
  rect.y = byte_reader_u32(reader);
  rect.width = byte_reader_u32(reader);
  rect.height = byte_reader_u32(reader);
  return rect;
}

/* FALSE unless all of it is inside the resource. */
static gboolean check_rect(const WireRect *wire, const Resource *resource, Rect *rect) {
  if ((guint64)wire->x + wire->width > resource->width || (guint64)wire->y + wire->height > resource->height) {
    return FALSE;
  }
  *rect = (Rect){wire->x, wire->y, wire->width, wire->height};
  return TRUE;
}

static guint32 answer_for(ResourceResult result) {
  static const guint32 ANSWERS[] = {
      [RESOURCE_OK] = GPU_OK_NODATA,
      [RESOURCE_BAD_ID] = GPU_ERR_INVALID_RESOURCE_ID,
      [RESOURCE_BAD_PARAMETER] = GPU_ERR_INVALID_PARAMETER,
      [RESOURCE_NO_MEMORY] = GPU_ERR_OUT_OF_MEMORY,
      [RESOURCE_REFUSED] = GPU_ERR_UNSPEC,
  };
  return ANSWERS[result];
}

/* ---- outputs ---- */

static guint32 get_display_info(Command *command) {
  gpu_outputs_write_info(&command->gpu->outputs, &command->answer);
  gpu_note_outputs_read(command->gpu);
  return GPU_OK_DISPLAY_INFO;
}

static guint32 get_edid(Command *command) {
  guint8 edid[EDID_MAX_SIZE];
  guint32 id = byte_reader_u32(&command->arguments);
  if (!byte_reader_ok(&command->arguments)) return GPU_ERR_INVALID_PARAMETER;
  if (id >= DISPLAY_MAX_SCANOUTS) return GPU_ERR_INVALID_SCANOUT_ID;
  gpu_note_output_asked(command->gpu, id);
  gsize size = gpu_outputs_write_edid(&command->gpu->outputs, id, edid);
  byte_writer_u32(&command->answer, (guint32)size);
  byte_writer_u32(&command->answer, 0);
  byte_writer_bytes(&command->answer, edid, size);
  byte_writer_zeros(&command->answer, GPU_COMMANDS_EDID - size);
  return GPU_OK_EDID;
}

/* ---- resources ---- */

/* The resource that the next argument names; NULL if there is none. */
static Resource *read_resource(Command *command) {
  guint32 id = byte_reader_u32(&command->arguments);
  return byte_reader_ok(&command->arguments) ? resource_table_find(&command->gpu->resources, id) : NULL;
}

static guint32 create(Command *command) {
  guint32 id = byte_reader_u32(&command->arguments);
  guint32 format = byte_reader_u32(&command->arguments);
  guint32 width = byte_reader_u32(&command->arguments);
  guint32 height = byte_reader_u32(&command->arguments);
  if (!byte_reader_ok(&command->arguments)) return GPU_ERR_INVALID_PARAMETER;
  return answer_for(resource_table_create(&command->gpu->resources, id, format, width, height));
}

/* Guests free what is shown, and what still has a backing. */
static guint32 unref(Command *command) {
  Gpu *gpu = command->gpu;
  Resource *resource = read_resource(command);
  if (!resource) return GPU_ERR_INVALID_RESOURCE_ID;
  gpu_scanouts_forget(&gpu->scanouts, resource);
  for (guint id = 0; id < DISPLAY_MAX_SCANOUTS; id++) {
    if (gpu->cursors[id].resource_id == resource->id) gpu->cursors[id].resource_id = 0;
  }
  resource_table_remove(&gpu->resources, resource);
  return GPU_OK_NODATA;
}

static gboolean read_entries(Command *command, Backing *backing, guint32 count) {
  guint8 bytes[ENTRIES_CHUNK * GPU_COMMANDS_ENTRY];
  gsize offset = GPU_COMMANDS_HEADER + 8;
  while (count > 0) {
    guint part = MIN(count, ENTRIES_CHUNK);
    gsize size = (gsize)part * GPU_COMMANDS_ENTRY;
    ByteReader reader;
    if (virtqueue_element_read(command->element, offset, bytes, size) < size) return FALSE;
    byte_reader_init(&reader, bytes, size);
    for (guint i = 0; i < part; i++) {
      guint64 address = byte_reader_u64(&reader);
      guint32 length = byte_reader_u32(&reader);
      byte_reader_skip(&reader, 4);
      if (!backing_add(backing, command->gpu->memory, address, length)) return FALSE;
    }
    offset += size;
    count -= part;
  }
  return TRUE;
}

static guint32 attach(Command *command) {
  ResourceTable *table = &command->gpu->resources;
  Resource *resource = read_resource(command);
  guint32 count = byte_reader_u32(&command->arguments);
  if (!resource) return GPU_ERR_INVALID_RESOURCE_ID;
  if (!byte_reader_ok(&command->arguments) || count > BACKING_MAX_SEGMENTS ||
      count > command->element->out_size / GPU_COMMANDS_ENTRY) {
    return GPU_ERR_INVALID_PARAMETER;
  }
  Backing *backing = backing_create(count);
  if (!backing) return GPU_ERR_OUT_OF_MEMORY;
  gboolean read = read_entries(command, backing, count);
  ResourceResult result = read ? resource_attach(table, resource, backing) : RESOURCE_BAD_PARAMETER;
  if (result != RESOURCE_OK) backing_destroy(backing, &table->maps_left);
  return answer_for(result);
}

static guint32 detach(Command *command) {
  Gpu *gpu = command->gpu;
  Resource *resource = read_resource(command);
  if (!resource) return GPU_ERR_INVALID_RESOURCE_ID;
  gpu_scanouts_capture_of(&gpu->scanouts, resource);
  return answer_for(resource_detach(&gpu->resources, resource));
}

static guint32 transfer(Command *command) {
  WireRect wire = read_rect(&command->arguments);
  guint64 offset = byte_reader_u64(&command->arguments);
  Resource *resource = read_resource(command);
  Rect rect;
  if (!resource) return GPU_ERR_INVALID_RESOURCE_ID;
  if (!check_rect(&wire, resource, &rect)) return GPU_ERR_INVALID_PARAMETER;
  return answer_for(resource_transfer(&command->gpu->resources, resource, command->gpu->memory, &rect, offset));
}

/* ---- scanouts ---- */

static guint32 set_scanout(Command *command) {
  GpuScanouts *scanouts = &command->gpu->scanouts;
  WireRect wire = read_rect(&command->arguments);
  guint32 id = byte_reader_u32(&command->arguments);
  guint32 resource_id = byte_reader_u32(&command->arguments);
  Rect rect;
  if (!byte_reader_ok(&command->arguments)) return GPU_ERR_INVALID_PARAMETER;
  if (id >= DISPLAY_MAX_SCANOUTS) return GPU_ERR_INVALID_SCANOUT_ID;
  if (resource_id == 0) {
    gpu_scanouts_darken(scanouts, id);
    return GPU_OK_NODATA;
  }
  Resource *resource = resource_table_find(&command->gpu->resources, resource_id);
  if (!resource) return GPU_ERR_INVALID_RESOURCE_ID;
  if (!check_rect(&wire, resource, &rect) || rect.width == 0 || rect.height == 0 || rect.width > FRAME_MAX_WIDTH ||
      rect.height > FRAME_MAX_HEIGHT) {
    return GPU_ERR_INVALID_PARAMETER;
  }
  gpu_scanouts_show(scanouts, id, resource, &rect);
  return GPU_OK_NODATA;
}

static guint32 flush(Command *command) {
  WireRect wire = read_rect(&command->arguments);
  Resource *resource = read_resource(command);
  Rect rect;
  if (!resource) return GPU_ERR_INVALID_RESOURCE_ID;
  if (!check_rect(&wire, resource, &rect)) return GPU_ERR_INVALID_PARAMETER;
  gpu_scanouts_flush(&command->gpu->scanouts, resource, &rect);
  return GPU_OK_NODATA;
}

/* ---- the cursor ---- */

/* Both commands have the same layout; MOVE_CURSOR has only the place in it. */
static guint32 set_cursor(Command *command, gboolean image) {
  ByteReader *arguments = &command->arguments;
  guint32 id = byte_reader_u32(arguments);
  GpuCursor cursor;
  cursor.x = byte_reader_u32(arguments);
  cursor.y = byte_reader_u32(arguments);
  byte_reader_skip(arguments, 4);
  cursor.resource_id = byte_reader_u32(arguments);
  cursor.hot_x = byte_reader_u32(arguments);
  cursor.hot_y = byte_reader_u32(arguments);
  if (!byte_reader_ok(arguments)) return GPU_ERR_INVALID_PARAMETER;
  if (id >= DISPLAY_MAX_SCANOUTS) return GPU_ERR_INVALID_SCANOUT_ID;
  GpuCursor *now = &command->gpu->cursors[id];
  if (!image) {
    now->x = cursor.x;
    now->y = cursor.y;
    return GPU_OK_NODATA;
  }
  if (cursor.resource_id != 0 && !resource_table_find(&command->gpu->resources, cursor.resource_id)) {
    return GPU_ERR_INVALID_RESOURCE_ID;
  }
  *now = cursor;
  return GPU_OK_NODATA;
}

static guint32 update_cursor(Command *command) {
  return set_cursor(command, TRUE);
}

static guint32 move_cursor(Command *command) {
  return set_cursor(command, FALSE);
}

/* ---- dispatch ---- */

static const struct {
  guint32 type;
  guint32 (*run)(Command *command); /* returns the answer's type */
} COMMANDS[] = {
    {GPU_RESOURCE_FLUSH, flush},
    {GPU_TRANSFER_TO_HOST_2D, transfer},
    {GPU_SET_SCANOUT, set_scanout},
    {GPU_MOVE_CURSOR, move_cursor},
    {GPU_UPDATE_CURSOR, update_cursor},
    {GPU_RESOURCE_CREATE_2D, create},
    {GPU_RESOURCE_UNREF, unref},
    {GPU_RESOURCE_ATTACH_BACKING, attach},
    {GPU_RESOURCE_DETACH_BACKING, detach},
    {GPU_GET_DISPLAY_INFO, get_display_info},
    {GPU_GET_EDID, get_edid},
};

static guint32 dispatch(Command *command, guint32 type) {
  for (guint i = 0; i < G_N_ELEMENTS(COMMANDS); i++) {
    if (COMMANDS[i].type == type) return COMMANDS[i].run(command);
  }
  return GPU_ERR_UNSPEC;
}

static void log_refusal(guint32 type, guint32 answer) {
  static LogLimit limit;
  stats_count("vugpu.refused");
  log_limited(&limit, LOG_WARN, "vugpu", "the guest's command %04x is refused with %04x", type, answer);
}

/* An answer that is longer than the guest's room for it is cut off: it asked for that. */
static guint32 write_answer(const VirtqueueElement *element, guint8 *bytes, gsize body, guint32 type, guint32 flags,
                            guint64 fence, guint32 context) {
  ByteWriter header;
  byte_writer_init(&header, bytes, GPU_COMMANDS_HEADER);
  byte_writer_u32(&header, type);
  byte_writer_u32(&header, flags & GPU_FLAG_FENCE);
  byte_writer_u64(&header, (flags & GPU_FLAG_FENCE) ? fence : 0);
  byte_writer_u32(&header, (flags & GPU_FLAG_FENCE) ? context : 0);
  byte_writer_u32(&header, 0);
  return (guint32)virtqueue_element_write(element, bytes, GPU_COMMANDS_HEADER + body);
}

guint32 gpu_commands_run(Gpu *gpu, const VirtqueueElement *element) {
  guint8 bytes[COMMAND_MAX], answer[ANSWER_MAX];
  Command command = {.gpu = gpu, .element = element};
  gsize size = virtqueue_element_read(element, 0, bytes, sizeof bytes);
  byte_reader_init(&command.arguments, bytes, size);
  byte_writer_init(&command.answer, answer + GPU_COMMANDS_HEADER, sizeof answer - GPU_COMMANDS_HEADER);
  guint32 type = byte_reader_u32(&command.arguments);
  guint32 flags = byte_reader_u32(&command.arguments);
  guint64 fence = byte_reader_u64(&command.arguments);
  guint32 context = byte_reader_u32(&command.arguments);
  byte_reader_skip(&command.arguments, 4);
  guint32 result = byte_reader_ok(&command.arguments) ? dispatch(&command, type) : GPU_ERR_INVALID_PARAMETER;
  if (result >= GPU_ERR_UNSPEC) log_refusal(type, result);
  return write_answer(element, answer, command.answer.position, result, flags, fence, context);
}
