/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/link/link-message.h"

#include <string.h>

static gboolean is_size(guint32 width, guint32 height) {
  return width > 0 && height > 0 && width <= FRAME_MAX_WIDTH && height <= FRAME_MAX_HEIGHT;
}

static void end_text(char *text, gsize size) {
  const char *end;
  text[size - 1] = '\0';
  if (!g_utf8_validate(text, -1, &end)) text[end - text] = '\0';
}

static gboolean check_scanout(LinkMessage *message, guint fds) {
  ScanoutInfo *info = &message->scanout.info;
  end_text(info->name, sizeof info->name);
  info->connected = info->connected != 0;
  info->lit = info->lit != 0;
  if (info->width > FRAME_MAX_WIDTH || info->height > FRAME_MAX_HEIGHT) return FALSE;
  gboolean is_new = message->scanout.shadow == LINK_SHADOW_NEW;
  return message->id < DISPLAY_MAX_SCANOUTS && message->scanout.shadow <= LINK_SHADOW_NONE && fds == (is_new ? 1 : 0) &&
         (!is_new || is_size(message->scanout.shadow_width, message->scanout.shadow_height));
}

static gboolean check_read(const LinkMessage *message, guint fds) {
  gboolean is_new = message->read.shadow == LINK_SHADOW_NEW;
  return message->id < LINK_MAX_READERS && message->read.result <= LINK_READ_FAILED &&
         message->read.shadow <= LINK_SHADOW_NEW && fds == (is_new ? 1 : 0) &&
         (!is_new || is_size(message->read.width, message->read.height));
}

static gboolean check_from_display(LinkMessage *message, guint fds) {
  switch ((LinkMessageType)message->type) {
  case LINK_SCANOUT:
    return check_scanout(message, fds);
  case LINK_CHANGED:
    return fds == 0;
  case LINK_OUTPUTS:
    return fds == 0 && message->count <= DISPLAY_MAX_SCANOUTS;
  case LINK_STATE:
    end_text(message->state.text, sizeof message->state.text);
    return fds == 0 && message->state.state <= DISPLAY_LOST;
  case LINK_READ:
    return check_read(message, fds);
  case LINK_VSOCK:
    return fds == 1;
  default:
    return FALSE;
  }
}

static gboolean check_from_stream(const LinkMessage *message) {
  switch ((LinkMessageType)message->type) {
  case LINK_WATCH:
    return TRUE;
  case LINK_READ_RESOURCE:
    return message->id < LINK_MAX_READERS && is_size(message->read.width, message->read.height);
  case LINK_READ_END:
    return message->id < LINK_MAX_READERS;
  case LINK_SET_OUTPUT:
    return message->id < DISPLAY_MAX_SCANOUTS && message->output.width <= FRAME_MAX_WIDTH &&
           message->output.height <= FRAME_MAX_HEIGHT;
  default:
    return FALSE;
  }
}

gboolean link_message_parse(const guint8 *bytes, gsize size, guint fds, LinkDirection direction, LinkMessage *message) {
  if (size != sizeof *message) return FALSE;
  memcpy(message, bytes, sizeof *message);
  return direction == LINK_FROM_DISPLAY ? check_from_display(message, fds) : fds == 0 && check_from_stream(message);
}
