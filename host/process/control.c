/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "host/process/control.h"

#include <string.h>

gboolean control_send(int socket, const ControlMessage *message, const int *fds, guint n_fds) {
  return packet_send(socket, message, sizeof *message, fds, n_fds) == PACKET_DONE;
}

gboolean control_parse(const Packet *packet, ControlMessage *message) {
  if (packet->size != sizeof *message) return FALSE;
  memcpy(message, packet->bytes, sizeof *message);
  message->token[CONTROL_MAX_TOKEN] = '\0';
  return message->type >= CONTROL_SETUP && message->type <= CONTROL_OPENED;
}
